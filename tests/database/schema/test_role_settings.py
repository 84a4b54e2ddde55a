"""Settings of Rowlock's own roles: a migration takes them away where it may, and tells what it must leave."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import sql

from rowlock.database.schema.migrate import migrate
from rowlock.database.schema.role_settings import find_settings
from tests.support.servers import TestServer

Connection = psycopg.AsyncConnection


@pytest.fixture
async def superuser(server: TestServer) -> AsyncIterator[Connection]:
    """A superuser, in a database of its own. Roles belong to the server, so their settings are reset after the test."""
    async with await Connection.connect(server.superuser_dsn(), autocommit=True) as connection:
        yield connection
        for role in ("rowlock_app", "rowlock_v1"):
            await connection.execute(f"alter role {role} reset all".encode())


async def test_a_migration_takes_away_the_settings_of_our_roles_and_says_so(
    server: TestServer, superuser: Connection, owner: Connection
) -> None:
    here = owner.info.dbname
    for statement in (
        "alter role rowlock_v1 set default_transaction_read_only = on",
        "alter role rowlock_v1 set synchronous_commit = on",  # Stricter than needed, which harms nothing.
        f"alter role rowlock_app in database {here} set work_mem = '64kB'",
        f"alter role rowlock_app in database {here} set search_path = rowlock",
        "alter role rowlock_app in database postgres set work_mem = '64kB'",  # Of another database.
    ):
        await superuser.execute(statement.encode())

    report = await migrate(owner)

    assert report.resets == (
        f"role rowlock_app in database {here} has work_mem = 64kB",
        "role rowlock_v1 has default_transaction_read_only = on",
    )
    assert report.changed
    assert report.warnings == ()
    cursor = await superuser.execute(
        "select coalesce(d.datname, ''), r.rolname, s.setconfig from pg_db_role_setting as s "
        "join pg_roles as r on r.oid = s.setrole left join pg_database as d on d.oid = s.setdatabase "
        "where r.rolname like 'rowlock\\_%' order by 2, 1"
    )
    assert sorted(await cursor.fetchall()) == sorted(
        [
            ("", "rowlock_v1", ["synchronous_commit=on"]),
            (here, "rowlock_app", ["search_path=rowlock"]),
            ("postgres", "rowlock_app", ["work_mem=64kB"]),
        ]
    )
    again = await migrate(owner)
    assert (again.changed, again.resets) == (False, ())
    await superuser.execute("alter role rowlock_app in database postgres reset all")


@pytest.mark.parametrize(
    ("setting", "stays"),
    [
        ("lock_timeout = '3s'", True),
        ("lock_timeout = 3000", True),
        ("lock_timeout = '2s'", False),
        ("lock_timeout = 0", False),
        ("statement_timeout = '10000ms'", True),
        ("statement_timeout = '1min'", False),
        ("idle_in_transaction_session_timeout = '10s'", True),
        ("timezone = 'utc'", True),
        ("timezone = 'Europe/Berlin'", False),
        ("default_transaction_isolation = 'read committed'", True),
        ("default_transaction_isolation = serializable", False),
        ("default_transaction_read_only = off", True),
    ],
)
async def test_what_connections_set_themselves_stays_for_poolers_that_keep_it_from_them(
    superuser: Connection, owner: Connection, setting: str, stays: bool
) -> None:
    await superuser.execute(f"alter role rowlock_app in database {owner.info.dbname} set {setting}".encode())

    report = await migrate(owner)

    assert (report.resets == ()) is stays
    assert report.warnings == ()
    cursor = await superuser.execute(
        "select exists (select from pg_db_role_setting as s join pg_database as d on d.oid = s.setdatabase "
        "where d.datname = %s and s.setrole <> 0)",
        [owner.info.dbname],
    )
    assert await cursor.fetchone() == (stays,)


async def test_a_setting_that_the_owner_may_not_reset_is_told_with_what_an_administrator_runs(
    superuser: Connection, owner: Connection
) -> None:
    await superuser.execute("alter role rowlock_app set session_replication_role = replica")

    report = await migrate(owner)

    assert report.resets == ()
    [warning] = report.warnings
    assert warning.startswith("The role rowlock_app has session_replication_role = replica. Let an administrator run: ")
    assert warning.endswith("run: alter role rowlock_app reset session_replication_role.")


async def test_settings_of_the_database_and_of_every_role_are_told_and_left_alone(
    superuser: Connection, owner: Connection
) -> None:
    name = sql.Identifier(owner.info.dbname)
    await superuser.execute(sql.SQL("alter database {} set default_transaction_deferrable = on").format(name))
    await superuser.execute(sql.SQL("alter database {} set default_statistics_target = 10").format(name))
    await superuser.execute("alter role all set row_security = off")
    try:
        report = await migrate(owner)

        assert report.resets == ()
        assert [setting.reset for setting in await find_settings(owner)] == [
            f"alter database {owner.info.dbname} reset default_transaction_deferrable",
            "alter role all reset row_security",
        ]
        assert len(report.warnings) == 2
    finally:
        await superuser.execute("alter role all reset row_security")
