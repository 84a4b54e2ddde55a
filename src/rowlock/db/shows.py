"""Reads of the catalogue for buyers: shows, prices, seat states and plan versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from rowlock.db.queries import query
from rowlock.domain.plan import Category, Row, Seat, SeatingPlan, Section, Shape


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
class Price:
    """What a seat of a category (index into the plan's categories) costs for a price type."""

    category: int
    price_type: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """Which plan version a show uses; `checksum` (hex) names its content for ever."""

    plan_id: UUID
    version: int
    checksum: str


async def list_shows(connection: AsyncConnection, show_id: UUID | None = None) -> list[ShowListing]:
    """All shows but drafts in order of their start, or the one with `show_id`."""
    async with connection.cursor(row_factory=class_row(ShowListing)) as cursor:
        await cursor.execute(query("shows/list"), {"show_id": show_id})
        return await cursor.fetchall()


async def prices(connection: AsyncConnection, show_id: UUID) -> list[Price]:
    """The prices of a show by category and price type."""
    async with connection.cursor(row_factory=class_row(Price)) as cursor:
        await cursor.execute(query("shows/prices"), (show_id,))
        return await cursor.fetchall()


async def plan_version(connection: AsyncConnection, show_id: UUID) -> PlanVersion | None:
    """The plan version of a show; None when there is no such show."""
    async with connection.cursor(row_factory=class_row(PlanVersion)) as cursor:
        await cursor.execute(query("shows/plan_of_show"), (show_id,))
        return await cursor.fetchone()


async def load_plan(connection: AsyncConnection, plan_id: UUID) -> SeatingPlan:
    """A published plan version with all its seats. Raises LookupError when there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("shows/plan"), (plan_id,))
        plan = await cursor.fetchone()
        if plan is None:
            raise LookupError(f"there is no seating plan {plan_id}")
    cursor_of_seats = await connection.cursor(binary=True).execute(query("shows/plan_seats"), (plan_id,))
    layout: dict[str, Any] = plan["layout"]
    return SeatingPlan(
        name=plan["name"],
        width=layout["width"],
        height=layout["height"],
        focal_point=(layout["focal_point"][0], layout["focal_point"][1]),
        categories=tuple(Category(**category) for category in layout["categories"]),
        sections=tuple(Section(**section) for section in layout["sections"]),
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
