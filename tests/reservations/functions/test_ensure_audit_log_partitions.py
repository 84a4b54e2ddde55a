"""ensure_audit_log_partitions: a partition of the audit log for each month, before the month begins."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from rowlock.database.connections import WORKER_ROLE
from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from tests.support.steps import wait_until_blocked


async def ensure(db: SeatDb, months_ahead: int) -> list[str]:
    async with db.in_role(WORKER_ROLE):
        cursor = await db.app.execute("select * from rowlock.ensure_audit_log_partitions(%s)", [months_ahead])
        return [name for (name,) in await cursor.fetchall()]


def months(number: int) -> list[str]:
    """The names of the partitions of this month and the following ones."""
    now = datetime.now(UTC)
    first = now.year * 12 + now.month - 1
    return [f"seat_reservation_audit_log_{m // 12:04}_{m % 12 + 1:02}" for m in range(first, first + number)]


async def partitions(db: SeatDb) -> set[str]:
    cursor = await db.owner.execute(
        "select c.relname from pg_inherits as i join pg_class as c on c.oid = i.inhrelid"
        " where i.inhparent = 'rowlock.seat_reservation_audit_log'::regclass"
    )
    return {name for (name,) in await cursor.fetchall()}


async def test_missing_months_are_made_once(db: SeatDb) -> None:
    await ensure(db, 2)

    assert await ensure(db, 5) == months(6)[3:]
    assert await ensure(db, 5) == []
    assert {*months(6), "seat_reservation_audit_log_default"} <= await partitions(db)


async def test_events_go_to_the_partition_of_their_month(db: SeatDb, show: Show) -> None:
    await ensure(db, 0)
    await db.reserve(show, seats=[1], holder="anna")

    cursor = await db.owner.execute(
        "select tableoid::regclass::text, at from rowlock.seat_reservation_audit_log where show_id = %s", [show.show_id]
    )
    ((table, at),) = await cursor.fetchall()
    assert table.removeprefix("rowlock.") == at.astimezone(UTC).strftime("seat_reservation_audit_log_%Y_%m_kept")


async def test_refused_requests_have_partitions_of_their_own_that_can_be_dropped(db: SeatDb, show: Show) -> None:
    await ensure(db, 0)
    await db.reserve(show, seats=[1], holder="anna")
    await db.reserve(show, seats=[1], holder="ben")
    failed = f"rowlock.{months(1)[0]}_failed"
    cursor = await db.owner.execute(f"select event from {failed}".encode())
    assert await cursor.fetchall() == [("failed",)]

    await db.owner.execute(f"drop table {failed}".encode())

    assert await db.events(show) == [("created", [1], None)]
    assert (await db.reserve(show, seats=[2], holder="ben")).outcome == "OK"
    assert await db.check() == []


async def test_an_event_of_a_month_without_a_partition_is_kept_all_the_same(db: SeatDb, show: Show) -> None:
    await db.owner.execute(
        "insert into rowlock.seat_reservation_audit_log (show_id, event, at) values (%s, 'created', '2001-02-03 UTC')",
        [show.show_id],
    )

    assert [event for event, _, _ in await db.events(show)] == ["created"]


@pytest.mark.parametrize("statement", ["update {} set event = 'sold'", "delete from {}", "truncate {}"])
async def test_not_even_the_owner_can_rewrite_a_new_partition(db: SeatDb, statement: str) -> None:
    await ensure(db, 2)

    for table in (f"{month}{part}" for month in months(3) for part in ("", "_failed", "_kept")):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await db.owner.execute(statement.format(f"rowlock.{table}").encode())


async def test_two_callers_at_once_make_each_month_once(db: SeatDb) -> None:
    await ensure(db, 2)

    async with db.another() as other:
        async with db.app.transaction():
            assert await ensure(db, 4) == months(5)[3:]
            late = asyncio.ensure_future(ensure(other, 5))
            await wait_until_blocked(db.app, other.app)
        assert await late == months(6)[5:]


async def test_a_month_that_has_begun_in_the_default_partition_stays_there(db: SeatDb, show: Show) -> None:
    await db.owner.execute(
        "insert into rowlock.seat_reservation_audit_log (show_id, event, at)"
        " values (%s, 'created', date_trunc('month', clock_timestamp() at time zone 'UTC') at time zone 'UTC'"
        " + interval '4 months')",
        [show.show_id],
    )

    await ensure(db, 5)

    assert months(6)[4] not in await partitions(db)
    assert months(6)[5] in await partitions(db)
