"""The runner: loops outlive a lost database, are woken, and stop when they are told to."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.connections import Connection, connect
from rowlock.database.schema.migrate import migrate
from rowlock.embedded import EmbeddedServer
from rowlock.jobs.loops import Loop, run_loops
from rowlock.reservations.jobs import DAY_SECONDS, CleanupLoop, ensure_partitions
from rowlock.services import standard_loops
from tests.support.answers import Show
from tests.support.failing import forbid_writing
from tests.support.seatdb import SeatDb

FOR_EVER = 3600.0
PATIENCE_SECONDS = 30


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that PostgreSQL's own user can get to; pytest's folders are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="rowlock-runner-"))
    folder.chmod(0o711)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Rounds:
    """Counts the rounds of a loop and lets a test wait for the next one."""

    def __init__(self, work: Callable[[Connection], Awaitable[float]] | None = None) -> None:
        self._work = work
        self._done: asyncio.Queue[int] = asyncio.Queue()
        self.backend_pids: list[int] = []

    async def __call__(self, connection: Connection) -> float:
        self.backend_pids.append(connection.info.backend_pid)
        if self._work is None:
            await connection.execute("select 1")
        else:
            await self._work(connection)
        self._done.put_nowait(len(self.backend_pids))
        return FOR_EVER

    async def next(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._done.get()


@contextlib.asynccontextmanager
async def running(dsn: str, *loops: Loop) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_loops(dsn, loops, stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task


async def test_a_loop_runs_at_once_and_again_whenever_it_is_woken(dsns: Dsns) -> None:
    rounds = Rounds()
    loop = Loop("test", rounds)

    async with running(dsns.app, loop):
        assert await rounds.next() == 1
        loop.wake.set()
        assert await rounds.next() == 2
        loop.wake.set()
        assert await rounds.next() == 3

    assert len(set(rounds.backend_pids)) == 1


async def test_a_loop_is_called_again_when_the_time_it_asked_for_has_passed(dsns: Dsns) -> None:
    seen = asyncio.Semaphore(0)

    async def work(_: Connection) -> float:
        seen.release()
        return 0.001

    async with running(dsns.app, Loop("test", work)), asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(3):
            await seen.acquire()


async def test_a_loop_whose_connection_is_cut_goes_on_with_another(dsns: Dsns, owner: psycopg.AsyncConnection) -> None:
    rounds = Rounds()
    loop = Loop("test", rounds)

    # As the owner, because only one's own sessions may be ended.
    async with running(dsns.owner, loop):
        await rounds.next()
        await owner.execute("select pg_terminate_backend(%s)", [rounds.backend_pids[0]])
        loop.wake.set()
        await rounds.next()

    assert rounds.backend_pids[-1] != rounds.backend_pids[0]


async def test_a_loop_whose_server_has_become_read_only_goes_on_with_another_connection(
    dsns: Dsns, capfd: pytest.CaptureFixture[str]
) -> None:
    rounds = Rounds(CleanupLoop(heartbeat_seconds=0).work)

    async def work(connection: Connection) -> float:
        if not rounds.backend_pids:
            await forbid_writing(connection)
        return await rounds(connection)

    async with running(dsns.worker, Loop("test", work)):
        assert await rounds.next() == 2

    assert rounds.backend_pids[0] != rounds.backend_pids[1]
    assert "25006" in (logged := capfd.readouterr().out)
    assert "loop_waits_for_database" in logged


async def test_one_loop_in_trouble_leaves_the_others_alone(dsns: Dsns) -> None:
    async def broken(connection: Connection) -> float:
        await connection.execute("select 1 / 0")
        return FOR_EVER

    fine = Rounds()
    trouble = Loop("trouble", broken)
    loop = Loop("fine", fine)

    async with running(dsns.app, trouble, loop) as task:
        await fine.next()
        loop.wake.set()
        assert await fine.next() == 2
        assert not task.done()


@pytest.mark.database
async def test_a_database_that_restarts_is_waited_for(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        async with await connect(server.dsns.owner) as connection:
            await migrate(connection)
        loops = standard_loops()
        rounds = Rounds(loops[0].work)
        cleanup = Loop("cleanup", rounds)
        async with running(server.dsns.worker, cleanup):
            await rounds.next()
            server.stop()
            cleanup.wake.set()
            server.start()
            cleanup.wake.set()
            await rounds.next()

    assert len(set(rounds.backend_pids)) >= 2


async def test_stopping_does_not_wait_for_the_time_a_loop_asked_for(dsns: Dsns) -> None:
    rounds = Rounds()

    async with running(dsns.app, Loop("test", rounds)):
        await rounds.next()
        # Leaving sets the stop event and gives the loop PATIENCE_SECONDS of its hour.


async def test_stopping_does_not_wait_for_a_database_that_is_not_there() -> None:
    async with running("postgresql://nobody@127.0.0.1:1/nowhere", Loop("test", Rounds())):
        await asyncio.sleep(0)


async def test_a_round_that_has_begun_is_finished_before_the_stop(dsns: Dsns) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    finished = False

    async def work(connection: Connection) -> float:
        nonlocal finished
        begun.set()
        await go_on.wait()
        await connection.execute("select 1")
        finished = True
        return FOR_EVER

    stop = asyncio.Event()
    task = asyncio.create_task(run_loops(dsns.app, [Loop("test", work)], stop))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()
        stop.set()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        await task

    assert finished


async def test_a_round_that_does_not_end_is_cut_short(dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowlock.jobs.loops._STOP_SECONDS", 0.01)
    begun = asyncio.Event()

    async def work(_: Connection) -> float:
        begun.set()
        await asyncio.Event().wait()
        return FOR_EVER

    async with running(dsns.app, Loop("stuck", work)), asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()


async def test_a_bug_in_a_loop_ends_the_worker_and_is_seen(dsns: Dsns) -> None:
    fine = Rounds()

    async def buggy(_: Connection) -> float:
        # Not while the other loop connects: the socket of a connection attempt that is cancelled stays open until its
        # exception is freed, and for as long the server lets no database be dropped.
        await fine.next()
        raise KeyError("a bug")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await run_loops(dsns.app, [Loop("buggy", buggy), Loop("fine", fine)], asyncio.Event())

    assert caught.group_contains(KeyError, match="a bug")


async def test_a_worker_retires_holds_with_the_rights_of_its_role(dsns: Dsns, db: SeatDb, show: Show) -> None:
    hold = await db.reserve(show, seats=[1], holder="anna")
    await db.age(hold, minutes=11)
    [cleanup, partitions] = standard_loops()
    rounds = Rounds(cleanup.work)

    async with running(dsns.worker, Loop("cleanup", rounds), partitions):
        await rounds.next()

    assert (await db.reservation(hold))["status"] == "expired"


async def test_missing_partitions_of_the_audit_log_are_made_once_a_day(db: SeatDb, worker: Connection) -> None:
    async def partitions() -> set[str]:
        cursor = await db.owner.execute(
            "select relid::regclass::text from pg_partition_tree('rowlock.seat_reservation_audit_log') where isleaf"
        )
        return {name for (name,) in await cursor.fetchall()}

    complete = await partitions()
    last_month = max(complete - {"seat_reservation_audit_log_default"}).removesuffix("_kept")
    await db.owner.execute(f"drop table {last_month}".encode())
    assert await partitions() < complete

    assert await ensure_partitions(worker) == DAY_SECONDS

    assert await partitions() == complete
