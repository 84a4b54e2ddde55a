"""Writes the catalogue as its owner: organizations, venues, published plan versions, shows and their prices.

What buyers may read of it is `db.shows`; which prices a show needs and what is not for sale is decided above.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from rowlock.db.queries import query
from rowlock.domain.plan import Category, SeatingPlan

# COPY in binary takes every value in exactly the type of its column.
_SEAT_TYPES = (
    "uuid", "int4", "int4", "int4", "int4", "text", "text", "float8", "float8", "int4", "text", "text",
)  # fmt: skip


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
    """A plan version as it was just published; `checksum` is its SHA-256."""

    plan_id: UUID
    version: int
    seats_total: int
    checksum: bytes


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
class NewShow:
    """A show to be made. Instants carry a zone; `prices_minor` has an amount in minor units for each category."""

    plan_id: UUID
    slug: str
    title: str
    starts_at: datetime
    currency: str
    prices_minor: Mapping[int, int]
    sales_start_at: datetime | None = None
    sales_end_at: datetime | None = None


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


async def find_organizations(connection: AsyncConnection, name: str | None = None) -> list[Organization]:
    """The organizations of that name, or all of them, oldest first."""
    async with connection.cursor(row_factory=class_row(Organization)) as cursor:
        await cursor.execute(query("catalogue/find_organizations"), {"name": name})
        return await cursor.fetchall()


async def add_organization(connection: AsyncConnection, name: str, slug: str) -> Organization | None:
    """A new organization, or None when the slug belongs to another one."""
    async with connection.cursor(row_factory=class_row(Organization)) as cursor:
        await cursor.execute(query("catalogue/add_organization"), {"name": name, "slug": slug})
        return await cursor.fetchone()


async def find_venue(connection: AsyncConnection, organization_id: UUID, name: str) -> Venue | None:
    """The venue of that name, or None."""
    async with connection.cursor(row_factory=class_row(Venue)) as cursor:
        await cursor.execute(query("catalogue/find_venue"), {"organization_id": organization_id, "name": name})
        return await cursor.fetchone()


async def ensure_venue(connection: AsyncConnection, organization_id: UUID, name: str, time_zone: str) -> Venue:
    """The venue of that name; `time_zone` counts only when it has to be made."""
    given = {"organization_id": organization_id, "name": name, "time_zone": time_zone}
    async with connection.cursor(row_factory=class_row(Venue)) as cursor:
        await cursor.execute(query("catalogue/add_venue"), given)
        added = await cursor.fetchone()
    venue = added or await find_venue(connection, organization_id, name)
    assert venue is not None, "a venue that could not be added exists"
    return venue


async def publish_plan(
    connection: AsyncConnection, venue_id: UUID, plan: SeatingPlan, *, source_format: str
) -> PublishedPlan:
    """Publish `plan` as the next version of the plan of that name in this venue, in one transaction.

    A published version never changes: what uses an older one keeps it. Publishing the same plan twice makes two
    versions. Raises LookupError when there is no such venue.
    """
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(query("catalogue/lock_venue"), (venue_id,))
        if await cursor.fetchone() is None:
            raise LookupError(f"there is no venue {venue_id}")
        await cursor.execute(
            query("catalogue/add_plan"),
            {
                "venue_id": venue_id,
                "name": plan.name,
                "source_format": source_format,
                "seats_total": len(plan.seats),
                "layout": Jsonb(_layout(plan)),
            },
        )
        row = await cursor.fetchone()
        assert row is not None, "insert … returning answers with the row"
        plan_id, version = row
        async with cursor.copy(query("catalogue/copy_seats")) as copy:
            copy.set_types(_SEAT_TYPES)
            for seat in plan.seats:
                await copy.write_row(
                    (
                        plan_id,
                        seat.seat_id,
                        seat.row,
                        seat.run,
                        seat.position,
                        seat.number,
                        seat.label,
                        float(seat.x),
                        float(seat.y),
                        seat.category,
                        seat.kind,
                        seat.source_id,
                    )
                )
        await cursor.execute(query("catalogue/seal_plan"), {"plan_id": plan_id})
        sealed = await cursor.fetchone()
        assert sealed is not None, "the plan was inserted above"
    return PublishedPlan(plan_id, version, len(plan.seats), bytes(sealed[0]))


def _layout(plan: SeatingPlan) -> dict[str, Any]:
    """Everything of a plan but its seats, in the shape that the comment on seating_plans.layout gives."""
    return {
        "width": plan.width,
        "height": plan.height,
        "focal_point": list(plan.focal_point),
        "categories": [asdict(category) for category in plan.categories],
        "sections": [asdict(section) for section in plan.sections],
        "rows": [asdict(row) for row in plan.rows],
        "shapes": [asdict(shape) for shape in plan.shapes],
    }


async def list_plans(connection: AsyncConnection) -> list[PlanListing]:
    """Every published plan version by organization, venue, name and version."""
    async with connection.cursor(row_factory=class_row(PlanListing)) as cursor:
        await cursor.execute(query("catalogue/list_plans"))
        return await cursor.fetchall()


async def find_plan(connection: AsyncConnection, plan_id: UUID) -> PlanOfShow | None:
    """What a new show needs to know of a plan version, or None when there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("catalogue/find_plan"), (plan_id,))
        row = await cursor.fetchone()
    if row is None:
        return None
    categories = tuple(Category(**category) for category in row.pop("categories"))
    return PlanOfShow(**row, categories=categories)


async def seats_by_category(
    connection: AsyncConnection, plan_id: UUID, categories: Sequence[int]
) -> dict[int, list[int]]:
    """The seat ids of these categories of a plan; a category without seats is left out."""
    cursor = await connection.execute(
        query("catalogue/seats_by_category"), {"plan_id": plan_id, "categories": list(categories)}
    )
    return dict(await cursor.fetchall())


async def add_show(connection: AsyncConnection, show: NewShow) -> UUID | None:
    """A new show with its prices, or None when the slug is taken. Call it in a transaction."""
    cursor = await connection.execute(
        query("catalogue/add_show"),
        {
            "plan_id": show.plan_id,
            "slug": show.slug,
            "title": show.title,
            "starts_at": show.starts_at,
            "sales_start_at": show.sales_start_at,
            "sales_end_at": show.sales_end_at,
            "currency": show.currency,
        },
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    show_id: UUID = row[0]
    await connection.execute(
        query("catalogue/add_prices"),
        {
            "show_id": show_id,
            "categories": list(show.prices_minor),
            "amounts_minor": list(show.prices_minor.values()),
        },
    )
    return show_id


async def list_shows(connection: AsyncConnection) -> list[ShowSummary]:
    """Every show in order of its start, drafts included."""
    async with connection.cursor(row_factory=class_row(ShowSummary)) as cursor:
        await cursor.execute(query("catalogue/list_shows"))
        return await cursor.fetchall()


async def is_empty(connection: AsyncConnection) -> bool:
    """Whether nothing was ever published in this database."""
    cursor = await connection.execute(query("catalogue/is_empty"))
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def lock_catalogue(connection: AsyncConnection) -> None:
    """Wait until nobody else fills an empty catalogue, and keep others from it until this transaction ends."""
    await connection.execute(query("catalogue/lock_catalogue"))
