"""Two generated halls for demonstrations, tests and benchmarks: a theatre of 600 seats and a large stadium.

Both are made as drafts and processed by the plan doctor like plan files, so that there is one way to make rows, runs
and ids. Neither exists in reality; a plan unit is 2.2 cm in the theatre and 2 cm in the stadium.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rowlock.catalogue.model import SeatingPlan, SeatKind
from rowlock.catalogue.plan_files import plan_doctor
from rowlock.catalogue.plan_files.assemble import assemble
from rowlock.catalogue.plan_files.draft import (
    Draft,
    DraftCategory,
    DraftRow,
    DraftSeat,
    DraftSection,
    DraftShape,
    to_unit,
)
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.geometry import Point, order_along_row
from rowlock.catalogue.plan_files.limits import MAX_SEATS

STADIUM_MIN_SEATS = 1_000

_PITCH = 25.0


# The theatre --------------------------------------------------------------------------------------

_STALLS_LETTERS = "ABCDEFGHJKLMNPQR"  # Without I and O, which look like digits.
# Seats left of, between and right of the two aisles. The middle block changes by one seat from row to row, so that each
# seat looks between two seats of the row ahead.
_STALLS_BLOCKS = (
    (5, 10, 5),
    (5, 11, 5),
    (6, 10, 6),
    (6, 11, 6),
    (6, 12, 6),
    (7, 11, 7),
    (7, 12, 7),
    (7, 13, 7),
    (8, 12, 8),
    (8, 13, 8),
    (8, 14, 8),
    (8, 13, 8),
    (9, 14, 9),
    (9, 13, 9),
    (9, 14, 9),
    (4, 13, 4),
)
_BALCONY_LETTERS = "ABCDEFG"
_BALCONY_BLOCKS = (
    (8, 10, 8),
    (8, 11, 8),
    (8, 10, 8),
    (8, 11, 8),
    (8, 10, 8),
    (7, 11, 7),
    (7, 9, 7),
)
_STAGE_WIDTH = 620.0
_THEATRE_AXIS = 480.0
_WHEELCHAIR_STRETCH = 1.4


@dataclass(frozen=True, slots=True)
class _Level:
    """The curve of one level of the theatre: rows are circles around one point behind the stage.

    first_y      y of the first row on the hall's axis.
    radius       of the first row.
    spacing      from row to row.
    aisle        from the axis to the first seat beyond the aisle, along the first row.
    aisle_slope  how much that grows from row to row.
    """

    prefix: str
    first_y: float
    radius: float
    spacing: float
    aisle: float
    aisle_slope: float


_STALLS = _Level("S", first_y=300.0, radius=820.0, spacing=38.0, aisle=186.0, aisle_slope=3.2)
_BALCONY = _Level("B", first_y=1010.0, radius=1100.0, spacing=40.0, aisle=186.0, aisle_slope=0.0)


def theatre() -> SeatingPlan:
    """Return a proscenium theatre of exactly 600 seats.

    Stalls of 16 curved rows and a balcony of 7, each in three blocks between two aisles; four price categories;
    six wheelchair places, each beside a companion seat, at the outer ends of the stalls' first and last row.
    """
    stalls, balcony = DraftSection("Stalls", "stalls"), DraftSection("Balcony", "balcony")
    for index, (letter, blocks) in enumerate(zip(_STALLS_LETTERS, _STALLS_BLOCKS, strict=True)):
        special = _special_places(index, sum(blocks))
        category = "Premium stalls" if index < 5 else "Stalls"
        stalls.rows.append(_curved_row(_STALLS, index, letter, blocks, category, special))
    for index, (letter, blocks) in enumerate(zip(_BALCONY_LETTERS, _BALCONY_BLOCKS, strict=True)):
        category = "Balcony front" if index < 3 else "Balcony"
        balcony.rows.append(_curved_row(_BALCONY, index, letter, blocks, category, {}))
    draft = Draft(
        name="Playhouse",
        size=(2 * _THEATRE_AXIS, 1320.0),
        focal_point=(_THEATRE_AXIS, 130.0),
        categories=[
            _category("Premium stalls", "#b4232a"),
            _category("Stalls", "#d97706"),
            _category("Balcony front", "#0f766e"),
            _category("Balcony", "#1d4ed8"),
        ],
        sections=[stalls, balcony],
        shapes=list(_theatre_scenery()),
    )
    return _finished(draft)


def _special_places(row: int, seats: int) -> dict[int, SeatKind]:
    """Return a stalls row's wheelchair and companion places, by position: at the ends, next to the doors."""
    pairs = {0: 1, len(_STALLS_BLOCKS) - 1: 2}.get(row, 0)
    places: dict[int, SeatKind] = {}
    for pair in range(pairs):
        left, right = 2 * pair, seats - 1 - 2 * pair
        places |= {left: "wheelchair", left + 1: "companion", right - 1: "companion", right: "wheelchair"}
    return places


def _curved_row(
    level: _Level,
    index: int,
    letter: str,
    blocks: tuple[int, int, int],
    category: str,
    special: dict[int, SeatKind],
) -> DraftRow:
    radius = level.radius + index * level.spacing
    centre_y = level.first_y - level.radius
    row = DraftRow(letter, f"{level.prefix}-{letter}")
    for position, distance in enumerate(_arc_distances(level.aisle + index * level.aisle_slope, blocks, special)):
        angle = distance / radius
        row.seats.append(
            DraftSeat(
                number=str(position + 1),
                x=to_unit(_THEATRE_AXIS + radius * math.sin(angle)),
                y=to_unit(centre_y + radius * math.cos(angle)),
                category=category,
                source_id=f"{level.prefix}-{letter}-{position + 1}",
                place=row.place,
                kind=special.get(position, "standard"),
            )
        )
    return row


def _arc_distances(aisle: float, blocks: tuple[int, int, int], special: dict[int, SeatKind]) -> list[float]:
    """Return how far along its arc each seat is from the axis, left to right; the row is symmetric."""
    side, middle, _ = blocks
    wing = [aisle]
    for position in range(side - 1, 0, -1):
        wide = "wheelchair" in {special.get(position), special.get(position - 1)}
        wing.append(wing[-1] + _PITCH * (_WHEELCHAIR_STRETCH if wide else 1.0))
    centre = [(seat - (middle - 1) / 2) * _PITCH for seat in range(middle)]
    return [-distance for distance in reversed(wing)] + centre + wing


def _theatre_scenery() -> Iterator[DraftShape]:
    left, right = _THEATRE_AXIS - _STAGE_WIDTH / 2, _THEATRE_AXIS + _STAGE_WIDTH / 2
    apron = [(left + 30, 190.0)]
    for step in range(1, 12):
        x = left + 30 + (right - left - 60) * step / 12
        across = (x - _THEATRE_AXIS) / (_STAGE_WIDTH / 2 - 30)
        apron.append((x, 190.0 + 48 * (1 - across * across)))
    apron.append((right - 30, 190.0))
    yield DraftShape("polygon", apron, color="#94a3b8")
    yield DraftShape("rectangle", [(left, 70.0), (right, 190.0)], "Stage", "#64748b")


# The stadium --------------------------------------------------------------------------------------

_FIELD = (5250.0, 3400.0)
_RUN_OFF = 500.0
_CORNER_RADIUS = 700.0
_ROW_SPACING = 40.0
_TIER_SHARES = (0.4, 0.2, 0.4)
_TIER_GAPS = (0.0, 160.0, 220.0)
_SECTOR_AISLE = 70.0
_LONG_SECTORS = 8
_SHORT_SECTORS = 5
_CORNER_SECTORS = 3


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The part of the bowl that one sector covers, on every row: a straight piece, or a wedge of a corner.

    start    the first point on the innermost row, or the corner's centre.
    along    the direction of a straight piece.
    angles   from and to, in radians, of a wedge.
    length   of the straight piece; 0 for a wedge.
    outward  away from the field, for a straight piece.
    """

    start: Point
    along: Point = (0.0, 0.0)
    outward: Point = (0.0, 0.0)
    length: float = 0.0
    angles: Point = (0.0, 0.0)

    def places(self, distance: float) -> int:
        """Return how many seats fit on the row at this distance from the innermost one."""
        return max(0, math.floor((self._length_at(distance) - _SECTOR_AISLE) / _PITCH) + 1)

    def points(self, distance: float, seats: int) -> list[Point]:
        """Return the points of so many seats on that row, in the middle of the sector."""
        first = (self._length_at(distance) - (seats - 1) * _PITCH) / 2
        return [self._point(distance, first + index * _PITCH) for index in range(seats)]

    def _length_at(self, distance: float) -> float:
        if self.length:
            return self.length
        return (_CORNER_RADIUS + distance) * (self.angles[1] - self.angles[0])

    def _point(self, distance: float, position: float) -> Point:
        x, y = self.start
        if self.length:
            return (
                x + self.along[0] * position + self.outward[0] * distance,
                y + self.along[1] * position + self.outward[1] * distance,
            )
        radius = _CORNER_RADIUS + distance
        angle = self.angles[0] + position / radius
        return x + radius * math.cos(angle), y + radius * math.sin(angle)


def stadium(seats: int = 100_000) -> SeatingPlan:
    """Return a football stadium of exactly `seats` seats: a bowl of three tiers around the pitch.

    Each tier has 38 sectors between aisles; the outermost row of the upper tier is shortened evenly until the
    number is met. The highest row of each sector of the lower tier begins with two wheelchair places and their
    companions. Raises ValueError outside 1,000 … 200,000.
    """
    if not STADIUM_MIN_SEATS <= seats <= MAX_SEATS:
        raise ValueError(f"a stadium has between {STADIUM_MIN_SEATS:,} and {MAX_SEATS:,} seats, not {seats:,}")
    stretches = list(_stretches())
    tiers = _tiers(stretches, seats)
    surplus = sum(stretch.places(d) for tier in tiers for d in tier for stretch in stretches) - seats
    shortened = _shortened(stretches, tiers[-1][-1], surplus)
    draft = Draft(
        name="Grand Stadium",
        focal_point=(0.0, 0.0),
        categories=[
            _category("Main stand", "#b4232a"),
            _category("Category 1", "#d97706"),
            _category("Category 2", "#0f766e"),
            _category("Category 3", "#1d4ed8"),
            _category("Category 4", "#7c3aed"),
        ],
        shapes=list(_stadium_scenery()),
    )
    for tier, distances in enumerate(tiers):
        for sector, stretch in enumerate(stretches):
            draft.sections.append(_sector(tier, sector, stretch, distances, shortened))
    _fit(draft, tiers[-1][-1])
    return _finished(draft)


def _stretches() -> Iterator[_Stretch]:
    """Yield the sectors clockwise, from the upper left corner of the north stand."""
    half_x = _FIELD[0] / 2 + _RUN_OFF - _CORNER_RADIUS
    half_y = _FIELD[1] / 2 + _RUN_OFF - _CORNER_RADIUS
    edge_x, edge_y = half_x + _CORNER_RADIUS, half_y + _CORNER_RADIUS
    quarter = math.pi / 2
    yield from _straight((-half_x, -edge_y), (half_x, -edge_y), (0.0, -1.0), _LONG_SECTORS)
    yield from _corner((half_x, -half_y), -quarter)
    yield from _straight((edge_x, -half_y), (edge_x, half_y), (1.0, 0.0), _SHORT_SECTORS)
    yield from _corner((half_x, half_y), 0.0)
    yield from _straight((half_x, edge_y), (-half_x, edge_y), (0.0, 1.0), _LONG_SECTORS)
    yield from _corner((-half_x, half_y), quarter)
    yield from _straight((-edge_x, half_y), (-edge_x, -half_y), (-1.0, 0.0), _SHORT_SECTORS)
    yield from _corner((-half_x, -half_y), 2 * quarter)


def _straight(start: Point, end: Point, outward: Point, sectors: int) -> Iterator[_Stretch]:
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    along = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    for index in range(sectors):
        offset = length * index / sectors
        first = start[0] + along[0] * offset, start[1] + along[1] * offset
        yield _Stretch(first, along, outward, length / sectors)


def _corner(centre: Point, start_angle: float) -> Iterator[_Stretch]:
    wedge = math.pi / 2 / _CORNER_SECTORS
    for index in range(_CORNER_SECTORS):
        yield _Stretch(centre, angles=(start_angle + index * wedge, start_angle + (index + 1) * wedge))


def _tiers(stretches: list[_Stretch], seats: int) -> list[list[float]]:
    """Return the distances of the rows of each tier from the innermost row, just enough for `seats`."""
    rows = 0
    while True:
        rows += 1
        distances: list[list[float]] = []
        first = 0.0
        for share, gap in zip(_TIER_SHARES, _TIER_GAPS, strict=True):
            count = max(1, round(rows * share))
            first += gap
            distances.append([first + index * _ROW_SPACING for index in range(count)])
            first += count * _ROW_SPACING
        if sum(stretch.places(d) for tier in distances for d in tier for stretch in stretches) >= seats:
            return distances


def _shortened(stretches: list[_Stretch], last_row: float, surplus: int) -> dict[tuple[float, int], int]:
    """Return how many seats each sector keeps on the outermost row when `surplus` seats are left out evenly."""
    places_kept = [stretch.places(last_row) for stretch in stretches]
    for turn in range(surplus):
        # In turn, one seat from each sector that still has some.
        sector = turn % len(places_kept)
        while not places_kept[sector]:
            sector = (sector + 1) % len(places_kept)
        places_kept[sector] -= 1
    return {(last_row, sector): places for sector, places in enumerate(places_kept)}


def _sector(
    tier: int,
    sector: int,
    stretch: _Stretch,
    distances: list[float],
    shortened: dict[tuple[float, int], int],
) -> DraftSection:
    name = f"Sector {tier + 1}{sector + 1:02d}"
    section = DraftSection(name, name)
    category = _stadium_category(tier, sector)
    for index, distance in enumerate(distances, 1):
        places = shortened.get((distance, sector), stretch.places(distance))
        points = stretch.points(distance, places)
        row = DraftRow(str(index), name)
        top_of_lower_tier = tier == 0 and index == len(distances)
        for position, point in enumerate(order_along_row(points)):
            x, y = points[point]
            row.seats.append(
                DraftSeat(
                    number=str(position + 1),
                    x=to_unit(x),
                    y=to_unit(y),
                    category=category,
                    source_id=f"{tier + 1}{sector + 1:02d}-{index}-{position + 1}",
                    place=name,
                    kind=_STADIUM_SPECIAL.get(position, "standard") if top_of_lower_tier else "standard",
                )
            )
        if row.seats:
            section.rows.append(row)
    return section


_STADIUM_SPECIAL: dict[int, SeatKind] = {0: "wheelchair", 1: "companion", 2: "wheelchair", 3: "companion"}


def _stadium_category(tier: int, sector: int) -> str:
    """Return a sector's category: long sides cost more than short sides and corners, lower tiers more than upper."""
    half = _LONG_SECTORS + 2 * _CORNER_SECTORS + _SHORT_SECTORS
    on_long_side = sector % half < _LONG_SECTORS
    if on_long_side:
        middle = 1 < sector % half < _LONG_SECTORS - 2
        return ("Main stand" if middle else "Category 1", "Category 1", "Category 3")[tier]
    return ("Category 2", "Category 3", "Category 4")[tier]


def _stadium_scenery() -> Iterator[DraftShape]:
    x, y = _FIELD[0] / 2, _FIELD[1] / 2
    line = "#63b277"
    yield DraftShape("rectangle", [(-x, -y), (x, y)], "Pitch", "#4d9e5f")
    yield DraftShape("ellipse", [(-457.0, -457.0), (457.0, 457.0)], color=line)
    for side in (-1, 1):
        goal_line, box_line = side * x, side * (x - 825.0)
        corners = [(min(goal_line, box_line), -1008.0), (max(goal_line, box_line), 1008.0)]
        yield DraftShape("rectangle", corners, color=line)


def _fit(draft: Draft, last_row: float) -> None:
    """Move everything so that the whole bowl has positive coordinates, with a margin around it."""
    margin = _RUN_OFF + last_row + 4 * _PITCH
    dx, dy = math.ceil(_FIELD[0] / 2 + margin), math.ceil(_FIELD[1] / 2 + margin)
    for seat in draft.seats():
        seat.x, seat.y = to_unit(seat.x + dx), to_unit(seat.y + dy)
    for shape in draft.shapes:
        shape.points = [(px + dx, py + dy) for px, py in shape.points]
    draft.focal_point = float(dx), float(dy)
    draft.size = 2.0 * dx, 2.0 * dy


def _category(name: str, color: str) -> DraftCategory:
    return DraftCategory(name, name, color, name)


def _finished(draft: Draft) -> SeatingPlan:
    plan_doctor.repair(draft, Findings())
    return assemble(draft)
