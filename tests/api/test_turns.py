"""How many requests are started in one iteration of the event loop, and which; no test here waits for a clock."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from rowlock.web import turns
from rowlock.web.problems import ProblemError
from rowlock.web.turns import RecentlyRefused, Turns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the time by so many seconds; it does not move by itself."""
    now = [0.0]
    monkeypatch.setattr(turns, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


class Requests:
    """Requests that take turns, and the order in which they were started."""

    def __init__(self, of: Turns) -> None:
        self._of = of
        self._begun = 0
        self.started: list[int] = []

    async def _request(self, number: int) -> None:
        if not self._of.take():
            await self._of.wait()
        self.started.append(number)

    def begin(self, count: int) -> list["asyncio.Task[None]"]:
        """So many requests arrive in this iteration."""
        numbers = range(self._begun, self._begun + count)
        self._begun += count
        return [asyncio.create_task(self._request(number)) for number in numbers]

    async def each_iteration(self, iterations: int) -> list[int]:
        """How many were started in each of the next iterations."""
        counts = []
        for _ in range(iterations):
            before = len(self.started)
            await _next_iteration()
            counts.append(len(self.started) - before)
        return counts


def _next_iteration() -> Awaitable[None]:
    return asyncio.sleep(0)


async def is_busy(task: "asyncio.Task[None]") -> bool:
    with pytest.raises(ProblemError) as refusal:
        await task
    return refusal.value.code == "BUSY"


async def test_one_request_does_not_wait() -> None:
    of = Turns(1)
    for _ in range(3):
        assert of.take()
        await _next_iteration()


async def test_no_iteration_starts_more_than_its_turns_and_none_is_lost() -> None:
    requests = Requests(Turns(3))
    tasks = requests.begin(30)

    counts = await requests.each_iteration(20)

    assert max(counts) == 3
    assert sum(counts) == 30
    assert counts[-5:] == [0] * 5, "All were started, one iteration after the other."
    await asyncio.gather(*tasks)


async def test_without_turns_one_iteration_starts_them_all() -> None:
    """The negative control of the test above."""
    requests = Requests(Turns(1_000_000))
    requests.begin(30)

    assert await requests.each_iteration(2) == [30, 0]


async def test_they_are_started_in_the_order_in_which_they_came_also_those_that_come_later() -> None:
    requests = Requests(Turns(2))
    tasks = requests.begin(10)
    for _ in range(4):
        await _next_iteration()
        tasks += requests.begin(3)
    await asyncio.gather(*tasks)

    assert requests.started == sorted(requests.started)


async def test_kinds_do_not_wait_for_each_other() -> None:
    reads, writes = Requests(Turns(1)), Requests(Turns(1))
    reads.begin(500)
    await _next_iteration()
    writes.begin(1)

    assert await writes.each_iteration(1) == [1]
    assert len(reads.started) < 5


async def test_when_as_many_wait_as_may_one_more_is_refused_at_once() -> None:
    requests = Requests(Turns(1, waiting_limit=5))
    tasks = requests.begin(7)
    await _next_iteration()

    assert tasks[-1].done()
    assert await is_busy(tasks[-1])
    await asyncio.gather(*tasks[:-1])
    assert requests.started == list(range(6))


async def test_what_has_waited_too_long_is_refused_in_its_turn(clock: Callable[[float], None]) -> None:
    requests = Requests(Turns(1, wait_seconds=3.0))
    tasks = requests.begin(4)
    await _next_iteration()
    clock(3.1)
    late = requests.begin(1)

    assert [await is_busy(task) for task in tasks[1:]] == [True] * 3
    await asyncio.gather(*late)
    assert requests.started == [0, 4]


async def test_refusals_take_turns_as_well(clock: Callable[[float], None]) -> None:
    requests = Requests(Turns(1, wait_seconds=3.0))
    tasks = requests.begin(20)
    await _next_iteration()
    clock(3.1)
    done = []
    for _ in range(10):
        done.append(sum(task.done() for task in tasks))
        await _next_iteration()

    assert all(later - earlier <= 1 for earlier, later in pairwise(done))
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_request_that_is_cancelled_takes_no_turn() -> None:
    requests = Requests(Turns(1))
    tasks = requests.begin(6)
    await _next_iteration()
    for task in tasks[1:5]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert requests.started == [0, 5]
    assert await requests.each_iteration(3) == [0, 0, 0]


def test_who_was_refused_is_known_for_a_second(clock: Callable[[float], None]) -> None:
    refused = RecentlyRefused(seconds=1.0)
    assert ("10.0.0.1", 0) not in refused
    refused.add(("10.0.0.1", 0))
    clock(0.9)
    assert ("10.0.0.1", 0) in refused
    assert ("10.0.0.1", 1) not in refused
    refused.add(("10.0.0.1", 0))
    clock(0.9)
    assert ("10.0.0.1", 0) in refused, "It counts from the last refusal."
    clock(0.2)
    assert ("10.0.0.1", 0) not in refused


def test_not_more_are_remembered_than_the_limit_and_none_for_longer_than_needed(clock: Callable[[float], None]) -> None:
    refused = RecentlyRefused(seconds=1.0, limit=100)
    for client in range(1_000):
        refused.add(client)
    assert len(refused._until) == 100
    assert 999 in refused
    assert 0 not in refused
    clock(1.1)
    refused.add(0)
    assert len(refused._until) == 1
