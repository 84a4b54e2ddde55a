"""Best available through the service, on a real database: seats are found as long as enough are left."""

import asyncio
import random
from collections.abc import AsyncIterator
from functools import cache
from uuid import UUID

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.base.outcomes import Outcome
from rowlock.catalogue.model import SeatingPlan
from rowlock.catalogue.showcase import stadium, theatre
from rowlock.reservations.hall import Hall
from rowlock.reservations.model import BestSeats, Intent, ReservationResult, ReservationToken
from rowlock.reservations.service import Reservations, UnknownAreaError
from tests.reservations.availability.conftest import Clock, processes, until_a_service_waits
from tests.support.answers import Show
from tests.support.halls import GROUP_SIZES, put_on_sale
from tests.support.seatdb import SeatDb

BURST = 160


@cache
def hall_plan(name: str) -> SeatingPlan:
    return theatre() if name == "theatre" else stadium(8_000)


@pytest.fixture
async def theatre_show(owner: psycopg.AsyncConnection) -> Show:
    return await put_on_sale(owner, hall_plan("theatre"))


@pytest.fixture
async def service(dsns: Dsns) -> AsyncIterator[Reservations]:
    async with processes(dsns, 1) as (service,):
        yield service


async def best(
    service: Reservations,
    show: Show,
    quantity: int,
    by: str,
    *,
    token: ReservationToken | None = None,
    category: str | None = None,
    accessible: bool = False,
    repeated: bool = False,
) -> ReservationResult:
    token = token or ReservationToken.mint(show.show_id)
    wish = BestSeats(quantity, category, accessible)
    result = await service.reserve_best(Intent(token, Holder(by), wish, b"key" if repeated else None))
    assert result is not None
    return result


def standard_seats(plan: SeatingPlan) -> set[int]:
    return {seat.seat_id for seat in plan.seats if seat.kind == "standard"}


@pytest.mark.soak("pg15", full=True)
@pytest.mark.parametrize("count", [1, 2], ids=["one process", "two processes"])
async def test_bursts_of_requests_are_served_while_seats_are_left(
    db: SeatDb, owner: psycopg.AsyncConnection, dsns: Dsns, count: int
) -> None:
    """160 groups at once, and as soon as they have their seats the next 160, until 8,000 seats are sold out."""
    plan = hall_plan("arena")
    show, rng = await put_on_sale(owner, plan), random.Random(count)
    seats, claimed, refused, arrived = standard_seats(plan), set[int](), list[int](), 0
    async with processes(dsns, count) as services:
        while len(refused) < BURST:
            burst = rng.choices(range(1, 9), GROUP_SIZES, k=BURST)
            results = await asyncio.gather(
                *(
                    best(services[number % count], show, quantity, f"group-{arrived + number}")
                    for number, quantity in enumerate(burst)
                )
            )
            arrived += BURST
            for quantity, result in zip(burst, results, strict=True):
                if result.outcome == Outcome.OK:
                    assert len(result.seat_ids) == quantity
                    assert not claimed & set(result.seat_ids), "sold twice"
                    claimed |= set(result.seat_ids)
                else:
                    assert result.outcome == Outcome.SEATS_UNAVAILABLE
                    refused.append(quantity)
    # No seat was given back, so each refused group found at least as many free seats as are left now: too few.
    assert min(refused) > len(seats - claimed)
    assert claimed <= seats
    assert set(await db.claims(show)) == claimed
    assert await db.check(show) == []


async def test_a_snapshot_that_is_far_behind_costs_a_query_and_no_refusal(
    db: SeatDb, theatre_show: Show, service: Reservations
) -> None:
    assert (await best(service, theatre_show, 1, "anna")).outcome == Outcome.OK
    # Another process sells all but the last row, and this one does not read the change.
    await db.set_show(theatre_show, max_seats_per_reservation=1000)
    left = standard_seats(hall_plan("theatre")) - set(await db.claims(theatre_show))
    last = sorted(left)[-20:]
    await db.reserve(theatre_show, seats=sorted(left - set(last)), holder="elsewhere")

    result = await best(service, theatre_show, 4, "ben")

    assert result.outcome == Outcome.OK
    assert set(result.seat_ids) <= set(last)


async def test_seats_that_another_process_gives_back_are_found_before_a_request_is_refused(
    db: SeatDb, theatre_show: Show, service: Reservations
) -> None:
    await db.set_show(theatre_show, max_seats_per_reservation=1000)
    everything = sorted(standard_seats(hall_plan("theatre")))
    rest = await db.reserve(theatre_show, seats=everything[3:], holder="elsewhere")
    assert (await best(service, theatre_show, 4, "anna")).outcome == Outcome.SEATS_UNAVAILABLE
    assert (await best(service, theatre_show, 3, "ben")).outcome == Outcome.OK

    await db.release(rest)

    assert (await best(service, theatre_show, 8, "anna")).outcome == Outcome.OK


async def test_an_expired_hold_is_offered_without_any_cleanup(
    db: SeatDb, theatre_show: Show, service: Reservations, clock: Clock
) -> None:
    await db.set_show(theatre_show, max_seats_per_reservation=1000)
    everything = sorted(standard_seats(hall_plan("theatre")))
    lapsed = await db.reserve(theatre_show, seats=everything, holder="elsewhere")
    assert (await best(service, theatre_show, 2, "anna")).outcome == Outcome.SEATS_UNAVAILABLE

    await db.age(lapsed, minutes=11)
    clock.now += 100  # A deadline that a test moves is not in the change feed: only a whole new snapshot has it.

    assert (await best(service, theatre_show, 2, "anna")).outcome == Outcome.OK


async def test_seats_chosen_for_a_request_that_is_refused_are_offered_to_the_next(
    db: SeatDb, theatre_show: Show, service: Reservations
) -> None:
    await db.set_show(theatre_show, max_seats_per_reservation=1000)
    everything = sorted(standard_seats(hall_plan("theatre")))
    await db.reserve(theatre_show, seats=everything[4:], holder="elsewhere")
    assert (await best(service, theatre_show, 2, "anna")).outcome == Outcome.OK

    # Anna's second request is refused, but until then the last two seats are chosen for it.
    again, ben, cem = await asyncio.gather(
        best(service, theatre_show, 2, "anna"),
        best(service, theatre_show, 2, "ben"),
        best(service, theatre_show, 1, "cem"),
    )

    assert again.outcome == Outcome.DUPLICATE_RESERVATION
    assert ben.outcome == Outcome.OK
    assert cem.outcome == Outcome.SEATS_UNAVAILABLE
    assert set((await db.claims(theatre_show)).values()) == {"elsewhere", "anna", "ben"}


async def test_explicit_choices_at_the_same_time_cause_no_refusal_of_a_group(
    db: SeatDb, theatre_show: Show, dsns: Dsns, service: Reservations
) -> None:
    first = await best(service, theatre_show, 2, "anna")

    async def take(other: SeatDb) -> None:
        for number in range(6):
            seat = first.seat_ids[1] + number + 1
            await other.reserve(theatre_show, seats=[seat], holder=f"single-{number}")

    async with db.another() as other:
        taking = asyncio.create_task(take(other))
        results = await asyncio.gather(*(best(service, theatre_show, 2, f"group-{n}") for n in range(20)))
        await taking
    assert [result.outcome for result in results] == [Outcome.OK] * 20
    assert await db.check(theatre_show) == []


async def test_a_repeated_request_is_answered_the_same_also_when_all_is_sold(
    db: SeatDb, theatre_show: Show, service: Reservations
) -> None:
    token = ReservationToken.mint(theatre_show.show_id)
    first = await best(service, theatre_show, 2, "anna", token=token, repeated=True)
    await db.set_show(theatre_show, max_seats_per_reservation=1000)
    left = standard_seats(hall_plan("theatre")) - set(first.seat_ids)
    await db.reserve(theatre_show, seats=sorted(left), holder="elsewhere")

    again = await best(service, theatre_show, 2, "anna", token=token, repeated=True)

    assert (again.outcome, again.seat_ids, again.expires_at) == (Outcome.OK, first.seat_ids, first.expires_at)
    assert (again.extension_count, again.extensions_remaining) == (0, 3)
    other = ReservationToken.mint(theatre_show.show_id)
    refused = await best(service, theatre_show, 2, "ben", token=other, repeated=True)
    assert refused.outcome == Outcome.SEATS_UNAVAILABLE


async def test_an_accessible_group_has_a_wheelchair_place_with_its_companion(
    theatre_show: Show, service: Reservations
) -> None:
    kinds = {seat.seat_id: seat.kind for seat in hall_plan("theatre").seats}
    hall = Hall(hall_plan("theatre"))
    for group in range(6):
        result = await best(service, theatre_show, 2, f"group-{group}", accessible=True)
        assert sorted(kinds[seat] for seat in result.seat_ids) == ["companion", "wheelchair"]
        (one, other) = (hall.place[seat] for seat in result.seat_ids)
        assert (one[0], abs(one[1] - other[1])) == (other[0], 1)
    assert (await best(service, theatre_show, 1, "late", accessible=True)).outcome == Outcome.SEATS_UNAVAILABLE


async def test_categories_and_shows_that_do_not_exist(theatre_show: Show, service: Reservations) -> None:
    with pytest.raises(UnknownAreaError, match="Premium stalls, Stalls, Balcony front, Balcony"):
        await best(service, theatre_show, 2, "anna", category="Moon")
    assert await service.reserve_best(Intent(ReservationToken.mint(UUID(int=1)), Holder("anna"), BestSeats(2))) is None


async def test_a_request_cancelled_while_the_database_decides_does_not_keep_others_from_their_seats(
    db: SeatDb, theatre_show: Show, service: Reservations
) -> None:
    await db.set_show(theatre_show, max_seats_per_reservation=1000)
    async with db.another() as other:
        async with other.app.transaction(force_rollback=True):
            await other.reserve(theatre_show, seats=range(1, theatre_show.seats_total + 1), holder="other")
            cancelled = asyncio.create_task(best(service, theatre_show, 8, "cancelled"))
            await until_a_service_waits(db)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
        results = [await best(service, theatre_show, 8, f"group-{number}") for number in range(3)]
    assert [result.outcome for result in results] == [Outcome.OK] * 3
    # The seats of the cancelled request are claimed, because it was in flight; its hold will expire.
    assert set((await db.claims(theatre_show)).values()) == {"cancelled", "group-0", "group-1", "group-2"}
    assert await db.check(theatre_show) == []
