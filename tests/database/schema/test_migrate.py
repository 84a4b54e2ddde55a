import asyncio
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.schema.definitions import read_files, status
from rowlock.database.schema.description import describe
from rowlock.database.schema.migrate import ADVISORY_LOCK, MigrationError, check_server_version, migrate
from tests.database.schema.conftest import Connect

Connection = psycopg.AsyncConnection


async def value(connection: Connection, question: str) -> object:
    [(answer,)] = await (await connection.execute(question.encode())).fetchall()
    return answer


async def waiting_for_locks(connection: Connection, count: int) -> None:
    """Return once so many sessions of this database wait for a lock; the test's time limit bounds it."""
    while await value(connection, "select count(*) from pg_locks where not granted") != count:  # noqa: ASYNC110 - no event tells this.
        await asyncio.sleep(0.01)


async def test_an_empty_database_gets_everything(empty: Connection) -> None:
    files = read_files()

    report = await migrate(empty)

    assert report.migrations == tuple(f.path for f in files if f.kind == "migration")
    assert report.objects == tuple(f.path for f in files if f.kind != "migration")
    assert len(report.partitions) == 3, "this month and the next two"
    assert report.changed
    assert report.warnings == ()
    assert [(s.path, s.state) for s in await status(empty)] == [(f.path, "applied") for f in files]


async def test_before_the_first_migration_everything_is_pending(empty: Connection) -> None:
    assert {(s.state, s.applied_at) for s in await status(empty)} == {("pending", None)}
    assert await value(empty, "select to_regnamespace('rowlock') is null"), "asking changes nothing"


async def test_new_sessions_find_our_names_without_a_prefix(
    empty_dsns: Dsns, empty: Connection, connect: Connect
) -> None:
    await empty.execute(f"alter database {empty.info.dbname} reset search_path".encode())
    await migrate(empty)

    app = await connect(empty_dsns.app)

    assert await value(app, "select count(*) from show_listing") == 0


async def test_a_search_path_that_is_already_set_is_left_alone(empty: Connection) -> None:
    await empty.execute(f"alter database {empty.info.dbname} set search_path = rowlock, reports".encode())

    await migrate(empty)

    settings = "select array_to_string(setconfig, ';') from pg_db_role_setting as s join pg_database as d"
    settings += " on d.oid = s.setdatabase where d.datname = current_database()"
    assert await value(empty, settings) == "search_path=rowlock, reports"


async def test_a_second_run_changes_nothing_and_says_so(empty: Connection) -> None:
    await migrate(empty)
    before = await value(empty, "select pg_snapshot_xmax(pg_current_snapshot())::text")

    report = await migrate(empty)

    # Not one transaction of the second run wrote anything: each that does consumes an id.
    assert await value(empty, "select pg_snapshot_xmax(pg_current_snapshot())::text") == before
    assert (report.migrations, report.objects, report.partitions, report.changed) == ((), (), (), False)


async def test_the_session_is_as_it_was_before(empty: Connection) -> None:
    await empty.execute("set lock_timeout = '7s'")
    await empty.execute("set statement_timeout = '70s'")
    await empty.execute("set search_path = public")

    await migrate(empty)

    assert await value(empty, "show lock_timeout") == "7s"
    assert await value(empty, "show statement_timeout") == "70s"
    assert await value(empty, "show search_path") == "public"
    assert await value(empty, "select count(*) from pg_locks where locktype = 'advisory'") == 0


async def test_of_two_migrators_at_once_one_does_the_work_and_both_succeed(
    empty_dsns: Dsns, empty: Connection, connect: Connect
) -> None:
    await empty.execute("select pg_advisory_lock(%s)", [ADVISORY_LOCK])
    both = [
        asyncio.create_task(migrate(await connect(empty_dsns.owner))),
        asyncio.create_task(migrate(await connect(empty_dsns.owner))),
    ]
    await waiting_for_locks(empty, 2)
    await empty.execute("select pg_advisory_unlock(%s)", [ADVISORY_LOCK])

    reports = await asyncio.gather(*both)

    assert sorted(report.changed for report in reports) == [False, True]
    assert {s.state for s in await status(empty)} == {"applied"}


async def test_a_migrator_that_waits_too_long_for_another_one_fails_with_that_reason(
    empty_dsns: Dsns, empty: Connection, connect: Connect
) -> None:
    await empty.execute("select pg_advisory_lock(%s)", [ADVISORY_LOCK])

    with pytest.raises(MigrationError, match=r"waiting for another migrator .* lock timeout"):
        await migrate(await connect(empty_dsns.owner), wait_seconds=0.1)

    assert await value(empty, "select to_regnamespace('rowlock') is null")


async def test_a_migration_that_a_long_transaction_blocks_gives_up_and_leaves_nothing(
    dsns: Dsns, owner: Connection, connect: Connect, sql_dir: Path
) -> None:
    (sql_dir / "migrations/9000_widgets.sql").write_text(
        "create table widgets (n integer);\nalter table show_seats add column widget integer;\n"
    )
    reader = await connect(dsns.owner)
    async with reader.transaction():
        await reader.execute("select count(*) from rowlock.show_seats")

        with pytest.raises(MigrationError, match=r"(?s)migrations/9000_widgets.sql .* lock timeout") as caught:
            await migrate(owner, sql_dir=sql_dir, lock_timeout_seconds=0.1)

    assert f"process {reader.info.backend_pid}" in str(caught.value), "the error names the process that blocks it"
    assert await value(owner, "select to_regclass('rowlock.widgets') is null")
    assert await value(owner, "select max(version) < 9000 from rowlock.schema_migrations")
    assert await value(owner, "select count(*) from pg_locks where locktype = 'advisory'") == 0
    assert (await migrate(owner, sql_dir=sql_dir)).migrations == ("migrations/9000_widgets.sql",)


async def test_a_statement_that_runs_too_long_is_cut_off(owner: Connection, sql_dir: Path) -> None:
    (sql_dir / "migrations/9000_slow.sql").write_text("create table widgets ();\nselect pg_sleep(60);\n")

    with pytest.raises(MigrationError, match=r"migrations/9000_slow.sql .* statement timeout"):
        await migrate(owner, sql_dir=sql_dir, statement_timeout_seconds=0.1)

    assert await value(owner, "select to_regclass('rowlock.widgets') is null")


async def test_a_failing_migration_keeps_those_before_it(owner: Connection, sql_dir: Path) -> None:
    (sql_dir / "migrations/9000_good.sql").write_text("create table good ();\n")
    (sql_dir / "migrations/9001_bad.sql").write_text("create table bad ();\nselect no_such_column from good;\n")

    with pytest.raises(MigrationError, match=r"(?s)migrations/9001_bad.sql .* no_such_column"):
        await migrate(owner, sql_dir=sql_dir)

    assert await value(owner, "select to_regclass('rowlock.good') is not null")
    assert await value(owner, "select to_regclass('rowlock.bad') is null")
    assert {s.path: s.state for s in await status(owner, sql_dir=sql_dir)}["migrations/9001_bad.sql"] == "pending"


async def test_a_migration_that_changed_after_it_was_applied_is_refused(owner: Connection, sql_dir: Path) -> None:
    file = sql_dir / "migrations/0002_seat_core.sql"
    file.write_text(file.read_text() + "-- A comment is a change too.\n")

    with pytest.raises(MigrationError, match=r"(?s)0002_seat_core.sql is not what was applied.*new migration"):
        await migrate(owner, sql_dir=sql_dir)

    assert {s.path: s.state for s in await status(owner, sql_dir=sql_dir)}["migrations/0002_seat_core.sql"] == "changed"


async def test_a_database_of_a_newer_rowlock_is_refused(owner: Connection, sql_dir: Path) -> None:
    newest = (sql_dir / "migrations/0001_catalogue.sql").with_name("9000_next_year.sql")
    newest.write_text("create table next_year ();\n")
    await migrate(owner, sql_dir=sql_dir)

    with pytest.raises(MigrationError, match=r"newer Rowlock.*9000_next_year"):
        await migrate(owner)

    assert {s.path: s.state for s in await status(owner)}["migrations/9000_next_year.sql"] == "unknown"


async def test_two_migrations_of_one_number_are_refused(empty: Connection, sql_dir: Path) -> None:
    (sql_dir / "migrations/0004_again.sql").write_text("create table widgets ();\n")

    with pytest.raises(MigrationError, match=r"0004_again.sql and migrations/0004_.*have the same number"):
        await migrate(empty, sql_dir=sql_dir)


async def test_the_error_for_a_user_without_rights_says_what_is_missing(
    dsns: Dsns, connect: Connect, sql_dir: Path
) -> None:
    (sql_dir / "migrations/9000_widgets.sql").write_text("create table widgets ();\n")
    app = await connect(dsns.app)

    with pytest.raises(MigrationError, match=r"(?s)permission denied.*Connect as a user that owns.*rowlock_app"):
        await migrate(app, sql_dir=sql_dir)


async def test_a_connection_inside_a_transaction_is_refused(empty_dsns: Dsns) -> None:
    async with await Connection.connect(empty_dsns.owner) as connection:
        with pytest.raises(ValueError, match="autocommit"):
            await migrate(connection)


def test_a_server_that_is_too_old_is_refused() -> None:
    with pytest.raises(MigrationError, match="The server is PostgreSQL 14, and Rowlock needs 15 or newer"):
        check_server_version(140020)
    check_server_version(150000)
    check_server_version(180004)


async def test_databases_migrated_at_different_times_have_one_schema(empty: Connection, owner: Connection) -> None:
    await migrate(empty)

    assert await describe(empty) == await describe(owner)
