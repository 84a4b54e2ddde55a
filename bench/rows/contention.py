"""Everybody wants the same: ten seats and 800 clients, and one show instead of a hundred."""

from typing import Any

from bench.context import Bench, OnSale, find_peak
from bench.generators.wrk import WrkResult
from bench.halls import SEATS_OF_THE_HALL, SHOWS_OF_THE_HALL, add_shows
from bench.measuring import figures, interleave, ratio
from bench.report import Row
from bench.wishes import Wishes

_MANY, _FEW = 800, 8
_SEATS = 10
_HOLD_SECONDS = 1
_SPREAD_SHOWS = 100

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


def measure_hot_seats(bench: Bench) -> list[Row]:
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
            result = _rush(onsale, show, clients, scale.round_seconds)
            bench.say(f"hot seats: {clients} clients: {result.requests / result.seconds:,.0f} attempts/s")
            return result

        _rush(onsale, first, _FEW, scale.warm_up_seconds)
        rounds = interleave(
            {"many": lambda: attempt(first, _MANY), "few": lambda: attempt(first + 1, _FEW)}, scale.rounds
        )
        with onsale.database.owner() as connection:
            row = connection.execute(_DOUBLE_SALES).fetchone()
        assert row is not None, "count answers with one row"
    double_sales = float(str(row[0]))
    value, spread = ratio(*([r.requests / r.seconds for r in rounds[side]] for side in ("many", "few")))
    detail = {**spread, f"with_{_MANY}": _told(rounds["many"]), f"with_{_FEW}": _told(rounds["few"])}
    return [
        Row("hot_seats", value, {**detail, "double_sales": double_sales}),
        Row("hot_seats_double_sales", double_sales, {"reservations": onsale.database.ledger.confirmed}),
    ]


def _rush(onsale: OnSale, show: int, clients: int, seconds: int) -> WrkResult:
    onsale.database.settle()
    wishes = Wishes(show, SEATS_OF_THE_HALL // 2)
    result = onsale.wrk.reserve(wishes, connections=clients, seconds=seconds, hot_seats=_SEATS, count_statuses=True)
    assert result.statuses is not None, "they were asked for"
    onsale.database.ledger.add(result.statuses["201"], cut_off=clients + result.broken)
    return result


def _told(results: list[WrkResult]) -> dict[str, Any]:
    return {
        "attempts_per_s": figures([result.requests / result.seconds for result in results]),
        "p99_ms": figures([result.p99_seconds * 1000 for result in results], 2),
        "answers": {
            status: sum((result.statuses or {})[status] for result in results) for status in results[0].statuses or {}
        },
    }


def measure_hot_show(bench: Bench) -> list[Row]:
    """hot_show."""
    scale = bench.scale
    with bench.onsale() as onsale:
        peak = find_peak(bench, onsale)

        def rate(at_once: int, seconds: int) -> float:
            per_second = onsale.http(peak.connections, seconds, at_once=at_once).wrk.per_second
            bench.say(f"hot show: {at_once} at once: {per_second:,.0f}/s")
            return per_second

        rate(_SPREAD_SHOWS, scale.warm_up_seconds)
        rounds = interleave(
            {
                "hot": lambda: rate(1, scale.round_seconds),
                "spread": lambda: rate(_SPREAD_SHOWS, scale.round_seconds),
            },
            scale.rounds,
        )
    value, spread = ratio(rounds["hot"], rounds["spread"])
    detail = {**spread, "one_show_per_s": figures(rounds["hot"]), "spread_per_s": figures(rounds["spread"])}
    return [Row("hot_show", value, {**detail, "connections": peak.connections, "shows": _SPREAD_SHOWS})]
