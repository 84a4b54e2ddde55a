"""Who measures when: the rounds of all rows take turns over the whole run.

A shared machine is faster in one minute than in the next, and what it then does faster is not the same for a few large
batches and for many small round trips. A row whose rounds all lay in one of these minutes would tell of that minute.
"""

from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

Sample = TypeVar("Sample")
Result = TypeVar("Result")

Turns = Generator[float, None, Result]
"""A measurement that others may interrupt: after each round it yields the share of its rounds that are done, above 0
and at most 1, and at its end it returns what it found. What it holds open stays open meanwhile."""


def interleave(sides: Mapping[str, Callable[[], Sample]], rounds: int) -> Turns[dict[str, list[Sample]]]:
    """Run every side once a round, A B A B …: whatever changes slowly on the machine then happens to all of them.

    Every other round goes backwards, so that no side always comes after the same one.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            samples[name].append(sides[name]())
        yield (number + 1) / rounds
    return samples


def without_a_break(turns: Turns[Result]) -> Result:
    """What a measurement comes to when nobody else has a turn meanwhile."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            result: Result = end.value
            return result
