"""Far more requests than can be served: what is still sold, and what a refusal costs.

Thousands of buyers, each of whom asks again after a pause that makes five times the peak together. Whoever waits for
an answer asks no second time, as people do, so what is really asked for is in the detail.
"""

import resource
from statistics import median

from bench.context import Bench, Load, find_peak
from bench.measuring import figures, interleave, ratio
from bench.report import Row

_TIMES_PEAK = 5
_BUYERS = 8_000
"""Far more than may wait in the server, or nobody would be refused."""
_FILES_FOR_OTHERS = 500
_RAMP_SECONDS = 4.0
"""Until every buyer is connected and the queues are as long as they get. It is not counted."""
_SHORTEST_SECONDS = 7


def measure(bench: Bench) -> list[Row]:
    """overload_goodput and overload_refusal_cost."""
    scale = bench.scale
    with bench.onsale() as onsale:
        peak = find_peak(bench, onsale)
        offered = _TIMES_PEAK * peak.http_per_second

        buyers = min(_BUYERS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _FILES_FOR_OTHERS)
        seconds = max(scale.round_seconds, _SHORTEST_SECONDS)

        def at_peak() -> Load:
            return onsale.http(peak.connections, seconds, count_statuses=True, ramp_seconds=_RAMP_SECONDS)

        def overloaded() -> Load:
            load = onsale.http(
                buyers,
                seconds,
                pause_seconds=buyers / offered,
                count_statuses=True,
                ramp_seconds=_RAMP_SECONDS,
                most_per_second=int(offered * 1.2),
            )
            bench.say(f"overload: {_accepted(load):,.0f} accepted/s, {load.wrk.late}")
            return load

        onsale.http(peak.connections, scale.warm_up_seconds)
        rounds = interleave({"peak": at_peak, "overload": overloaded}, scale.latency_rounds)
    return [_goodput(rounds, offered, buyers), _refusal_cost(rounds)]


def _accepted(load: Load) -> float:
    return load.wrk.late["201"] / load.wrk.late_seconds


def _goodput(rounds: dict[str, list[Load]], offered: float, buyers: int) -> Row:
    accepted = [_accepted(load) for load in rounds["overload"]]
    peak = [_accepted(load) for load in rounds["peak"]]
    value, spread = ratio(accepted, peak)
    statuses = [load.wrk.late for load in rounds["overload"]]
    detail = {
        **spread,
        "peak_per_s": figures(peak),
        "accepted_per_s": figures(accepted),
        "offered_per_s": round(offered, 1),
        "asked_per_s": figures([sum(load.wrk.late.values()) / load.wrk.late_seconds for load in rounds["overload"]]),
        "answers": {status: sum(counts[status] for counts in statuses) for status in statuses[0]},
        "broken_connections": sum(load.wrk.broken for load in rounds["overload"]),
        "buyers": buyers,
    }
    return Row("overload_goodput", value, detail)


def _refusal_cost(rounds: dict[str, list[Load]]) -> Row:
    """What the server used beyond the cost of the accepted ones, for each 503."""
    accept = median(load.late_cpu.total / load.wrk.late["201"] for load in rounds["peak"])
    costs = [
        max(0.0, load.late_cpu.total - accept * load.wrk.late["201"]) / refused
        for load in rounds["overload"]
        if (refused := load.wrk.late["503"])
    ]
    detail = {"accept_microseconds": round(accept * 1e6, 1)}
    if not costs:
        return Row("overload_refusal_cost", None, {**detail, "note": "nothing was refused"})
    detail_of_costs = figures([cost * 1e6 for cost in costs])
    return Row("overload_refusal_cost", median(costs) / accept, {**detail, "refusal_microseconds": detail_of_costs})
