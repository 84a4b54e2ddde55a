"""Turns: how many requests of a kind are started in one iteration of the event loop. The others wait, first come, first
served.

An iteration lasts as long as everything that it runs, and a reservation takes about ten: for its request, for a
connection to the database, for each step of the driver, for its answer. So what each iteration may start bounds what a
buyer waits for, however many others ask.
"""

import asyncio
from collections import deque
from collections.abc import Hashable
from time import monotonic

from rowlock.web.problems import ProblemError

WAITING_LIMIT = 10_000
"""Requests of a kind that may wait. A connection has one that waits, so only clients that hang up come to as many."""
WAIT_LIMIT_SECONDS = 10.0
REFUSED_SECONDS = 1.0


class Turns:
    """The turns of one kind of request.

    at_once        requests that are started in one iteration, at least 1.
    waiting_limit  requests that may wait; one more is refused at once.
    wait_seconds   how long a request may wait. What has waited longer is refused when its turn comes, because a refusal
                   takes time, too: to refuse a thousand at once would delay everyone.
    """

    def __init__(
        self, at_once: int, *, waiting_limit: int = WAITING_LIMIT, wait_seconds: float = WAIT_LIMIT_SECONDS
    ) -> None:
        assert at_once > 0, "nothing would ever be started"
        self._at_once = at_once
        self._waiting_limit = waiting_limit
        self._wait_seconds = wait_seconds
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._started = 0  # In this iteration. While requests wait, it is not 0.

    def take(self) -> bool:
        """Take a turn of this iteration, and say whether there was one. If not, `wait`."""
        if self._started == 0:
            asyncio.get_running_loop().call_soon(self._next_iteration)
        elif self._started >= self._at_once or self._waiting:
            return False
        self._started += 1
        return True

    async def wait(self) -> None:
        """Wait for a turn. Raises ProblemError BUSY when too many wait, or when the turn came too late."""
        if len(self._waiting) >= self._waiting_limit:
            raise ProblemError("BUSY")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        refused_after = monotonic() + self._wait_seconds
        await turn
        if monotonic() > refused_after:
            raise ProblemError("BUSY")

    def _next_iteration(self) -> None:
        """Give the turns of this iteration to those that have waited longest; the event loop calls this in each one."""
        self._started = 0
        while self._waiting and self._started < self._at_once:
            turn = self._waiting.popleft()
            if not turn.done():  # Else its request was cancelled.
                turn.set_result(None)
                self._started += 1
        if self._started:
            asyncio.get_running_loop().call_soon(self._next_iteration)


class RecentlyRefused:
    """The clients that were refused within the last second. At most `limit` are remembered, the latest ones.

    A client is the `client` of an ASGI scope: address and port of a connection; behind a proxy an address alone.
    """

    def __init__(self, *, seconds: float = REFUSED_SECONDS, limit: int = WAITING_LIMIT) -> None:
        self._seconds = seconds
        self._limit = limit
        self._until: dict[Hashable, float] = {}  # In the order of time.

    def add(self, client: Hashable) -> None:
        """Note that a client is refused now."""
        now = monotonic()
        self._until.pop(client, None)
        self._until[client] = now + self._seconds
        while len(self._until) > self._limit or next(iter(self._until.values())) < now:
            del self._until[next(iter(self._until))]

    def __contains__(self, client: Hashable) -> bool:
        until = self._until.get(client)
        return until is not None and until >= monotonic()
