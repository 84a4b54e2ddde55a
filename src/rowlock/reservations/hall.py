"""A hall prepared for choosing seats: benches of adjacent seats, ordered from the best to the worst.

Computed once for each plan version. `best_available` keeps track of which seats are free.
"""

from dataclasses import dataclass
from heapq import nsmallest

from rowlock.catalogue.model import Seat, SeatingPlan
from rowlock.catalogue.ranking import Point, best_first, distance, focal_point_of_sections, middle_of

# The number of benches around an anchor that are searched first for the rest of a split group.
NEIGHBOURHOOD = 48


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
        focal_points = focal_point_of_sections(plan)
        self.benches = [_bench(seats, focal_points[plan.rows[seats[0].row].section]) for seats in best_first(plan)]
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


def _bench(seats: list[Seat], focal_point: Point) -> Bench:
    return Bench(
        tuple(seat.seat_id for seat in seats),
        seats[0].category,
        sum(1 << bit for bit, seat in enumerate(seats) if seat.kind == "standard"),
        sum(1 << bit for bit, seat in enumerate(seats) if seat.kind == "wheelchair"),
        middle_of(seats, focal_point),
        tuple((seat.x, seat.y) for seat in seats),
    )
