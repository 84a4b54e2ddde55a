"""The coalescer: requests that arrive while a batch is in flight are sent together in the next one.

No timer delays a request. When nothing is in flight a request is sent at once, alone; under load the batches become
larger. docs/explanation/coalescing.md describes the effect on throughput, latency and failures.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

import structlog

from rowlock.database.calls import BusyError, FunctionsMissingError, LockedError, LoginMissingError, OutcomeUnknownError

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)

BATCH_LIMIT = 128
WAITING_LIMIT = 2_000
WAIT_LIMIT_SECONDS = 3.0
# Errors that concern the whole batch: repeating its items one by one would only add to the load. After a batch whose
# outcome is unknown, BUSY for one of its items would mean that nothing happened, though the batch may be committed.
STOPPERS = (BusyError, FunctionsMissingError, LoginMissingError, OutcomeUnknownError)


@dataclass(slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    answer: "asyncio.Future[Answer]"
    refused_after: float


class Coalescer(Generic[Key, Item, Answer]):
    """Sends items of one key (a show) together, and gives each its answer. All keys belong to one database.

    send           takes a key and items in order of arrival, returns as many answers in that order. It may be called
                   again with items that it has answered before, so repeating an item must be safe.
    send_alone     as `send`, for one item, without waiting for locks. Where a batch meets a locked row, each of its
                   items is sent so, and only those that need that row are refused.
    in_flight      batches in flight at once, of different keys; each uses one database connection. A key has one
                   batch in flight: a second one would wait for the locks of the first, or make batches smaller.
    waiting_limit  items that may wait; one more is refused at once with BusyError.
    wait_seconds   how long an item may wait to be sent; then it is refused with BusyError.
    clock          returns the time in seconds; tests replace it.
    """

    def __init__(
        self,
        send: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        send_alone: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Answer]]] | None = None,
        in_flight: int = 3,
        batch_limit: int = BATCH_LIMIT,
        waiting_limit: int = WAITING_LIMIT,
        wait_seconds: float = WAIT_LIMIT_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._send = send
        self._send_alone = send_alone or send
        self._in_flight_limit = in_flight
        self._batch_limit = batch_limit
        self._waiting_limit = waiting_limit
        self._wait_seconds = wait_seconds
        self._clock = clock
        # Keys take turns: a show under heavy load delays the others by one batch at most.
        self._queues: dict[Key, deque[_Waiting[Item, Answer]]] = {}
        self._waiting = 0
        self._senders: set[asyncio.Task[None]] = set()
        self._in_flight: set[Key] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def is_full(self) -> bool:
        """Whether the next item would be refused."""
        return self._closed or self._waiting >= self._waiting_limit

    async def submit(self, key: Key, item: Item) -> Answer:
        """The answer to one item.

        Raises BusyError when it was refused without being sent; OutcomeUnknownError when its batch was lost; or what
        `send` raises for this item alone.
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
        queue.append(_Waiting(item, answer, self._clock() + self._wait_seconds))
        self._waiting += 1
        if len(self._senders) < self._in_flight_limit and key not in self._in_flight:
            # The task starts after all callbacks that are ready in this iteration of the event loop, so that requests
            # which arrived together are sent together.
            sender = loop.create_task(self._send_batches())
            self._senders.add(sender)
            sender.add_done_callback(self._sender_ended)
        elif self._timer is None:
            self._timer = loop.call_later(self._wait_seconds, self._refuse_late_items)
        try:
            return await answer
        finally:
            # Error → traceback → this frame → answer → error would be a cycle, freed only by the garbage collector,
            # which stops every request while it runs.
            del answer

    async def close(self) -> None:
        """Refuse all waiting and later items, and wait for the batches in flight."""
        self._closed = True
        self._refuse_all()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _send_batches(self) -> None:
        """Send batches until no items wait except for keys in flight, whose senders will send them next."""
        while (key := next((key for key in self._queues if key not in self._in_flight), None)) is not None:
            self._in_flight.add(key)
            try:
                await self._answer(key, self._take_batch(key))
            finally:
                self._in_flight.discard(key)
        # Not only in the callback, which runs later: an item submitted in between would count this sender as active,
        # and would never be sent.
        sender = asyncio.current_task()
        assert sender is not None
        self._senders.discard(sender)

    def _sender_ended(self, sender: "asyncio.Task[None]") -> None:
        self._senders.discard(sender)
        if not sender.cancelled() and (error := sender.exception()) is not None:
            log.error("sender_failed", exc_info=error)
        if not self._senders and self._queues:
            # The sender was cancelled or failed: one that ends normally leaves no items waiting.
            self._refuse_all()

    def _take_batch(self, key: Key) -> list[_Waiting[Item, Answer]]:
        """Take the next batch of a key from its queue, without items whose caller was cancelled."""
        queue = self._queues.pop(key)
        now = self._clock()
        batch: list[_Waiting[Item, Answer]] = []
        while queue and len(batch) < self._batch_limit:
            waiting = queue.popleft()
            self._waiting -= 1
            if waiting.answer.done():
                continue
            if waiting.refused_after < now:
                _fail(waiting, BusyError("the request waited too long"))
            else:
                batch.append(waiting)
        if queue:
            self._queues[key] = queue
        return batch

    async def _answer(self, key: Key, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        """Send a batch and give each item an answer or an error."""
        if not batch:
            return
        try:
            await self._send_once(key, batch)
        except LockedError as error:
            if len(batch) == 1:
                _fail(batch[0], error)
            else:
                log.warning("batch_repeated_one_by_one", items=len(batch), error=type(error).__name__)
                await self._answer_one_by_one(key, batch)
        except STOPPERS as error:
            for waiting in batch:
                _fail(waiting, error)
        except Exception as error:  # noqa: BLE001 - an invalid item must not make the others of its batch fail.
            if len(batch) == 1:
                _fail(batch[0], error)
            else:
                log.warning("batch_repeated_one_by_one", items=len(batch), error=type(error).__name__)
                await self._answer_one_by_one(key, batch)
        finally:
            # An item is without an answer only when this task was cancelled: the outcome of the batch is unknown.
            for waiting in batch:
                _fail(waiting, OutcomeUnknownError("the call was cancelled before the answer came"))

    async def _answer_one_by_one(self, key: Key, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        for number, waiting in enumerate(batch):
            if waiting.answer.done():
                continue
            try:
                await self._send_once(key, [waiting], alone=True)
            except LockedError as error:
                _fail(waiting, error)
            except STOPPERS as error:
                for left in batch[number:]:
                    _fail(left, error)
                return
            except Exception as error:  # noqa: BLE001 - the error is that of this item only.
                _fail(waiting, error)

    async def _send_once(self, key: Key, batch: Sequence[_Waiting[Item, Answer]], *, alone: bool = False) -> None:
        send = self._send_alone if alone else self._send
        answers = await send(key, [waiting.item for waiting in batch])
        if len(answers) != len(batch):
            raise RuntimeError(f"{len(answers)} answers came back for {len(batch)} items")
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)

    def _refuse_late_items(self) -> None:
        """Refuse items that have waited too long, independently of the batches in flight."""
        self._timer = None
        now = self._clock()
        earliest: float | None = None
        for key, queue in list(self._queues.items()):
            while queue and (queue[0].answer.done() or queue[0].refused_after <= now):
                self._waiting -= 1
                _fail(queue.popleft(), BusyError("the request waited too long"))
            if not queue:
                del self._queues[key]
            elif earliest is None or queue[0].refused_after < earliest:
                earliest = queue[0].refused_after
        if earliest is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(earliest - now, self._refuse_late_items)

    def _refuse_all(self) -> None:
        """Refuse all waiting items."""
        for queue in self._queues.values():
            for waiting in queue:
                _fail(waiting, BusyError("the request was not sent"))
        self._queues.clear()
        self._waiting = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _fail(waiting: _Waiting[Item, Answer], error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
