"""Reservations over HTTP against pgbench calling the same function: rate, and processor time for each."""

from collections.abc import Callable
from functools import partial
from statistics import mean, median

from bench.context import Bench, Calls, Load, Peak, find_peak
from bench.measuring import figures, ratio
from bench.report import Row
from bench.turns import Turns, interleave


def measure(bench: Bench) -> Turns[list[Row]]:
    """http_reserve_vs_pgbench and cpu_per_reservation."""
    scale = bench.scale
    peak = find_peak(bench)
    loads = list[Load]()
    calls = {n: list[Calls]() for n in (peak.clients, peak.thrifty_clients)}
    with bench.onsale() as onsale:

        def http() -> None:
            loads.append(onsale.http(peak.connections, scale.round_seconds))
            bench.say(f"reserve: HTTP {loads[-1].wrk.per_second:,.0f}/s")

        def pgbench(clients: int) -> None:
            calls[clients].append(onsale.calls(clients, scale.round_seconds))
            bench.say(f"reserve: pgbench, {clients} clients: {calls[clients][-1].pgbench.per_second:,.0f}/s")

        onsale.http(peak.connections, scale.warm_up_seconds)
        onsale.calls(peak.clients, scale.warm_up_seconds)
        sides: dict[str, Callable[[], None]] = {f"pgbench {n}": partial(pgbench, n) for n in calls}
        yield from interleave({"http": http, **sides}, scale.rounds)
    return [_rate(peak, loads, calls[peak.clients]), _cpu(peak, loads, calls[peak.thrifty_clients])]


def _rate(peak: Peak, loads: list[Load], calls: list[Calls]) -> Row:
    http = [load.wrk.per_second for load in loads]
    pgbench = [call.pgbench.per_second for call in calls]
    value, spread = ratio(http, pgbench)
    detail = {
        **spread,
        "http_per_s": figures(http),
        "pgbench_per_s": figures(pgbench),
        "http_connections": peak.connections,
        "pgbench_clients": peak.clients,
        "http_sweep_per_s": {
            str(n): round(mean(load.wrk.per_second for load in swept), 1) for n, swept in peak.http_sweep.items()
        },
        "pgbench_sweep_per_s": {
            str(n): round(mean(call.pgbench.per_second for call in swept), 1) for n, swept in peak.pgbench_sweep.items()
        },
        "http_p50_ms": round(median(load.wrk.p50_seconds for load in loads) * 1000, 2),
        "http_p99_ms": round(median(load.wrk.p99_seconds for load in loads) * 1000, 2),
        "wrk_cores": round(median(load.wrk.cpu_seconds / load.wrk.seconds for load in loads), 2),
    }
    return Row("http_reserve_vs_pgbench", value, detail)


def _cpu(peak: Peak, loads: list[Load], calls: list[Calls]) -> Row:
    value, spread = ratio([load.microseconds for load in loads], [call.microseconds for call in calls])
    detail = {
        **spread,
        "http_microseconds": figures([load.microseconds for load in loads]),
        "of_that_app": figures([load.cpu.app / load.wrk.successes * 1e6 for load in loads]),
        "of_that_postgresql": figures([load.cpu.postgres / load.wrk.successes * 1e6 for load in loads]),
        "pgbench_microseconds": figures([call.microseconds for call in calls]),
        "pgbench_clients": peak.thrifty_clients,
        "pgbench_sweep_microseconds": {
            str(n): round(median(call.microseconds for call in swept), 1) for n, swept in peak.pgbench_sweep.items()
        },
    }
    return Row("cpu_per_reservation", value, detail)
