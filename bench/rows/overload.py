"""Far more requests than can be served: what is still sold, and what a refusal costs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg

from bench.context import Bench, Load, OnSale, find_peak
from bench.generators.http import Connection, get, reserve_request
from bench.generators.wrk import RESERVE_V2
from bench.measuring import figures, ratio
from bench.report import Row
from bench.turns import Turns, interleave
from rowlock.services.coalescer import WAITING_LIMIT

_TIMES_PEAK = 5
_WITHOUT_A_PLACE = 1_000
"""Buyers beyond those who may wait in the server. Their pauses are so short that together they ask for the rest."""
_RAMP_SECONDS = 3.0
"""Until every buyer is connected and the queues are as long as they get. It is not counted."""
_SHORTEST_SECONDS = 6

_SPARE = 100
_REFUSED_AT_ONCE = 64
"""As in a rush. One at a time, a refusal costs several times as much: waking up a process that sleeps is dear."""
_NOBODY_LEAVES_SECONDS = 2.5
"""Counted from the first who waits. After 3 the server gives up waiting for the lock, and there are places again."""


def measure(bench: Bench) -> Turns[list[Row]]:
    """overload_goodput and overload_refusal_cost."""
    scale = bench.scale
    peak = find_peak(bench)
    with bench.onsale() as onsale:
        offered = _TIMES_PEAK * peak.http_per_second
        seconds = max(scale.round_seconds, _SHORTEST_SECONDS)

        refusals = []

        def at_peak() -> Load:
            load = onsale.http(peak.connections, seconds, count_statuses=True, ramp_seconds=_RAMP_SECONDS)
            # Right after the accepts that they are compared with.
            refusals.append(_seconds_per_refusal(onsale))
            return load

        def overloaded() -> Load:
            load = onsale.http(
                WAITING_LIMIT + _WITHOUT_A_PLACE,
                seconds,
                pause_seconds=_WITHOUT_A_PLACE / (offered - peak.http_per_second),
                count_statuses=True,
                ramp_seconds=_RAMP_SECONDS,
                most_per_second=int(offered * 1.2),
                yielding=True,
            )
            bench.say(f"overload: {_accepted(load):,.0f} accepted/s, {load.wrk.late}")
            return load

        onsale.http(peak.connections, scale.warm_up_seconds)
        rounds = yield from interleave({"peak": at_peak, "overload": overloaded}, scale.overload_rounds)
    return [_goodput(rounds, offered), _refusal_cost(rounds["peak"], refusals)]


def _accepted(load: Load) -> float:
    return load.wrk.late["201"] / load.wrk.late_seconds


def _goodput(rounds: dict[str, list[Load]], offered: float) -> Row:
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
        "buyers": WAITING_LIMIT + _WITHOUT_A_PLACE,
        "wrk_cores": figures([load.wrk.cpu_seconds / load.wrk.seconds for load in rounds["overload"]], 3),
    }
    return Row("overload_goodput", value, detail)


def _refusal_cost(peak: list[Load], refusals: list[float]) -> Row:
    accepts = [load.late_cpu.total / load.wrk.late["201"] for load in peak]
    value, spread = ratio(refusals, accepts)
    detail = {
        **spread,
        "accept_microseconds": figures([seconds * 1e6 for seconds in accepts]),
        "refusal_microseconds": figures([seconds * 1e6 for seconds in refusals]),
    }
    return Row("overload_refusal_cost", value, detail)


def _seconds_per_refusal(onsale: OnSale) -> float:
    """Processor seconds of one refusal, while so many wait for a locked table that nobody else may."""
    address = ("127.0.0.1", onsale.server.port)
    crowd_size = 1 + WAITING_LIMIT + _SPARE
    wishes = onsale.supply.take(2 * crowd_size)
    onsale.rest()
    with ExitStack() as stack:
        crowd = [stack.enter_context(closing(Connection(address))) for _ in range(crowd_size)]
        refused = [stack.enter_context(closing(Connection(address))) for _ in range(_REFUSED_AT_ONCE)]
        with _nobody_served(onsale):
            ends = time.perf_counter() + _NOBODY_LEAVES_SECONDS
            for number, connection in enumerate(crowd):
                connection.send(reserve_request(address, RESERVE_V2, wishes, number))
                if number == 0:
                    # When something else is answered, it has left, alone. Whoever left later would leave a place.
                    refused[0].ask(get(address, "/health/live"))
            statuses = [_answer(crowd.pop())]  # The last one finds no place, and then nobody does.
            before, refusals = onsale.cpu(), 0
            request = reserve_request(address, RESERVE_V2, wishes, crowd_size)
            while not refusals or time.perf_counter() < ends:
                for connection in refused:
                    connection.send(request)
                assert all(_answer(connection) == 503 for connection in refused), "nobody can be served"
                refusals += _REFUSED_AT_ONCE
            used = onsale.cpu() - before
        statuses += [_answer(connection) for connection in crowd]
    onsale.database.ledger.add(statuses.count(201), cut_off=statuses.count(503))
    onsale.bench.say(f"overload: {used.total / refusals * 1e6:.1f} µs for each of {refusals:,} refusals")
    return used.total / refusals


@contextmanager
def _nobody_served(onsale: OnSale) -> Iterator[None]:
    with psycopg.connect(onsale.database.dsns.owner) as connection:
        connection.execute("lock table rowlock.show_seats in access exclusive mode")
        yield
        connection.rollback()


def _answer(connection: Connection) -> int:
    while (answer := connection.receive()) is None:
        pass
    return answer.status
