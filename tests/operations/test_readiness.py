"""What the readiness check makes of what it finds. tests/api has the same with a database and its pools."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.calls import BusyError, OutcomeUnknownError, call
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection
from rowlock.database.pool import PooledDatabase
from rowlock.database.refusals import REMEMBERED_SECONDS, ResourceRefusals
from rowlock.operations.facts import Readiness
from rowlock.operations.service import Operations
from tests.support.servers import TestServer

pytestmark = pytest.mark.usefixtures("clean_check")


@pytest.fixture
async def database(dsns: Dsns) -> AsyncIterator[PooledDatabase]:
    opened = PooledDatabase(dsns, pool_size=2)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def stopped(server: TestServer) -> Iterator[list[int]]:
    """Processes of the server that a test has stopped; they go on afterwards."""
    pids: list[int] = []
    try:
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Readiness(has_functions=True, is_read_only=True, is_standby=True), "a read-only standby"),
        (Readiness(has_functions=True, is_read_only=True, is_standby=False), "is read-only"),
        (Readiness(has_functions=False, is_read_only=False, is_standby=False), "rowlock migrate"),
    ],
)
def test_each_obstacle_is_a_sentence_that_says_what_to_do(found: Readiness, words: str) -> None:
    assert found.obstacle is not None
    assert words in found.obstacle
    assert found.obstacle.endswith(".")


def test_a_connection_that_can_write_and_has_the_functions_is_no_obstacle() -> None:
    assert Readiness(has_functions=True, is_read_only=False, is_standby=False).obstacle is None


async def backend(connection: Connection) -> int:
    return connection.info.backend_pid


async def ask(connection: Connection) -> None:
    await connection.execute("select 1")


async def test_a_server_that_hangs_is_not_ready_within_two_seconds(
    database: PooledDatabase, server: TestServer, stopped: list[int]
) -> None:
    operations = Operations(Cells(database))
    assert await operations.why_not_ready() is None
    for pid in (server.embedded.pid, await call(database.app, backend, repeatable=False)):
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)

    began = time.monotonic()
    reason = await operations.why_not_ready()
    print(f"a database that hangs: readiness is answered after {time.monotonic() - began:.2f} s")

    assert reason is not None
    assert "did not answer" in reason or "does not answer" in reason
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("reads", [True, False])
async def test_a_call_that_hangs_is_given_up(database: PooledDatabase, stopped: list[int], reads: bool) -> None:
    pid = await call(database.app, backend, repeatable=False)
    os.kill(pid, signal.SIGSTOP)
    stopped.append(pid)
    began = time.monotonic()

    if reads:
        # It is asked again, on another connection.
        await call(database.app, ask, repeatable=True, reads=True, limit_seconds=0.3)
    else:
        with pytest.raises(OutcomeUnknownError):
            await call(database.app, ask, repeatable=False, limit_seconds=0.3)

    assert 0.3 <= time.monotonic() - began < 3


async def test_a_full_disk_is_told_for_a_while(database: PooledDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    remembered = ResourceRefusals(clock=lambda: now)
    for module in ("rowlock.database.calls", "rowlock.operations.service"):
        monkeypatch.setattr(f"{module}.resource_refusals", remembered)
    operations = Operations(Cells(database))

    async def write(connection: Connection) -> None:
        await connection.execute(
            "do $$ begin raise exception 'could not extend file: No space left on device' "
            "using errcode = 'disk_full'; end $$"
        )

    with pytest.raises(BusyError):
        await call(database.app, write, repeatable=True)

    reason = await operations.why_not_ready()
    assert reason is not None
    assert "No space left on device" in reason
    now += REMEMBERED_SECONDS
    assert await operations.why_not_ready() is None
