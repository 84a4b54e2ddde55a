"""Making the application's roles on servers where not every user may do so, and reporting what is weaker then."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import psycopg
import pytest
from psycopg import sql

from rowlock.database.schema.migrate import migrate
from rowlock.database.schema.roles import inspect_roles
from rowlock.embedded.bootstrap import revoke_large_objects
from tests.support.servers import TestServer

Connection = psycopg.AsyncConnection

OURS = ("rowlock_app", "rowlock_office", "rowlock_worker", "rowlock_v1")
USER = "hosted_user"


class HostedServer:
    """A server as a hosting provider sets it up: a user who owns one database, and none of Rowlock's roles."""

    def __init__(self, server: TestServer, admin: psycopg.Connection, stack: AsyncExitStack, dbname: str) -> None:
        self._server = server
        self._admin = admin
        self._stack = stack
        self._dbname = dbname

    def administrator(self, statement: str) -> None:
        """Do something that the user may not do."""
        self._admin.execute(statement.encode())

    async def connect(self, role: str = USER) -> Connection:
        """A connection on which everything is done and judged as `role`."""
        dsn = self._server.superuser_dsn(self._dbname)
        connection = await Connection.connect(dsn, autocommit=True, options=f"-c role={role}")
        return await self._stack.enter_async_context(connection)


@pytest.fixture
def admin(server: TestServer) -> Iterator[psycopg.Connection]:
    """The superuser, on a server where Rowlock's roles have other names for the length of a test."""
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
async def hosted(server: TestServer, admin: psycopg.Connection) -> AsyncIterator[HostedServer]:
    admin.execute(f"create role {USER}".encode())
    admin.execute(sql.SQL("create database {0} owner {0} template template0").format(sql.Identifier(USER)))
    admin.execute(f"revoke all on database {USER} from public".encode())
    with psycopg.connect(server.superuser_dsn(USER), autocommit=True) as superuser:
        revoke_large_objects(superuser)
    try:
        async with AsyncExitStack() as stack:
            yield HostedServer(server, admin, stack, USER)
    finally:
        server.drop_database(USER)
        for role in OURS:  # Before the user: from PostgreSQL 16 on, it cannot be dropped while its grants exist.
            admin.execute(f"drop role if exists {role}".encode())
        admin.execute(f"drop role {USER}".encode())


async def test_a_user_who_may_make_roles_gets_them_and_every_guarantee(hosted: HostedServer) -> None:
    hosted.administrator(f"alter role {USER} createrole")
    connection = await hosted.connect()

    report = await migrate(connection)

    assert report.warnings == ()
    assert [(role.name, role.exists, role.usable) for role in report.roles.roles] == [
        (name, True, True) for name in OURS
    ]
    cursor = await connection.execute(
        "select rolname::text, rolcanlogin from pg_roles where rolname = any(%s) order by 1", [list(OURS)]
    )
    assert await cursor.fetchall() == [(name, False) for name in sorted(OURS)]
    await connection.execute("set role rowlock_worker")
    await connection.execute("select * from rowlock.cleanup_expired_seat_reservations()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("select * from rowlock.show_seats")


async def test_a_user_who_may_not_make_roles_is_warned_what_is_weaker_and_what_to_do(hosted: HostedServer) -> None:
    connection = await hosted.connect()

    report = await migrate(connection)

    assert len(report.migrations) > 0
    assert not report.roles.usable("rowlock_app")
    assert not report.roles.usable("rowlock_v1")
    app, office, worker, v1 = report.warnings
    assert "could write more than the catalogue" in office
    assert "could write them without the functions" in worker
    assert "a bug in Python could write the seat tables" in app
    assert f"create role rowlock_app nologin; grant rowlock_app to {USER}" in app
    assert f"create role rowlock_v1 nologin; grant rowlock_v1 to {USER}" in v1
    await connection.execute("select * from rowlock.cleanup_expired_seat_reservations()")


async def test_a_role_that_exists_but_was_not_granted_is_reported_as_such(hosted: HostedServer) -> None:
    for role in OURS:
        hosted.administrator(f"create role {role} nologin")

    report = await migrate(await hosted.connect())

    assert [(role.exists, role.usable) for role in report.roles.roles] == [(True, False)] * 4
    assert f"run: grant rowlock_app to {USER};" in report.warnings[0]


async def test_roles_that_an_administrator_adds_are_used_by_the_next_migration(hosted: HostedServer) -> None:
    connection = await hosted.connect()
    await migrate(connection)
    for role in OURS:
        hosted.administrator(f"create role {role} nologin; grant {role} to {USER}")

    report = await migrate(connection)

    assert report.warnings == ()
    assert report.objects == ("grants.sql",)
    await connection.execute("set role rowlock_app")
    await connection.execute("select * from rowlock.show_listing")


async def test_a_superuser_is_warned_that_no_revoke_applies_to_it(hosted: HostedServer) -> None:
    report = await migrate(await hosted.connect("postgres"))

    assert report.roles.superuser
    assert [warning for warning in report.warnings if "is a superuser, to which no revoke applies" in warning]


async def test_an_application_role_with_too_many_rights_is_reported(owner: Connection) -> None:
    assert (await inspect_roles(owner)).weaknesses == ()
    await owner.execute("grant update on rowlock.show_seats to rowlock_app")
    await owner.execute("grant delete on rowlock.tickets, rowlock.refunds to rowlock_worker")

    app, worker = (await inspect_roles(owner)).weaknesses

    assert app.startswith("rowlock_app may write show_seats directly")
    assert worker.startswith("rowlock_worker may write refunds, tickets directly")


async def test_what_postgresql_lets_any_login_do_is_reported(hosted: HostedServer) -> None:
    hosted.administrator(f"alter role {USER} createrole")
    connection = await hosted.connect()
    await connection.execute(f"grant temporary on database {USER} to public".encode())
    superuser = await hosted.connect("postgres")
    await superuser.execute("grant execute on function lo_create(oid) to public")

    large_objects, temporary_tables = (await migrate(connection)).warnings

    assert "may make large objects" in large_objects
    assert f"revoke temporary on database {USER} from public" in temporary_tables


async def test_inspecting_the_roles_changes_nothing(hosted: HostedServer) -> None:
    hosted.administrator(f"alter role {USER} createrole")
    connection = await hosted.connect()

    report = await inspect_roles(connection)

    assert [role.exists for role in report.roles] == [False] * 4
    cursor = await connection.execute("select count(*) from pg_roles where rolname = any(%s)", [list(OURS)])
    assert await cursor.fetchone() == (0,)


async def test_where_another_role_owns_the_database_only_the_user_gets_a_search_path(hosted: HostedServer) -> None:
    hosted.administrator(f"alter database {USER} owner to postgres")
    hosted.administrator(f"grant create on database {USER} to {USER}")
    connection = await hosted.connect()

    report = await migrate(connection)

    assert report.warnings[0].startswith(f"The database {USER} belongs to another role")
    cursor = await connection.execute(
        "select setrole::regrole::text, setconfig from pg_db_role_setting as s join pg_database as d "
        "on d.oid = s.setdatabase where d.datname = current_database()"
    )
    assert await cursor.fetchall() == [(USER, ["search_path=rowlock, public"])]
