"""A hall prepared for choosing seats: benches of adjacent seats, ordered from the best to the worst.

Computed once for each plan version. `best_available` keeps track of which seats are free.
"""

from collections import Counter
from dataclasses import dataclass
from heapq import nsmallest

from rowlock.catalogue.model import Seat, SeatingPlan
from rowlock.catalogue.ranking import Point, best_first, distance, focal_point_of_sections, goes_round, middle_of

# The number of benches around an anchor that are searched first for the rest of a split group.
NEIGHBOURHOOD = 48


Area = tuple[int | None, int | None]
"""A part of a hall: the index of a category and that of a section, None for all of them."""

EVERYWHERE: Area = (None, None)


@dataclass(frozen=True, slots=True)
class Bench:
    """Adjacent seats of one category without an aisle between them, left to right. Bit i stands for seats[i].

    Around a table the last seat is beside the first, and some of its seats may go from the one to the other.

    areas       the four areas that it belongs to: of its category, its section, both, and everywhere.
    standard    the bits of seats that are neither wheelchair nor companion places.
    wheelchair  the bits of wheelchair places; what is in neither is a companion place.
    middle      the index, possibly between two seats, that is nearest to the middle of the hall.
    points      where each seat is, in plan units.
    around      the number of seats if they go around a table; 0 in a row with two ends.
    """

    seats: tuple[int, ...]
    category: int
    areas: tuple[Area, ...]
    standard: int
    wheelchair: int
    middle: float
    points: tuple[Point, ...]
    around: int = 0

    @property
    def companion(self) -> int:
        """The bits of companion places."""
        return (1 << len(self.seats)) - 1 & ~self.standard & ~self.wheelchair

    def part(self, start: int, length: int) -> tuple[int, ...]:
        """The ids of `length` seats beside each other, from bit `start` on."""
        return (self.seats + self.seats)[start : start + length] if self.around else self.seats[start : start + length]

    def centre(self, start: int = 0, length: int | None = None) -> Point:
        """The point in the middle of some of its seats, or of all."""
        if length is None:
            points = self.points
        else:
            points = (self.points + self.points if self.around else self.points)[start : start + length]
        return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


class Hall:
    """The benches of a plan version, the best first, and indexes over them."""

    def __init__(self, plan: SeatingPlan) -> None:
        self._categories = {category.name: index for index, category in enumerate(plan.categories) if category.for_sale}
        # Sections of one name are one section to whoever asks for it.
        self._sections: dict[str, int] = {}
        section_of_row = [self._sections.setdefault(plan.sections[row.section].name, row.section) for row in plan.rows]
        focal_points = focal_point_of_sections(plan)
        size = Counter(seat.row for seat in plan.seats)
        self.benches = [
            _bench(
                seats,
                section_of_row[seats[0].row],
                focal_points[plan.rows[seats[0].row].section],
                around=len(seats) == size[seats[0].row] and goes_round(seats),
            )
            for seats in best_first(plan)
        ]
        self.place = {
            seat_id: (number, bit)
            for number, bench in enumerate(self.benches)
            for bit, seat_id in enumerate(bench.seats)
        }
        self.longest = max((len(bench.seats) for bench in self.benches), default=0)
        self._centres = [bench.centre() for bench in self.benches]
        self._orders: dict[Area, tuple[int, ...]] = {}
        self._near: dict[int, tuple[int, ...]] = {}

    def category(self, name: str) -> int | None:
        """The index of a category that is for sale by its name, or None."""
        return self._categories.get(name)

    def section(self, name: str) -> int | None:
        """The index of a section that has rows by its name, or None."""
        return self._sections.get(name)

    @property
    def category_names(self) -> list[str]:
        """The names of the categories that are for sale."""
        return list(self._categories)

    @property
    def section_names(self) -> list[str]:
        """The names of the sections that have rows."""
        return list(self._sections)

    def order(self, area: Area) -> tuple[int, ...]:
        """The numbers of the benches of an area, the best first."""
        if area not in self._orders:
            self._orders[area] = tuple(number for number, bench in enumerate(self.benches) if area in bench.areas)
        return self._orders[area]

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


def _bench(seats: list[Seat], section: int, focal_point: Point, *, around: bool) -> Bench:
    category = seats[0].category
    return Bench(
        tuple(seat.seat_id for seat in seats),
        category,
        ((category, section), (category, None), (None, section), EVERYWHERE),
        sum(1 << bit for bit, seat in enumerate(seats) if seat.kind == "standard"),
        sum(1 << bit for bit, seat in enumerate(seats) if seat.kind == "wheelchair"),
        middle_of(seats, focal_point),
        tuple((seat.x, seat.y) for seat in seats),
        len(seats) if around else 0,
    )
