"""Latency at fixed rates, from the moment each request was due.

Against pgbench it is measured at half of pgbench's peak, which is the lower one: at half of ours pgbench would be
overloaded, and anything would look well beside it.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from math import inf
from statistics import median
from typing import Any

from bench.context import Bench, OnSale, Peak, find_peak
from bench.generators.openloop import OpenLoopResult
from bench.histogram import Histogram
from bench.measuring import figures, ratio
from bench.report import Row
from bench.turns import Turns, interleave, without_a_break

_HALF = 50
_RAMP_SECONDS = 0.5
"""pgbench connects anew for each round, and its first calls, which plan everything, take tens of milliseconds. Counted,
they would be its 99th percentile, and beside it the server, which keeps its connections, would look too well."""


def measure(bench: Bench) -> Turns[list[Row]]:
    """latency_p99_vs_pgbench, with the number of clients that suits pgbench best."""
    scale = bench.scale
    peak = find_peak(bench)
    rate = min(peak.http_per_second, peak.pgbench_per_second) * _HALF / 100
    with bench.onsale() as onsale:

        def http() -> Histogram:
            result = onsale.offer(rate, scale.latency_seconds, ramp_seconds=_RAMP_SECONDS)
            bench.say(f"latency: HTTP p99 {_milliseconds(result.all, 99):.2f} ms at {rate:,.0f}/s")
            return result.all

        def pgbench(clients: int) -> Histogram:
            calls = onsale.calls(clients, scale.latency_seconds, rate=rate, latencies=True, ramp_seconds=_RAMP_SECONDS)
            latencies = calls.pgbench.latencies
            assert latencies is not None, "they were asked for"
            bench.say(f"latency: pgbench, {clients} clients, p99 {_milliseconds(latencies, 99):.2f} ms")
            return latencies

        onsale.http(peak.connections, scale.warm_up_seconds)
        tried = without_a_break(
            interleave({str(n): partial(pgbench, n) for n in scale.latency_clients}, scale.latency_tries)
        )
        by_clients = {name: [_milliseconds(each, 99) for each in histograms] for name, histograms in tried.items()}
        clients = min(by_clients, key=lambda name: median(by_clients[name]))
        sides: dict[str, Callable[[], Histogram]] = {"http": http, "pgbench": partial(pgbench, int(clients))}
        rounds = yield from interleave(sides, scale.latency_rounds)
    p99, p50 = ({side: [_milliseconds(each, n) for each in all_] for side, all_ in rounds.items()} for n in (99, 50))
    value, spread = ratio(p99["http"], p99["pgbench"])
    detail = {
        **spread,
        "rate_per_s": round(rate, 1),
        "http_p99_ms": figures(p99["http"], 3),
        "http_p50_ms": figures(p50["http"], 3),
        "pgbench_clients": int(clients),
        "pgbench_p99_ms": figures(p99["pgbench"], 3),
        "pgbench_p50_ms": figures(p50["pgbench"], 3),
        "pgbench_tries_p99_ms_by_clients": {name: figures(values, 3) for name, values in by_clients.items()},
    }
    return [Row("latency_p99_vs_pgbench", value, detail)]


def measure_open_loop(bench: Bench) -> Turns[list[Row]]:
    """open_loop."""
    scale = bench.scale
    peak = find_peak(bench)
    with bench.onsale() as onsale:
        onsale.http(peak.connections, scale.warm_up_seconds)
        points = yield from interleave(
            {str(percent): partial(_point, bench, onsale, peak, percent) for percent in scale.curve_percents},
            scale.curve_rounds,
        )
    at_half = median(_milliseconds(result.all, 99) for result in points[str(_HALF)])
    curve = {percent: _told(results, peak) for percent, results in points.items()}
    return [Row("open_loop", at_half, {"peak_per_s": round(peak.http_per_second, 1), "percent_of_peak": curve})]


def _point(bench: Bench, onsale: OnSale, peak: Peak, percent: int) -> OpenLoopResult:
    rate = peak.http_per_second * percent / 100
    result = onsale.offer(rate, bench.scale.curve_seconds)
    p50, p99 = _milliseconds(result.all, 50), _milliseconds(result.all, 99)
    accepted = result.accepted_per_second
    bench.say(f"open loop: {percent} %: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {accepted:,.0f} of {rate:,.0f}/s")
    return result


def _told(results: list[OpenLoopResult], peak: Peak) -> dict[str, Any]:
    accepted = [result.accepted_per_second for result in results]
    return {
        "offered_per_s": figures([result.due / result.seconds for result in results]),
        "accepted_per_s": figures(accepted),
        "goodput": round(median(accepted) / peak.http_per_second, 3),
        "accepted_p50_ms": figures([_milliseconds(result.accepted, 50) for result in results], 3),
        "accepted_p99_ms": figures([_milliseconds(result.accepted, 99) for result in results], 3),
        "all_p99_ms": figures([_milliseconds(result.all, 99) for result in results], 3),
        "statuses": dict(sum((Counter(result.statuses) for result in results), Counter())),
        "dropped": sum(result.dropped for result in results),
        "generator_lateness_p99_ms": figures([_milliseconds(result.lateness, 99) for result in results], 3),
        "generator_cores": figures([result.cpu_seconds / result.seconds for result in results], 2),
    }


def _milliseconds(histogram: Histogram, percent: float) -> float:
    return histogram.percentile(percent) * 1000 if len(histogram) else inf
