"""Answers that are good for a moment, so that a crowd which asks the same costs one reading."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

from rowlock.base.lru import Lru

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Brief(Generic[Key, Value]):
    """At most `limit` readings by key, each good for `seconds` from its start. One that failed is not kept.

    Who asks while a reading is in progress waits for it. For keys that a client chooses, bound their length as well.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self._seconds = seconds
        self._readings = Lru[Key, tuple[asyncio.Task[Value], float]](limit)

    async def get(self, key: Key, read: Callable[[], Awaitable[Value]]) -> Value:
        """The kept answer for a key, else that of `read`. Raises what `read` raises."""
        kept = self._readings.get(key)
        if kept is not None and _is_good(kept[0], kept[1]):
            return await asyncio.shield(kept[0])
        task = asyncio.create_task(_ask(read))
        task.add_done_callback(_look_at_error)
        self._readings.put(key, (task, monotonic() + self._seconds))
        # Whoever goes away does not take the reading away from the others.
        return await asyncio.shield(task)


async def _ask(read: Callable[[], Awaitable[Value]]) -> Value:
    return await read()


def _is_good(task: "asyncio.Task[Value]", until: float) -> bool:
    if not task.done():
        return True
    return not task.cancelled() and task.exception() is None and monotonic() < until


def _look_at_error(task: "asyncio.Task[Value]") -> None:
    """Without a look, asyncio logs an error that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
