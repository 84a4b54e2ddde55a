"""A signature changes while processes of the release before run: they keep what they call, until they are gone."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.base.outcomes import Outcome
from rowlock.database.connections import connection_string
from rowlock.database.contract import contract_of, stamped
from rowlock.database.queries import query
from rowlock.database.schema import rollback
from rowlock.database.schema.definitions import read_files, status
from rowlock.database.schema.description import describe
from rowlock.database.schema.migrate import MigrationError, migrate
from rowlock.reservations import store
from rowlock.reservations.model import Intent, ReservationToken
from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

Connection = psycopg.AsyncConnection
Call = Callable[[Connection], Awaitable[object]]

CALLERS = 4
CALLS_EACH = 25
OLD_EXTEND = "extend_reservation_atomic(uuid,uuid,bytea,text,text,inet,text,integer)"
NEW_EXTEND = "extend_reservation_atomic(uuid,uuid,text,bytea,text,text,inet,text,integer)"
OLD_RESERVE = (
    "reserve_seats_batch(uuid,uuid[],bytea[],bytea[],integer[],integer[],text[],text[],inet[],text[],"
    "boolean[],inet[],integer[])"
)
ANSWERS = (Outcome.OK, Outcome.SEATS_UNAVAILABLE, Outcome.MAX_EXTENSIONS_REACHED)


@pytest.fixture
def next_release(sql_dir: Path) -> Path:
    """The next release: one function has one more parameter among others, another has one at its end."""
    change(
        sql_dir / "functions/extend_reservation_atomic.sql",
        ("    p_secret bytea default null,", "    p_channel text,\n    p_secret bytea default null,"),
        (
            "p_user_agent, jsonb_build_object('operation', 'extend',",
            "p_user_agent, jsonb_build_object('operation', 'extend', 'channel', p_channel,",
        ),
        (
            "\n            jsonb_build_object('operation', 'extend',",
            "\n            jsonb_build_object('operation', 'extend', 'channel', p_channel,",
        ),
    )
    change(
        sql_dir / "functions/reserve_seats_batch.sql",
        ("    p_limits integer[]\n", "    p_limits integer[],\n    p_channel text\n"),
    )
    change(
        sql_dir / "functions/reserve_seats_atomic.sql",
        ("        null\n    ) as b", "        null,\n        'sql'::text\n    ) as b"),
    )
    return sql_dir


def change(file: Path, *replacements: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in replacements:
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text)


async def signatures(owner: Connection, name: str) -> set[str]:
    cursor = await owner.execute("select oid::regprocedure::text from pg_proc where proname = %s", [name])
    return {str(row[0]) for row in await cursor.fetchall()}


async def value(connection: Connection, question: str) -> object:
    [(answer,)] = await (await connection.execute(question.encode())).fetchall()
    return answer


class Load:
    """Callers that call again and again, each on a connection of its own, and what became of their calls."""

    def __init__(self) -> None:
        self.calls: Counter[int] = Counter()
        self.failures: list[psycopg.Error] = []
        self._progress = asyncio.Condition()

    async def run(self, caller: int, connection: Connection, calls: list[Call]) -> None:
        while True:
            for call in calls:
                try:
                    assert await call(connection) in ANSWERS
                except psycopg.Error as error:
                    self.failures.append(error)
                self.calls[caller] += 1
            async with self._progress:
                self._progress.notify_all()

    async def goes_on(self) -> None:
        """Return once each caller has made CALLS_EACH more calls."""
        before = self.calls.copy()
        async with self._progress:
            await self._progress.wait_for(
                lambda: all(self.calls[caller] - before[caller] >= CALLS_EACH for caller in range(CALLERS))
            )


@asynccontextmanager
async def load(owner: Connection, dsns: Dsns, name: str, calls: list[Call]) -> AsyncIterator[Load]:
    """Callers of the release whose connections have that name; at the end they stop and disconnect."""
    running = Load()
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(process(owner, dsns.app, name)) for _ in range(CALLERS)]
        for connection in connections[::2]:
            # Every call is parsed anew, as in a process that has just connected. A prepared one knows its function.
            connection.prepare_threshold = None
        tasks = [asyncio.create_task(running.run(n, connection, calls)) for n, connection in enumerate(connections)]
        try:
            await running.goes_on()
            yield running
            await running.goes_on()
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


@asynccontextmanager
async def process(owner: Connection, dsn: str, name: str) -> AsyncIterator[Connection]:
    """A connection with the settings of a server, and that name. At the end its session is gone."""
    conninfo = make_conninfo(connection_string(dsn, application_name="rowlock"), application_name=name)
    async with await Connection.connect(conninfo, autocommit=True) as connection:
        connection.prepare_threshold = 0  # As servers have it.
        pid = connection.info.backend_pid
        yield connection
    # The server ends a session a moment after its client.
    while (await (await owner.execute("select from pg_stat_activity where pid = %s", [pid])).fetchone()) is not None:  # noqa: ASYNC110 - no event tells this.
        await asyncio.sleep(0.005)


def old_calls(token: ReservationToken) -> list[Call]:
    """What the old release calls, by its real statements."""
    seat = Intent(ReservationToken.mint(token.show_id), Holder("ben"), (2,))

    async def extend(connection: Connection) -> Outcome:
        return (await store.extend(connection, token, Holder("anna"))).outcome

    async def reserve(connection: Connection) -> Outcome:
        return (await store.reserve_batch(connection, token.show_id, [seat]))[0].outcome

    return [extend, reserve]


def new_calls(token: ReservationToken) -> list[Call]:
    """What the next release calls: the same statement with the parameter that is new."""
    statement = query("reservations.extend").replace("%s::bytea", "'web'::text, %s::bytea")

    async def extend(connection: Connection) -> Outcome:
        values = (token.show_id, token.reservation_id, token.secret, None, None, None, None)
        [row] = await (await connection.execute(statement.encode(), values)).fetchall()
        return Outcome(row[0])

    return [extend]


OLD = stamped("rowlock")


def named(sql_dir: Path, name: str = "rowlock 9.0") -> str:
    """The name of connections of the release with these functions."""
    return f"{name}/{contract_of(file.text for file in read_files(sql_dir) if file.kind == 'function')}"


@pytest.fixture
async def held(db: SeatDb, show: Show) -> ReservationToken:
    """A hold that both releases extend."""
    token = ReservationToken.mint(show.show_id)
    hold = await db.reserve(show, seats=[1], holder="anna", reservation_id=token.reservation_id, secret=token.secret)
    assert hold.outcome == "OK"
    return token


async def test_a_changed_signature_fails_no_call_of_either_release(
    dsns: Dsns, owner: Connection, next_release: Path, held: ReservationToken, db: SeatDb, show: Show
) -> None:
    async with AsyncExitStack() as old_processes:
        old = await old_processes.enter_async_context(load(owner, dsns, OLD, old_calls(held)))

        report = await migrate(owner, sql_dir=next_release)

        assert report.old_functions.kept == (OLD_EXTEND, OLD_RESERVE)
        assert report.old_functions.running == (OLD.partition("/")[0],)
        assert await signatures(owner, "extend_reservation_atomic") == {OLD_EXTEND, NEW_EXTEND}
        async with load(owner, dsns, named(next_release), new_calls(held)) as new:
            await old.goes_on()
            again = await migrate(owner, sql_dir=next_release)
            assert (again.changed, again.old_functions) == (False, report.old_functions)
            await old_processes.aclose()

            report = await migrate(owner, sql_dir=next_release)

            assert (report.objects, report.old_functions.kept) == ((), ())
            assert report.old_functions.dropped == (OLD_EXTEND, OLD_RESERVE)
    assert (old.failures, new.failures) == ([], [])
    assert await signatures(owner, "extend_reservation_atomic") == {NEW_EXTEND}
    assert not (await migrate(owner, sql_dir=next_release)).changed
    # Each release was served by its own version of the function.
    extensions = [row.metadata for row in await db.audit(show) if row.metadata.get("operation") == "extend"]
    channels = Counter(metadata.get("channel") for metadata in extensions)
    assert min(channels["web"], channels[None]) >= CALLERS * CALLS_EACH


async def test_deploying_forth_and_back_under_load_fails_no_call(
    dsns: Dsns, owner: Connection, next_release: Path, held: ReservationToken
) -> None:
    oid = await value(owner, f"select '{OLD_EXTEND}'::regprocedure::oid")
    async with load(owner, dsns, OLD, old_calls(held)) as old:
        for _ in range(3):
            assert (await migrate(owner, sql_dir=next_release)).old_functions.kept == (OLD_EXTEND, OLD_RESERVE)
            back = (await migrate(owner)).old_functions
            assert back.kept == ()
            assert NEW_EXTEND in back.dropped
    assert old.failures == []
    assert await value(owner, f"select '{OLD_EXTEND}'::regprocedure::oid") == oid, "it was never made anew"


async def test_the_load_notices_when_the_old_function_is_missing(
    dsns: Dsns, owner: Connection, next_release: Path, held: ReservationToken
) -> None:
    async with load(owner, dsns, OLD, old_calls(held)) as old:
        await migrate(owner, sql_dir=next_release)
        await owner.execute(f"drop function rowlock.{OLD_EXTEND}".encode())

    assert {type(failure) for failure in old.failures} == {psycopg.errors.UndefinedFunction}


async def test_the_load_notices_when_a_call_fits_both_functions(
    dsns: Dsns, owner: Connection, sql_dir: Path, held: ReservationToken
) -> None:
    async with load(owner, dsns, OLD, old_calls(held)) as old:
        await owner.execute(extend_with_a_default(sql_dir).encode())

    assert {type(failure) for failure in old.failures} == {psycopg.errors.AmbiguousFunction}


async def test_a_new_parameter_with_a_default_is_refused_while_the_release_before_runs(
    dsns: Dsns, owner: Connection, sql_dir: Path, held: ReservationToken
) -> None:
    file = sql_dir / "functions/extend_reservation_atomic.sql"
    file.write_text(file.read_text().replace(*LAST_PARAMETER))
    before = await describe(owner)
    async with load(owner, dsns, OLD, old_calls(held)) as old:
        with pytest.raises(MigrationError, match=rf"(?s)extend_reservation_atomic\(.*{VERSION}.*would fit the new"):
            await migrate(owner, sql_dir=sql_dir)
        assert await describe(owner) == before
    assert old.failures == []

    report = await migrate(owner, sql_dir=sql_dir)

    assert report.old_functions.dropped == (OLD_EXTEND,)


LAST_PARAMETER = (
    "    p_seen_extension_count integer default null\n",
    "    p_seen_extension_count integer default null,\n    p_channel text default null\n",
)
VERSION = re.escape(OLD.partition("/")[0])


def extend_with_a_default(sql_dir: Path) -> str:
    """Only the function: its comment and rights name it without parameters, which two functions would match."""
    text = (sql_dir / "functions/extend_reservation_atomic.sql").read_text().replace(*LAST_PARAMETER)
    return text.partition("comment on function")[0]


async def test_another_result_is_refused_while_the_release_before_runs(
    dsns: Dsns, owner: Connection, sql_dir: Path, held: ReservationToken
) -> None:
    file = sql_dir / "functions/extend_reservation_atomic.sql"
    file.write_text(file.read_text().replace("    extension_count integer,", "    extension_count bigint,"))
    before = await describe(owner)
    async with load(owner, dsns, OLD, old_calls(held)) as old:
        with pytest.raises(MigrationError) as caught:
            await migrate(owner, sql_dir=sql_dir)
        assert await describe(owner) == before
    assert old.failures == []
    assert str(caught.value) == (
        f"functions/extend_reservation_atomic.sql was not applied. {OLD_EXTEND} may be called by processes of another "
        f"version: {OLD.partition('/')[0]}. It cannot be kept for them, because the new function takes the same "
        "arguments. Stop those processes and migrate again, or give the new function another name, or a new parameter "
        "without a default. No function, view or right was changed."
    )

    report = await migrate(owner, sql_dir=sql_dir)

    assert "functions/extend_reservation_atomic.sql" in report.objects
    assert await signatures(owner, "extend_reservation_atomic") == {OLD_EXTEND}
    assert "bigint" in str(await value(owner, f"select pg_get_function_result('{OLD_EXTEND}'::regprocedure)"))


async def test_a_function_that_the_next_release_does_not_have_is_kept_and_then_dropped(
    dsns: Dsns, owner: Connection, sql_dir: Path, held: ReservationToken
) -> None:
    (sql_dir / "functions/extend_reservation_atomic.sql").unlink()
    change(sql_dir / "grants.sql", (" rowlock.extend_reservation_atomic,", ""))
    async with load(owner, dsns, OLD, old_calls(held)) as old:
        report = await migrate(owner, sql_dir=sql_dir)
        assert report.old_functions.kept == (OLD_EXTEND,)
        assert {s.state for s in await status(owner, sql_dir=sql_dir)} == {"applied"}
    assert old.failures == []

    report = await migrate(owner, sql_dir=sql_dir)

    assert (report.changed, report.old_functions.dropped) == (True, (OLD_EXTEND,))
    assert await signatures(owner, "extend_reservation_atomic") == set()


async def test_a_session_of_a_login_that_the_owner_may_not_act_as_counts(
    dsns: Dsns, server: TestServer, owner: Connection, next_release: Path
) -> None:
    dbname, login = owner.info.dbname, f"stranger_{owner.info.dbname}"
    with psycopg.connect(server.superuser_dsn(dbname), autocommit=True) as superuser:
        superuser.execute(f"create role {login} login password 'x'".encode())
        superuser.execute(f"grant connect on database {dbname} to {login}".encode())
        dsn = make_conninfo(server.superuser_dsn(dbname), user=login, password="x")
        try:
            async with process(owner, dsn, "rowlock worker cleanup 9.0/4fa1c02d"):
                hidden = "select state is null from pg_stat_activity where usename = session_name"
                assert await value(owner, hidden.replace("session_name", f"'{login}'")), "PostgreSQL hides what it does"

                report = await migrate(owner, sql_dir=next_release)

                assert report.old_functions.running == ("rowlock worker cleanup 9.0",)
        finally:
            superuser.execute(f"drop owned by {login}; drop role {login}".encode())


@pytest.mark.parametrize("name", ["", "psql", "rowlock", "rowlock_monitor 1.0/4fa1c02d"])
async def test_sessions_of_other_programs_do_not_count(
    dsns: Dsns, owner: Connection, next_release: Path, name: str
) -> None:
    async with process(owner, dsns.app, name):
        report = await migrate(owner, sql_dir=next_release)

    assert report.old_functions.dropped == (OLD_EXTEND, OLD_RESERVE)


async def test_processes_on_another_database_do_not_count(
    dsns: Dsns, empty_dsns: Dsns, owner: Connection, next_release: Path
) -> None:
    async with process(owner, empty_dsns.app, OLD):
        report = await migrate(owner, sql_dir=next_release)

    assert report.old_functions.dropped == (OLD_EXTEND, OLD_RESERVE)


async def test_a_kept_function_has_the_rights_it_had(dsns: Dsns, owner: Connection, sql_dir: Path) -> None:
    change(
        sql_dir / "functions/cancel_pending_order.sql",
        ("(p_show_id uuid, p_reservation_id uuid)", "(p_show_id uuid, p_reservation_id uuid, p_reason text)"),
    )
    (sql_dir / "functions/lock_pending_order.sql").unlink()
    grants = sql_dir / "grants.sql"
    grants.write_text(grants.read_text() + "grant execute on all functions in schema rowlock to rowlock_app;\n")
    rights = (
        "select coalesce(array_agg(oid::regprocedure::text || proacl::text order by proname), '{}') from pg_proc "
        "where oid::regprocedure::text in ('cancel_pending_order(uuid,uuid)', 'lock_pending_order(uuid,uuid)')"
    )
    before = await value(owner, rights)
    async with process(owner, dsns.app, OLD):
        report = await migrate(owner, sql_dir=sql_dir)

        assert report.old_functions.kept == ("cancel_pending_order(uuid,uuid)", "lock_pending_order(uuid,uuid)")
        assert await value(owner, rights) == before, "though all functions were granted to the application meanwhile"
    assert "rowlock_app" not in str(before)


async def test_a_function_that_is_there_only_in_its_old_version_is_missing(
    dsns: Dsns, owner: Connection, next_release: Path
) -> None:
    async with process(owner, dsns.app, OLD) as app:
        await migrate(owner, sql_dir=next_release)
        await owner.execute(f"drop function rowlock.{NEW_EXTEND}".encode())

        for connection in (owner, app):
            states = {s.path: s.state for s in await status(connection, sql_dir=next_release)}
            assert states.pop("functions/extend_reservation_atomic.sql") == "missing"
            assert set(states.values()) == {"applied"}

        report = await migrate(owner, sql_dir=next_release)

    assert report.objects == ("functions/extend_reservation_atomic.sql", "grants.sql")
    assert await signatures(owner, "extend_reservation_atomic") == {OLD_EXTEND, NEW_EXTEND}


async def test_the_state_of_the_files_can_be_read_before_there_are_records_of_old_functions(
    owner: Connection, app: Connection
) -> None:
    for earlier in (
        "revoke select on rowlock.schema_old_functions from rowlock_app",
        "drop table schema_old_functions",
    ):
        await owner.execute(earlier.encode())
        assert {s.state for s in await status(app)} == {"applied"}

    await migrate(owner)

    assert await value(owner, "select count(*) from schema_old_functions") == 0


async def test_a_kept_function_that_was_dropped_by_hand_is_forgotten(
    dsns: Dsns, owner: Connection, next_release: Path
) -> None:
    async with process(owner, dsns.app, OLD):
        await migrate(owner, sql_dir=next_release)
        await owner.execute(f"drop function rowlock.{OLD_EXTEND}".encode())

        report = await migrate(owner, sql_dir=next_release)

    assert (report.changed, report.old_functions.kept) == (False, (OLD_RESERVE,))


async def test_the_full_rollback_drops_every_version_of_a_function_and_undo_makes_the_new_one(
    dsns: Dsns, owner: Connection, next_release: Path
) -> None:
    async with process(owner, dsns.app, OLD):
        await migrate(owner, sql_dir=next_release)

        dropped = await rollback.full(owner)

        assert {OLD_EXTEND, NEW_EXTEND, OLD_RESERVE} <= set(dropped)
        assert await signatures(owner, "extend_reservation_atomic") == set()
        report = await rollback.undo(owner, sql_dir=next_release)
    assert report.old_functions.kept == ()
    assert await signatures(owner, "extend_reservation_atomic") == {NEW_EXTEND}
    assert {s.state for s in await status(owner, sql_dir=next_release)} == {"applied"}
