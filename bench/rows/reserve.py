"""Reservations over HTTP against pgbench calling the same function: rate, and processor time for each."""

from statistics import mean, median

from bench.context import Bench, Peak, peak_of
from bench.measuring import figures, ratio
from bench.report import Row


def measure(bench: Bench) -> list[Row]:
    """http_reserve_vs_pgbench and cpu_per_reservation, from the rounds of the peak."""
    peak = peak_of(bench)
    return [_rate(peak), _cpu(peak)]


def _rate(peak: Peak) -> Row:
    http = [load.wrk.per_second for load in peak.loads]
    pgbench = [calls.pgbench.per_second for calls in peak.calls]
    value, spread = ratio(http, pgbench)
    detail = {
        **spread,
        "http_per_s": figures(http),
        "pgbench_per_s": figures(pgbench),
        "http_connections": peak.connections,
        "pgbench_clients": peak.clients,
        "http_sweep_per_s": {
            str(n): round(mean(load.wrk.per_second for load in loads), 1) for n, loads in peak.http_sweep.items()
        },
        "pgbench_sweep_per_s": {
            str(n): round(mean(call.pgbench.per_second for call in calls), 1) for n, calls in peak.pgbench_sweep.items()
        },
        "http_p50_ms": round(median(load.wrk.p50_seconds for load in peak.loads) * 1000, 2),
        "http_p99_ms": round(median(load.wrk.p99_seconds for load in peak.loads) * 1000, 2),
        "wrk_cores": round(median(load.wrk.cpu_seconds / load.wrk.seconds for load in peak.loads), 2),
    }
    return Row("http_reserve_vs_pgbench", value, detail)


def _cpu(peak: Peak) -> Row:
    loads, calls = peak.loads, peak.thrifty_calls
    value, spread = ratio([load.microseconds for load in loads], [call.microseconds for call in calls])
    detail = {
        **spread,
        "http_microseconds": figures([load.microseconds for load in loads]),
        "of_that_app": figures([load.cpu.app / load.wrk.successes * 1e6 for load in loads]),
        "of_that_postgresql": figures([load.cpu.postgres / load.wrk.successes * 1e6 for load in loads]),
        "pgbench_microseconds": figures([call.microseconds for call in calls]),
        "pgbench_clients": peak.thrifty_clients,
        "pgbench_sweep_microseconds": {
            str(n): round(median(call.microseconds for call in calls), 1) for n, calls in peak.pgbench_sweep.items()
        },
    }
    return Row("cpu_per_reservation", value, detail)
