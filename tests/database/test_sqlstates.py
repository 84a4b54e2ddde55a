"""What a caller is told about each error of the server, and whether the call is run again."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import errors

from rowlock.base.dsns import Dsns
from rowlock.database import calls, sqlstates
from rowlock.database.calls import BusyError, OutcomeUnknownError, call
from rowlock.database.connections import Connection
from rowlock.database.pool import PooledDatabase
from rowlock.database.sqlstates import Then, then
from tests.support.failing import forbid_writing

REFUSED = {
    "53000": "insufficient resources",
    "53100": "disk full",
    "53200": "out of memory, or of places in the lock table",
    "53300": "too many connections",
    "53400": "configuration limit exceeded",
    "58000": "system error",
    "58030": "input or output error",
    "58P01": "undefined file",
    "55P03": "lock timeout",
    "57014": "statement timeout",
    "25P04": "transaction timeout",
}
REPEATED = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "25P03": "idle in transaction",
    "57P05": "idle session",
    "57P03": "cannot connect now",
}
RENEWED = {"25006": "read-only", "26000": "no such prepared statement", "42P05": "duplicate prepared statement"}
LOST = {
    "08000": "connection exception",
    "08006": "connection failure",
    "08007": "transaction resolution unknown",
    "08P01": "a pooler lost its connection",
    "57P01": "admin shutdown",
    "57P02": "crash shutdown",
    "40003": "statement completion unknown",
}
RAISED = {
    "54000": "program limit exceeded",
    "54001": "statement too complex",
    "54023": "too many arguments",
    "55000": "not in the state for it",
    "XX000": "internal error",
    "22012": "division by zero",
    "23505": "unique violation",
    "P0001": "raised by a function",
}


@pytest.fixture
async def database(dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PooledDatabase]:
    """The pools of a server process, with shorter pauses between attempts."""
    monkeypatch.setattr(calls, "PAUSES_SECONDS", (0, 0, 0.2))
    opened = PooledDatabase(dsns, pool_size=3)
    await opened.open()
    yield opened
    await opened.close()


class Attempts:
    """An operation that counts its attempts, and lets the server raise an error in the first of them."""

    def __init__(self, sqlstate: str, *, failures: int) -> None:
        self._raise = f"do $$ begin raise exception 'planted' using errcode = '{sqlstate}'; end $$".encode()
        self._failures = failures
        self.backends: list[int] = []

    async def __call__(self, connection: Connection) -> str:
        self.backends.append(connection.info.backend_pid)
        if len(self.backends) <= self._failures:
            await connection.execute(self._raise)
        return "done"


@pytest.mark.parametrize("sqlstate", REFUSED, ids=REFUSED.get)
async def test_what_needs_time_or_an_operator_is_busy_at_once_and_never_an_unknown_outcome(
    database: PooledDatabase, sqlstate: str
) -> None:
    operation = Attempts(sqlstate, failures=9)

    with pytest.raises(BusyError):
        await call(database.app, operation, repeatable=False)

    assert len(operation.backends) == 1


@pytest.mark.parametrize("sqlstate", REPEATED, ids=REPEATED.get)
async def test_what_was_rolled_back_is_run_again_also_when_it_is_not_repeatable(
    database: PooledDatabase, sqlstate: str
) -> None:
    operation = Attempts(sqlstate, failures=1)

    assert await call(database.app, operation, repeatable=False) == "done"

    assert len(operation.backends) == 2
    with pytest.raises(BusyError):
        await call(database.app, Attempts(sqlstate, failures=9), repeatable=False)


@pytest.mark.parametrize("sqlstate", RENEWED, ids=RENEWED.get)
async def test_what_a_new_connection_may_mend_is_run_again_on_a_new_connection(
    database: PooledDatabase, sqlstate: str
) -> None:
    operation = Attempts(sqlstate, failures=1)

    assert await call(database.app, operation, repeatable=False) == "done"

    assert len(set(operation.backends)) == 2
    with pytest.raises(BusyError):
        await call(database.app, Attempts(sqlstate, failures=9), repeatable=False)


@pytest.mark.parametrize("sqlstate", LOST, ids=LOST.get)
async def test_only_a_lost_connection_leaves_an_unknown_outcome(database: PooledDatabase, sqlstate: str) -> None:
    operation = Attempts(sqlstate, failures=1)

    with pytest.raises(OutcomeUnknownError):
        await call(database.app, operation, repeatable=False)

    assert len(operation.backends) == 1
    assert await call(database.app, Attempts(sqlstate, failures=1), repeatable=True) == "done"


@pytest.mark.parametrize("sqlstate", RAISED, ids=RAISED.get)
async def test_a_bug_and_a_limit_that_is_always_met_are_raised_as_they_are(
    database: PooledDatabase, sqlstate: str
) -> None:
    operation = Attempts(sqlstate, failures=9)

    with pytest.raises(psycopg.Error) as caught:
        await call(database.app, operation, repeatable=True)

    assert caught.value.sqlstate == sqlstate
    assert len(operation.backends) == 1


def test_each_code_of_the_table_is_tried_here() -> None:
    tried = {**REFUSED, **REPEATED, **RENEWED, **LOST}
    assert [key for key in sqlstates._TABLE if not any(code.startswith(key) for code in tried)] == []


def test_an_error_of_the_driver_itself_is_a_lost_connection() -> None:
    assert then(psycopg.OperationalError("server closed the connection unexpectedly")) is Then.LOST
    assert then(psycopg.ProgrammingError("the connection is in use")) is Then.RAISE


class Fatal(errors.OutOfMemory):
    """An error that ended its connection. No test can have one of the server without starving it of memory."""

    diag = SimpleNamespace(severity_nonlocalized="FATAL")  # type: ignore[assignment] # the one field that is looked at


def test_a_fatal_error_is_a_lost_connection_unless_its_code_says_when_it_came() -> None:
    assert then(Fatal()) is Then.LOST
    assert then(errors.OutOfMemory()) is Then.REFUSE
    assert then(type("Late", (Fatal,), {"sqlstate": "25P03"})()) is Then.REPEAT


async def read_only(database: PooledDatabase, *, connections: int) -> list[int]:
    """Make so many connections of the pool read-only at once; their backends."""
    backends = []

    async def use(all_open: asyncio.Barrier) -> None:
        async with database.app() as connection:
            await forbid_writing(connection)
            backends.append(connection.info.backend_pid)
            await all_open.wait()

    all_open = asyncio.Barrier(connections)
    await asyncio.gather(*(use(all_open) for _ in range(connections)))
    assert len(set(backends)) == connections
    return backends


async def write(connection: Connection) -> int:
    """Anything that a read-only session refuses; undone at once. The backend that did it."""
    async with connection.transaction(force_rollback=True):
        await connection.execute("select * from rowlock.reserve_seats_atomic(gen_random_uuid(), '{1}', 'anna')")
    return connection.info.backend_pid


async def test_every_connection_to_a_server_that_has_become_read_only_is_replaced(database: PooledDatabase) -> None:
    old = await read_only(database, connections=3)

    backends = {await call(database.app, write, repeatable=False) for _ in range(6)}

    assert backends.isdisjoint(old)
