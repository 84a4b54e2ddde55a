"""Derives the order of seats in rows, neighbours and aisles from coordinates.

Pure functions on points `(x, y)`, x to the right and y downwards. They ignore seat numbers: real halls number odd and
even seats separately, start in the middle, or count downwards.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from rowlock.catalogue.ranking import AISLE_FACTOR

Point = tuple[float, float]

WIDE_SEAT_FACTOR = 1.2
"""A row's own pitch is used up to this many pitches of its section: wheelchair places are wider than other seats, but
two single seats with a gap between them are not neighbours. 1.2 × 1.6 is less than the 2 pitches of an omitted seat."""

OVERLAP_FACTOR = 0.4
"""Two seats nearer than this many pitches overlap."""

DEFAULT_PITCH = 25.0
"""The distance between neighbouring seats that is assumed for a plan without two neighbouring seats."""

_EPSILON = 1e-6
_MAX_TURN_COSINE = math.cos(math.radians(45))


def order_along_row(points: Sequence[Point]) -> list[int]:
    """Return the indices of a row's seats, left to right along the row's own direction.

    Two orders are tried: along the principal axis, which suits straight, tilted and gently curved rows, and
    around the centre of a fitted circle, which suits horseshoes and tables. The shorter path is used.
    A steep row is ordered from top to bottom.
    """
    if len(points) < 2:
        return list(range(len(points)))
    order = _order_along_axis(points)
    centre = _circle_centre(points)
    if centre is not None:
        around = _order_around(points, centre)
        # The axis is preferred when both are about equal, so that rounding errors never decide.
        if path_length(points, around) < path_length(points, order) * 0.999:
            order = around
    return _in_file_order_at_one_point(points, _left_to_right(points, order))


def path_length(points: Sequence[Point], order: Sequence[int]) -> float:
    """Return the length of the path from seat to seat in this order."""
    return math.fsum(steps(points, order))


def steps(points: Sequence[Point], order: Sequence[int]) -> list[float]:
    """Return the distances between consecutive seats, one fewer than there are seats."""
    return [math.hypot(points[b][0] - points[a][0], points[b][1] - points[a][1]) for a, b in pairwise(order)]


def typical_pitch(distances: Iterable[float]) -> float | None:
    """Return the lower median of the distances that are not zero, or None when there is none.

    The lower one, because in rows of pairs with aisles between them almost half of the distances are gaps.
    """
    real = sorted(distance for distance in distances if distance > _EPSILON)
    return real[(len(real) - 1) // 2] if real else None


def run_breaks(distances: Sequence[float], section_pitch: float) -> list[bool]:
    """Say of each distance between consecutive seats whether it is an aisle."""
    pitch = min(typical_pitch(distances) or section_pitch, section_pitch * WIDE_SEAT_FACTOR)
    return [distance > pitch * AISLE_FACTOR + _EPSILON for distance in distances]


def sharpest_turn(points: Sequence[Point], order: Sequence[int]) -> float:
    """Return the cosine of the sharpest turn on the path: 1 for a straight line, below 0 beyond a right angle."""
    sharpest = 1.0
    heading: Point | None = None
    for a, b in pairwise(order):
        dx, dy = points[b][0] - points[a][0], points[b][1] - points[a][1]
        length = math.hypot(dx, dy)
        if length <= _EPSILON:
            continue
        step = (dx / length, dy / length)
        if heading is not None:
            sharpest = min(sharpest, heading[0] * step[0] + heading[1] * step[1])
        heading = step
    return sharpest


def is_one_line(points: Sequence[Point]) -> bool:
    """Say whether the seats form one line that never turns by more than 45 degrees."""
    return sharpest_turn(points, order_along_row(points)) >= _MAX_TURN_COSINE - _EPSILON


class SeatGrid:
    """Finds overlapping seats, in time linear in the number of seats.

    Only seats that do not overlap one in the grid are added, so each cell has only a few, whatever the plan.
    """

    def __init__(self, distance: float) -> None:
        self._distance = distance
        self._cells: dict[tuple[int, int], list[tuple[float, float, int]]] = {}

    def find_overlap(self, x: float, y: float) -> int | None:
        """Return the index that was given for a seat in the grid nearer than the distance, or None."""
        column, row = self._cell(x, y)
        for across in (column - 1, column, column + 1):
            for down in (row - 1, row, row + 1):
                for other_x, other_y, index in self._cells.get((across, down), ()):
                    if math.hypot(other_x - x, other_y - y) < self._distance - _EPSILON:
                        return index
        return None

    def add(self, x: float, y: float, index: int) -> None:
        """Add a seat that overlaps none in the grid; `index` is what `find_overlap` returns for it."""
        self._cells.setdefault(self._cell(x, y), []).append((x, y, index))

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        return math.floor(x / self._distance), math.floor(y / self._distance)


def bounding_box(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of at least one point."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _order_along_axis(points: Sequence[Point]) -> list[int]:
    centre_x, centre_y = _centroid(points)
    sxx = math.fsum((x - centre_x) ** 2 for x, _ in points)
    syy = math.fsum((y - centre_y) ** 2 for _, y in points)
    sxy = math.fsum((x - centre_x) * (y - centre_y) for x, y in points)
    angle = 0.5 * math.atan2(2 * sxy, sxx - syy)
    along_x, along_y = math.cos(angle), math.sin(angle)

    def key(index: int) -> tuple[float, float, float, int]:
        x, y = points[index]
        # Rounded, so that rounding errors do not make equal projections different.
        along = round((x - centre_x) * along_x + (y - centre_y) * along_y, 3)
        return along, x, y, index

    return sorted(range(len(points)), key=key)


def _circle_centre(points: Sequence[Point]) -> Point | None:
    """Fit a circle by least squares (Kåsa 1976); return its centre, or None for points on a line."""
    if len(points) < 4:
        return None
    mean_x, mean_y = _centroid(points)
    suu = svv = suv = suuu = svvv = suvv = svuu = 0.0
    for x, y in points:
        u, v = x - mean_x, y - mean_y
        suu += u * u
        svv += v * v
        suv += u * v
        suuu += u * u * u
        svvv += v * v * v
        suvv += u * v * v
        svuu += v * u * u
    determinant = suu * svv - suv * suv
    if determinant <= _EPSILON * (suu + svv) ** 2:
        return None
    right_u, right_v = (suuu + suvv) / 2, (svvv + svuu) / 2
    return (
        mean_x + (right_u * svv - right_v * suv) / determinant,
        mean_y + (right_v * suu - right_u * suv) / determinant,
    )


def _order_around(points: Sequence[Point], centre: Point) -> list[int]:
    """Order by angle around the centre, beginning after the widest gap."""
    angles = [round(math.atan2(y - centre[1], x - centre[0]), 9) for x, y in points]
    order = sorted(range(len(points)), key=lambda index: (angles[index], points[index], index))
    gaps = [(angles[order[position]] - angles[order[position - 1]]) % (2 * math.pi) for position in range(len(order))]
    widest = max(gaps)
    # Of equally wide gaps, as around a table, coordinates decide, not rounding errors.
    start = min(
        (position for position, gap in enumerate(gaps) if gap >= widest - 1e-4),
        key=lambda position: (points[order[position]], position),
    )
    return order[start:] + order[:start]


def _left_to_right(points: Sequence[Point], order: list[int]) -> list[int]:
    (first_x, first_y), (last_x, last_y) = points[order[0]], points[order[-1]]
    dx, dy = last_x - first_x, last_y - first_y
    steep = abs(dx) * 10 < abs(dy)
    backwards = dy < 0 if steep else dx < 0
    return order[::-1] if backwards else order


def _in_file_order_at_one_point(points: Sequence[Point], order: list[int]) -> list[int]:
    return [index for _, spot in groupby(order, key=points.__getitem__) for index in sorted(spot)]


def _centroid(points: Sequence[Point]) -> Point:
    return math.fsum(x for x, _ in points) / len(points), math.fsum(y for _, y in points) / len(points)
