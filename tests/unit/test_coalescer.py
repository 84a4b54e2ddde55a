"""The coalescer, step by step: the test says when a flight lands, so nothing here depends on time."""

import asyncio
import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest

from rowlock.db.calls import BusyError, FunctionsMissingError, OutcomeUnknownError
from rowlock.services.coalescer import Coalescer


class Airport:
    """Flights that land when the test says so. An item's answer is the item with an exclamation mark."""

    def __init__(self) -> None:
        self.flights: list[tuple[str, tuple[str, ...]]] = []
        self._landings: list[asyncio.Future[None]] = []
        self.bad: dict[str, Exception] = {}

    async def fly(self, key: str, items: Sequence[str]) -> list[str]:
        self.flights.append((key, tuple(items)))
        landing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._landings.append(landing)
        await landing
        for item in items:
            if item in self.bad:
                raise self.bad[item]
        return [f"{item}!" for item in items]

    async def land(self, number: int | None = None, error: Exception | None = None) -> None:
        """Let one flight land, by default the latest, and give everybody time to see it."""
        landing = self._landings[-1 if number is None else number]
        if error is None:
            landing.set_result(None)
        else:
            landing.set_exception(error)
        await turns()

    async def land_all(self) -> None:
        """Land every flight, also those that take off meanwhile."""
        while flying := [landing for landing in self._landings if not landing.done()]:
            for landing in flying:
                landing.set_result(None)
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
    """What came of each: the answer, or the type of the error. Fails when one is still open."""
    assert all(task.done() for task in tasks), "Somebody still waits."
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    return [type(outcome) if isinstance(outcome, BaseException) else outcome for outcome in outcomes]


@pytest.fixture
def airport() -> Airport:
    return Airport()


async def test_when_nothing_is_in_flight_an_item_leaves_at_once_and_alone(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly)
    (anna,) = submit(coalescer, "anna")
    await turns()
    assert airport.flights == [("show", ("anna",))]
    await airport.land()
    assert await anna == "anna!"


async def test_items_that_arrive_in_the_same_moment_leave_together(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    tasks = submit(coalescer, "anna", "ben", "cem")
    await turns()
    assert airport.flights == [("show", ("anna", "ben", "cem"))]
    await airport.land()
    assert await results(tasks) == ["anna!", "ben!", "cem!"]


async def test_items_that_arrive_during_a_flight_travel_together_in_order_of_arrival(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    tasks = submit(coalescer, "anna")
    await turns()
    for item in ("dora", "ben", "cem"):
        tasks += submit(coalescer, item)
        await turns()
    assert len(airport.flights) == 1
    await airport.land()
    assert airport.flights[1:] == [("show", ("dora", "ben", "cem"))]
    await airport.land()
    assert await results(tasks) == ["anna!", "dora!", "ben!", "cem!"]


async def test_a_batch_has_its_limit_and_the_rest_takes_the_next_flight(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1, batch_limit=2)
    tasks = submit(coalescer, "a", "b", "c", "d", "e")
    await turns()
    await airport.land_all()
    assert [items for _, items in airport.flights] == [("a", "b"), ("c", "d"), ("e",)]
    assert await results(tasks) == ["a!", "b!", "c!", "d!", "e!"]


async def test_keys_take_turns(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1, batch_limit=2)
    tasks = submit(coalescer, "1", "2", "3", "4", "5", key="rush") + submit(coalescer, "quiet", key="other")
    await turns()
    await airport.land_all()
    assert airport.flights == [
        ("rush", ("1", "2")),
        ("other", ("quiet",)),
        ("rush", ("3", "4")),
        ("rush", ("5",)),
    ]
    assert len(await results(tasks)) == 6


@pytest.mark.parametrize("lanes", [1, 2, 3])
async def test_no_more_flights_are_under_way_than_there_are_lanes(airport: Airport, lanes: int) -> None:
    coalescer = Coalescer(airport.fly, lanes=lanes)
    tasks = []
    for item in "abcde":
        tasks += submit(coalescer, item, key=f"show {item}")
        await turns()
    assert [items for _, items in airport.flights] == [(item,) for item in "abcde"[:lanes]]
    await airport.land_all()
    assert await results(tasks) == [f"{item}!" for item in "abcde"]


async def test_a_key_has_one_flight_at_a_time_and_leaves_the_other_lanes_to_others(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=3)
    tasks = []
    for item in "abc":
        tasks += submit(coalescer, item, key="rush")
        await turns()
    tasks += submit(coalescer, "d", key="quiet")
    await turns()
    assert airport.flights == [("rush", ("a",)), ("quiet", ("d",))]
    await airport.land(0)
    assert airport.flights[2:] == [("rush", ("b", "c"))]
    await airport.land_all()
    assert await results(tasks) == ["a!", "b!", "c!", "d!"]


async def test_whoever_submits_again_right_after_an_answer_is_fetched_too() -> None:
    # The lane has nothing left to do just when the next item comes: neither may rely on the other to act.
    async def fly(_: str, items: Sequence[int]) -> list[int]:
        return [item + 1 for item in items]

    coalescer = Coalescer(fly, lanes=1)
    count = 0
    async with asyncio.timeout(30):
        while count < 100:
            count = await coalescer.submit("show", count)


async def test_past_the_bound_an_item_is_refused_at_once_and_room_is_made_by_a_flight(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1, waiting_limit=2)
    flying = submit(coalescer, "a")
    await turns()
    waiting = submit(coalescer, "b", "c")
    await turns()
    assert coalescer.room() == 0
    with pytest.raises(BusyError):
        await coalescer.submit("another show", "d")
    await airport.land()
    assert coalescer.room() == 2
    late = submit(coalescer, "e")
    await turns()
    await airport.land_all()
    assert await results(flying + waiting + late) == ["a!", "b!", "c!", "e!"]
    assert all("d" not in items for _, items in airport.flights)


async def test_an_item_that_waited_too_long_does_not_fly(airport: Airport) -> None:
    clock = Clock()
    coalescer = Coalescer(airport.fly, lanes=1, patience=3.0, clock=clock)
    flying = submit(coalescer, "a")
    await turns()
    waiting = submit(coalescer, "early")
    await turns()
    clock.now += 2.0
    waiting += submit(coalescer, "late")
    await turns()
    clock.now += 2.0
    await airport.land_all()
    assert await results(flying + waiting) == ["a!", BusyError, "late!"]
    assert [items for _, items in airport.flights] == [("a",), ("late",)]


async def test_an_item_that_waited_too_long_is_told_so_also_while_no_flight_lands(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1, patience=0.005)
    flying = submit(coalescer, "a")
    await turns()
    waiting = submit(coalescer, "b", key="one show") + submit(coalescer, "c", key="another show")
    assert [type(e) for e in await asyncio.gather(*waiting, return_exceptions=True)] == [BusyError] * 2
    assert not flying[0].done()
    # The bound counts those who wait, and nobody does.
    again = submit(coalescer, "d")
    assert [type(e) for e in await asyncio.gather(*again, return_exceptions=True)] == [BusyError]
    await airport.land_all()
    assert await results(flying) == ["a!"]
    assert airport.flights == [("show", ("a",))]


async def test_those_who_are_sent_away_leave_nothing_to_the_garbage_collector(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1, patience=0.005)
    flying = submit(coalescer, "a")
    await turns()
    gc.collect()
    gc.disable()
    try:
        refused = await refusal(coalescer, "b")
        await turns()
        assert refused() is None, "The error and the frame it came through hold each other."
    finally:
        gc.enable()
    await airport.land_all()
    assert await results(flying) == ["a!"]


async def refusal(coalescer: Coalescer[str, str, str], item: str) -> "weakref.ref[BusyError]":
    """The error that an item is refused with, without keeping it."""
    try:
        await coalescer.submit("show", item)
    except BusyError as error:
        return weakref.ref(error)
    raise AssertionError("it was not refused")


async def test_an_item_whose_submitter_has_gone_does_not_fly(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    tasks = submit(coalescer, "a")
    await turns()
    gone, stays = submit(coalescer, "b", "c")
    (all_gone,) = submit(coalescer, "d", key="another show")
    await turns()
    gone.cancel()
    all_gone.cancel()
    await airport.land_all()
    assert [items for _, items in airport.flights] == [("a",), ("c",)]
    assert await results([*tasks, stays]) == ["a!", "c!"]
    assert gone.cancelled()
    assert all_gone.cancelled()


async def test_a_submitter_who_goes_during_the_flight_harms_nobody(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    gone, stays = submit(coalescer, "a", "b")
    await turns()
    gone.cancel()
    await airport.land()
    assert gone.cancelled()
    assert await stays == "b!"


async def test_a_failed_batch_is_repeated_one_by_one_and_only_the_bad_item_fails(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    airport.bad["bad"] = ValueError("no")
    tasks = submit(coalescer, "a", "bad", "b")
    await turns()
    await airport.land_all()
    assert [items for _, items in airport.flights] == [("a", "bad", "b"), ("a",), ("bad",), ("b",)]
    assert await results(tasks) == ["a!", ValueError, "b!"]


async def test_a_bad_item_alone_is_not_repeated(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly)
    airport.bad["bad"] = ValueError("no")
    tasks = submit(coalescer, "bad")
    await turns()
    await airport.land_all()
    assert len(airport.flights) == 1
    assert await results(tasks) == [ValueError]


async def test_who_has_gone_is_left_out_when_a_failed_batch_is_repeated(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    airport.bad["bad"] = ValueError("no")
    bad, gone, stays = submit(coalescer, "bad", "gone", "stays")
    await turns()
    gone.cancel()
    await airport.land_all()
    assert [items for _, items in airport.flights] == [("bad", "gone", "stays"), ("bad",), ("stays",)]
    assert await results([bad, stays]) == [ValueError, "stays!"]


@pytest.mark.parametrize("stopper", [BusyError, FunctionsMissingError])
async def test_a_busy_database_fails_the_whole_batch_without_a_repetition(
    airport: Airport, stopper: type[Exception]
) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    tasks = submit(coalescer, "a", "b", "c")
    await turns()
    await airport.land(error=stopper("no"))
    assert len(airport.flights) == 1
    assert await results(tasks) == [stopper] * 3


async def test_a_database_that_becomes_busy_while_a_batch_is_repeated_ends_the_repetition(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    airport.bad = {"bad": ValueError("no")}
    tasks = submit(coalescer, "a", "bad", "b", "c")
    await turns()
    await airport.land()
    await airport.land()
    await airport.land()
    await airport.land(error=BusyError("full"))
    assert [items for _, items in airport.flights][1:] == [("a",), ("bad",), ("b",)]
    assert await results(tasks) == ["a!", ValueError, BusyError, BusyError]


@pytest.mark.parametrize("answers", [[], ["only one"], ["one", "two", "three"]])
async def test_a_wrong_number_of_answers_is_an_error_and_nobody_gets_anothers_answer(answers: list[str]) -> None:
    asked: list[tuple[str, ...]] = []

    async def fly(_: str, items: Sequence[str]) -> list[str]:
        asked.append(tuple(items))
        return [f"{items[0]}!"] if len(items) == 1 and items != ["b"] else answers

    coalescer = Coalescer(fly, lanes=1)
    tasks = submit(coalescer, "a", "b")
    await turns()
    wrong_alone = "only one" if len(answers) == 1 else RuntimeError
    assert await results(tasks) == ["a!", wrong_alone]
    assert asked == [("a", "b"), ("a",), ("b",)]


async def test_a_cancelled_flight_tells_its_batch_that_the_outcome_is_unknown(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    flying = submit(coalescer, "a", "b")
    await turns()
    waiting = submit(coalescer, "c")
    await turns()
    (flight,) = coalescer._flights
    flight.cancel()
    await turns()
    assert await results(flying) == [OutcomeUnknownError] * 2
    assert await results(waiting) == [BusyError]
    # Life goes on.
    again = submit(coalescer, "d")
    await turns()
    await airport.land()
    assert await results(again) == ["d!"]


async def test_a_flight_that_is_cancelled_before_it_takes_off_leaves_nobody_behind(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    tasks = submit(coalescer, "a")
    await asyncio.sleep(0)
    (flight,) = coalescer._flights
    assert airport.flights == []
    flight.cancel()
    await turns()
    assert await results(tasks) == [BusyError]


async def test_a_cancelled_flight_leaves_those_who_wait_to_the_other_lane(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=2)
    first = submit(coalescer, "a")
    await turns()
    (flight,) = coalescer._flights
    second = submit(coalescer, "b", key="another show")
    await turns()
    waiting = submit(coalescer, "c")
    await turns()
    flight.cancel()
    await turns()
    assert await results(first) == [OutcomeUnknownError]
    await airport.land_all()
    assert await results(second + waiting) == ["b!", "c!"]


async def test_closing_lets_flights_land_and_refuses_everybody_else(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1)
    flying = submit(coalescer, "a")
    await turns()
    waiting = submit(coalescer, "b")
    await turns()
    closing = asyncio.create_task(coalescer.close())
    await turns()
    assert await results(waiting) == [BusyError]
    assert coalescer.room() == 0
    with pytest.raises(BusyError):
        await coalescer.submit("show", "c")
    assert not closing.done()
    await airport.land()
    assert await results(flying) == ["a!"]
    await closing
    assert airport.flights == [("show", ("a",))]
    await coalescer.close()  # A second time changes nothing.


async def test_an_idle_coalescer_leaves_nothing_behind(airport: Airport) -> None:
    coalescer = Coalescer(airport.fly, lanes=1, batch_limit=1)
    tasks = submit(coalescer, "a", "b", "c", "d")
    await turns()
    await airport.land_all()
    assert await results(tasks) == ["a!", "b!", "c!", "d!"]
    assert (coalescer._waiting, coalescer._queues, coalescer._flights) == (0, {}, set())
    await coalescer.close()
    assert coalescer._watch is None
