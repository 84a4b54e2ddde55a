"""Turns rounds into figures: medians with their ranges, and ratios with theirs."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import exp, inf, isfinite, log, sqrt
from statistics import median, stdev
from sys import float_info


class NothingToCompareError(Exception):
    """The yardstick of a ratio is broken."""


def figures(values: Sequence[float], digits: int = 1) -> dict[str, object]:
    """Median, range and every round of a series, for the detail of a row."""
    return {
        "median": round(median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
        "rounds": [round(value, digits) for value in values],
    }


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, dict[str, object]]:
    """What the rounds' ratios come to, and the detail that says how far they are apart.

    Both sides of a round are measured one right after the other. A machine that is slower for a minute, because of its
    neighbours, changes the rates of that round and hardly its ratio.

    The value is the Hodges-Lehmann estimate of the logarithms: the median of the geometric means of all pairs of rounds
    (each with itself, too). Like the median it does not mind a few odd rounds, and it is as steady as the median of
    half as many rounds again. By logarithms because twice and half are equally far from one, so that a ratio and its
    reciprocal tell the same.

    `ratio_error` is the standard error, as a share of the value: of two runs on the same machine, two in three are less
    than 1.4 times as far apart.

    Raises NothingToCompareError when the other side came to nothing, or took for ever: any side would look well beside
    it. A single round of which that is true makes the range infinite.
    """
    if not 0 < median(denominators) < inf:
        raise NothingToCompareError(f"the side to compare with came to {denominators}; let it run for longer, or alone")
    by_round = [top / bottom if 0 < bottom < inf else inf for top, bottom in zip(numerators, denominators, strict=True)]
    # A side that came to nothing in a round has no logarithm. The smallest number there is stands for it.
    logarithms = [log(max(each, float_info.min)) for each in by_round]
    value = exp(median((one + other) / 2 for one, other in combinations_with_replacement(logarithms, 2)))
    spread: dict[str, object] = {
        "ratio_median": round(median(by_round), 3),
        "ratio_min": round(min(by_round), 3),
        "ratio_max": round(max(by_round), 3),
    }
    if len(logarithms) > 1 and all(map(isfinite, logarithms)):
        spread["ratio_error"] = round(stdev(logarithms) / sqrt(len(logarithms)), 3)
    return value, spread
