"""Seat availability after changes of this process: they are seen at once, whatever is being read meanwhile."""

import asyncio
from datetime import UTC, datetime

import pytest

from rowlock.reservations.availability.service import Availability
from rowlock.reservations.service import Reservations
from tests.reservations.availability.conftest import Clock, Readings
from tests.reservations.availability.looking import HeldUp, in_the_tables, intent_for, taken
from tests.support.answers import Show
from tests.support.seatdb import SeatDb


async def test_own_reserves_are_seen_at_once_and_cost_no_query(
    show: Show, availability: Availability, reservations: Reservations, readings: Readings
) -> None:
    assert await taken(availability, show) == {}
    request = intent_for(show, 1, 2)

    await reservations.reserve(request)
    assert await taken(availability, show) == {1: "reserved", 2: "reserved"}
    assert readings.count == 1


async def test_an_own_reserve_during_the_first_reading_is_seen_in_its_result(
    show: Show, availability: Availability, reservations: Reservations, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_up = HeldUp(monkeypatch)
    looking = asyncio.create_task(taken(availability, show))
    await held_up.answered.wait()
    await reservations.reserve(intent_for(show, 1))
    held_up.go_on.set()
    assert await looking == {1: "reserved"}


async def test_own_releases_extensions_and_changes_are_read_for_the_next_answer(
    show: Show, availability: Availability, reservations: Reservations, readings: Readings
) -> None:
    request = intent_for(show, 1, 2)
    await reservations.reserve(request)
    await taken(availability, show)

    await reservations.change(request.token, [3], [1], request.holder)
    assert await taken(availability, show) == {2: "reserved", 3: "reserved"}
    await reservations.extend(request.token, request.holder)
    known = await availability.get(show.show_id)
    assert known is not None
    assert readings.count == 3
    assert [until - datetime.now(UTC).timestamp() > 700 for until in known.statuses._until.values()] == [True, True]
    await reservations.release(request.token, request.holder)
    assert await taken(availability, show) == {}


async def test_a_snapshot_that_is_read_from_memory_only_is_refreshed_in_the_background(
    db: SeatDb, show: Show, availability: Availability, clock: Clock, readings: Readings
) -> None:
    assert availability.known(show.show_id) is None
    await taken(availability, show)
    await db.block(show, seats=[3])
    known = availability.known(show.show_id)
    assert (known is not None, readings.count) == (True, 1)

    clock.pass_refresh()
    assert availability.known(show.show_id) is known
    assert availability.known(show.show_id) is known
    assert await taken(availability, show) == {3: "blocked"}
    assert readings.count == 2


async def test_a_change_of_any_show_is_read_in_every_show(
    db: SeatDb, show: Show, availability: Availability, readings: Readings
) -> None:
    other = await db.make_show()
    await taken(availability, show)
    await taken(availability, other)
    await db.block(show, seats=[1])
    await db.block(other, seats=[2])

    availability.changed(None)

    assert await taken(availability, show) == {1: "blocked"}
    assert await taken(availability, other) == {2: "blocked"}


async def test_a_reading_in_progress_does_not_undo_what_this_process_wrote_meanwhile(
    db: SeatDb,
    show: Show,
    availability: Availability,
    clock: Clock,
    reservations: Reservations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = intent_for(show, 1), intent_for(show, 2)
    await taken(availability, show)
    await reservations.reserve(first)
    clock.now += 100  # A whole new snapshot is due.
    held_up = HeldUp(monkeypatch)
    looking = asyncio.create_task(taken(availability, show))
    await held_up.answered.wait()

    clock.now += 0.01
    await reservations.release(first.token, first.holder)
    await reservations.reserve(second)
    held_up.go_on.set()

    assert await looking == {2: "reserved"}
    clock.pass_refresh()
    assert await taken(availability, show) == {2: "reserved"} == await in_the_tables(db, show)


async def test_a_request_after_a_change_does_not_get_a_reading_from_before_it(
    db: SeatDb, show: Show, availability: Availability, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await taken(availability, show)
    clock.pass_refresh()
    held_up = HeldUp(monkeypatch)
    early = asyncio.create_task(taken(availability, show))
    await held_up.answered.wait()

    await db.block(show, seats=[7])
    availability.changed(show.show_id)
    late = asyncio.create_task(taken(availability, show))
    fresh = asyncio.create_task(taken(availability, show, fresh=True))
    await asyncio.sleep(0)
    held_up.go_on.set()

    assert await late == await fresh == {7: "blocked"}
    assert await early in ({}, {7: "blocked"})


async def test_a_fresh_snapshot_is_read_from_the_database(
    db: SeatDb, show: Show, availability: Availability, readings: Readings
) -> None:
    await taken(availability, show)
    await db.block(show, seats=[7])
    assert await taken(availability, show) == {}
    looks = await asyncio.gather(*(taken(availability, show, fresh=True) for _ in range(50)))
    assert looks == [{7: "blocked"}] * 50
    assert readings.count == 2, "One reading for all requests at the same time."


async def test_a_whole_new_snapshot_corrects_what_is_not_in_the_change_feed_also_during_own_reserves(
    db: SeatDb,
    show: Show,
    availability: Availability,
    clock: Clock,
    reservations: Reservations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = await db.reserve(show, seats=[1], holder="anna")
    for _ in range(3):
        assert await taken(availability, show) == {1: "reserved"}
        clock.pass_refresh()
    await db.age(lost, minutes=11)  # A deadline that moves without any event.
    clock.now += 100
    held_up = HeldUp(monkeypatch)
    looking = asyncio.create_task(taken(availability, show))
    await held_up.answered.wait()
    clock.now += 0.01
    await reservations.reserve(intent_for(show, 2))
    held_up.go_on.set()

    assert await looking == {2: "reserved"}
