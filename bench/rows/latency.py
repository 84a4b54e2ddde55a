"""Latency at fixed rates, from the moment each request was due.

Against pgbench it is measured at half of pgbench's peak, which is the lower one: at half of ours pgbench would be
overloaded, and anything would look well beside it.
"""

from typing import Any

from bench.context import Bench, OnSale, Peak, find_peak
from bench.generators.openloop import OpenLoopResult, Plan, run_open_loop
from bench.generators.wrk import RESERVE_V2
from bench.histogram import Histogram
from bench.measuring import figures, interleave, ratio
from bench.report import Row

_HALF = 50
_CONNECTIONS = 1_000
"""Requests that may be under way in the open loop; whoever finds none left is a drop."""


def measure(bench: Bench) -> list[Row]:
    """latency_p99_vs_pgbench and open_loop."""
    scale = bench.scale
    with bench.onsale() as onsale:
        peak = find_peak(bench, onsale)
        onsale.http(peak.connections, scale.warm_up_seconds)
        rate = min(peak.http_per_second, peak.pgbench_per_second) * _HALF / 100

        def http() -> Histogram:
            result = _offer(onsale, rate, scale.latency_seconds)
            bench.say(f"latency: HTTP p99 {result.all.percentile(99) * 1000:.2f} ms at {rate:,.0f}/s")
            return result.all

        def pgbench() -> Histogram:
            calls = onsale.calls(peak.clients, scale.latency_seconds, rate=rate, latencies=True)
            assert calls.pgbench.latencies is not None, "they were asked for"
            bench.say(f"latency: pgbench p99 {calls.pgbench.latencies.percentile(99) * 1000:.2f} ms at {rate:,.0f}/s")
            return calls.pgbench.latencies

        rounds = interleave({"http": http, "pgbench": pgbench}, scale.latency_rounds)
        curve = {str(percent): _point(bench, onsale, peak, percent) for percent in scale.latency_percents}
    return [_against_pgbench(rounds, rate), _open_loop(curve, peak)]


def _offer(onsale: OnSale, rate: float, seconds: int) -> OpenLoopResult:
    wishes = onsale.supply.take(int(rate * seconds * 1.2) + 10_000)
    onsale.rest()
    plan = Plan(
        port=onsale.server.port,
        path=RESERVE_V2,
        rate=rate,
        seconds=seconds,
        connections=_CONNECTIONS,
        first_show=wishes.first_show,
        pairs=wishes.pairs,
    )
    return onsale.enter(run_open_loop(plan))


def _point(bench: Bench, onsale: OnSale, peak: Peak, percent: int) -> dict[str, Any]:
    rate = peak.http_per_second * percent / 100
    result = _offer(onsale, rate, bench.scale.latency_seconds)
    p50, p99 = _milliseconds(result.accepted, 50), _milliseconds(result.accepted, 99)
    bench.say(f"open loop: {percent} %: p50 {p50} ms, p99 {p99} ms, {result.accepted_per_second:,.0f} of {rate:,.0f}/s")
    return {
        "offered_per_s": round(rate, 1),
        "accepted_per_s": round(result.accepted_per_second, 1),
        "goodput": round(result.accepted_per_second / peak.http_per_second, 3),
        "accepted_p50_ms": p50,
        "accepted_p99_ms": p99,
        "all_p99_ms": _milliseconds(result.all, 99),
        "statuses": result.statuses,
        "dropped": result.dropped,
        "generator_lateness_p99_ms": _milliseconds(result.lateness, 99),
        "generator_cores": round(result.cpu_seconds / result.seconds, 2),
    }


def _against_pgbench(rounds: dict[str, list[Histogram]], rate: float) -> Row:
    http = [histogram.percentile(99) * 1000 for histogram in rounds["http"]]
    pgbench = [histogram.percentile(99) * 1000 for histogram in rounds["pgbench"]]
    value, spread = ratio(http, pgbench)
    detail = {
        **spread,
        "rate_per_s": round(rate, 1),
        "http_p99_ms": figures(http, 3),
        "pgbench_p99_ms": figures(pgbench, 3),
        "http_p50_ms": figures([histogram.percentile(50) * 1000 for histogram in rounds["http"]], 3),
        "pgbench_p50_ms": figures([histogram.percentile(50) * 1000 for histogram in rounds["pgbench"]], 3),
    }
    return Row("latency_p99_vs_pgbench", value, detail)


def _open_loop(curve: dict[str, Any], peak: Peak) -> Row:
    return Row(
        "open_loop",
        curve[str(_HALF)]["all_p99_ms"],
        {"peak_per_s": round(peak.http_per_second, 1), "percent_of_peak": curve},
    )


def _milliseconds(histogram: Histogram, percent: float) -> float | None:
    return round(histogram.percentile(percent) * 1000, 3) if len(histogram) else None
