"""Everybody wants the same: ten seats and 800 clients, and one show instead of a hundred."""

from itertools import count
from typing import Any

from bench.context import Bench, OnSale
from bench.generators.wrk import WrkResult
from bench.halls import SEATS_OF_THE_HALL, SHOWS_OF_THE_HALL, add_shows
from bench.measuring import figures, ratio
from bench.report import Row
from bench.turns import Turns, interleave
from bench.wishes import Wishes

_MANY, _FEW = 800, 8
_SEATS = 10
_HOLD_SECONDS = 1
_RAMP_SECONDS = 1.0
_SHORTEST_SECONDS = 3
# Nobody comes back for more: every run has sessions of its own.
_sessions = count(0, 10_000_000)
_SPREAD_SHOWS = 100
# The best of several about equally fast numbers of connections is luck, and with twice as many the hundred shows gather
# larger batches.
_SPREAD_CLIENTS = 256

# A seat is sold twice when somebody got it before the hold of somebody else had run out: nobody gives seats back here.
_DOUBLE_SALES = """
    select count(*)
    from (
        select
            r.created_at,
            lag(r.expires_at) over (partition by r.show_id, s.seat_id order by r.created_at) as taken_until
        from rowlock.seat_reservations as r, lateral unnest(r.seat_ids) as s (seat_id)
    ) as sale
    where sale.created_at < sale.taken_until
"""


def measure_hot_seats(bench: Bench) -> Turns[list[Row]]:
    """hot_seats and hot_seats_double_sales.

    Holds live for a second, so the seats change hands all the time and the rush never ends.
    """
    scale = bench.scale
    with bench.onsale() as onsale:
        # Seats expire and change hands, so claims are no measure of reservations.
        onsale.database.ledger.in_pairs = False
        first = SHOWS_OF_THE_HALL
        add_shows(onsale.database, first, 2, hold_seconds=_HOLD_SECONDS)

        def attempt(show: int, clients: int) -> WrkResult:
            result = _rush(onsale, show, clients, max(scale.round_seconds, _SHORTEST_SECONDS))
            bench.say(f"hot seats: {clients} clients: {_attempts(result):,.0f} attempts/s")
            return result

        _rush(onsale, first, _FEW, scale.warm_up_seconds)
        rounds = yield from interleave(
            {"many": lambda: attempt(first, _MANY), "few": lambda: attempt(first + 1, _FEW)}, scale.rush_rounds
        )
        with onsale.database.owner() as connection:
            row = connection.execute(_DOUBLE_SALES).fetchone()
        assert row is not None, "count answers with one row"
    double_sales = float(str(row[0]))
    value, spread = ratio(*([_attempts(result) for result in rounds[side]] for side in ("many", "few")))
    detail = {**spread, f"with_{_MANY}": _told(rounds["many"]), f"with_{_FEW}": _told(rounds["few"])}
    return [
        Row("hot_seats", value, {**detail, "double_sales": double_sales}),
        Row("hot_seats_double_sales", double_sales, {"reservations": onsale.database.ledger.confirmed}),
    ]


def _rush(onsale: OnSale, show: int, clients: int, seconds: int) -> WrkResult:
    onsale.rest()
    result = onsale.wrk.reserve(
        Wishes(show, SEATS_OF_THE_HALL // 2, skip=next(_sessions)),
        connections=clients,
        seconds=seconds,
        hot_seats=_SEATS,
        count_statuses=True,
        ramp_seconds=_RAMP_SECONDS,
    )
    onsale.database.ledger.add(result.statuses["201"], cut_off=clients + result.broken)
    return result


def _attempts(result: WrkResult) -> float:
    """Attempts a second, won or lost; a 503 is no attempt at a seat."""
    return (result.late["201"] + result.late["409"]) / result.late_seconds


def _told(results: list[WrkResult]) -> dict[str, Any]:
    return {
        "attempts_per_s": figures([_attempts(result) for result in results]),
        "p99_ms": figures([result.p99_seconds * 1000 for result in results], 2),
        "answers": {status: sum(result.statuses[status] for result in results) for status in results[0].statuses},
    }


def measure_hot_show(bench: Bench) -> Turns[list[Row]]:
    """hot_show."""
    scale = bench.scale
    # With rounds of a single second two runs were 16 % apart.
    seconds = 2 * scale.round_seconds
    with bench.onsale() as onsale:

        def rate(at_once: int, seconds: int) -> float:
            per_second = onsale.http(_SPREAD_CLIENTS, seconds, at_once=at_once).wrk.per_second
            bench.say(f"hot show: {at_once} at once: {per_second:,.0f}/s")
            return per_second

        rate(_SPREAD_SHOWS, scale.warm_up_seconds)
        rounds = yield from interleave(
            {
                "hot": lambda: rate(1, seconds),
                "spread": lambda: rate(_SPREAD_SHOWS, seconds),
            },
            scale.steady_rounds,
        )
    value, spread = ratio(rounds["hot"], rounds["spread"])
    detail = {**spread, "one_show_per_s": figures(rounds["hot"]), "spread_per_s": figures(rounds["spread"])}
    return [Row("hot_show", value, {**detail, "connections": _SPREAD_CLIENTS, "shows": _SPREAD_SHOWS})]
