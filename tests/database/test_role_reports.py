"""Making the application's roles on servers that do not let everybody do so, and saying what is weaker then."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import psycopg
import pytest
from psycopg import sql

from rowlock.database.schema.migrate import migrate
from rowlock.database.schema.roles import inspect_roles
from tests.support.servers import TestServer

Connection = psycopg.AsyncConnection

OURS = ("rowlock_app", "rowlock_v1")
STRANGER = "stranger"


class ForeignServer:
    """A server as an administrator hands it out: a user, who owns one database, and none of our roles."""

    def __init__(self, server: TestServer, admin: psycopg.Connection, stack: AsyncExitStack, dbname: str) -> None:
        self._server = server
        self._admin = admin
        self._stack = stack
        self._dbname = dbname

    def administrator(self, statement: str) -> None:
        """Do something that the user may not do."""
        self._admin.execute(statement.encode())

    async def connect(self, role: str = STRANGER) -> Connection:
        """A connection on which everything is done and judged as `role`."""
        dsn = self._server.superuser_dsn(self._dbname)
        connection = await Connection.connect(dsn, autocommit=True, options=f"-c role={role}")
        return await self._stack.enter_async_context(connection)


@pytest.fixture
def admin(server: TestServer) -> Iterator[psycopg.Connection]:
    """The superuser, on a server whose roles of ours are out of sight for the length of a test."""
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
        for role in OURS:
            connection.execute(f"alter role {role} rename to hidden_{role}".encode())
        try:
            yield connection
        finally:
            for role in OURS:
                connection.execute(f"drop role if exists {role}".encode())
                connection.execute(f"alter role hidden_{role} rename to {role}".encode())


@pytest.fixture
async def foreign(server: TestServer, admin: psycopg.Connection) -> AsyncIterator[ForeignServer]:
    admin.execute(f"create role {STRANGER}".encode())
    admin.execute(sql.SQL("create database {0} owner {0} template template0").format(sql.Identifier(STRANGER)))
    try:
        async with AsyncExitStack() as stack:
            yield ForeignServer(server, admin, stack, STRANGER)
    finally:
        server.drop_database(STRANGER)
        for role in OURS:  # They go first: on PostgreSQL 15 a role goes whoever granted what.
            admin.execute(f"drop role if exists {role}".encode())
        admin.execute(f"drop role {STRANGER}".encode())


async def test_a_user_who_may_make_roles_gets_them_and_every_guarantee(foreign: ForeignServer) -> None:
    foreign.administrator(f"alter role {STRANGER} createrole")
    connection = await foreign.connect()

    report = await migrate(connection)

    assert report.warnings == ()
    assert [(role.name, role.exists, role.usable) for role in report.roles.roles] == [
        ("rowlock_app", True, True),
        ("rowlock_v1", True, True),
    ]
    cursor = await connection.execute(
        "select rolname::text, rolcanlogin from pg_roles where rolname = any(%s) order by 1", [list(OURS)]
    )
    assert await cursor.fetchall() == [("rowlock_app", False), ("rowlock_v1", False)]
    await connection.execute("set role rowlock_app")
    await connection.execute("select * from rowlock.cleanup_expired_seat_reservations()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("select * from rowlock.show_seats")


async def test_a_user_who_may_not_make_roles_is_told_what_is_weaker_and_what_to_do(foreign: ForeignServer) -> None:
    connection = await foreign.connect()

    report = await migrate(connection)

    assert len(report.migrations) > 0
    assert not report.roles.usable("rowlock_app")
    assert not report.roles.usable("rowlock_v1")
    app, v1 = report.warnings
    assert "a bug in Python could write the seat tables" in app
    assert f"create role rowlock_app nologin; grant rowlock_app to {STRANGER}" in app
    assert f"create role rowlock_v1 nologin; grant rowlock_v1 to {STRANGER}" in v1
    await connection.execute("select * from rowlock.cleanup_expired_seat_reservations()")


async def test_a_role_that_exists_but_was_not_granted_is_reported_as_such(foreign: ForeignServer) -> None:
    for role in OURS:
        foreign.administrator(f"create role {role} nologin")

    report = await migrate(await foreign.connect())

    assert [(role.exists, role.usable) for role in report.roles.roles] == [(True, False), (True, False)]
    assert f"run: grant rowlock_app to {STRANGER};" in report.warnings[0]


async def test_what_an_administrator_puts_right_is_taken_up_by_the_next_migration(foreign: ForeignServer) -> None:
    connection = await foreign.connect()
    await migrate(connection)
    for role in OURS:
        foreign.administrator(f"create role {role} nologin; grant {role} to {STRANGER}")

    report = await migrate(connection)

    assert report.warnings == ()
    assert report.objects == ("grants.sql",)
    await connection.execute("set role rowlock_app")
    await connection.execute("select * from rowlock.show_listing")


async def test_a_superuser_is_told_that_nothing_binds_it(foreign: ForeignServer) -> None:
    report = await migrate(await foreign.connect("postgres"))

    assert report.roles.superuser
    assert [warning for warning in report.warnings if "is a superuser, whom no revoke binds" in warning]


async def test_an_application_role_with_too_many_rights_is_reported(owner: Connection) -> None:
    assert (await inspect_roles(owner)).weaknesses == ()
    await owner.execute("grant update on rowlock.show_seats to rowlock_app")

    [weakness] = (await inspect_roles(owner)).weaknesses

    assert weakness.startswith("rowlock_app may write show_seats directly")


async def test_looking_changes_nothing(foreign: ForeignServer) -> None:
    foreign.administrator(f"alter role {STRANGER} createrole")
    connection = await foreign.connect()

    report = await inspect_roles(connection)

    assert [role.exists for role in report.roles] == [False, False]
    cursor = await connection.execute("select count(*) from pg_roles where rolname = any(%s)", [list(OURS)])
    assert await cursor.fetchone() == (0,)


async def test_where_the_database_is_somebody_elses_only_the_user_gets_a_search_path(foreign: ForeignServer) -> None:
    foreign.administrator(f"alter database {STRANGER} owner to postgres")
    foreign.administrator(f"grant create on database {STRANGER} to {STRANGER}")
    connection = await foreign.connect()

    report = await migrate(connection)

    assert report.warnings[0].startswith(f"The database {STRANGER} belongs to somebody else")
    cursor = await connection.execute(
        "select setrole::regrole::text, setconfig from pg_db_role_setting as s join pg_database as d "
        "on d.oid = s.setdatabase where d.datname = current_database()"
    )
    assert await cursor.fetchall() == [(STRANGER, ["search_path=rowlock, public"])]
