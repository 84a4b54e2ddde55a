"""The coalescer, step by step: the test says when a batch comes back, so nothing here depends on time."""

import asyncio
import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest

from rowlock.database.calls import BusyError, FunctionsMissingError, OutcomeUnknownError
from rowlock.reservations.coalescer import Coalescer


class Batches:
    """Batches that come back when the test says so. An item's answer is the item with an exclamation mark."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[str, ...]]] = []
        self._pending: list[asyncio.Future[None]] = []
        self.bad: dict[str, Exception] = {}

    async def send(self, key: str, items: Sequence[str]) -> list[str]:
        self.sent.append((key, tuple(items)))
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(answer)
        await answer
        for item in items:
            if item in self.bad:
                raise self.bad[item]
        return [f"{item}!" for item in items]

    async def answer(self, number: int | None = None, error: Exception | None = None) -> None:
        """Let one batch come back, by default the latest, and give every task time to see it."""
        answer = self._pending[-1 if number is None else number]
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)
        await turns()

    async def answer_all(self) -> None:
        """Let every batch come back, also those that are sent meanwhile."""
        while in_flight := [answer for answer in self._pending if not answer.done()]:
            for answer in in_flight:
                answer.set_result(None)
            await turns()


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def turns() -> None:
    """Let every task run until it waits for something that only the test can do."""
    for _ in range(20):
        await asyncio.sleep(0)


def submit(coalescer: Coalescer[str, str, str], *items: str, key: str = "show") -> list[asyncio.Task[str]]:
    return [asyncio.create_task(coalescer.submit(key, item)) for item in items]


async def results(tasks: Sequence[asyncio.Task[str]]) -> list[Any]:
    """The answer to each, or the type of its error. Fails when one still waits."""
    assert all(task.done() for task in tasks), "One still waits."
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    return [type(outcome) if isinstance(outcome, BaseException) else outcome for outcome in outcomes]


@pytest.fixture
def batches() -> Batches:
    return Batches()


async def test_when_no_batch_is_in_flight_an_item_is_sent_at_once_and_alone(batches: Batches) -> None:
    coalescer = Coalescer(batches.send)
    (anna,) = submit(coalescer, "anna")
    await turns()
    assert batches.sent == [("show", ("anna",))]
    await batches.answer()
    assert await anna == "anna!"


async def test_items_that_arrive_at_the_same_time_are_one_batch(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    tasks = submit(coalescer, "anna", "ben", "cem")
    await turns()
    assert batches.sent == [("show", ("anna", "ben", "cem"))]
    await batches.answer()
    assert await results(tasks) == ["anna!", "ben!", "cem!"]


async def test_items_that_arrive_during_a_round_trip_are_one_batch_in_order_of_arrival(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    tasks = submit(coalescer, "anna")
    await turns()
    for item in ("dora", "ben", "cem"):
        tasks += submit(coalescer, item)
        await turns()
    assert len(batches.sent) == 1
    await batches.answer()
    assert batches.sent[1:] == [("show", ("dora", "ben", "cem"))]
    await batches.answer()
    assert await results(tasks) == ["anna!", "dora!", "ben!", "cem!"]


async def test_a_batch_has_a_limit_and_the_rest_is_sent_in_the_next_batch(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1, batch_limit=2)
    tasks = submit(coalescer, "a", "b", "c", "d", "e")
    await turns()
    await batches.answer_all()
    assert [items for _, items in batches.sent] == [("a", "b"), ("c", "d"), ("e",)]
    assert await results(tasks) == ["a!", "b!", "c!", "d!", "e!"]


async def test_keys_take_turns(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1, batch_limit=2)
    tasks = submit(coalescer, "1", "2", "3", "4", "5", key="rush") + submit(coalescer, "quiet", key="other")
    await turns()
    await batches.answer_all()
    assert batches.sent == [
        ("rush", ("1", "2")),
        ("other", ("quiet",)),
        ("rush", ("3", "4")),
        ("rush", ("5",)),
    ]
    assert len(await results(tasks)) == 6


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_no_more_batches_are_in_flight_than_the_limit(batches: Batches, limit: int) -> None:
    coalescer = Coalescer(batches.send, in_flight=limit)
    tasks = []
    for item in "abcde":
        tasks += submit(coalescer, item, key=f"show {item}")
        await turns()
    assert [items for _, items in batches.sent] == [(item,) for item in "abcde"[:limit]]
    await batches.answer_all()
    assert await results(tasks) == [f"{item}!" for item in "abcde"]


async def test_a_key_has_at_most_one_batch_in_flight(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=3)
    tasks = []
    for item in "abc":
        tasks += submit(coalescer, item, key="rush")
        await turns()
    tasks += submit(coalescer, "d", key="quiet")
    await turns()
    assert batches.sent == [("rush", ("a",)), ("quiet", ("d",))]
    await batches.answer(0)
    assert batches.sent[2:] == [("rush", ("b", "c"))]
    await batches.answer_all()
    assert await results(tasks) == ["a!", "b!", "c!", "d!"]


async def test_an_item_submitted_right_after_an_answer_is_sent_too() -> None:
    # The sender ends just when the next item is submitted: the item must not be left to a sender that has ended.
    async def send(_: str, items: Sequence[int]) -> list[int]:
        return [item + 1 for item in items]

    coalescer = Coalescer(send, in_flight=1)
    count = 0
    async with asyncio.timeout(30):
        while count < 100:
            count = await coalescer.submit("show", count)


async def test_past_the_limit_an_item_is_refused_at_once_until_a_batch_is_sent(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1, waiting_limit=2)
    sent = submit(coalescer, "a")
    await turns()
    waiting = submit(coalescer, "b", "c")
    await turns()
    assert coalescer.is_full()
    with pytest.raises(BusyError):
        await coalescer.submit("another show", "d")
    await batches.answer()
    assert not coalescer.is_full()
    late = submit(coalescer, "e")
    await turns()
    await batches.answer_all()
    assert await results(sent + waiting + late) == ["a!", "b!", "c!", "e!"]
    assert all("d" not in items for _, items in batches.sent)


async def test_an_item_that_waited_too_long_is_refused_and_not_sent(batches: Batches) -> None:
    clock = Clock()
    coalescer = Coalescer(batches.send, in_flight=1, wait_seconds=3.0, clock=clock)
    sent = submit(coalescer, "a")
    await turns()
    waiting = submit(coalescer, "early")
    await turns()
    clock.now += 2.0
    waiting += submit(coalescer, "late")
    await turns()
    clock.now += 2.0
    await batches.answer_all()
    assert await results(sent + waiting) == ["a!", BusyError, "late!"]
    assert [items for _, items in batches.sent] == [("a",), ("late",)]


async def test_an_item_that_waited_too_long_is_refused_also_while_no_batch_comes_back(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1, wait_seconds=0.005)
    sent = submit(coalescer, "a")
    await turns()
    waiting = submit(coalescer, "b", key="one show") + submit(coalescer, "c", key="another show")
    assert [type(e) for e in await asyncio.gather(*waiting, return_exceptions=True)] == [BusyError] * 2
    assert not sent[0].done()
    # The limit counts items that wait, and none does.
    again = submit(coalescer, "d")
    assert [type(e) for e in await asyncio.gather(*again, return_exceptions=True)] == [BusyError]
    await batches.answer_all()
    assert await results(sent) == ["a!"]
    assert batches.sent == [("show", ("a",))]


async def test_a_refusal_leaves_no_cycle_for_the_garbage_collector(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1, wait_seconds=0.005)
    sent = submit(coalescer, "a")
    await turns()
    gc.collect()
    gc.disable()
    try:
        refused = await refusal(coalescer, "b")
        await turns()
        assert refused() is None, (
            "error -> traceback -> frame -> error is a cycle, freed only by the garbage collector."
        )
    finally:
        gc.enable()
    await batches.answer_all()
    assert await results(sent) == ["a!"]


async def refusal(coalescer: Coalescer[str, str, str], item: str) -> "weakref.ref[BusyError]":
    """The error that an item is refused with, without keeping it."""
    try:
        await coalescer.submit("show", item)
    except BusyError as error:
        return weakref.ref(error)
    raise AssertionError("it was not refused")


async def test_an_item_that_was_cancelled_while_it_waited_is_not_sent(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    tasks = submit(coalescer, "a")
    await turns()
    cancelled, stays = submit(coalescer, "b", "c")
    (also_cancelled,) = submit(coalescer, "d", key="another show")
    await turns()
    cancelled.cancel()
    also_cancelled.cancel()
    await batches.answer_all()
    assert [items for _, items in batches.sent] == [("a",), ("c",)]
    assert await results([*tasks, stays]) == ["a!", "c!"]
    assert cancelled.cancelled()
    assert also_cancelled.cancelled()


async def test_cancelling_an_item_during_the_round_trip_does_not_affect_the_others(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    cancelled, stays = submit(coalescer, "a", "b")
    await turns()
    cancelled.cancel()
    await batches.answer()
    assert cancelled.cancelled()
    assert await stays == "b!"


async def test_a_failed_batch_is_repeated_one_by_one_and_only_the_bad_item_fails(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    batches.bad["bad"] = ValueError("no")
    tasks = submit(coalescer, "a", "bad", "b")
    await turns()
    await batches.answer_all()
    assert [items for _, items in batches.sent] == [("a", "bad", "b"), ("a",), ("bad",), ("b",)]
    assert await results(tasks) == ["a!", ValueError, "b!"]


async def test_a_bad_item_alone_is_not_repeated(batches: Batches) -> None:
    coalescer = Coalescer(batches.send)
    batches.bad["bad"] = ValueError("no")
    tasks = submit(coalescer, "bad")
    await turns()
    await batches.answer_all()
    assert len(batches.sent) == 1
    assert await results(tasks) == [ValueError]


async def test_a_cancelled_item_is_left_out_when_a_failed_batch_is_repeated(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    batches.bad["bad"] = ValueError("no")
    bad, cancelled, stays = submit(coalescer, "bad", "cancelled", "stays")
    await turns()
    cancelled.cancel()
    await batches.answer_all()
    assert [items for _, items in batches.sent] == [("bad", "cancelled", "stays"), ("bad",), ("stays",)]
    assert await results([bad, stays]) == [ValueError, "stays!"]


@pytest.mark.parametrize("stopper", [BusyError, FunctionsMissingError, OutcomeUnknownError])
async def test_a_busy_database_fails_the_whole_batch_without_a_repetition(
    batches: Batches, stopper: type[Exception]
) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    tasks = submit(coalescer, "a", "b", "c")
    await turns()
    await batches.answer(error=stopper("no"))
    assert len(batches.sent) == 1
    assert await results(tasks) == [stopper] * 3


async def test_a_database_that_becomes_busy_while_a_batch_is_repeated_ends_the_repetition(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    batches.bad = {"bad": ValueError("no")}
    tasks = submit(coalescer, "a", "bad", "b", "c")
    await turns()
    await batches.answer()
    await batches.answer()
    await batches.answer()
    await batches.answer(error=BusyError("full"))
    assert [items for _, items in batches.sent][1:] == [("a",), ("bad",), ("b",)]
    assert await results(tasks) == ["a!", ValueError, BusyError, BusyError]


@pytest.mark.parametrize("answers", [[], ["only one"], ["one", "two", "three"]])
async def test_a_wrong_number_of_answers_is_an_error_and_no_item_gets_the_answer_of_another(answers: list[str]) -> None:
    asked: list[tuple[str, ...]] = []

    async def send(_: str, items: Sequence[str]) -> list[str]:
        asked.append(tuple(items))
        return [f"{items[0]}!"] if len(items) == 1 and items != ["b"] else answers

    coalescer = Coalescer(send, in_flight=1)
    tasks = submit(coalescer, "a", "b")
    await turns()
    wrong_alone = "only one" if len(answers) == 1 else RuntimeError
    assert await results(tasks) == ["a!", wrong_alone]
    assert asked == [("a", "b"), ("a",), ("b",)]


async def test_the_outcome_of_a_batch_whose_sender_is_cancelled_is_unknown(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    sent = submit(coalescer, "a", "b")
    await turns()
    waiting = submit(coalescer, "c")
    await turns()
    (sender,) = coalescer._senders
    sender.cancel()
    await turns()
    assert await results(sent) == [OutcomeUnknownError] * 2
    assert await results(waiting) == [BusyError]
    # The coalescer still works.
    again = submit(coalescer, "d")
    await turns()
    await batches.answer()
    assert await results(again) == ["d!"]


async def test_a_sender_that_is_cancelled_before_it_sends_leaves_nothing_waiting(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    tasks = submit(coalescer, "a")
    await asyncio.sleep(0)
    (sender,) = coalescer._senders
    assert batches.sent == []
    sender.cancel()
    await turns()
    assert await results(tasks) == [BusyError]


async def test_items_that_wait_for_a_cancelled_sender_are_sent_by_the_other_sender(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=2)
    first = submit(coalescer, "a")
    await turns()
    (sender,) = coalescer._senders
    second = submit(coalescer, "b", key="another show")
    await turns()
    waiting = submit(coalescer, "c")
    await turns()
    sender.cancel()
    await turns()
    assert await results(first) == [OutcomeUnknownError]
    await batches.answer_all()
    assert await results(second + waiting) == ["b!", "c!"]


async def test_closing_waits_for_batches_in_flight_and_refuses_everything_else(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1)
    sent = submit(coalescer, "a")
    await turns()
    waiting = submit(coalescer, "b")
    await turns()
    closing = asyncio.create_task(coalescer.close())
    await turns()
    assert await results(waiting) == [BusyError]
    assert coalescer.is_full()
    with pytest.raises(BusyError):
        await coalescer.submit("show", "c")
    assert not closing.done()
    await batches.answer()
    assert await results(sent) == ["a!"]
    await closing
    assert batches.sent == [("show", ("a",))]
    await coalescer.close()  # A second time changes nothing.


async def test_an_idle_coalescer_leaves_nothing_behind(batches: Batches) -> None:
    coalescer = Coalescer(batches.send, in_flight=1, batch_limit=1)
    tasks = submit(coalescer, "a", "b", "c", "d")
    await turns()
    await batches.answer_all()
    assert await results(tasks) == ["a!", "b!", "c!", "d!"]
    assert (coalescer._waiting, coalescer._queues, coalescer._senders) == (0, {}, set())
    await coalescer.close()
    assert coalescer._timer is None
