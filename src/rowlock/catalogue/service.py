"""Reads shows and plans for buyers, and publishes plans and shows for organizers.

Input is checked before anything is written, and each operation is one transaction. `reservations` has the state of
seats.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from rowlock.base.lru import Lru
from rowlock.base.outcomes import Outcome
from rowlock.catalogue import store
from rowlock.catalogue.instants import check_time_zone, read_instant
from rowlock.catalogue.model import (
    CatalogueError,
    Instant,
    NewShow,
    Organization,
    PlanImported,
    PlanListing,
    PlanOfShow,
    Price,
    PublishedPlan,
    SeatingPlan,
    ShowCreated,
    ShowInput,
    ShowListing,
    ShowSummary,
)
from rowlock.catalogue.prices import resolve_prices
from rowlock.catalogue.slugs import slugs
from rowlock.database.calls import call
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection

PLANS_LIMIT = 64
"""Plan versions that a process keeps in memory, with what it derives from them: more than are on sale at one time."""

SHOWS_LIMIT = 10_000
"""Shows whose plan version a process remembers: two ids for each."""


class Catalogue:
    """Reads for buyers, as the application role; they raise BusyError. Writes and lists for organizers, as the database
    owner."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        # A plan version never changes, so it is read once and kept.
        self._plans = Lru[UUID, PublishedPlan](PLANS_LIMIT)
        self._plan_of_show = Lru[UUID, UUID](SHOWS_LIMIT)

    async def list_shows(self) -> list[ShowListing]:
        """Every show that is not a draft."""
        return await call(self._cells.catalogue.app, store.list_public_shows, repeatable=True, reads=True)

    async def find_show(self, show_id: UUID) -> tuple[ShowListing, list[Price]] | None:
        """One show with its prices, or None."""

        async def operation(connection: Connection) -> tuple[ShowListing, list[Price]] | None:
            found = await store.public_show(connection, show_id)
            return None if found is None else (found, await store.prices(connection, show_id))

        return await call(self._cells.of(show_id).app, operation, repeatable=True, reads=True)

    async def plan_of(self, show_id: UUID) -> PublishedPlan | None:
        """The plan version of a show, or None when there is no such show."""
        plan_id = self._plan_of_show.get(show_id)
        if plan_id is not None and (kept := self._plans.get(plan_id)) is not None:
            return kept

        async def operation(connection: Connection) -> PublishedPlan | None:
            found = await store.plan_version(connection, show_id)
            if found is None:
                return None
            if (kept := self._plans.get(found.plan_id)) is not None:
                return kept
            plan = await store.load_plan(connection, found.plan_id)
            return PublishedPlan(found.plan_id, found.version, found.checksum, plan)

        published_plan = await call(self._cells.of(show_id).app, operation, repeatable=True, reads=True)
        if published_plan is not None:
            self._plans.put(published_plan.plan_id, published_plan)
            self._plan_of_show.put(show_id, published_plan.plan_id)
        return published_plan

    async def list_every_show(self) -> list[ShowSummary]:
        """Every show in order of its start, drafts included."""
        async with self._cells.catalogue.office() as connection:
            return await store.list_every_show(connection)

    async def list_plans(self) -> list[PlanListing]:
        """Every published plan version by organization, venue, name and version."""
        async with self._cells.catalogue.office() as connection:
            return await store.list_plans(connection)

    async def import_plan(
        self,
        plan: SeatingPlan,
        *,
        source_format: str,
        venue: str,
        organization: str | None = None,
        time_zone: str | None = None,
    ) -> PlanImported:
        """Publish a plan in a venue; organization and venue are created when they do not exist.

        Without `organization` the only existing one is used, or one with the venue's name is created.
        Raises CatalogueError.
        """
        if not venue.strip():
            raise CatalogueError("The venue has no name. Give the name of the building that the plan belongs to.")
        if time_zone is not None:
            check_time_zone(time_zone)
        async with self._transaction() as connection:
            seller = await _ensure_organization(connection, organization, fallback=venue.strip())
            stored_venue = await store.ensure_venue(
                connection, seller.organization_id, venue.strip(), time_zone or "UTC"
            )
            if time_zone is not None and stored_venue.time_zone != time_zone:
                raise CatalogueError(
                    f"The venue {stored_venue.name} is in the time zone {stored_venue.time_zone}, not in {time_zone}. "
                    "Leave the time zone out, or give the venue another name."
                )
            published_plan = await store.publish_plan(
                connection, stored_venue.venue_id, plan, source_format=source_format
            )
        return PlanImported(seller, stored_venue, published_plan)

    async def create_show(self, given: ShowInput) -> ShowCreated:
        """Create a show, with its prices.

        Blocks the seats of categories that are not for sale, and records that as the reason.
        Raises CatalogueError; then nothing was written.
        """
        async with self._transaction() as connection:
            plan = await store.find_plan(connection, given.plan_id)
            if plan is None:
                raise CatalogueError(
                    f"There is no seating plan {given.plan_id}. `rowlock plan list` shows what there is."
                )
            show = _new_show(given, plan)
            show_id, slug = await _add_show(connection, show)
            blocked = await _block_not_for_sale(connection, plan, show_id)
        return ShowCreated(
            show_id=show_id,
            slug=slug,
            title=show.title,
            starts_at=show.starts_at,
            sales_start_at=show.sales_start_at,
            sales_end_at=show.sales_end_at,
            currency=show.currency,
            plan=plan,
            prices_minor={plan.categories[index].name: amount for index, amount in show.prices_minor.items()},
            blocked=blocked,
        )

    async def lock_and_check_empty(self) -> bool:
        """Take the catalogue lock until the transaction ends, and return whether the catalogue is empty."""
        async with self._cells.catalogue.office() as connection:
            await store.lock_catalogue(connection)
            return await store.is_empty(connection)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._cells.catalogue.office() as connection, connection.transaction():
            yield connection


async def _ensure_organization(connection: Connection, name: str | None, *, fallback: str) -> Organization:
    organizations = await store.find_organizations(connection, name)
    if name is None and len(organizations) > 1:
        raise CatalogueError(
            "There are several organizations. Give the name of the one that sells: "
            + ", ".join(organization.name for organization in organizations)
        )
    if organizations:
        return organizations[0]
    name = fallback if name is None else name.strip()
    if not name:
        raise CatalogueError("The organization has no name. Give it one, or leave it out.")
    for slug in slugs(name):
        new_organization = await store.add_organization(connection, name, slug)
        if new_organization is not None:
            return new_organization
    raise CatalogueError(f"There are too many organizations called {name}. Choose another name.")


def _new_show(given: ShowInput, plan: PlanOfShow) -> NewShow:
    """The new show without its slug. Raises CatalogueError."""
    title = given.title.strip()
    if not title:
        raise CatalogueError("The show has no title.")
    if not re.fullmatch(r"[A-Z]{3}", given.currency):
        raise CatalogueError(f"{given.currency!r} is not a currency. Use its ISO 4217 code, such as USD or EUR.")

    def instant(value: Instant) -> datetime:
        return read_instant(value, plan.time_zone) if isinstance(value, str) else value

    sales_start = None if given.sales_start_at is None else instant(given.sales_start_at)
    sales_end = None if given.sales_end_at is None else instant(given.sales_end_at)
    if sales_start is not None and sales_end is not None and sales_end <= sales_start:
        raise CatalogueError(
            f"Sales would end at {sales_end.isoformat()}, before they start at {sales_start.isoformat()}."
        )
    return NewShow(
        plan_id=given.plan_id,
        title=title,
        starts_at=instant(given.starts_at),
        currency=given.currency,
        prices_minor=resolve_prices(plan.categories, given.prices_minor),
        sales_start_at=sales_start,
        sales_end_at=sales_end,
    )


async def _add_show(connection: Connection, show: NewShow) -> tuple[UUID, str]:
    for slug in slugs(f"{show.title} {show.starts_at.date().isoformat()}"):
        show_id = await store.add_show(connection, show, slug)
        if show_id is not None:
            return show_id, slug
    raise CatalogueError(f"There are too many shows called {show.title} on that day. Choose another title.")


async def _block_not_for_sale(connection: Connection, plan: PlanOfShow, show_id: UUID) -> Mapping[str, int]:
    """Block the seats of each category that is not for sale in the plan. Returns their number by category."""
    blocked = {}
    for index, category in enumerate(plan.categories):
        if not category.for_sale:
            outcome, seats = await store.block_category(
                connection, show_id, plan.plan_id, index, f"not for sale: {category.name}"
            )
            assert not seats or outcome is Outcome.OK, "blocking cannot fail: no other transaction sees the new show"
            if seats:
                blocked[category.name] = seats
    return blocked
