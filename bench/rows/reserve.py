"""Reservations over HTTP against pgbench calling the same function: rate, and processor time for each."""

from statistics import median

from bench.context import Bench, Calls, Load, find_peak
from bench.measuring import figures, interleave, ratio
from bench.report import Row


def measure(bench: Bench) -> list[Row]:
    """http_reserve_vs_pgbench and cpu_per_reservation, from the same rounds."""
    scale = bench.scale
    with bench.onsale() as onsale:
        peak = find_peak(bench, onsale)

        def http() -> Load:
            load = onsale.http(peak.connections, scale.round_seconds)
            bench.say(f"reserve: HTTP {load.wrk.per_second:,.0f}/s")
            return load

        def pgbench() -> Calls:
            calls = onsale.calls(peak.clients, scale.round_seconds)
            bench.say(f"reserve: pgbench {calls.pgbench.per_second:,.0f}/s")
            return calls

        rounds: dict[str, list[Load | Calls]] = interleave({"http": http, "pgbench": pgbench}, scale.rounds)
    loads = [load for load in rounds["http"] if isinstance(load, Load)]
    calls = [call for call in rounds["pgbench"] if isinstance(call, Calls)]
    return [_rate(loads, calls, bench), _cpu(loads, calls)]


def _rate(loads: list[Load], calls: list[Calls], bench: Bench) -> Row:
    peak = bench.known_peak
    assert peak is not None, "find_peak has set it"
    http = [load.wrk.per_second for load in loads]
    pgbench = [call.pgbench.per_second for call in calls]
    value, spread = ratio(http, pgbench)
    detail = {
        **spread,
        "http_per_s": figures(http),
        "pgbench_per_s": figures(pgbench),
        "http_connections": peak.connections,
        "pgbench_clients": peak.clients,
        "http_sweep_per_s": peak.http_sweep,
        "pgbench_sweep_per_s": peak.pgbench_sweep,
        "http_p50_ms": round(median(load.wrk.p50_seconds for load in loads) * 1000, 2),
        "http_p99_ms": round(median(load.wrk.p99_seconds for load in loads) * 1000, 2),
        "wrk_cores": round(median(load.wrk.cpu_seconds / load.wrk.seconds for load in loads), 2),
    }
    return Row("http_reserve_vs_pgbench", value, detail)


def _cpu(loads: list[Load], calls: list[Calls]) -> Row:
    http = [load.cpu.total / load.wrk.successes * 1e6 for load in loads]
    pgbench = [call.cpu.postgres / call.pgbench.transactions * 1e6 for call in calls]
    value, spread = ratio(http, pgbench)
    detail = {
        **spread,
        "http_microseconds": figures(http),
        "of_that_app": figures([load.cpu.app / load.wrk.successes * 1e6 for load in loads]),
        "of_that_postgresql": figures([load.cpu.postgres / load.wrk.successes * 1e6 for load in loads]),
        "pgbench_microseconds": figures(pgbench),
    }
    return Row("cpu_per_reservation", value, detail)
