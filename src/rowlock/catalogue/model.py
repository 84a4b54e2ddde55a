"""The types of the catalogue: seating plans, venues, shows and prices.

A published plan version never changes. Coordinates are plan units with x to the right and y downwards. Neighbours and
aisles follow from the coordinates, never from the numbering (`plan_files.geometry` derives them).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

DEFAULT_CURRENCY = "USD"
ALL_CATEGORIES = ""
"""The key of the price of every category without its own price."""


class CatalogueError(ValueError):
    """A request cannot be carried out; the message says what was wrong, what is allowed and what to do."""


SeatKind = Literal["standard", "wheelchair", "companion"]
ShapeKind = Literal["rectangle", "ellipse", "polygon", "text"]


@dataclass(frozen=True, slots=True)
class Category:
    """A part of the hall with one price.

    `for_sale=False` is for seats that exist but are never sold: for the crew, for a camera, broken.
    """

    name: str
    color: str = "#64748b"
    for_sale: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A named part of the hall, such as "Balcony" or "Block D"."""

    name: str


@dataclass(frozen=True, slots=True)
class Zone:
    """Sections that look at a point of their own, such as the two halls of one plan.

    `focal_point` None: they look where the whole plan does. `sections` are indexes into `SeatingPlan.sections`.
    """

    name: str
    focal_point: tuple[float, float] | None
    sections: tuple[int, ...]


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
    run        number of the seat's run, dense from 0 within the plan: the seats of a run are adjacent; an aisle
               starts a new run.
    position   order within the row from 0, left to right by coordinates, counted across aisles.
    number     the number on the chair ("12").
    label      unique in the plan and readable by people ("Balcony, row C, seat 12").
    category   index into `SeatingPlan.categories`.
    source_id  the seat's id in its plan file, unique in the plan: integrators refer to seats by it.
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

    focal_point   where the audience looks (the stage), in plan units.
    zones         sections that look elsewhere.
    in_the_round  whether the audience sits around the focal point, or beside a court: then the ends of a row are worse
                  than its middle by as much as they are farther away.
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
    zones: tuple[Zone, ...] = field(default=())
    in_the_round: bool = False


@dataclass(frozen=True, slots=True)
class Organization:
    """The seller of shows."""

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
    """A plan version with its content; `checksum` (SHA-256 in hex) identifies the content."""

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
    """A plan that was published, with its organization and venue."""

    organization: Organization
    venue: Venue
    plan: PublishedPlan


@dataclass(frozen=True, slots=True)
class PlanListing:
    """A plan version with its venue and organization."""

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
    """What a new show needs of its plan; a category's position in `categories` is its number."""

    plan_id: UUID
    name: str
    version: int
    venue: str
    time_zone: str
    seats_total: int
    categories: tuple[Category, ...]


@dataclass(frozen=True, slots=True)
class ShowListing:
    """One show in the list for buyers. Durations are seconds, prices minor units of `currency`."""

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
    """One show in the list for organizers, which includes drafts."""

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
    """The price of a category (index into the plan's categories) for one price type."""

    category: int
    price_type: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class NewShow:
    """A show to be created. Instants have a zone; `prices_minor` has an amount in minor units for each category."""

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
class ShowInput:
    """An organizer's input for a new show.

    prices_minor  category name → amount in minor units of `currency`; ALL_CATEGORIES is the key for the rest.
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
    """A show that was created. `blocked` has the number of seats of each category that is not for sale."""

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
