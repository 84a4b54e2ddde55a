"""Runs background loops: opens a connection for each, reconnects after a lost database, and stops them in order.

Each loop's work returns the seconds to wait before its next call.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from rowlock.database.connections import DATABASE_ERRORS, Connection, connect
from rowlock.database.sqlstates import Then, then

# A database that restarts is available within seconds; in a longer outage retries become rarer.
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0

# A call that takes longer than this hangs, most likely because the connection was lost without an error.
_CALL_SECONDS = 60.0
_STOP_SECONDS = 10.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loop:
    """One kind of work, done repeatedly.

    work  one round; returns how many seconds to wait before the next. Must be repeatable.
    wake  set it to call `work` at once.
    """

    name: str
    work: Callable[[Connection], Awaitable[float]]
    wake: asyncio.Event = field(default_factory=asyncio.Event)


async def run_loops(dsn: str, loops: Sequence[Loop], stop: asyncio.Event) -> None:
    """Run every loop on a connection of its own, with `dsn`, until `stop` is set.

    Database errors are logged and retried; any other exception in a loop ends all of them and is raised. On `stop` a
    round that has begun is finished if that takes no longer than 10 seconds.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run_loop(dsn, loop, stop), name=loop.name) for loop in loops]
        stopper = group.create_task(_stop_loops(tasks, loops, stop))
        await asyncio.wait(tasks)
        stopper.cancel()


async def _stop_loops(tasks: Sequence[asyncio.Task[None]], loops: Sequence[Loop], stop: asyncio.Event) -> None:
    await stop.wait()
    for loop in loops:
        loop.wake.set()
    _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
    for task in late:
        _log.warning("loop_cancelled", loop=task.get_name(), after_seconds=_STOP_SECONDS)
        task.cancel()


async def _run_loop(dsn: str, loop: Loop, stop: asyncio.Event) -> None:
    pause = _FIRST_PAUSE_SECONDS
    while not stop.is_set():
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                connection = await connect(dsn, application_name=f"rowlock worker {loop.name}")
            async with connection:
                while not stop.is_set():
                    async with asyncio.timeout(_CALL_SECONDS):
                        seconds = await loop.work(connection)
                    pause = _FIRST_PAUSE_SECONDS
                    await _sleep(loop, stop, seconds)
        except DATABASE_ERRORS as error:
            # The connection is closed: a new one may reach the primary that another server has become.
            _log.warning(
                "loop_failed" if then(error) is Then.RAISE else "loop_waits_for_database",
                loop=loop.name,
                error=f"{type(error).__name__}: {error}".strip(),
                sqlstate=getattr(error, "sqlstate", None),
                again_in_seconds=pause,
            )
            await _sleep(loop, stop, pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _sleep(loop: Loop, stop: asyncio.Event, seconds: float) -> None:
    """Wait until `seconds` have passed, or `wake` is set, or it has to stop."""
    if not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await loop.wake.wait()
    if not stop.is_set():
        loop.wake.clear()
