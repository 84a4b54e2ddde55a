"""The coalescer: requests that arrive while a round trip is in flight travel together in the next one.

There is no timer. When nothing is in flight a request leaves at once, alone; under load the batches grow by
themselves. docs/explanation/coalescing.md tells what it does to throughput, latency and failures.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

import structlog

from rowlock.db.calls import BusyError, FunctionsMissingError

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)

BATCH_LIMIT = 128
WAITING_LIMIT = 2_000
PATIENCE_SECONDS = 3.0


@dataclass(slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    answer: "asyncio.Future[Answer]"
    leaves_by: float


class Coalescer(Generic[Key, Item, Answer]):
    """Carries items of one key (a show) together to `fly`, and brings each its answer.

    fly            takes a key and items in order of arrival, gives as many answers in that order.
    lanes          flights under way at once; each occupies one database connection.
    waiting_limit  items that may wait; one more is refused at once with BusyError.
    patience       seconds an item may wait for its flight; then it is refused with BusyError.
    """

    def __init__(
        self,
        fly: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        lanes: int = 2,
        batch_limit: int = BATCH_LIMIT,
        waiting_limit: int = WAITING_LIMIT,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._fly = fly
        self._lanes = lanes
        self._batch_limit = batch_limit
        self._waiting_limit = waiting_limit
        self._patience = patience
        # Keys take turns: a show in a rush does not keep the others waiting for more than its one batch.
        self._queues: dict[Key, deque[_Waiting[Item, Answer]]] = {}
        self._waiting = 0
        self._flights: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether one more item would be refused now."""
        return self._waiting >= self._waiting_limit

    async def submit(self, key: Key, item: Item) -> Answer:
        """The answer to one item. Raises BusyError when it was refused; then it never left."""
        if self._waiting >= self._waiting_limit:
            raise BusyError("too many requests are waiting")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(item, answer, monotonic() + self._patience)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
        queue.append(waiting)
        self._waiting += 1
        if len(self._flights) < self._lanes:
            # The task starts after everything that is ready in this turn of the loop, so that requests which
            # arrived together leave together.
            flight = asyncio.create_task(self._lane())
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        return await answer

    async def _lane(self) -> None:
        """Fly until nothing waits."""
        while self._queues:
            key = next(iter(self._queues))
            await self._carry(key, self._board(key))

    def _board(self, key: Key) -> list[_Waiting[Item, Answer]]:
        """Take the next batch of a key from its queue, without those who have given up."""
        queue = self._queues.pop(key)
        now = monotonic()
        batch: list[_Waiting[Item, Answer]] = []
        while queue and len(batch) < self._batch_limit:
            waiting = queue.popleft()
            self._waiting -= 1
            if waiting.answer.done():
                continue
            if waiting.leaves_by < now:
                waiting.answer.set_exception(BusyError("the request waited too long for its turn"))
            else:
                batch.append(waiting)
        if queue:
            self._queues[key] = queue
        return batch

    async def _carry(self, key: Key, batch: list[_Waiting[Item, Answer]]) -> None:
        if not batch:
            return
        try:
            answers = await self._fly(key, [waiting.item for waiting in batch])
        except (BusyError, FunctionsMissingError) as error:
            # What stops one stops all: repeating them one by one would only add to the load.
            for waiting in batch:
                _fail(waiting, error)
        except Exception as error:  # noqa: BLE001 - a bad item must not harm its neighbours, whatever is wrong with it.
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            log.warning("batch_repeated_one_by_one", items=len(batch), error=type(error).__name__)
            for waiting in batch:
                await self._carry(key, [waiting])
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)


def _fail(waiting: _Waiting[Item, Answer], error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
