"""Version 2 against version 1 over HTTP: stored functions and coalescing against plain SQL in a transaction each."""

from bench.context import Bench, find_peak
from bench.generators.wrk import RESERVE_V1, RESERVE_V2
from bench.measuring import figures, ratio
from bench.report import Row
from bench.turns import Turns, interleave

_SHORTEST_SECONDS = 2
"""Version 1 answers 64 clients one after the other: within a second, some would not get any answer."""


def measure(bench: Bench) -> Turns[list[Row]]:
    """http_reserve_vs_v1."""
    scale = bench.scale
    peak = find_peak(bench)
    with bench.onsale() as onsale:

        def rate(path: str, seconds: int) -> float:
            per_second = onsale.http(peak.connections, seconds, path=path).wrk.per_second
            bench.say(f"version 1: {path.rpartition('/')[2]} {per_second:,.0f}/s")
            return per_second

        seconds = max(scale.round_seconds, _SHORTEST_SECONDS)
        rate(RESERVE_V1, scale.warm_up_seconds)
        rate(RESERVE_V2, scale.warm_up_seconds)
        rounds = yield from interleave(
            {
                "v2": lambda: rate(RESERVE_V2, seconds),
                "v1": lambda: rate(RESERVE_V1, seconds),
            },
            scale.long_rounds,
        )
    value, spread = ratio(rounds["v2"], rounds["v1"])
    detail = {**spread, "v2_per_s": figures(rounds["v2"]), "v1_per_s": figures(rounds["v1"])}
    return [Row("http_reserve_vs_v1", value, {**detail, "connections": peak.connections})]
