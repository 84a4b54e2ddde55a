"""The coalescer: requests that arrive while a round trip is in flight travel together in the next one.

There is no timer that holds a request back. When nothing is in flight a request leaves at once, alone; under load the
batches grow by themselves. docs/explanation/coalescing.md tells what it does to throughput, latency and failures.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

import structlog

from rowlock.db.calls import BusyError, FunctionsMissingError, OutcomeUnknownError

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)

BATCH_LIMIT = 128
WAITING_LIMIT = 2_000
PATIENCE_SECONDS = 3.0
# What stops one stops all: repeating these item by item would only add to the load.
STOPPERS = (BusyError, FunctionsMissingError)


@dataclass(slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    answer: "asyncio.Future[Answer]"
    leaves_by: float


class Coalescer(Generic[Key, Item, Answer]):
    """Carries items of one key (a show) together to `fly`, and brings each its answer.

    fly            takes a key and items in order of arrival, gives as many answers in that order. It may be called
                   again with items that it has answered before, so repeating an item must do no harm.
    lanes          flights under way at once, of different keys; each occupies one database connection. A key has one
                   flight at a time: a second one would only wait for the locks of the first, or halve its size.
    waiting_limit  items that may wait; one more is refused at once with BusyError.
    patience       seconds an item may wait for its flight; then it is refused with BusyError.
    clock          gives the time in seconds, for tests.
    """

    def __init__(
        self,
        fly: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        lanes: int = 3,
        batch_limit: int = BATCH_LIMIT,
        waiting_limit: int = WAITING_LIMIT,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._fly = fly
        self._lanes = lanes
        self._batch_limit = batch_limit
        self._waiting_limit = waiting_limit
        self._patience = patience
        self._clock = clock
        # Keys take turns: a show in a rush does not keep the others waiting for more than its one batch.
        self._queues: dict[Key, deque[_Waiting[Item, Answer]]] = {}
        self._waiting = 0
        self._flights: set[asyncio.Task[None]] = set()
        self._flying: set[Key] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False

    def room(self) -> int:
        """How many more items may wait; the next one is refused when there is none."""
        return 0 if self._closed else self._waiting_limit - self._waiting

    async def submit(self, key: Key, item: Item) -> Answer:
        """The answer to one item.

        Raises BusyError when it was refused, and then it never left; OutcomeUnknownError when its flight was lost;
        or what `fly` raises for this item alone.
        """
        if self._closed:
            raise BusyError("the service is shutting down")
        if self._waiting >= self._waiting_limit:
            raise BusyError("too many requests are waiting")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
        queue.append(_Waiting(item, answer, self._clock() + self._patience))
        self._waiting += 1
        if len(self._flights) < self._lanes and key not in self._flying:
            # The task starts after everything that is ready in this turn of the loop, so that requests which
            # arrived together leave together.
            flight = loop.create_task(self._lane())
            self._flights.add(flight)
            flight.add_done_callback(self._landed)
        elif self._watch is None:
            self._watch = loop.call_later(self._patience, self._send_away_the_late)
        try:
            return await answer
        finally:
            # The error of a refused item knows this frame and is known to the future: held here, they would be garbage
            # that only the collector finds, which stops everybody while it looks.
            del answer

    async def close(self) -> None:
        """Refuse whatever waits or comes from now on, and see the flights under way to their end."""
        self._closed = True
        self._send_away_all()
        await asyncio.gather(*self._flights, return_exceptions=True)

    async def _lane(self) -> None:
        """Fly until nothing waits, or only for a key whose flight is under way: its own lane comes back for that."""
        while (key := next((key for key in self._queues if key not in self._flying), None)) is not None:
            self._flying.add(key)
            try:
                await self._carry(key, self._board(key))
            finally:
                self._flying.discard(key)
        # Leaving here and not only in the callback, which runs later: an item that comes in between would find every
        # lane taken, and nobody would ever fetch it.
        flight = asyncio.current_task()
        assert flight is not None
        self._flights.discard(flight)

    def _landed(self, flight: "asyncio.Task[None]") -> None:
        self._flights.discard(flight)
        if not flight.cancelled() and (error := flight.exception()) is not None:
            log.error("flight_died", exc_info=error)
        if not self._flights and self._queues:
            # It was cancelled or died: a lane that ends as it should leaves nobody behind.
            self._send_away_all()

    def _board(self, key: Key) -> list[_Waiting[Item, Answer]]:
        """Take the next batch of a key from its queue, without those who have given up."""
        queue = self._queues.pop(key)
        now = self._clock()
        batch: list[_Waiting[Item, Answer]] = []
        while queue and len(batch) < self._batch_limit:
            waiting = queue.popleft()
            self._waiting -= 1
            if waiting.answer.done():
                continue
            if waiting.leaves_by < now:
                _fail(waiting, BusyError("the request waited too long for its turn"))
            else:
                batch.append(waiting)
        if queue:
            self._queues[key] = queue
        return batch

    async def _carry(self, key: Key, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        """Fly a batch and bring everybody in it an answer or an error."""
        if not batch:
            return
        try:
            await self._deliver(key, batch)
        except STOPPERS as error:
            for waiting in batch:
                _fail(waiting, error)
        except Exception as error:  # noqa: BLE001 - a bad item must not harm its neighbours, whatever is wrong with it.
            if len(batch) == 1:
                _fail(batch[0], error)
            else:
                log.warning("batch_repeated_one_by_one", items=len(batch), error=type(error).__name__)
                await self._carry_one_by_one(key, batch)
        finally:
            # Still open only when this task is being cancelled: what became of the batch, nobody here knows.
            for waiting in batch:
                _fail(waiting, OutcomeUnknownError("the request was interrupted on its way"))

    async def _carry_one_by_one(self, key: Key, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        for number, waiting in enumerate(batch):
            if waiting.answer.done():
                continue
            try:
                await self._deliver(key, [waiting])
            except STOPPERS as error:
                for left in batch[number:]:
                    _fail(left, error)
                return
            except Exception as error:  # noqa: BLE001 - this one is bad; the next one need not be.
                _fail(waiting, error)

    async def _deliver(self, key: Key, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        answers = await self._fly(key, [waiting.item for waiting in batch])
        if len(answers) != len(batch):
            raise RuntimeError(f"{len(answers)} answers came back for {len(batch)} items")
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)

    def _send_away_the_late(self) -> None:
        """Refuse those who have waited too long, also when no lane comes back to look for them."""
        self._watch = None
        now = self._clock()
        earliest: float | None = None
        for key, queue in list(self._queues.items()):
            while queue and (queue[0].answer.done() or queue[0].leaves_by <= now):
                self._waiting -= 1
                _fail(queue.popleft(), BusyError("the request waited too long for its turn"))
            if not queue:
                del self._queues[key]
            elif earliest is None or queue[0].leaves_by < earliest:
                earliest = queue[0].leaves_by
        if earliest is not None:
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(earliest - now, self._send_away_the_late)

    def _send_away_all(self) -> None:
        """Refuse everybody who waits: no flight will come for them."""
        for queue in self._queues.values():
            for waiting in queue:
                _fail(waiting, BusyError("no flight will come for the request"))
        self._queues.clear()
        self._waiting = 0
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


def _fail(waiting: _Waiting[Item, Answer], error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
