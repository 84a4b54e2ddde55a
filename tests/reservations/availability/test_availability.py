"""The seat availability of a show on a real database: how old it may be, how many queries it costs, and that it is
what the tables say after each refresh.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.database.calls import BusyError
from rowlock.database.cells import Cells
from rowlock.database.pool import PooledDatabase
from rowlock.reservations.availability import service
from rowlock.reservations.availability.service import Availability
from rowlock.reservations.availability.status_array import AVAILABLE
from rowlock.reservations.model import Intent, SeatIds
from rowlock.reservations.service import Reservations
from tests.reservations.availability.conftest import Clock, Readings
from tests.reservations.availability.looking import HeldUp, in_the_tables, intent_for, taken
from tests.support.answers import Reserved, Show
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

RECOVERS_WITHIN_SECONDS = 30.0


@asynccontextmanager
async def open_transaction(dsns: Dsns) -> AsyncIterator[SeatDb]:
    """A session of another process that does not commit before its block ends."""
    async with SeatDb.connect(dsns) as db, db.app.transaction():
        yield db


# Changes by another process.


async def _reserves(db: SeatDb, show: Show, hold: Reserved) -> None:
    await db.reserve(show, seats=[10, 11], holder="ben")


async def _releases(db: SeatDb, show: Show, hold: Reserved) -> None:
    await db.release(hold)


async def _changes(db: SeatDb, show: Show, hold: Reserved) -> None:
    await db.change(hold, add=[20], remove=[1])


async def _blocks(db: SeatDb, show: Show, hold: Reserved) -> None:
    await db.block(show, seats=[39, 40])


async def _unblocks(db: SeatDb, show: Show, hold: Reserved) -> None:
    await db.unblock(show, seats=[38])


async def _cleans_up(db: SeatDb, show: Show, hold: Reserved) -> None:
    await db.age(hold, minutes=11)
    assert (await db.cleanup()).total_seats_released == 2


async def _takes_over(db: SeatDb, show: Show, hold: Reserved) -> None:
    """Another holder reserves one seat of a hold that has run out."""
    await db.age(hold, minutes=11)
    assert (await db.reserve(show, seats=[2], holder="ben")).outcome == "OK"
    await db.cleanup()


async def _completes(db: SeatDb, show: Show, hold: Reserved) -> None:
    assert (await db.complete(show, await db.order(hold))).outcome == "OK"


CHANGES: list[tuple[Callable[[SeatDb, Show, Reserved], Awaitable[None]], dict[int, str]]] = [
    (_reserves, {1: "reserved", 2: "reserved", 10: "reserved", 11: "reserved", 38: "blocked"}),
    (_releases, {38: "blocked"}),
    (_changes, {2: "reserved", 20: "reserved", 38: "blocked"}),
    (_blocks, {1: "reserved", 2: "reserved", 38: "blocked", 39: "blocked", 40: "blocked"}),
    (_unblocks, {1: "reserved", 2: "reserved"}),
    (_cleans_up, {38: "blocked"}),
    (_takes_over, {2: "reserved", 38: "blocked"}),
    (_completes, {1: "sold", 2: "sold", 38: "blocked"}),
]


@pytest.mark.parametrize(("act", "expected"), CHANGES, ids=[act.__name__.strip("_") for act, _ in CHANGES])
async def test_a_change_by_another_process_is_seen_as_soon_as_the_snapshot_is_too_old(
    db: SeatDb,
    show: Show,
    availability: Availability,
    clock: Clock,
    readings: Readings,
    act: Callable[[SeatDb, Show, Reserved], Awaitable[None]],
    expected: dict[int, str],
) -> None:
    hold = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.block(show, seats=[38])
    before = {1: "reserved", 2: "reserved", 38: "blocked"}
    for _ in range(3):  # While the events in the change feed are recent, each reading is a whole snapshot.
        assert await taken(availability, show) == before
        clock.pass_refresh()
    await taken(availability, show)
    read = readings.count

    await act(db, show, hold)

    assert await taken(availability, show) == before
    assert readings.count == read, "Until then there is no query."
    clock.pass_refresh()
    assert await taken(availability, show) == expected == await in_the_tables(db, show)
    assert readings.count == read + 1
    assert readings.asked[-1] is not None, "It was read from the change feed, and not as a whole snapshot."


async def test_seats_of_an_extended_hold_are_reserved_until_its_new_deadline(
    db: SeatDb, show: Show, availability: Availability, clock: Clock
) -> None:
    hold = await db.reserve(show, seats=[1], holder="anna")
    await taken(availability, show)
    await db.extend(hold)
    clock.pass_refresh()
    known = await availability.get(show.show_id)
    assert known is not None

    clock.now += 601
    assert known.current().taken() == [1]
    clock.now += 300
    assert known.current().taken() == []


async def test_seats_of_a_hold_that_runs_out_become_available_without_a_cleanup_or_a_query(
    db: SeatDb, show: Show, availability: Availability, clock: Clock, readings: Readings
) -> None:
    await db.reserve(show, seats=[1, 2], holder="anna")
    known = await availability.get(show.show_id)
    assert known is not None
    version = known.current().version

    clock.now += 599
    assert known.current().taken() == [1, 2]
    clock.now += 2
    assert known.current().taken() == []
    assert known.current().version != version
    assert readings.count == 1


async def test_seats_of_a_hold_that_has_run_out_are_available_in_the_first_snapshot(
    db: SeatDb, show: Show, availability: Availability
) -> None:
    await db.age(await db.reserve(show, seats=[1, 2], holder="anna"), minutes=11)
    assert await taken(availability, show) == {}


# Commits that come late.


@pytest.mark.parametrize("warm", [True, False], ids=["the snapshot is old", "there is no snapshot yet"])
@pytest.mark.parametrize("backup", [False, True], ids=["", "another transaction stays open"])
async def test_a_transaction_that_commits_late_with_a_lower_audit_id_is_not_missed(
    db: SeatDb, show: Show, dsns: Dsns, availability: Availability, clock: Clock, *, warm: bool, backup: bool
) -> None:
    async with open_transaction(dsns) as other:
        if backup:
            await other.app.execute("select pg_current_xact_id()")
        for _ in range(4 if warm else 0):
            assert await taken(availability, show) == {}
            clock.pass_refresh()

        async with open_transaction(dsns) as late:
            assert (await late.reserve(show, seats=[1], holder="late")).outcome == "OK"
            assert (await db.reserve(show, seats=[2], holder="anna")).outcome == "OK"
            for _ in range(3):  # The later id is read again and again while the lower one is not there.
                assert await taken(availability, show) == {2: "reserved"}
                clock.pass_refresh()
            assert (await db.reserve(show, seats=[3], holder="ben")).outcome == "OK"
            assert await taken(availability, show) == {2: "reserved", 3: "reserved"}

        clock.pass_refresh()
        assert await taken(availability, show) == {1: "reserved", 2: "reserved", 3: "reserved"}
    ids = {row.seat_ids[0]: row.id for row in await db.audit(show)}
    assert ids[1] < ids[2] < ids[3]


async def test_a_transaction_that_stays_open_does_not_make_readings_grow_without_bound(
    db: SeatDb, show: Show, dsns: Dsns, availability: Availability, clock: Clock, readings: Readings
) -> None:
    async with open_transaction(dsns) as other:
        await other.block(show, seats=[40])
        for number in range(1, 31):
            clock.now += 1.0
            await taken(availability, show)
            await db.reserve(show, seats=[number], holder=f"buyer-{number}")
        last = (await db.audit(show))[-1].id
        froms = [after for after in readings.asked if after is not None]
        assert froms, "Some readings are of the change feed."
        assert last - froms[-1] <= 25, "A reading begins where those of some seconds ago ended."
    clock.now += 2.0  # What such a transaction commits is in the next whole snapshot.
    assert (await taken(availability, show))[40] == "blocked"
    assert await taken(availability, show) == await in_the_tables(db, show)


# What it costs.


async def test_a_thousand_viewers_cost_one_query_and_so_do_a_thousand_after_a_refresh(
    db: SeatDb, show: Show, availability: Availability, clock: Clock, readings: Readings
) -> None:
    await db.reserve(show, seats=[1], holder="anna")
    assert await asyncio.gather(*(taken(availability, show) for _ in range(1_000))) == [{1: "reserved"}] * 1_000
    assert readings.count == 1

    assert await asyncio.gather(*(taken(availability, show) for _ in range(1_000))) == [{1: "reserved"}] * 1_000
    assert readings.count == 1

    clock.pass_refresh()
    assert await asyncio.gather(*(taken(availability, show) for _ in range(1_000))) == [{1: "reserved"}] * 1_000
    assert readings.count == 2


async def test_a_cancelled_viewer_does_not_cancel_the_reading_for_others(
    show: Show, availability: Availability, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_up = HeldUp(monkeypatch)
    cancelled, other = asyncio.create_task(taken(availability, show)), asyncio.create_task(taken(availability, show))
    await held_up.answered.wait()
    cancelled.cancel()
    await asyncio.sleep(0)
    held_up.go_on.set()
    assert await other == {}
    assert cancelled.cancelled()
    assert readings.count == 1


async def test_an_unknown_show_is_read_once_in_a_second(
    availability: Availability, clock: Clock, readings: Readings
) -> None:
    unknown = uuid4()
    for after in (0.0, 0.9, 0.2):
        clock.now += after
        assert await availability.get(unknown) is None

    assert readings.count == 2


async def test_an_unknown_show_and_a_draft_have_no_snapshot(
    db: SeatDb, availability: Availability, clock: Clock
) -> None:
    assert await availability.get(uuid4()) is None
    draft = await db.make_show(status="draft")
    assert await availability.get(draft.show_id) is None
    await db.set_show(draft, status="on_sale")
    clock.now += service.UNKNOWN_SECONDS
    assert await taken(availability, draft) == {}


async def test_the_snapshots_that_were_not_used_for_the_longest_time_are_dropped_first(
    db: SeatDb, availability: Availability, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SHOWS_LIMIT", 2)
    shows = [await db.make_show(seats=4) for _ in range(3)]
    for number, show in enumerate(shows, start=1):
        await db.block(show, seats=[number])
    for show in (shows[0], shows[1], shows[0], shows[2]):
        clock.pass_refresh()
        await taken(availability, show)
    assert [availability.known(show.show_id) is not None for show in shows] == [True, False, True]
    assert await taken(availability, shows[1]) == {2: "blocked"}


# Several processes, and a database that is down.


async def test_the_same_state_has_the_same_version_in_two_processes(
    db: SeatDb, show: Show, dsns: Dsns, availability: Availability, reservations: Reservations, clock: Clock
) -> None:
    async def versions() -> list[str]:
        known = [await each.get(show.show_id) for each in (availability, elsewhere)]
        return [one.current().version for one in known if one is not None]

    there = PooledDatabase(dsns)
    await there.open()
    try:
        elsewhere = Availability(Cells(there))
        empty = await versions()
        request = intent_for(show, 3, 4)
        await reservations.reserve(request)
        await db.block(show, seats=[9])
        clock.pass_refresh()
        during = await versions()
        await reservations.release(request.token, request.holder)
        await db.unblock(show, seats=[9])
        clock.pass_refresh()
        after = await versions()
    finally:
        await there.close()
    assert [len(set(both)) for both in (empty, during, after)] == [1, 1, 1]
    assert empty == after != during


async def test_without_a_database_requests_are_refused_as_busy_and_afterwards_answered_again(
    db: SeatDb, show: Show, server: TestServer, availability: Availability, database: PooledDatabase, clock: Clock
) -> None:
    name = db.app.info.dbname
    await taken(availability, show)
    await db.block(show, seats=[5])
    clock.pass_refresh()
    database._app.timeout = 0.2
    async with await psycopg.AsyncConnection.connect(server.superuser_dsn(), autocommit=True) as admin:
        await admin.execute(f'alter database "{name}" allow_connections false'.encode())
        try:
            await admin.execute(
                "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = %s", [name]
            )
            refused = await asyncio.gather(*(availability.get(show.show_id) for _ in range(20)), return_exceptions=True)
            assert [type(error) for error in refused] == [BusyError] * 20
            with pytest.raises(BusyError):
                await availability.get(uuid4())
        finally:
            await admin.execute(f'alter database "{name}" allow_connections true'.encode())

    database._app.timeout = RECOVERS_WITHIN_SECONDS
    assert await taken(availability, show) == {5: "blocked"}


# All together.


@pytest.mark.parametrize("seed", range(3))
async def test_after_random_changes_the_snapshot_is_what_the_tables_say_after_each_refresh(
    db: SeatDb, show: Show, dsns: Dsns, availability: Availability, clock: Clock, reservations: Reservations, seed: int
) -> None:
    rng = random.Random(seed)
    holds: list[Reserved] = []
    own: list[Intent[SeatIds]] = []

    async def act() -> None:
        match rng.randrange(9):
            case 0 | 1:
                seats = rng.sample(range(1, 41), rng.randint(1, 4))
                hold = await db.reserve(show, seats=seats, holder=f"buyer-{len(holds)}")
                holds.extend([hold] if hold.outcome == "OK" else [])
            case 2 | 3:
                request = intent_for(show, *rng.sample(range(1, 41), rng.randint(1, 4)))
                own.extend([request] if (await reservations.reserve(request)).outcome == "OK" else [])
            case 4 if holds:
                await db.release(holds.pop(rng.randrange(len(holds))))
            case 5 if own:
                request = own.pop(rng.randrange(len(own)))
                await reservations.release(request.token, request.holder)
            case 6 if holds:
                await db.change(rng.choice(holds), add=[rng.randint(1, 40)], remove=[rng.randint(1, 40)])
            case 7:
                seat = rng.randint(1, 40)
                await (db.block(show, seats=[seat]) if rng.random() < 0.5 else db.unblock(show, seats=[seat]))
            case 8 if own:
                await reservations.change(rng.choice(own).token, [rng.randint(1, 40)], [], Holder(""))

    for _ in range(40):
        for _ in range(rng.randint(0, 3)):
            await act()
        if rng.random() < 0.3:
            await taken(availability, show)
        clock.pass_refresh()
        clock.now += rng.choice([0, 0, 2])
        assert await taken(availability, show) == await in_the_tables(db, show)
    assert await db.check(show) == []
    known = await availability.get(show.show_id)
    assert known is not None
    assert {known.statuses.status(seat) for seat in range(1, 41)} > {AVAILABLE}
