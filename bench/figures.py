"""Statistics: sides that take turns, percentiles, and rounds that become a median and a range."""

import random
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from math import ceil, inf, nan
from statistics import median
from typing import Any, NamedTuple, TypeVar

Name = TypeVar("Name", bound=Hashable)
Sample = TypeVar("Sample")
Named = tuple[str, Sequence[float]]


class Figure(NamedTuple):
    """What a row came to: the median of its rounds, the lowest and the highest of them, and whatever explains it."""

    value: float
    low: float
    high: float
    detail: Mapping[str, Any]


def interleave(sides: Mapping[Name, Callable[[], Sample]], rounds: int) -> dict[Name, list[Sample]]:
    """Run every side once a round, A B, B A, A B …: what changes slowly on the machine then happens to all of them."""
    samples: dict[Name, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(list(sides)):
            samples[name].append(sides[name]())
    return samples


def medians_in_turns(sides: Mapping[str, Callable[[int], object]], samples: int, rounds: int) -> dict[str, list[float]]:
    """The median of each side in each round, in milliseconds, of `times_in_turns`."""
    return {name: [median(each) for each in times] for name, times in times_in_turns(sides, samples, rounds).items()}


def times_in_turns(
    sides: Mapping[str, Callable[[int], object]], samples: int, rounds: int
) -> dict[str, list[list[float]]]:
    """What each call of each side took in each round, in milliseconds. A side is called with the number of the request.

    The sides take turns with every call, in random order: what disturbs the machine then disturbs all alike, and no
    side always finds the processor's caches warm from another of its kind. A round before the first warms up.
    """
    times = {name: [list[float]() for _ in range(rounds + 1)] for name in sides}
    order = random.Random(1)  # noqa: S311 - the order has to be random, not secret.
    for request in range(samples * (rounds + 1)):
        for name in order.sample(list(sides), len(sides)):
            began = time.perf_counter()
            sides[name](request)
            times[name][request // samples].append((time.perf_counter() - began) * 1000)
    return {name: by_round[1:] for name, by_round in times.items()}


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all are not above; infinity when there are none."""
    return sorted(values)[max(1, ceil(len(values) * percent / 100)) - 1] if values else inf


def spread(values: Sequence[float]) -> dict[str, object]:
    """Median, range and every round of a series, for the detail of a row."""
    return {"median": median(values), "low": min(values), "high": max(values), "rounds": list(values)}


def figure(values: Sequence[float], **detail: object) -> Figure:
    """The median and the range of a series."""
    return Figure(median(values), min(values), max(values), {"rounds": list(values), **detail})


def exact(value: float, **detail: object) -> Figure:
    """A figure that is counted once, and would be the same again."""
    return Figure(value, value, value, detail)


def ratio(top: Named, bottom: Named, **detail: object) -> Figure:
    """The median and the range of the rounds' ratios; the detail has both sides under their names.

    A machine that is slower for a minute changes the rates of a round and hardly its ratio. A round in which the other
    side came to nothing has an infinite one. When half of the rounds have, the measurement is broken: raises
    ValueError. When the other side's percentile is infinite, the machine was too busy to tell: the ratio is not a
    number, which reaches no goal.
    """
    sides = {name: spread(values) for name, values in (top, bottom)}
    if median(bottom[1]) == inf:
        return Figure(
            nan, nan, nan, {**sides, **detail, "unclear": f"{bottom[0]} is infinite; measure on an idle machine"}
        )
    if median(bottom[1]) <= 0:
        raise ValueError(f"{bottom[0]} came to {list(bottom[1])}; let it run for longer, or alone")
    by_round = [a / b if 0 < b < inf else inf for a, b in zip(top[1], bottom[1], strict=True)]
    return figure(by_round, **sides, **detail)
