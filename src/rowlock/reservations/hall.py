"""A hall prepared for choosing seats: benches of adjacent seats, ordered from the best to the worst.

Computed once for each plan version. `best_available` keeps track of which seats are free.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import groupby
from math import hypot

from rowlock.catalogue.model import Seat, SeatingPlan

# The number of benches around an anchor that are searched first for the rest of a split group.
NEIGHBOURHOOD = 48

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bench:
    """Adjacent seats of one category without an aisle between them, left to right. Bit i stands for seats[i].

    standard    the bits of seats that are neither wheelchair nor companion places.
    wheelchair  the bits of wheelchair places; what is in neither is a companion place.
    middle      the index, possibly between two seats, that is nearest to the middle of the hall.
    points      where each seat is, in plan units.
    """

    seats: tuple[int, ...]
    category: int
    standard: int
    wheelchair: int
    middle: float
    points: tuple[Point, ...]

    @property
    def companion(self) -> int:
        """The bits of companion places."""
        return (1 << len(self.seats)) - 1 & ~self.standard & ~self.wheelchair

    def centre(self, start: int = 0, length: int | None = None) -> Point:
        """The point in the middle of some of its seats, or of all."""
        points = self.points if length is None else self.points[start : start + length]
        return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


class Hall:
    """The benches of a plan version, the best first, and indexes over them."""

    def __init__(self, plan: SeatingPlan) -> None:
        self._categories = {category.name: index for index, category in enumerate(plan.categories)}
        self.benches = [_bench(seats, plan.focal_point) for seats in _best_first(plan)]
        self.place = {
            seat_id: (number, bit)
            for number, bench in enumerate(self.benches)
            for bit, seat_id in enumerate(bench.seats)
        }
        self.longest = max((len(bench.seats) for bench in self.benches), default=0)
        self._centres = [bench.centre() for bench in self.benches]
        self._orders: dict[int | None, tuple[int, ...]] = {}
        self._near: dict[int, tuple[int, ...]] = {}

    def category(self, name: str) -> int | None:
        """The index of a category by its name, or None."""
        return self._categories.get(name)

    def order(self, category: int | None) -> tuple[int, ...]:
        """The numbers of the benches of a category (None: of all), the best first."""
        if category not in self._orders:
            self._orders[category] = tuple(
                number for number, bench in enumerate(self.benches) if category in (None, bench.category)
            )
        return self._orders[category]

    def near(self, number: int) -> tuple[int, ...]:
        """The numbers of the NEIGHBOURHOOD benches nearest to a bench, itself first."""
        if number not in self._near:
            self._near[number] = tuple(
                nsmallest(
                    NEIGHBOURHOOD,
                    range(len(self.benches)),
                    key=lambda other: (distance(self._centres[number], self._centres[other]), other != number),
                )
            )
        return self._near[number]


def _best_first(plan: SeatingPlan) -> list[list[Seat]]:
    """The benches for sale: rows by their distance from the stage, within a row from the middle outwards."""
    by_row: dict[int, list[Seat]] = defaultdict(list)
    for seat in plan.seats:
        by_row[seat.row].append(seat)
    benches = []
    for row, seats in by_row.items():
        stage_distance = min(distance((seat.x, seat.y), plan.focal_point) for seat in seats)
        seats.sort(key=lambda seat: seat.position)
        for (_, category), group in groupby(seats, key=lambda seat: (seat.run, seat.category)):
            if plan.categories[category].for_sale:
                bench = list(group)
                benches.append(((stage_distance, row, min(_axis_distances(bench, plan.focal_point))), bench))
    benches.sort(key=lambda entry: entry[0])
    return [bench for _, bench in benches]


def _axis_distances(seats: Sequence[Seat], focal_point: Point) -> list[float]:
    """How far each seat of a bench is from the line on which the audience looks straight ahead."""
    across = max(s.x for s in seats) - min(s.x for s in seats) >= max(s.y for s in seats) - min(s.y for s in seats)
    return [abs(seat.x - focal_point[0]) if across else abs(seat.y - focal_point[1]) for seat in seats]


def _bench(seats: list[Seat], focal_point: Point) -> Bench:
    axis_distances = _axis_distances(seats, focal_point)
    nearest = axis_distances.index(min(axis_distances))
    middle = (len(seats) - 1) / 2
    return Bench(
        tuple(seat.seat_id for seat in seats),
        seats[0].category,
        sum(1 << bit for bit, seat in enumerate(seats) if seat.kind == "standard"),
        sum(1 << bit for bit, seat in enumerate(seats) if seat.kind == "wheelchair"),
        # A bench across the middle of the hall is filled from that middle, a bench at the side from its inner end.
        nearest if abs(nearest - middle) > 0.5 else middle,
        tuple((seat.x, seat.y) for seat in seats),
    )


def distance(one: Point, other: Point) -> float:
    """How far two points are apart, in plan units."""
    return hypot(one[0] - other[0], one[1] - other[1])
