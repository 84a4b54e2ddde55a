"""The types of the catalogue: seating plans, venues and shows. `price_list` has those of prices.

A published plan version never changes. Coordinates are plan units with x to the right and y downwards. Neighbours and
aisles follow from the coordinates, never from the numbering (`plan_files.geometry` derives them).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from rowlock.catalogue.price_list import PriceList

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
class Seller:
    """An organization as receipts name it. Without a legal name it is `name`; the address has lines."""

    organization_id: UUID
    name: str
    slug: str
    legal_name: str | None
    address: str | None
    tax_id: str | None


@dataclass(frozen=True, slots=True)
class SellerChanges:
    """What is to be changed of a seller: None changes nothing, an empty text takes away what was there."""

    legal_name: str | None = None
    address: str | None = None
    tax_id: str | None = None


@dataclass(frozen=True, slots=True)
class Venue:
    """A building with a hall; `time_zone` is an IANA name."""

    venue_id: UUID
    organization_id: UUID
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class VenueListing:
    """A venue with what is told of it.

    step_free_sections  the names of the sections of its plans that are reached without steps.
    """

    venue_id: UUID
    organization: str
    name: str
    time_zone: str
    address: str | None
    access_notes: str | None
    step_free_sections: list[str]


@dataclass(frozen=True, slots=True)
class VenueChanges:
    """What is to be changed of a venue: None changes nothing, an empty text or list takes away what was there."""

    time_zone: str | None = None
    address: str | None = None
    access_notes: str | None = None
    step_free_sections: list[str] | None = None


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

    @property
    def category_numbers(self) -> dict[str, int]:
        """The number of each category by its name: names are unique in a plan."""
        return {category.name: index for index, category in enumerate(self.categories)}


@dataclass(frozen=True, slots=True)
class ShowListing:
    """One show in the list for buyers. Durations are seconds, prices minor units of `currency`."""

    show_id: UUID
    slug: str
    title: str
    description: str | None
    image_url: str | None
    plan_id: UUID
    venue: str
    venue_address: str | None
    venue_access_notes: str | None
    step_free_sections: list[str]
    time_zone: str
    organization: str
    doors_at: datetime | None
    starts_at: datetime
    ends_at: datetime | None
    sales_start_at: datetime | None
    sales_end_at: datetime | None
    sales_close_at: datetime
    status: str
    currency: str
    price_from_minor: int | None
    fee_per_order_minor: int
    seats_total: int
    seats_available: int
    max_seats_per_reservation: int
    hold_seconds: int
    extension_seconds: int
    max_extensions: int


ShowCursor = tuple[datetime, UUID]
"""The start and the id of the last show of a page: the next page begins behind it."""


@dataclass(frozen=True, slots=True)
class ShowFilter:
    """Which shows of the list: those that all filters let through; None filters nothing.

    starts_from and starts_before bound the start, the second exclusively. With neither, shows that are over are left
    out. `limit` is the most shows of a page, `after` where the page before it ended.
    """

    limit: int
    after: ShowCursor | None = None
    status: str | None = None
    starts_from: datetime | None = None
    starts_before: datetime | None = None
    venue: str | None = None
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class ShowPage:
    """Some shows of the list, and the cursor of the next page; None on the last one."""

    shows: list[ShowListing]
    next: ShowCursor | None


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
class ShowDetails:
    """What is told of a show. Instants have a zone; `show_rules` says which are possible together."""

    title: str
    starts_at: datetime
    description: str | None = None
    image_url: str | None = None
    doors_at: datetime | None = None
    ends_at: datetime | None = None
    sales_start_at: datetime | None = None
    sales_end_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewShow:
    """A show to be created."""

    plan_id: UUID
    details: ShowDetails
    currency: str
    price_list: PriceList


Instant = datetime | str
"""An instant with a zone, or ISO 8601 text, which is read in the venue's time zone unless it has an offset."""

DetailInput = Instant | None
"""An organizer's input for one of the ShowDetails: text, an instant, or None for nothing."""


@dataclass(frozen=True, slots=True)
class ShowInput:
    """An organizer's input for a new show.

    prices_minor, fee_per_ticket_minor, fee_per_order_minor and tax_basis_points are as in PriceChanges.
    """

    plan_id: UUID
    title: str
    starts_at: Instant
    prices_minor: Mapping[str, int]
    currency: str = DEFAULT_CURRENCY
    description: str | None = None
    image_url: str | None = None
    doors_at: Instant | None = None
    ends_at: Instant | None = None
    sales_start_at: Instant | None = None
    sales_end_at: Instant | None = None
    fee_per_ticket_minor: int = 0
    fee_per_order_minor: int = 0
    tax_basis_points: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShowCreated:
    """A show that was created. `blocked` has the number of seats of each category that is not for sale."""

    show_id: UUID
    slug: str
    details: ShowDetails
    currency: str
    plan: PlanOfShow
    price_list: PriceList
    blocked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ShowState:
    """A show as its organizer changes it: its details, status and prices, as stored, with its venue's time zone."""

    show_id: UUID
    plan_id: UUID
    details: ShowDetails
    status: str
    sales_close_at: datetime
    time_zone: str
    currency: str
    price_list: PriceList


@dataclass(frozen=True, slots=True)
class ShowCancelled:
    """How many holds and orders ended because their show was cancelled, and how many have still to end."""

    show_id: UUID
    holds_released: int
    orders_ended: int
    holds_left: int = 0
    orders_left: int = 0


@dataclass(frozen=True, slots=True)
class ShowMoved:
    """A show that was moved to another plan."""

    show_id: UUID
    plan_id: UUID
    seats_total: int
