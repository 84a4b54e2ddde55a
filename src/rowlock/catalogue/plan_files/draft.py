"""The mutable plan that readers pass to the plan doctor.

Readers fill a draft with the contents of the file; the doctor repairs it in place. Coordinates are absolute and texts
are cleaned, but ids may repeat, rows may be empty, and seats have no seat_id yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from rowlock.catalogue.model import SeatKind, ShapeKind
from rowlock.catalogue.plan_files import limits
from rowlock.catalogue.plan_files.errors import ErrorCode, PlanError

RowWord = Literal["row", "table", "booth"]


@dataclass(slots=True)
class DraftSeat:
    """A seat of the file.

    category  a DraftCategory key, or "" when the file names none.
    for_sale  False when the file marks this seat as never sold.
    """

    number: str
    x: float
    y: float
    category: str
    source_id: str
    place: str
    kind: SeatKind = "standard"
    label: str = ""
    run: int = 0
    for_sale: bool = True


@dataclass(slots=True)
class DraftRow:
    """A row object of the file; the doctor may join several into one physical row.

    row_text and seat_text are the texts on tickets, with "%s" for the label and the number. `counted` is for a label
    that the reader made from the row's place in the file: it says nothing about the hall.
    """

    label: str
    place: str
    seats: list[DraftSeat] = field(default_factory=list)
    word: RowWord = "row"
    row_text: str = ""
    seat_text: str = ""
    counted: bool = False


@dataclass(slots=True)
class DraftShape:
    """A piece of scenery."""

    kind: ShapeKind
    points: list[tuple[float, float]]
    text: str = ""
    color: str = ""


@dataclass(slots=True)
class DraftSection:
    """A part of the hall, with the scenery that is moved together with it."""

    name: str
    place: str
    rows: list[DraftRow] = field(default_factory=list)
    shapes: list[DraftShape] = field(default_factory=list)

    def seats(self) -> Iterator[DraftSeat]:
        """Yield the seats of every row."""
        for row in self.rows:
            yield from row.seats


@dataclass(slots=True)
class DraftCategory:
    """A declared category. Seats refer to it by `key`, which is its name in all formats but seats.io."""

    key: str
    name: str
    color: str
    place: str
    for_sale: bool = True


@dataclass(slots=True)
class DraftZone:
    """Sections that look at a point of their own. Without a point they look where the whole plan does."""

    name: str
    focal_point: tuple[float, float] | None
    sections: list[DraftSection] = field(default_factory=list)


@dataclass(slots=True)
class DraftFloor:
    """What is on one of several floors that have the same coordinates in the file; `top` is where it begins here."""

    top: float
    height: float
    sections: list[DraftSection]
    shapes: list[DraftShape]
    zones: list[DraftZone]


@dataclass(slots=True)
class Draft:
    """A whole file.

    format_has_size  whether the format has a field for the plan's size; CSV has none.
    in_the_round     whether the audience sits around the focal point, or beside a court.
    """

    name: str
    format_has_size: bool = True
    size: tuple[float, float] | None = None
    focal_point: tuple[float, float] | None = None
    in_the_round: bool = False
    zones: list[DraftZone] = field(default_factory=list)
    floors: list[DraftFloor] = field(default_factory=list)
    categories: list[DraftCategory] = field(default_factory=list)
    sections: list[DraftSection] = field(default_factory=list)
    shapes: list[DraftShape] = field(default_factory=list)

    def seats(self) -> Iterator[DraftSeat]:
        """Yield every seat of the plan."""
        for section in self.sections:
            yield from section.seats()

    def all_shapes(self) -> Iterator[DraftShape]:
        """Yield the scenery of the plan, then that of each section."""
        yield from self.shapes
        for section in self.sections:
            yield from section.shapes


class SeatCounter:
    """Refuses the first seat, row, section or piece of scenery beyond the limits, before it is built."""

    def __init__(self) -> None:
        self._seats = 0
        self._rows = 0
        self._sections = 0
        self._shapes = 0
        self._points = 0

    def seats(self, count: int, place: str) -> None:
        """Count `count` more seats; raises PlanError TOO_MANY_SEATS."""
        self._seats += count
        if self._seats > limits.MAX_SEATS:
            raise _beyond("TOO_MANY_SEATS", place, limits.MAX_SEATS, "seats", "Split the venue into several plans")

    def rows(self, count: int, place: str) -> None:
        """Count `count` more rows, tables or booths; raises PlanError TOO_MANY_ROWS."""
        self._rows += count
        if self._rows > limits.MAX_ROWS:
            raise _beyond("TOO_MANY_ROWS", place, limits.MAX_ROWS, "rows", "Split the venue into several plans")

    def sections(self, count: int, place: str) -> None:
        """Count `count` more sections; raises PlanError TOO_MANY_SECTIONS."""
        self._sections += count
        if self._sections > limits.MAX_SECTIONS:
            raise _beyond(
                "TOO_MANY_SECTIONS", place, limits.MAX_SECTIONS, "sections", "Split the venue into several plans"
            )

    def shapes(self, count: int, place: str) -> None:
        """Count `count` more pieces of scenery; raises PlanError TOO_MANY_SHAPES."""
        self._shapes += count
        if self._shapes > limits.MAX_SHAPES:
            advice = "Simplify the drawing, or leave it out"
            raise _beyond("TOO_MANY_SHAPES", place, limits.MAX_SHAPES, "pieces of scenery", advice)

    def points(self, count: int, place: str) -> None:
        """Count `count` more points of scenery; raises PlanError TOO_MANY_SHAPES."""
        self._points += count
        if self._points > limits.MAX_SHAPE_POINTS:
            advice = "Simplify the drawing, or leave it out"
            raise _beyond("TOO_MANY_SHAPES", place, limits.MAX_SHAPE_POINTS, "points of scenery", advice)


def check_categories(count: int, place: str) -> None:
    """Refuse more declared categories than any plan needs, before they are read; raises PlanError."""
    if count > limits.MAX_CATEGORY_OBJECTS:
        raise _beyond(
            "TOO_MANY_CATEGORIES",
            place,
            limits.MAX_CATEGORY_OBJECTS,
            "categories",
            "A category is a part of the hall with one price, not a row or a seat",
        )


def _beyond(code: ErrorCode, place: str, limit: int, what: str, advice: str) -> PlanError:
    return PlanError(code, place, f"here the file exceeds {limit:,} {what}, the most one plan may have. {advice}")


def to_unit(value: float) -> float:
    """Round a coordinate to a thousandth of a plan unit, so that equal sums of offsets are written in the same way."""
    return round(value, 3) + 0.0  # Adding zero turns -0.0 into 0.0.
