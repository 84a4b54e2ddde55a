"""A seating plan: sections, physical rows and seats, as readers produce it and all other parts use it.

A published plan version never changes. Coordinates are plan units with x to the right and y downwards;
neighbours and aisles are facts of the coordinates, never of the numbering (`plans.geometry` derives them).
"""

from dataclasses import dataclass, field
from typing import Literal

SeatKind = Literal["standard", "wheelchair", "companion"]
ShapeKind = Literal["rectangle", "ellipse", "polygon", "text"]


@dataclass(frozen=True, slots=True)
class Category:
    """A part of the hall with one price.

    `for_sale=False` marks seats that exist but are never sold: crew, camera, broken.
    """

    name: str
    color: str = "#64748b"
    for_sale: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A named part of the hall, such as "Balcony" or "Block D"."""

    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """One physical row. `section` is an index into `SeatingPlan.sections`."""

    section: int
    label: str


@dataclass(frozen=True, slots=True)
class Seat:
    """One place to sit.

    seat_id    dense from 1 within the plan, in reading order (section, row, left to right), so that a
               show's state fits an array.
    row        index into `SeatingPlan.rows`.
    run        number of the seat's run, dense from 0 within the plan: the seats of one run sit shoulder
               to shoulder; an aisle starts a new run.
    position   order within the row from 0, left to right by coordinates, counted across aisles.
    number     what is printed on the chair ("12").
    label      unique in the plan and readable by people ("Balcony, row C, seat 12").
    category   index into `SeatingPlan.categories`.
    source_id  the seat's id in the file it came from, unique in the plan: integrators find seats by it.
    """

    seat_id: int
    row: int
    run: int
    position: int
    number: str
    label: str
    x: float
    y: float
    category: int
    source_id: str
    kind: SeatKind = "standard"


@dataclass(frozen=True, slots=True)
class Shape:
    """Scenery of the map, such as the stage.

    `points` are plan coordinates: two corners for a rectangle or an ellipse, one point for a text.
    """

    kind: ShapeKind
    points: tuple[tuple[float, float], ...]
    text: str = ""
    color: str = "#cbd5e1"


@dataclass(frozen=True, slots=True)
class SeatingPlan:
    """One plan version, ready to be published.

    `focal_point` is where the audience looks (the stage), in plan units.
    """

    name: str
    width: float
    height: float
    focal_point: tuple[float, float]
    categories: tuple[Category, ...]
    sections: tuple[Section, ...]
    rows: tuple[Row, ...]
    seats: tuple[Seat, ...]
    shapes: tuple[Shape, ...] = field(default=())
