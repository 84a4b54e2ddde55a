"""Turns rounds into figures: sides that take turns, medians with their ranges, and ratios with theirs."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from statistics import median
from typing import TypeVar

Sample = TypeVar("Sample")


class NothingToCompareError(Exception):
    """The yardstick of a ratio is broken."""


def interleave(sides: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Run every side once a round, A B A B …: whatever changes slowly on the machine then happens to all of them.

    Every other round goes backwards, so that no side always comes after the same one.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            samples[name].append(sides[name]())
    return samples


def figures(values: Sequence[float], digits: int = 1) -> dict[str, object]:
    """Median, range and every round of a series, for the detail of a row."""
    return {
        "median": round(median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
        "rounds": [round(value, digits) for value in values],
    }


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, dict[str, object]]:
    """The median of the rounds' ratios, and the detail that says how far they are apart.

    Both sides of a round are measured one right after the other. A machine that is slower for a minute, because of its
    neighbours, changes the rates of that round and hardly its ratio.

    Raises NothingToCompareError when the other side came to nothing, or took for ever: any side would look well beside
    it. A single round of which that is true makes the range infinite.
    """
    if not 0 < median(denominators) < inf:
        raise NothingToCompareError(f"the side to compare with came to {denominators}; let it run for longer, or alone")
    by_round = [top / bottom if 0 < bottom < inf else inf for top, bottom in zip(numerators, denominators, strict=True)]
    return median(by_round), {"ratio_min": round(min(by_round), 3), "ratio_max": round(max(by_round), 3)}
