"""Ranks the benches of a plan from the best to the worst: by how far they are from where their audience looks.

The plan doctor names the first of them when it had to guess where the stage is; `reservations.hall` sells them in this
order.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, pairwise
from math import hypot

from rowlock.catalogue.model import Seat, SeatingPlan

Point = tuple[float, float]

AISLE_FACTOR = 1.6
"""A gap wider than this many seat pitches is an aisle. One omitted seat makes a gap of 2 pitches."""

MIN_ROUND = 3
"""Two seats are beside each other on one side only."""

ASIDE_WEIGHT = 0.05
"""Twenty seats to the side are as bad as one seat's width farther from the stage."""

_EPSILON = 1e-6


def best_first(plan: SeatingPlan) -> list[list[Seat]]:
    """Return the benches for sale: rows by their distance from the stage, within a row from the middle outwards.

    In a fan the rows of a block at the side are as near as those of the middle. They see less, so how far the whole row
    is aside counts for a little.

    In the round and beside a court each bench has a distance of its own: row 1 behind the corner flag is not as good as
    row 2 at the half-way line.
    """
    focal_points = focal_point_of_sections(plan)
    by_row: dict[int, list[Seat]] = defaultdict(list)
    for seat in plan.seats:
        by_row[seat.row].append(seat)
    middles = _middles(plan, focal_points)
    benches = []
    for row, seats in by_row.items():
        focal_point = focal_points[plan.rows[row].section]
        of_row = _nearest(seats, focal_point) + ASIDE_WEIGHT * _aside(seats, focal_point, middles[focal_point])
        seats.sort(key=lambda seat: seat.position)
        if goes_round(seats):
            seats = _turned(seats, focal_point)
        for (_, category), group in groupby(seats, key=lambda seat: (seat.run, seat.category)):
            if plan.categories[category].for_sale:
                bench = list(group)
                stage_distance = _nearest(bench, focal_point) if plan.in_the_round else of_row
                benches.append(((stage_distance, row, min(axis_distances(bench, focal_point))), bench))
    benches.sort(key=lambda entry: entry[0])
    return [bench for _, bench in benches]


def _middles(plan: SeatingPlan, focal_points: Sequence[Point]) -> dict[Point, Point]:
    """Return the middle of the seats that look at each focal point."""
    seats_of: dict[Point, list[Seat]] = defaultdict(list)
    for seat in plan.seats:
        seats_of[focal_points[plan.rows[seat.row].section]].append(seat)
    return {
        point: (sum(seat.x for seat in seats) / len(seats), sum(seat.y for seat in seats) / len(seats))
        for point, seats in seats_of.items()
    }


def _aside(seats: Sequence[Seat], focal_point: Point, middle: Point) -> float:
    """Return how far a row is from the line that goes from the stage through the middle of the hall."""
    dx, dy = middle[0] - focal_point[0], middle[1] - focal_point[1]
    length = hypot(dx, dy)
    if length <= _EPSILON:
        return 0.0
    across = [((seat.x - focal_point[0]) * dy - (seat.y - focal_point[1]) * dx) / length for seat in seats]
    # A row that reaches over the line is not aside at all.
    return 0.0 if min(across) < 0 < max(across) else min(map(abs, across))


def focal_point_of_sections(plan: SeatingPlan) -> list[Point]:
    """Return where the audience of each section looks."""
    points = [plan.focal_point] * len(plan.sections)
    for zone in plan.zones:
        if zone.focal_point is not None:
            for section in zone.sections:
                points[section] = zone.focal_point
    return points


def goes_round(row: Sequence[Seat]) -> bool:
    """Say whether a whole row, in order, is closed, as around a table: its last seat is beside its first.

    There is no aisle in it, and its ends are no farther apart than neighbours may be.
    """
    if len(row) < MIN_ROUND or row[0].run != row[-1].run:
        return False
    steps = sorted(distance((one.x, one.y), (other.x, other.y)) for one, other in pairwise(row))
    ends = distance((row[-1].x, row[-1].y), (row[0].x, row[0].y))
    # The lower median, as for every other aisle.
    return ends <= steps[(len(steps) - 1) // 2] * AISLE_FACTOR + _EPSILON


def _turned(row: list[Seat], focal_point: Point) -> list[Seat]:
    """Turn a closed row so that it begins where the category changes, else opposite the seat that is filled first."""
    changes = (place for place, seat in enumerate(row) if seat.category != row[place - 1].category)
    start = next(changes, (int(middle_of(row, focal_point)) - len(row) // 2) % len(row))
    return row[start:] + row[:start]


def axis_distances(seats: Sequence[Seat], focal_point: Point) -> list[float]:
    """Return how far each seat of a bench is from the line on which the audience looks straight ahead."""
    across = max(s.x for s in seats) - min(s.x for s in seats) >= max(s.y for s in seats) - min(s.y for s in seats)
    return [abs(seat.x - focal_point[0]) if across else abs(seat.y - focal_point[1]) for seat in seats]


def middle_of(seats: Sequence[Seat], focal_point: Point) -> float:
    """Return the index, possibly between two seats, from which a bench is filled.

    A bench across the middle of the hall is filled from that middle, a bench at the side from its inner end.
    """
    distances = axis_distances(seats, focal_point)
    nearest = distances.index(min(distances))
    middle = (len(seats) - 1) / 2
    return nearest if abs(nearest - middle) > 0.5 else middle


def distance(one: Point, other: Point) -> float:
    """Return how far two points are apart, in plan units."""
    return hypot(one[0] - other[0], one[1] - other[1])


def _nearest(seats: Sequence[Seat], focal_point: Point) -> float:
    return min(distance((seat.x, seat.y), focal_point) for seat in seats)
