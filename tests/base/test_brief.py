"""A crowd that asks the same costs one reading."""

import asyncio

import pytest

from rowlock.base import brief
from rowlock.base.brief import Brief


class Source:
    """Counts its readings, each of which ends when the test says so."""

    def __init__(self) -> None:
        self.readings = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.error: Exception | None = None

    async def read(self) -> int:
        self.readings += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self.readings


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(brief, "monotonic", lambda: now[0])
    return now


async def test_all_who_ask_at_the_same_time_get_one_reading(clock: list[float]) -> None:
    source, kept = Source(), Brief[str, int](10, 0.0)

    assert await asyncio.gather(*(kept.get("a", source.read) for _ in range(500))) == [1] * 500


async def test_an_answer_is_kept_for_its_time_and_no_longer(clock: list[float]) -> None:
    source, kept = Source(), Brief[str, int](10, 1.0)

    answers = []
    for after in (0.0, 0.9, 0.2):
        clock[0] += after
        answers.append(await kept.get("a", source.read))

    assert answers == [1, 1, 2]


async def test_a_reading_that_failed_is_told_to_all_who_waited_and_not_kept(clock: list[float]) -> None:
    source, kept = Source(), Brief[str, int](10, 1.0)
    source.error = ValueError("away")

    failed = await asyncio.gather(*(kept.get("a", source.read) for _ in range(3)), return_exceptions=True)
    source.error = None

    assert [str(error) for error in failed] == ["away"] * 3
    assert await kept.get("a", source.read) == 2


async def test_one_who_goes_away_does_not_take_the_reading_from_the_others(clock: list[float]) -> None:
    source, kept = Source(), Brief[str, int](10, 1.0)
    source.may_end.clear()
    first, second = (asyncio.create_task(kept.get("a", source.read)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    source.may_end.set()

    assert await second == 1


async def test_it_keeps_no_more_keys_than_its_limit(clock: list[float]) -> None:
    source, kept = Source(), Brief[str, int](2, 1.0)

    answers = [await kept.get(key, source.read) for key in ("a", "b", "c", "c", "b", "a")]

    assert answers == [1, 2, 3, 3, 2, 4]
