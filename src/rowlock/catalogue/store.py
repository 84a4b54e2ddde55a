"""The SQL of the catalogue: reads for buyers, and writes for organizers.

The service decides which prices a show needs and what is not for sale.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from rowlock.base.outcomes import Outcome
from rowlock.catalogue.model import (
    Category,
    NewShow,
    Organization,
    PlanListing,
    PlanOfShow,
    PlanVersion,
    PublishedPlan,
    Row,
    Seat,
    SeatingPlan,
    Section,
    Seller,
    Shape,
    ShowCancelled,
    ShowDetails,
    ShowFilter,
    ShowListing,
    ShowMoved,
    ShowPage,
    ShowState,
    ShowSummary,
    Venue,
    VenueListing,
    Zone,
)
from rowlock.catalogue.price_list import Price, PriceList
from rowlock.database.connections import Connection
from rowlock.database.queries import query

# Binary COPY needs every value in the exact type of its column.
_SEAT_TYPES = (
    "uuid", "int4", "int4", "int4", "int4", "text", "text", "float8", "float8", "int4", "text", "text",
)  # fmt: skip


async def list_public_shows(connection: Connection, wanted: ShowFilter) -> ShowPage:
    """A page of all shows but drafts in order of their start."""
    after_at, after_id = wanted.after or (None, None)
    # One more than the page has tells whether there is another one.
    given = asdict(wanted) | {"after_at": after_at, "after_id": after_id, "limit": wanted.limit + 1}
    async with connection.cursor(row_factory=class_row(ShowListing)) as cursor:
        await cursor.execute(query("catalogue.list_public_shows"), given)
        found = await cursor.fetchall()
    shows = found[: wanted.limit]
    return ShowPage(shows, (shows[-1].starts_at, shows[-1].show_id) if len(found) > len(shows) else None)


async def public_show(connection: Connection, show_id: UUID) -> ShowListing | None:
    """One show; None when there is none, or only a draft."""
    async with connection.cursor(row_factory=class_row(ShowListing)) as cursor:
        await cursor.execute(query("catalogue.public_show"), (show_id,))
        return await cursor.fetchone()


async def prices(connection: Connection, show_id: UUID) -> list[Price]:
    """The prices of a show by category and price type."""
    async with connection.cursor(row_factory=class_row(Price)) as cursor:
        await cursor.execute(query("catalogue.show_prices"), (show_id,))
        return await cursor.fetchall()


async def plan_by_id(connection: Connection, plan_id: UUID) -> PlanVersion:
    """A plan version. Raises LookupError when there is none."""
    async with connection.cursor(row_factory=class_row(PlanVersion)) as cursor:
        await cursor.execute(query("catalogue.plan_by_id"), (plan_id,))
        found = await cursor.fetchone()
    if found is None:
        raise LookupError(f"there is no seating plan {plan_id}")
    return found


async def plan_version(connection: Connection, show_id: UUID) -> PlanVersion | None:
    """The plan version of a show; None when there is no such show."""
    async with connection.cursor(row_factory=class_row(PlanVersion)) as cursor:
        await cursor.execute(query("catalogue.plan_of_show"), (show_id,))
        return await cursor.fetchone()


async def load_plan(connection: Connection, plan_id: UUID) -> SeatingPlan:
    """A published plan version with all its seats. Raises LookupError when there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("catalogue.plan_layout"), (plan_id,))
        plan = await cursor.fetchone()
        if plan is None:
            raise LookupError(f"there is no seating plan {plan_id}")
    cursor_of_seats = await connection.cursor(binary=True).execute(query("catalogue.plan_seats"), (plan_id,))
    layout: dict[str, Any] = plan["layout"]
    return SeatingPlan(
        name=plan["name"],
        width=layout["width"],
        height=layout["height"],
        focal_point=(layout["focal_point"][0], layout["focal_point"][1]),
        categories=tuple(Category(**category) for category in layout["categories"]),
        sections=tuple(Section(**section) for section in layout["sections"]),
        zones=tuple(_zone(zone) for zone in layout.get("zones", ())),
        in_the_round=layout.get("in_the_round", False),
        rows=tuple(Row(**row) for row in layout["rows"]),
        shapes=tuple(
            Shape(shape["kind"], tuple((x, y) for x, y in shape["points"]), shape["text"], shape["color"])
            for shape in layout["shapes"]
        ),
        seats=tuple(
            Seat(
                seat_id=seat_id,
                row=row,
                run=run,
                position=position,
                number=number,
                label=label,
                x=x,
                y=y,
                category=category,
                source_id=source_id,
                kind=kind,
            )
            for seat_id, row, run, position, number, label, x, y, category, kind, source_id in (
                await cursor_of_seats.fetchall()
            )
        ),
    )


async def find_organizations(connection: Connection, name: str | None = None) -> list[Organization]:
    """The organizations of that name, or all of them, oldest first."""
    async with connection.cursor(row_factory=class_row(Organization)) as cursor:
        await cursor.execute(query("catalogue.find_organizations"), {"name": name})
        return await cursor.fetchall()


async def add_organization(connection: Connection, name: str, slug: str) -> Organization | None:
    """A new organization, or None when the slug belongs to another one."""
    async with connection.cursor(row_factory=class_row(Organization)) as cursor:
        given = {"organization_id": uuid4(), "name": name, "slug": slug}
        await cursor.execute(query("catalogue.add_organization"), given)
        return await cursor.fetchone()


async def find_venue(connection: Connection, organization_id: UUID, name: str) -> Venue | None:
    """The venue of that name, or None."""
    async with connection.cursor(row_factory=class_row(Venue)) as cursor:
        await cursor.execute(query("catalogue.find_venue"), {"organization_id": organization_id, "name": name})
        return await cursor.fetchone()


async def ensure_venue(connection: Connection, organization_id: UUID, name: str, time_zone: str) -> Venue:
    """The venue of that name; `time_zone` is used only when it is created."""
    given = {"venue_id": uuid4(), "organization_id": organization_id, "name": name, "time_zone": time_zone}
    async with connection.cursor(row_factory=class_row(Venue)) as cursor:
        await cursor.execute(query("catalogue.add_venue"), given)
        new_venue = await cursor.fetchone()
    venue = new_venue or await find_venue(connection, organization_id, name)
    assert venue is not None, "a venue that could not be added exists"
    return venue


async def publish_plan(
    connection: Connection, venue_id: UUID, plan: SeatingPlan, *, source_format: str
) -> PublishedPlan:
    """Publish `plan` as the next version of the plan of that name in this venue, in one transaction.

    A published version never changes, and shows with an older one keep it. Publishing the same plan twice makes two
    versions. Raises LookupError when there is no such venue.
    """
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(query("catalogue.lock_venue"), (venue_id,))
        if await cursor.fetchone() is None:
            raise LookupError(f"there is no venue {venue_id}")
        await cursor.execute(
            query("catalogue.add_plan"),
            {
                "plan_id": uuid4(),
                "venue_id": venue_id,
                "name": plan.name,
                "source_format": source_format,
                "seats_total": len(plan.seats),
                "layout": Jsonb(_layout(plan)),
            },
        )
        row = await cursor.fetchone()
        assert row is not None, "insert … returning returns the row"
        plan_id, version = row
        async with cursor.copy(query("catalogue.copy_seats")) as copy:
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
        await cursor.execute(query("catalogue.seal_plan"), {"plan_id": plan_id})
        checksum_row = await cursor.fetchone()
        assert checksum_row is not None, "the plan was inserted above"
    return PublishedPlan(plan_id, version, bytes(checksum_row[0]).hex(), plan)


def _zone(zone: dict[str, Any]) -> Zone:
    point = zone["focal_point"]
    return Zone(zone["name"], None if point is None else (point[0], point[1]), tuple(zone["sections"]))


def _layout(plan: SeatingPlan) -> dict[str, Any]:
    """A plan without its seats, in the form that docs/reference/tables.md describes.

    What came later is written only for plans that have it, beside the rest: so the same file has the same checksum as
    before, and a release that does not know it can read the plan.
    """
    later: dict[str, Any] = {}
    if plan.zones:
        later["zones"] = [asdict(zone) for zone in plan.zones]
    if plan.in_the_round:
        later["in_the_round"] = True
    return later | {
        "width": plan.width,
        "height": plan.height,
        "focal_point": list(plan.focal_point),
        "categories": [asdict(category) for category in plan.categories],
        "sections": [asdict(section) for section in plan.sections],
        "rows": [asdict(row) for row in plan.rows],
        "shapes": [asdict(shape) for shape in plan.shapes],
    }


async def list_plans(connection: Connection) -> list[PlanListing]:
    """Every published plan version by organization, venue, name and version."""
    async with connection.cursor(row_factory=class_row(PlanListing)) as cursor:
        await cursor.execute(query("catalogue.list_plans"))
        return await cursor.fetchall()


async def find_plan(connection: Connection, plan_id: UUID) -> PlanOfShow | None:
    """What a new show needs of a plan version, or None when there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("catalogue.find_plan"), (plan_id,))
        row = await cursor.fetchone()
    if row is None:
        return None
    categories = tuple(Category(**category) for category in row.pop("categories"))
    return PlanOfShow(**row, categories=categories)


async def block_category(
    connection: Connection, show_id: UUID, plan_id: UUID, category: int, reason: str
) -> tuple[Outcome | None, int]:
    """Keep every seat of a category from sale: the outcome, and how many seats; (None, 0) when there are none."""
    cursor = await connection.execute(
        query("catalogue.block_category"),
        {"show_id": show_id, "plan_id": plan_id, "category": category, "reason": reason},
    )
    row = await cursor.fetchone()
    return (None, 0) if row is None else (Outcome(row[0]), len(row[1]))


async def add_show(connection: Connection, show: NewShow, slug: str) -> UUID | None:
    """A new show without its prices, or None when the slug is taken."""
    cursor = await connection.execute(
        query("catalogue.add_show"),
        {
            "show_id": uuid4(),
            "plan_id": show.plan_id,
            "slug": slug,
            **asdict(show.details),
            "currency": show.currency,
        },
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def raise_price_version(connection: Connection, show_id: UUID) -> int:
    """Make new holds of a locked show be made under a new version of prices, which is returned for add_price_list."""
    cursor = await connection.execute(query("catalogue.raise_price_version"), (show_id,))
    row = await cursor.fetchone()
    assert row is not None, "the show was locked before"
    version: int = row[0]
    return version


async def add_price_list(
    connection: Connection, show_id: UUID, version: int, price_list: PriceList, numbers: Mapping[str, int]
) -> None:
    """Store a version of the prices of a show. `numbers` has the number of each category in the plan by its name."""
    prices = price_list.prices
    given = {
        "show_id": show_id,
        "price_version": version,
        "fee_per_order_minor": price_list.fee_per_order_minor,
        "categories": [numbers[price.category] for price in prices],
        "price_types": [price.price_type for price in prices],
        "amounts_minor": [price.amount_minor for price in prices],
        "fees_minor": [price.fee_minor for price in prices],
        "tax_basis_points": [price.tax_basis_points for price in prices],
    }
    await connection.execute(query("catalogue.add_price_list"), given)


async def lock_show(connection: Connection, show_id: UUID) -> ShowState | None:
    """A show as its organizer changes it, locked until the transaction ends; None when there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("catalogue.lock_show"), (show_id,))
        await cursor.execute(query("catalogue.show_state"), (show_id,))
        row = await cursor.fetchone()
    if row is None:
        return None
    details = ShowDetails(**{field.name: row.pop(field.name) for field in fields(ShowDetails)})
    price_list = PriceList(tuple(await prices(connection, show_id)), row.pop("fee_per_order_minor"))
    return ShowState(details=details, price_list=price_list, **row)


async def update_show(connection: Connection, show_id: UUID, details: ShowDetails) -> datetime:
    """Store what is told of a show. Returns when its sales close then."""
    cursor = await connection.execute(query("catalogue.update_show"), asdict(details) | {"show_id": show_id})
    row = await cursor.fetchone()
    assert row is not None, "the show was locked before"
    sales_close_at: datetime = row[0]
    return sales_close_at


async def announce_show_moved(connection: Connection, show_id: UUID, before: ShowDetails) -> None:
    """Have every buyer with tickets told when the show was to begin, and when it does."""
    await connection.execute(query("catalogue.announce_show_moved"), (show_id, before.starts_at, before.doors_at))


async def set_status(connection: Connection, show_id: UUID, status: str) -> None:
    """Set the status of a show."""
    await connection.execute(query("catalogue.set_status"), (status, show_id))


async def cancel_show(
    connection: Connection, show_id: UUID, reason: str, actor: str, *, limit: int
) -> ShowCancelled | None:
    """Cancel a show, and end up to `limit` holds and orders of it; None when there is no such show."""
    cursor = await connection.execute(query("catalogue.cancel_show"), (show_id, reason, limit, actor))
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    outcome, *numbers = row
    return None if Outcome(outcome) == Outcome.SHOW_NOT_FOUND else ShowCancelled(show_id, *numbers)


async def move_show(
    connection: Connection, show_id: UUID, plan_id: UUID, prices_minor: Mapping[str, int], actor: str
) -> tuple[str, ShowMoved | None, list[str]]:
    """Move a show to another plan: the outcome, and the labels of the seats in the way or the categories without price.

    `prices_minor` has adult prices for categories that had none.
    """
    given = (show_id, plan_id, list(prices_minor), list(prices_minor.values()), actor)
    cursor = await connection.execute(query("catalogue.move_show"), given)
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    outcome, plan_now, seats_total, seat_ids, categories = row
    if outcome == "OK":
        return outcome, ShowMoved(show_id, plan_now, seats_total), []
    if outcome == "PRICES_MISSING":
        return outcome, None, categories
    cursor = await connection.execute(query("catalogue.labels_of_seats"), (show_id, seat_ids))
    return outcome, None, [label for (label,) in await cursor.fetchall()]


async def lock_sellers(connection: Connection, organization: str | None = None) -> list[Seller]:
    """Organizations of a name or slug, or all of them, by name; locked until the transaction ends."""
    async with connection.cursor(row_factory=class_row(Seller)) as cursor:
        await cursor.execute(query("catalogue.lock_sellers"), {"organization": organization})
        return await cursor.fetchall()


async def update_seller(connection: Connection, seller: Seller) -> None:
    """Store what receipts say of an organization."""
    await connection.execute(query("catalogue.update_seller"), asdict(seller))


async def list_venues(connection: Connection) -> list[VenueListing]:
    """Every venue by organization and name."""
    async with connection.cursor(row_factory=class_row(VenueListing)) as cursor:
        await cursor.execute(query("catalogue.list_venues"))
        return await cursor.fetchall()


async def lock_venue(connection: Connection, venue_id: UUID) -> VenueListing | None:
    """A venue, locked until the transaction ends; None when there is none."""
    async with connection.cursor(row_factory=class_row(VenueListing)) as cursor:
        await cursor.execute(query("catalogue.lock_venue_details"), (venue_id,))
        return await cursor.fetchone()


async def sections_of_venue(connection: Connection, venue_id: UUID) -> list[str]:
    """The names of the sections of all plans of a venue."""
    cursor = await connection.execute(query("catalogue.sections_of_venue"), (venue_id,))
    return [name for (name,) in await cursor.fetchall()]


async def update_venue(connection: Connection, venue: VenueListing) -> None:
    """Store what is told of a venue."""
    await connection.execute(query("catalogue.update_venue"), asdict(venue))


async def list_every_show(connection: Connection) -> list[ShowSummary]:
    """Every show in order of its start, drafts included."""
    async with connection.cursor(row_factory=class_row(ShowSummary)) as cursor:
        await cursor.execute(query("catalogue.list_every_show"))
        return await cursor.fetchall()


async def is_empty(connection: Connection) -> bool:
    """Whether nothing was ever published in this database."""
    cursor = await connection.execute(query("catalogue.is_empty"))
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def lock_catalogue(connection: Connection) -> None:
    """Take a lock until this transaction ends, so that only one transaction at a time fills an empty catalogue."""
    await connection.execute(query("catalogue.lock_catalogue"))
