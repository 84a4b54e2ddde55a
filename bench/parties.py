"""The parties that come to a show: from one to eight people, mostly two, in an order that is always the same."""

from collections.abc import Iterator
from random import Random

SHARES = {1: 10, 2: 40, 3: 14, 4: 20, 5: 6, 6: 6, 7: 2, 8: 2}
"""Parties of each size, in percent: an assumption, with couples first and families second."""


def arrivals(chance: Random) -> Iterator[int]:
    """Sizes of parties as they arrive, without end."""
    sizes, weights = list(SHARES), list(SHARES.values())
    while True:
        yield from chance.choices(sizes, weights, k=1_000)


def sizes_for(seats: int, chance: Random) -> list[int]:
    """Sizes of parties that want exactly `seats` seats together: the last one is as small as it has to be."""
    parties: list[int] = []
    left = seats
    for size in arrivals(chance):
        parties.append(min(size, left))
        left -= parties[-1]
        if not left:
            break
    return parties
