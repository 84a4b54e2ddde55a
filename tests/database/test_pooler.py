"""Recognising poolers and their mode on a real PgBouncer, and what connections through one have and do not have."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg import AsyncConnection, OperationalError
from psycopg.conninfo import make_conninfo

from rowlock.base.dsns import Dsns
from rowlock.database import pooler
from rowlock.database.access import DirectDatabase
from rowlock.database.calls import BusyError, call
from rowlock.database.connections import connect, connection_string, with_role
from rowlock.database.contract import own_contract, read_stamp
from rowlock.database.pool import PooledDatabase
from rowlock.database.pooler import Pooling, TransactionPoolerError, recognise, require_session, settings_of
from rowlock.database.schema.migrate import migrate
from rowlock.database.schema.rollback import full, quick
from rowlock.operations import store
from tests.support.pgbouncer import PgBouncer, pgbouncer
from tests.support.servers import TestServer

REFUSES_OPTIONS: dict[str, str] = {}
IGNORES_OPTIONS = {"ignore_startup_parameters": "extra_float_digits,options"}
TAKES_TURNS = {"ignore_startup_parameters": "options", "server_round_robin": "1"}
WAYS = {"refuses options": REFUSES_OPTIONS, "ignores options": IGNORES_OPTIONS, "takes turns": TAKES_TURNS}

SEEN_WITHIN_SECONDS = 20.0

ways = pytest.mark.parametrize("way", list(WAYS))


@pytest.fixture
def transactions(dsns: Dsns) -> Iterator[PgBouncer]:
    """A pooler in transaction mode."""
    with pgbouncer(dsns, "transaction") as running:
        yield running


@pytest.fixture
def sessions(dsns: Dsns) -> Iterator[PgBouncer]:
    """A pooler in session mode."""
    with pgbouncer(dsns, "session", size=8) as running:
        yield running


@pytest.fixture
async def busy(transactions: PgBouncer) -> AsyncIterator[None]:
    """Another client has one of the two sessions of the application's pool in an open transaction."""
    async with await AsyncConnection.connect(transactions.dsns.app) as other:
        await other.execute("select 1")
        yield


async def value_of(connection: AsyncConnection, expression: str) -> object:
    cursor = await connection.execute(f"select {expression}".encode())
    row = await cursor.fetchone()
    return row[0] if row else None


async def test_without_a_pooler_none_is_recognised(dsns: Dsns) -> None:
    async with await connect(dsns.app) as connection:
        assert await recognise(connection) is Pooling.NONE


@ways
async def test_transaction_mode_is_recognised(dsns: Dsns, way: str) -> None:
    with pgbouncer(dsns, "transaction", WAYS[way], size=3) as running:
        async with await connect(running.dsns.app) as connection:
            assert await recognise(connection) is Pooling.TRANSACTION


@ways
async def test_session_mode_is_recognised(dsns: Dsns, way: str) -> None:
    with pgbouncer(dsns, "session", WAYS[way], size=3) as running:
        async with await connect(running.dsns.app) as connection:
            assert await recognise(connection) is Pooling.SESSION


async def test_transaction_mode_is_recognised_with_one_place_in_the_pool(dsns: Dsns) -> None:
    with pgbouncer(dsns, "transaction", size=1) as running:
        async with await connect(running.dsns.app) as connection:
            assert await recognise(connection) is Pooling.TRANSACTION


@pytest.mark.usefixtures("busy")
async def test_transaction_mode_is_recognised_while_others_keep_sessions(transactions: PgBouncer) -> None:
    async with await connect(transactions.dsns.app) as connection:
        assert await recognise(connection) is Pooling.TRANSACTION


@pytest.mark.parametrize(("mode", "pooling"), [("transaction", Pooling.TRANSACTION), ("session", Pooling.SESSION)])
async def test_the_mode_of_a_pooler_with_several_processes_is_recognised(
    dsns: Dsns, mode: str, pooling: Pooling, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pgbouncer(dsns, mode, size=4, processes=3) as running:
        for _ in range(5):  # The kernel decides anew which process a client gets.
            monkeypatch.setattr(pooler, "_recognised", {})
            async with await connect(running.dsns.app) as connection:
                assert await recognise(connection) is pooling


async def test_clients_of_a_pooler_with_several_processes_need_not_share_to_show_transaction_mode(
    transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clients on two processes of a pooler never share a session: then the end of an idle session decides."""

    async def never(*_: AsyncConnection) -> bool:
        return False

    monkeypatch.setattr(pooler, "_share", never)
    monkeypatch.setattr(pooler, "_END_SECONDS", 0.3)

    async with await connect(transactions.dsns.app) as connection:
        assert await recognise(connection) is Pooling.TRANSACTION


async def test_a_pooler_without_a_second_place_is_a_database_that_cannot_be_used(
    dsns: Dsns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooler, "_ANSWER_SECONDS", 0.5)
    with (
        pgbouncer(dsns, "session", size=1) as running,
        pytest.raises(OperationalError, match="its pool is full, or has one place only"),
    ):
        await connect(running.dsns.app)


async def test_a_pooler_is_examined_once_and_afterwards_recognised_in_one_round_trip(
    transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await connect(transactions.dsns.app):
        pass

    async def never(_: AsyncConnection) -> Pooling:
        raise AssertionError("It was examined again.")

    monkeypatch.setattr(pooler, "_mode", never)
    async with await connect(transactions.dsns.app) as connection:
        assert await recognise(connection) is Pooling.TRANSACTION


@ways
async def test_a_connection_in_session_mode_has_its_settings_and_its_role(dsns: Dsns, way: str) -> None:
    with pgbouncer(dsns, "session", WAYS[way], size=3) as running:
        given = make_conninfo(
            running.dsns.owner, options=r"-c work_mem=5MB --default_transaction_isolation=serializable"
        )
        conninfo = connection_string(with_role(given, "rowlock_app"), application_name="test")
        async with await connect(conninfo) as connection:
            assert await value_of(connection, "current_user") == "rowlock_app"
            assert await value_of(connection, "current_setting('lock_timeout')") == "3s"
            assert await value_of(connection, "current_setting('search_path')") == "rowlock,public"
            assert await value_of(connection, "current_setting('default_transaction_isolation')") == "read committed"
            assert await value_of(connection, "current_setting('work_mem')") == "5MB"


async def test_connections_through_transactions_prepare_nothing_and_others_do(
    dsns: Dsns, sessions: PgBouncer, transactions: PgBouncer
) -> None:
    prepared = {}
    for name, each in (("direct", dsns), ("sessions", sessions.dsns), ("transactions", transactions.dsns)):
        database = PooledDatabase(each, pool_size=1)
        await database.open()
        try:
            async with database.app() as connection:
                await connection.execute("select %s::integer", [1])
                prepared[name] = await value_of(connection, "count(*) from pg_prepared_statements")
        finally:
            await database.close()

    # The question is prepared itself.
    assert prepared == {"direct": 2, "sessions": 2, "transactions": 0}


async def many_statements(dsns: Dsns) -> None:
    """Statements of several connections at once, as requests make them."""
    first, second = PooledDatabase(dsns, pool_size=1), PooledDatabase(dsns, pool_size=1)
    await first.open()
    await second.open()
    try:
        for database in (first, second, first, second):
            async with database.app() as connection:
                await connection.execute("select %s::integer + 1", [1])
    finally:
        await first.close()
        await second.close()


async def test_statements_of_several_connections_do_not_meet(transactions: PgBouncer) -> None:
    await many_statements(transactions.dsns)


async def as_without_a_pooler(_: AsyncConnection) -> Pooling:
    """What `recognise` would say if it recognised nothing."""
    return Pooling.NONE


async def test_without_recognition_prepared_statements_meet(dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that was found, and so the proof that the test before could fail."""
    monkeypatch.setattr(pooler, "recognise", as_without_a_pooler)

    with (
        pgbouncer(dsns, "transaction", IGNORES_OPTIONS) as running,
        pytest.raises(psycopg.errors.DuplicatePreparedStatement),
    ):
        await many_statements(running.dsns)


async def test_without_recognition_the_role_does_not_last(dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other fault that was found: what the application does is done as the owner."""
    monkeypatch.setattr(pooler, "recognise", as_without_a_pooler)

    with pgbouncer(dsns, "transaction", IGNORES_OPTIONS) as running:
        async with await connect(with_role(running.dsns.owner, "rowlock_app")) as connection:
            assert await value_of(connection, "current_user") == "rowlock_owner"


@ways
async def test_a_role_that_would_not_last_is_refused(dsns: Dsns, way: str) -> None:
    with (
        pgbouncer(dsns, "transaction", WAYS[way]) as running,
        pytest.raises(TransactionPoolerError, match="takes on the role rowlock_app"),
    ):
        await connect(with_role(running.dsns.owner, "rowlock_app"))


async def test_what_needs_a_session_of_its_own_is_refused_and_changes_nothing(
    transactions: PgBouncer, owner: AsyncConnection
) -> None:
    before = await value_of(owner, "count(*) from pg_proc where pronamespace = 'rowlock'::regnamespace")

    async with await connect(transactions.dsns.owner) as connection:
        for refused in (migrate(connection), full(connection), require_session(connection)):
            with pytest.raises(TransactionPoolerError, match="set it to the direct address or the pooler's session"):
                await refused

    assert await value_of(owner, "count(*) from pg_proc where pronamespace = 'rowlock'::regnamespace") == before


async def test_the_switch_to_version_1_works_through_transactions(
    transactions: PgBouncer, owner: AsyncConnection
) -> None:
    async with await connect(transactions.dsns.owner) as connection:
        await quick(connection)

    assert await value_of(owner, "value from rowlock.runtime_settings where name = 'v2_rollout_percent'") == "0"


async def test_a_database_is_migrated_through_sessions(empty_dsns: Dsns) -> None:
    with pgbouncer(empty_dsns, "session", size=3) as running:
        async with await connect(running.dsns.owner) as connection:
            report = await migrate(connection)
            assert report.migrations
            assert (await store.check_invariants(connection)).violations_total == 0


async def test_a_call_that_waits_too_long_for_a_lock_ends_by_the_limit_of_the_login(
    server: TestServer, dsns: Dsns, owner: AsyncConnection
) -> None:
    """The limits of transaction mode are those of the login, and the pooler's sessions have them."""
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as superuser:
        superuser.execute(f"alter role rowlock_app in database {owner.info.dbname} set lock_timeout = '100ms'".encode())
    with pgbouncer(dsns, "transaction") as running:
        database = DirectDatabase(running.dsns, application_name="test")
        async with owner.transaction():
            await owner.execute("lock table rowlock.venues in access exclusive mode")

            async def read(connection: AsyncConnection) -> None:
                await connection.execute("select count(*) from rowlock.venues")

            with pytest.raises(BusyError, match="lock timeout"):
                await call(database.app, read, repeatable=True, reads=True)


async def test_a_call_that_is_cancelled_ends_on_the_server_too(transactions: PgBouncer, owner: AsyncConnection) -> None:
    """By the made-up process id: the pooler passes the request on to the session that runs the call."""
    asleep = "count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"

    async def until(count: int) -> None:
        async with asyncio.timeout(SEEN_WITHIN_SECONDS):
            while await value_of(owner, asleep) != count:  # noqa: ASYNC110 - the server has no event for it.
                await asyncio.sleep(0.01)

    async with await connect(transactions.dsns.app) as connection:
        call_ = asyncio.create_task(connection.execute("select pg_sleep(60)"))
        await until(1)
        call_.cancel()
        await until(0)
        await asyncio.wait([call_])


async def test_the_names_of_connections_reach_the_server(transactions: PgBouncer, owner: AsyncConnection) -> None:
    async with await connect(transactions.dsns.app, application_name="rowlock test") as connection:
        name = await value_of(connection, "current_setting('application_name')")

    stamp = read_stamp(str(name))
    assert stamp is not None
    assert (stamp.name, stamp.contract) == ("rowlock test", own_contract())


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("", {}),
        ("-c a=1 -cb=2 --c-d=3", {"a": "1", "b": "2", "c_d": "3"}),
        (r"-c x=read\ committed -c x=serializable", {"x": "serializable"}),
        (r"-c x=read\ committed", {"x": "read committed"}),
        ("-c rowlock.y=z", {"rowlock.y": "z"}),
    ],
)
def test_settings_are_read_from_the_options_of_a_connection_string(options: str, settings: dict[str, str]) -> None:
    assert settings_of(make_conninfo("dbname=x", options=options)) == settings
