"""cleanup_expired_seat_reservations: retiring holds that ran out, by any number of callers, counted once."""

import asyncio
import random
from datetime import timedelta

import psycopg
import pytest

from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.reservations import store
from rowlock.reservations.model import CleanupResult
from rowlock.services import make_services
from tests.support.answers import Reserved, Show
from tests.support.seatdb import SeatDb
from tests.support.steps import Mutant, load_test_build, stepping, wait_until_blocked


async def holds(db: SeatDb, show: Show, *, number: int, minutes: float, name: str = "buyer") -> list[Reserved]:
    """So many holds of two seats each, on seats that none of the earlier ones had, made so many minutes ago."""
    taken = len(await db.claim_rows(show))
    made = [
        await db.reserve(show, seats=[taken + 2 * n + 1, taken + 2 * n + 2], holder=f"{name} {n}", session=f"s {n}")
        for n in range(number)
    ]
    assert {hold.outcome for hold in made} == {"OK"}
    for hold in made:
        await db.age(hold, minutes=minutes)
    return made


async def clean_up_all(db: SeatDb, *, batch: int) -> CleanupResult:
    """As `rowlock cleanup` does it."""
    cells = Cells(DirectDatabase(db.dsns, application_name="rowlock cleanup"))
    return await make_services(cells).reservations.clean_up_all(run_by="cli", batch=batch)


async def test_fifty_holds_that_ran_out_are_retired_and_live_ones_stay(db: SeatDb) -> None:
    show = await db.make_show(seats=200)
    lapsed = await holds(db, show, number=50, minutes=11)
    live = await holds(db, show, number=7, minutes=9, name="live")

    cleaned = await db.cleanup(run_by="worker-1")

    assert (cleaned.total_reservations_expired, cleaned.total_seats_released) == (50, 100)
    assert set(cleaned.reservation_ids) == {hold.reservation_id for hold in lapsed}
    rows = {row["reservation_id"]: row for row in await db.reservations(show)}
    assert {rows[hold.reservation_id]["status"] for hold in lapsed} == {"expired"}
    assert all(rows[hold.reservation_id]["ended_at"] for hold in lapsed)
    assert {rows[hold.reservation_id]["status"] for hold in live} == {"active"}
    assert set(await db.claim_rows(show)) == {seat for hold in live for seat in hold.seat_ids or []}
    expired = {row.reservation_id: row for row in await db.audit(show) if row.event == "expired"}
    assert len(expired) == 50
    for hold in lapsed:
        row = expired[hold.reservation_id]
        number = hold.holder.removeprefix("buyer ")
        assert (row.seat_ids, row.session_id, row.error_code) == (hold.seat_ids, f"s {number}", None)
        assert row.metadata == {"held_seconds": 600, "run_by": "worker-1"}
    statistics = await db.statistics(show)
    assert (statistics.total_created, statistics.total_expired) == (57, 50)
    assert await db.check() == []


async def test_a_run_without_expired_holds_is_recorded_too(db: SeatDb, show: Show) -> None:
    await db.reserve(show, seats=[1], holder="anna")

    cleaned = await db.cleanup(run_by="cli")

    assert (cleaned.total_reservations_expired, cleaned.total_seats_released, cleaned.reservation_ids) == (0, 0, [])
    (run,) = await db.cleanup_runs()
    assert (run["run_by"], run["status"], run["error"]) == ("cli", "succeeded", None)
    assert (run["reservations_expired"], run["seats_released"]) == (0, 0)
    assert run["duration"] == run["finished_at"] - run["started_at"]
    assert timedelta(0) <= run["duration"] < timedelta(minutes=1)


async def test_a_limit_takes_the_oldest_holds_first(db: SeatDb, show: Show) -> None:
    young, middle, old = [
        (await holds(db, show, number=1, minutes=minutes, name=f"{minutes}"))[0] for minutes in (11, 12, 13)
    ]

    assert (await db.cleanup(limit=2)).reservation_ids == [old.reservation_id, middle.reservation_id]
    assert (await db.cleanup(limit=2)).reservation_ids == [young.reservation_id]
    assert (await db.cleanup(limit=2)).reservation_ids == []


async def test_seats_that_others_took_over_are_not_freed_nor_counted(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2, 3], holder="anna")
    await db.age(anna, minutes=11)
    await db.reserve(show, seats=[2], holder="ben")
    await db.block(show, seats=[3])

    cleaned = await db.cleanup()

    assert (cleaned.total_reservations_expired, cleaned.total_seats_released) == (1, 1)
    assert await db.claims(show) == {2: "ben", 3: "blocked"}
    assert (await db.events(show))[-1] == ("expired", [1], None)
    assert await db.check() == []


async def test_it_cleans_every_show(db: SeatDb, show: Show) -> None:
    other = await db.make_show()
    for one in (show, other):
        await holds(db, one, number=2, minutes=11)

    cleaned = await db.cleanup()

    assert (cleaned.total_reservations_expired, cleaned.total_seats_released) == (4, 8)
    assert await db.claim_rows(show) == await db.claim_rows(other) == {}


@pytest.mark.parametrize("first_limit", [20, 1000])
async def test_two_at_once_share_the_work_and_count_nothing_twice(db: SeatDb, first_limit: int) -> None:
    await load_test_build(db.owner)
    show = await db.make_show(seats=200)
    lapsed = await holds(db, show, number=50, minutes=11)

    async with stepping(db, sessions=2) as steps:
        one, two = steps.sessions
        await one.start(lambda own: own.cleanup(limit=first_limit, run_by="one"))
        await one.run_to("reservations_locked")
        # The second finds some or all holds locked by the first, and waits for none of them.
        await two.start(lambda own: own.cleanup(run_by="two"))
        second = await two.finish()
        first = await one.finish()

    share = min(first_limit, 50)
    assert (first.total_reservations_expired, first.total_seats_released) == (share, 2 * share)
    assert (second.total_reservations_expired, second.total_seats_released) == (50 - share, 100 - 2 * share)
    assert {*first.reservation_ids, *second.reservation_ids} == {hold.reservation_id for hold in lapsed}
    assert [event for event, _, _ in await db.events(show)].count("expired") == 50
    assert (await db.statistics()).total_expired == 50
    assert await db.claim_rows(show) == {}
    assert await db.check() == []


async def test_a_backlog_is_shared_by_two_connections(db: SeatDb) -> None:
    show = await db.make_show(seats=200)
    lapsed = await holds(db, show, number=50, minutes=11)

    cleaned = await clean_up_all(db, batch=4)

    assert (cleaned.reservations_expired, cleaned.seats_released) == (50, 100)
    assert sorted(cleaned.reservation_ids) == sorted(hold.reservation_id for hold in lapsed)
    assert str(lapsed[0].reservation_id) not in repr(cleaned), (
        "asyncio.run makes the repr of its result, and there may be 100,000 ids"
    )
    runs = [run["reservations_expired"] for run in await db.cleanup_runs()]
    assert [expired for expired in runs if expired < 4], "each connection ends with a batch that was not full"
    assert await db.claim_rows(show) == {}
    assert await db.check() == []


async def test_holds_that_fit_into_one_batch_are_one_run(db: SeatDb, show: Show) -> None:
    await holds(db, show, number=2, minutes=11)

    assert (await clean_up_all(db, batch=3)).reservations_expired == 2

    assert len(await db.cleanup_runs()) == 1


async def test_a_hold_that_another_transaction_has_locked_is_left_for_the_next_run(db: SeatDb, show: Show) -> None:
    one, two = await holds(db, show, number=2, minutes=11)

    async with db.owner.transaction():
        await db.owner.execute(
            "select from rowlock.seat_reservations where reservation_id = %s for update", [one.reservation_id]
        )
        assert (await db.cleanup()).reservation_ids == [two.reservation_id]
    assert (await db.cleanup()).reservation_ids == [one.reservation_id]


async def test_a_run_that_fails_is_recorded_and_changes_nothing(db: SeatDb, show: Show) -> None:
    await holds(db, show, number=3, minutes=11)
    await db.owner.execute(
        """
        create function rowlock.refuse() returns trigger language plpgsql as $$
        begin raise exception 'the disk is full' using errcode = '53100'; end $$;
        create trigger refuse before delete on rowlock.show_seats for each row execute function rowlock.refuse();
        """
    )
    claims, events = await db.claim_rows(show), await db.events(show)

    cleaned = await db.cleanup(run_by="worker-1")

    assert (cleaned.total_reservations_expired, cleaned.total_seats_released, cleaned.reservation_ids) == (0, 0, [])
    (run,) = await db.cleanup_runs()
    assert (run["status"], run["error"], run["run_by"]) == ("failed", "53100: the disk is full", "worker-1")
    assert (run["reservations_expired"], run["seats_released"]) == (0, 0)
    assert await db.claim_rows(show) == claims
    assert await db.events(show) == events

    await db.owner.execute("drop trigger refuse on rowlock.show_seats")
    assert (await db.cleanup()).total_reservations_expired == 3
    assert [run["status"] for run in await db.cleanup_runs()] == ["succeeded", "failed"]


async def test_while_paused_it_retires_nothing_and_records_no_run(db: SeatDb, show: Show) -> None:
    anna, ben = await holds(db, show, number=2, minutes=11)
    await db.pause_cleanup()
    events = await db.events(show)

    cleaned = await db.cleanup(run_by="worker-1")

    assert (cleaned.total_reservations_expired, cleaned.total_seats_released, cleaned.reservation_ids) == (0, 0, [])
    assert {(await db.reservation(hold))["status"] for hold in (anna, ben)} == {"active"}
    assert await db.events(show) == events
    assert await db.cleanup_runs() == []


async def test_while_paused_the_seats_of_a_hold_that_ran_out_are_sold_at_once(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(anna, minutes=11)
    await db.pause_cleanup()
    await db.cleanup()

    ben = await db.reserve(show, seats=[1], holder="ben")
    assert ben.outcome == "OK"
    assert (await db.complete(show, await db.order(ben))).outcome == "OK"

    assert (await db.claims(show))[1] == "sold"
    assert (await db.reservation(anna))["status"] == "active", "no cleanup has come by"
    assert await db.check() == []


async def test_after_a_pause_everything_that_ran_out_meanwhile_is_retired(db: SeatDb, show: Show) -> None:
    lapsed = await holds(db, show, number=3, minutes=11)
    await db.pause_cleanup()
    await db.cleanup()

    await db.resume_cleanup()

    assert set((await db.cleanup()).reservation_ids) == {hold.reservation_id for hold in lapsed}
    assert await db.claim_rows(show) == {}
    assert await db.check() == []


async def test_a_pause_keeps_its_beginning_and_can_be_ended_twice(db: SeatDb) -> None:
    since = await store.pause_cleanup(db.owner)

    assert await store.pause_cleanup(db.owner) == since == await store.cleanup_paused_since(db.owner)

    await store.resume_cleanup(db.owner)
    await store.resume_cleanup(db.owner)
    assert await store.cleanup_paused_since(db.owner) is None


async def test_a_call_while_paused_sends_a_notice_with_the_way_out(db: SeatDb) -> None:
    told: list[str | None] = []
    db.app.add_notice_handler(lambda notice: told.append(notice.message_primary))
    await db.cleanup()
    await db.pause_cleanup()
    await db.cleanup()

    assert told == ["the cleanup is paused; `rowlock cleanup --resume` ends the pause"]


async def test_a_call_that_began_before_the_pause_ends_its_work(db: SeatDb, show: Show) -> None:
    await load_test_build(db.owner)
    (hold,) = await holds(db, show, number=1, minutes=11)

    async with stepping(db, sessions=1) as steps:
        (one,) = steps.sessions
        await one.start(lambda own: own.cleanup())
        await one.run_to("reservations_locked")
        await db.pause_cleanup()
        cleaned = await one.finish()

    assert cleaned.reservation_ids == [hold.reservation_id]
    assert (await db.cleanup_runs())[0]["reservations_expired"] == 1


async def test_a_cleanup_of_everything_says_that_it_is_paused(db: SeatDb, show: Show) -> None:
    await holds(db, show, number=3, minutes=11)
    await db.pause_cleanup()

    paused = await clean_up_all(db, batch=2)
    await db.resume_cleanup()
    resumed = await clean_up_all(db, batch=2)

    assert (paused.reservations_expired, paused.paused) == (0, True)
    assert (resumed.reservations_expired, resumed.paused) == (3, False)


async def test_a_pause_has_no_other_value_than_true(db: SeatDb) -> None:
    await db.pause_cleanup()

    with pytest.raises(psycopg.errors.CheckViolation):
        await db.owner.execute("update rowlock.runtime_settings set value = 'false' where name = 'cleanup_paused'")


async def test_the_application_may_not_pause_it(db: SeatDb) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await store.pause_cleanup(db.app)


FUNCTION = "cleanup_expired_seat_reservations"
IN_PHYSICAL_ORDER = Mutant(FUNCTION, "set enable_bitmapscan = off", "set enable_indexscan = off")
SHOWS_BACKWARDS = Mutant(FUNCTION, "order by d.show_id\n", "order by d.show_id desc\n")


@pytest.mark.parametrize("analyzed", [False, True], ids=["without_statistics", "analyzed"])
@pytest.mark.parametrize(
    "planted",
    [[], [IN_PHYSICAL_ORDER], [SHOWS_BACKWARDS]],
    ids=["as_it_is", "in_physical_order", "shows_backwards"],
)
async def test_claims_are_locked_in_order_of_show_and_seat(db: SeatDb, planted: list[Mutant], analyzed: bool) -> None:
    """Seat 20 of the second of three shows is locked by another transaction, and stops the cleanup there: by then it
    has to have locked every claim before that one, and no other."""
    await load_test_build(db.owner, mutants=planted)
    shows = sorted([await db.make_show(seats=40) for _ in range(3)], key=lambda show: show.show_id)
    # The claims lie in the table, and their deadlines pass, in an order that is no order of seats.
    for show in (shows[1], shows[2], shows[0]):
        for number, seat in enumerate(random.Random(7).sample(range(1, 40, 2), 20)):
            hold = await db.reserve(show, seats=[seat + 1, seat], holder=f"holder {number}")
            await db.age(hold, minutes=11 + number)
    if analyzed:
        await db.owner.execute("analyze rowlock.show_seats, rowlock.seat_reservations")
    stop = (shows[1].show_id, 20)

    async with db.another() as cleaner:
        async with db.owner.transaction():
            await db.owner.execute(
                "select from rowlock.show_seats where (show_id, seat_id) = (%s, %s) for update", stop
            )
            cleaning = asyncio.ensure_future(cleaner.cleanup())
            await wait_until_blocked(db.owner, cleaner.app)
            cursor = await db.owner.execute("select show_id, seat_id from rowlock.show_seats for update skip locked")
            not_locked_by_the_cleanup = sorted(await cursor.fetchall())
        assert (await cleaning).total_seats_released == 120

    rest = [(show.show_id, seat) for show in shows for seat in range(1, 41) if (show.show_id, seat) >= stop]
    assert (not_locked_by_the_cleanup == rest) is not bool(planted)


async def test_the_status_view_shows_the_last_ten_runs_newest_first(db: SeatDb) -> None:
    for number in range(12):
        await db.cleanup(run_by=f"run {number}")

    assert [run["run_by"] for run in await db.cleanup_runs()] == [f"run {n}" for n in range(11, 1, -1)]


async def test_old_runs_are_deleted(db: SeatDb) -> None:
    await db.cleanup()
    await db.owner.execute("select setval(pg_get_serial_sequence('rowlock.reservation_cleanup_runs', 'run_id'), 10001)")

    await db.cleanup()

    assert [run["run_id"] for run in await db.cleanup_runs()] == [10002]
