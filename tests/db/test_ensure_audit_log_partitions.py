import asyncio
from datetime import UTC, datetime

import psycopg

from rowlock.domain.database import Dsns

Connection = psycopg.AsyncConnection

ENSURE = b"select * from rowlock.ensure_audit_log_partitions(%s)"
PARTITIONS = b"""
    select relid::regclass::text from pg_partition_tree('rowlock.seat_reservation_audit_log') where level = 1 order by 1
"""


async def ensure(connection: Connection, months_ahead: int) -> list[str]:
    return [row[0] for row in await (await connection.execute(ENSURE, [months_ahead])).fetchall()]


async def partitions(connection: Connection) -> list[str]:
    return [row[0] for row in await (await connection.execute(PARTITIONS)).fetchall()]


def month_name(months_ahead: int) -> str:
    now = datetime.now(UTC)
    years, month = divmod(now.month - 1 + months_ahead, 12)
    return f"seat_reservation_audit_log_{now.year + years}_{month + 1:02}"


async def make_months_missing(owner: Connection) -> None:
    for name in await partitions(owner):
        if not name.endswith("_default"):
            await owner.execute(f"drop table rowlock.{name}".encode())


async def test_it_makes_this_month_and_the_next_ones_and_names_them(app: Connection, owner: Connection) -> None:
    await make_months_missing(owner)
    expected = [month_name(0), month_name(1), month_name(2), month_name(3)]

    assert await ensure(app, 3) == expected
    assert await partitions(owner) == [*expected, "seat_reservation_audit_log_default"]
    assert await ensure(app, 3) == [], "a second call has nothing to do"


async def test_a_month_that_was_made_too_late_stays_in_the_default_partition(
    app: Connection, owner: Connection
) -> None:
    await make_months_missing(owner)
    await owner.execute(
        "insert into rowlock.seat_reservation_audit_log (show_id, event) values (gen_random_uuid(), 'x')"
    )

    assert await ensure(app, 1) == [month_name(1)], "and the next months get theirs"
    assert await ensure(app, 1) == []
    cursor = await owner.execute("select count(*) from rowlock.seat_reservation_audit_log_default")
    assert await cursor.fetchone() == (1,)


async def test_of_two_callers_at_once_one_makes_the_partitions(app: Connection, owner: Connection, dsns: Dsns) -> None:
    await make_months_missing(owner)
    async with await Connection.connect(dsns.app, autocommit=True) as other:
        async with app.transaction():
            first = await ensure(app, 2)
            second = asyncio.create_task(ensure(other, 2))
            waits = b"select exists (select from pg_locks where pid = %s and locktype = 'advisory' and not granted)"
            while await (await owner.execute(waits, [other.info.backend_pid])).fetchone() != (True,):  # noqa: ASYNC110 - PostgreSQL has no event for this.
                await asyncio.sleep(0.01)

        assert (len(first), await second) == (3, [])


async def test_rows_of_a_new_partition_cannot_be_changed_or_deleted_even_by_the_owner(
    app: Connection, owner: Connection
) -> None:
    [*_, newest] = await ensure(app, 30)

    cursor = await owner.execute(
        "select has_table_privilege(oid, 'insert'), has_table_privilege(oid, 'update, delete, truncate') "
        "from pg_class where relname = %s",
        [newest],
    )
    assert await cursor.fetchone() == (True, False)
