"""Seating plans, venues, shows and prices, as readers of plan files make them and all other parts use them.

A published plan version never changes. Coordinates are plan units with x to the right and y downwards;
neighbours and aisles are facts of the coordinates, never of the numbering (`plan_files.geometry` derives them).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

DEFAULT_CURRENCY = "USD"
ALL_CATEGORIES = ""
"""The key of a price that holds for every category without one of its own."""


class CatalogueError(ValueError):
    """What was asked for cannot be done; the message says what was wrong, what is allowed and what to do."""


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


@dataclass(frozen=True, slots=True)
class Organization:
    """Who sells."""

    organization_id: UUID
    name: str
    slug: str


@dataclass(frozen=True, slots=True)
class Venue:
    """A building with a hall; `time_zone` is an IANA name."""

    venue_id: UUID
    organization_id: UUID
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class PublishedPlan:
    """A plan version and what it contains; `checksum` (SHA-256 in hex) names its content for ever."""

    plan_id: UUID
    version: int
    checksum: str
    plan: SeatingPlan


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """A plan version without its content; `checksum` as in PublishedPlan."""

    plan_id: UUID
    version: int
    checksum: str


@dataclass(frozen=True, slots=True)
class PlanImported:
    """A plan as it was published, and where."""

    organization: Organization
    venue: Venue
    plan: PublishedPlan


@dataclass(frozen=True, slots=True)
class PlanListing:
    """A plan version with where it belongs."""

    plan_id: UUID
    name: str
    version: int
    venue: str
    time_zone: str
    organization: str
    source_format: str
    seats_total: int
    published_at: datetime


@dataclass(frozen=True, slots=True)
class PlanOfShow:
    """What a new show needs to know of its plan; a category's place in `categories` is its number."""

    plan_id: UUID
    name: str
    version: int
    venue: str
    time_zone: str
    seats_total: int
    categories: tuple[Category, ...]


@dataclass(frozen=True, slots=True)
class ShowListing:
    """One show as buyers see it. Durations are seconds, prices minor units of `currency`."""

    show_id: UUID
    slug: str
    title: str
    plan_id: UUID
    venue: str
    time_zone: str
    organization: str
    starts_at: datetime
    sales_start_at: datetime | None
    sales_end_at: datetime | None
    status: str
    currency: str
    price_from_minor: int | None
    seats_total: int
    seats_available: int
    max_seats_per_reservation: int
    hold_seconds: int
    extension_seconds: int
    max_extensions: int


@dataclass(frozen=True, slots=True)
class ShowSummary:
    """A show as its organizer sees it in a list, drafts included."""

    show_id: UUID
    slug: str
    title: str
    plan_id: UUID
    venue: str
    time_zone: str
    organization: str
    starts_at: datetime
    sales_start_at: datetime | None
    sales_end_at: datetime | None
    status: str
    currency: str
    price_from_minor: int | None
    seats_total: int
    seats_available: int


@dataclass(frozen=True, slots=True)
class Price:
    """What a seat of a category (index into the plan's categories) costs for a price type."""

    category: int
    price_type: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class NewShow:
    """A show to be made. Instants carry a zone; `prices_minor` has an amount in minor units for each category."""

    plan_id: UUID
    title: str
    starts_at: datetime
    currency: str
    prices_minor: Mapping[int, int]
    sales_start_at: datetime | None = None
    sales_end_at: datetime | None = None


Instant = datetime | str
"""An instant with a zone, or ISO 8601 text, which is read in the venue's time zone unless it has an offset."""


@dataclass(frozen=True, slots=True)
class ShowDraft:
    """A show as an organizer asks for it.

    prices_minor  category name → amount in minor units of `currency`; ALL_CATEGORIES stands for the rest.
    """

    plan_id: UUID
    title: str
    starts_at: Instant
    prices_minor: Mapping[str, int]
    currency: str = DEFAULT_CURRENCY
    sales_start_at: Instant | None = None
    sales_end_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class ShowCreated:
    """A show that is in the database. `blocked` has the number of seats of each category that is not for sale."""

    show_id: UUID
    slug: str
    title: str
    starts_at: datetime
    sales_start_at: datetime | None
    sales_end_at: datetime | None
    currency: str
    plan: PlanOfShow
    prices_minor: Mapping[str, int]
    blocked: Mapping[str, int]
