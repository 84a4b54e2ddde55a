"""Keeps background loops going: gives each its connection, outlives a lost database, and stops them in good order.

Each loop returns how many seconds to wait before its next call; what it does is left to the nouns.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from rowlock.database.connections import DATABASE_ERRORS, UNREACHABLE, Connection, connect

# A database that restarts is back within seconds; one that is gone for long should not be asked too often.
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0

# A call that takes longer than this is stuck, most likely on a connection whose other end has gone silently.
_CALL_SECONDS = 60.0
_STOP_SECONDS = 10.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loop:
    """One kind of work, done again and again.

    work  one round; returns how many seconds to wait before the next. Must be repeatable.
    wake  set it to call `work` at once.
    """

    name: str
    work: Callable[[Connection], Awaitable[float]]
    wake: asyncio.Event = field(default_factory=asyncio.Event)


async def run_loops(dsn: str, loops: Sequence[Loop], stop: asyncio.Event) -> None:
    """Run every loop on a connection of its own, with `dsn`, until `stop` is set.

    Errors of the database are logged and outlived; a bug in a loop ends all of them and is raised. On `stop` a
    round that has begun is finished if that takes no longer than 10 seconds.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_keep_going(dsn, loop, stop), name=loop.name) for loop in loops]
        ender = group.create_task(_end(tasks, loops, stop))
        await asyncio.wait(tasks)
        ender.cancel()


async def _end(tasks: Sequence[asyncio.Task[None]], loops: Sequence[Loop], stop: asyncio.Event) -> None:
    await stop.wait()
    for loop in loops:
        loop.wake.set()
    _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
    for task in late:
        _log.warning("loop_cut_short", loop=task.get_name(), after_seconds=_STOP_SECONDS)
        task.cancel()


async def _keep_going(dsn: str, loop: Loop, stop: asyncio.Event) -> None:
    pause = _FIRST_PAUSE_SECONDS
    while not stop.is_set():
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                connection = await connect(dsn, application_name=f"rowlock {loop.name}")
            async with connection:
                while not stop.is_set():
                    async with asyncio.timeout(_CALL_SECONDS):
                        seconds = await loop.work(connection)
                    pause = _FIRST_PAUSE_SECONDS
                    await _sleep(loop, stop, seconds)
        except DATABASE_ERRORS as error:
            known = isinstance(error, UNREACHABLE)
            _log.warning(
                "loop_waits_for_database" if known else "loop_failed",
                loop=loop.name,
                error=f"{type(error).__name__}: {error}".strip(),
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
