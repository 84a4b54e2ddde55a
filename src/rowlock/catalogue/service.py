"""Reads shows and plans for buyers, and publishes plans and shows for organizers.

Input is checked before anything is written, and each operation is one transaction. `reservations` has the state of
seats.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

from rowlock.base.brief import Brief
from rowlock.base.lru import Lru
from rowlock.base.outcomes import Outcome
from rowlock.catalogue import store
from rowlock.catalogue.instants import check_time_zone
from rowlock.catalogue.model import (
    CatalogueError,
    DetailInput,
    NewShow,
    Organization,
    PlanImported,
    PlanListing,
    PlanOfShow,
    PublishedPlan,
    SeatingPlan,
    Seller,
    SellerChanges,
    ShowCancelled,
    ShowCreated,
    ShowDetails,
    ShowFilter,
    ShowInput,
    ShowListing,
    ShowMoved,
    ShowPage,
    ShowState,
    ShowSummary,
    VenueChanges,
    VenueListing,
)
from rowlock.catalogue.price_list import Price, PriceChanges
from rowlock.catalogue.prices import resolve_adult_prices, resolve_prices
from rowlock.catalogue.seller_rules import change_seller
from rowlock.catalogue.show_rules import cannot_move, check_currency, no_show, read_details
from rowlock.catalogue.slugs import slugs
from rowlock.catalogue.venue_rules import change_venue
from rowlock.database.calls import call
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection

PLANS_LIMIT = 64
"""Plan versions that a process keeps in memory, with what it derives from them: more than are on sale at one time."""

PLAN_SECONDS = 1.0
"""For how long a process believes that a show has the plan that it had, which was read at most BRIEF_SECONDS before:
`rowlock show move` changes it."""

SHOWS_LIMIT = 10_000
"""Shows whose plan version a process remembers: two ids and a time for each."""


BRIEF_SECONDS = 1.0
"""How old a list or a show may be that a buyer is told, and how long an id is known to be of no show. Whether seats are
free is told by `reservations`, which is more exact."""

BRIEF_LISTS = 100
"""Pages of lists, by what was asked for, that are remembered for so long."""

BRIEF_SHOWS = 1_000
"""Shows, and ids of none, that are remembered for so long."""

CANCEL_BATCH = 100
"""Holds and orders of a cancelled show that end in one transaction."""


class Catalogue:
    """Reads for buyers, as the application role; they raise BusyError. Writes and lists for organizers, as the database
    owner."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        # A plan version never changes, so it is read once and kept. Which one a show has may change, so when that was
        # read is kept, too.
        self._plans = Lru[UUID, PublishedPlan](PLANS_LIMIT)
        self._plan_of_show = Lru[UUID, tuple[UUID, float]](SHOWS_LIMIT)
        self._lists = Brief[ShowFilter, ShowPage](BRIEF_LISTS, BRIEF_SECONDS)
        self._shows = Brief[UUID, tuple[ShowListing, list[Price]] | None](BRIEF_SHOWS, BRIEF_SECONDS)
        self._plans_read = Brief[UUID, PublishedPlan | None](PLANS_LIMIT, BRIEF_SECONDS)
        self._plans_by_id = Brief[UUID, PublishedPlan](PLANS_LIMIT, BRIEF_SECONDS)

    async def list_shows(self, wanted: ShowFilter) -> ShowPage:
        """A page of the shows that are not drafts, the next one first."""
        database = self._cells.catalogue

        async def operation(connection: Connection) -> ShowPage:
            return await store.list_public_shows(connection, wanted)

        return await self._lists.get(wanted, lambda: call(database.reads, operation, repeatable=True, reads=True))

    async def find_show(self, show_id: UUID) -> tuple[ShowListing, list[Price]] | None:
        """One show with its prices, or None."""

        async def operation(connection: Connection) -> tuple[ShowListing, list[Price]] | None:
            found = await store.public_show(connection, show_id)
            return None if found is None else (found, await store.prices(connection, show_id))

        database = self._cells.of(show_id)
        return await self._shows.get(show_id, lambda: call(database.reads, operation, repeatable=True, reads=True))

    async def plan_of(self, show_id: UUID) -> PublishedPlan | None:
        """The plan version of a show, as it was at most PLAN_SECONDS ago; None when there is no such show."""
        asked_at = monotonic()
        plan_id, read_at = self._plan_of_show.get(show_id) or (None, 0.0)
        if plan_id is not None and asked_at - read_at < PLAN_SECONDS and (kept := self._plans.get(plan_id)) is not None:
            return kept

        async def operation(connection: Connection) -> PublishedPlan | None:
            found = await store.plan_version(connection, show_id)
            if found is None:
                return None
            if (kept := self._plans.get(found.plan_id)) is not None:
                return kept
            plan = await store.load_plan(connection, found.plan_id)
            return PublishedPlan(found.plan_id, found.version, found.checksum, plan)

        database = self._cells.of(show_id)
        published_plan = await self._plans_read.get(
            show_id, lambda: call(database.reads, operation, repeatable=True, reads=True)
        )
        if published_plan is not None:
            self._plans.put(published_plan.plan_id, published_plan)
            self._plan_of_show.put(show_id, (published_plan.plan_id, asked_at))
        return published_plan

    async def plan(self, show_id: UUID, plan_id: UUID) -> PublishedPlan:
        """A plan version that a show has or had, from the cell of the show. Raises LookupError."""
        if (kept := self._plans.get(plan_id)) is not None:
            return kept

        async def operation(connection: Connection) -> PublishedPlan:
            found = await store.plan_by_id(connection, plan_id)
            plan = await store.load_plan(connection, plan_id)
            return PublishedPlan(plan_id, found.version, found.checksum, plan)

        database = self._cells.of(show_id)
        # In a rush many ask for a plan that is not in memory yet: it is read once for all of them.
        published_plan = await self._plans_by_id.get(
            plan_id, lambda: call(database.reads, operation, repeatable=True, reads=True)
        )
        return self._plans.put(plan_id, published_plan)

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
                    "Leave the time zone out, or mend that of the venue: `rowlock venue update` changes it."
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
            await store.add_price_list(connection, show_id, 1, show.price_list, plan.category_numbers)
            blocked = await _block_not_for_sale(connection, plan, show_id)
        return ShowCreated(
            show_id=show_id,
            slug=slug,
            details=show.details,
            currency=show.currency,
            plan=plan,
            price_list=show.price_list,
            blocked=blocked,
        )

    async def update_show(
        self, show_id: UUID, changes: Mapping[str, DetailInput], prices: PriceChanges | None = None
    ) -> ShowState:
        """Change what is told of a show: names of ShowDetails with their new values, None for nothing; and its prices.

        Holds and orders keep the prices that they were made under. Buyers are told of another time.
        Raises CatalogueError; then nothing was written.
        """
        async with self._transaction() as connection:
            show = await _lock_show(connection, show_id)
            details = read_details(changes, show.time_zone, datetime.now(UTC), before=show.details)
            sales_close_at = await store.update_show(connection, show_id, details)
            if (details.starts_at, details.doors_at) != (show.details.starts_at, show.details.doors_at):
                await store.announce_show_moved(connection, show_id, show.details)
            if prices is not None:
                show = await _change_prices(connection, show, prices)
        return replace(show, details=details, sales_close_at=sales_close_at)

    async def pause_show(self, show_id: UUID) -> ShowState:
        """Stop the sales of a show until `resume_show`; holds stay as they are. Raises CatalogueError."""
        async with self._transaction() as connection:
            show = await _lock_show(connection, show_id)
            if show.status not in ("on_sale", "paused"):
                raise CatalogueError(f"The show is {show.status}. Only a show that is on sale can be paused.")
            await store.set_status(connection, show_id, "paused")
        return replace(show, status="paused")

    async def resume_show(self, show_id: UUID) -> ShowState:
        """Let the sales of a paused show go on. Raises CatalogueError."""
        async with self._transaction() as connection:
            show = await _lock_show(connection, show_id)
            if show.status not in ("on_sale", "paused"):
                raise CatalogueError(f"The show is {show.status}. Only a show that is paused can be resumed.")
            if show.sales_close_at <= datetime.now(UTC):
                raise CatalogueError(
                    f"Sales of this show ended at {show.sales_close_at.isoformat(timespec='minutes')}. "
                    "`rowlock show update` gives it another start or end of sales."
                )
            await store.set_status(connection, show_id, "on_sale")
        return replace(show, status="on_sale")

    async def cancel_show(self, show_id: UUID, reason: str, actor: str = "box office") -> ShowCancelled:
        """Cancel a show, and end every hold and order of it. It cannot be undone. Raises CatalogueError."""
        holds = orders = 0
        while True:
            done = await self.begin_cancelling(show_id, reason, actor)
            if done is None:
                raise no_show(show_id)
            holds, orders = holds + done.holds_released, orders + done.orders_ended
            if not done.holds_left and not done.orders_left:
                return replace(done, holds_released=holds, orders_ended=orders)

    async def begin_cancelling(self, show_id: UUID, reason: str, actor: str) -> ShowCancelled | None:
        """Cancel a show, and end the first of its holds and orders; a worker ends the others. Repeatable.

        Each call is a transaction of CANCEL_BATCH, so that a big show keeps nobody waiting. Returns None when there is
        no such show. Raises CatalogueError.
        """
        if not reason.strip():
            raise CatalogueError(
                "There is no reason. Say why the show is cancelled: buyers and the audit log are told."
            )
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: store.cancel_show(connection, show_id, reason.strip(), actor, limit=CANCEL_BATCH),
            repeatable=True,
        )

    async def move_show(self, show_id: UUID, plan_id: UUID, prices_minor: Mapping[str, int]) -> ShowMoved:
        """Take a show to another plan of its venue that keeps every claimed seat.

        `prices_minor` has prices for categories that the show had none for. Raises CatalogueError, which names the
        seats in the way; then nothing was changed.
        """
        async with self._cells.of(show_id).office() as connection:
            if prices_minor and (plan := await store.find_plan(connection, plan_id)) is not None:
                prices_minor = resolve_adult_prices(plan.categories, prices_minor)
            outcome, moved, told = await store.move_show(connection, show_id, plan_id, prices_minor, "box office")
        if moved is None:
            raise cannot_move(show_id, plan_id, outcome, told)
        return moved

    async def list_venues(self) -> list[VenueListing]:
        """Every venue by organization and name."""
        async with self._cells.catalogue.office() as connection:
            return await store.list_venues(connection)

    async def update_venue(self, venue_id: UUID, changes: VenueChanges) -> VenueListing:
        """Change what is told of a venue. Instants of its shows stay; they are shown in its new time zone.

        Raises CatalogueError; then nothing was written.
        """
        async with self._transaction() as connection:
            venue = await store.lock_venue(connection, venue_id)
            if venue is None:
                raise CatalogueError(f"There is no venue {venue_id}. `rowlock venue list` shows what there is.")
            changed = change_venue(venue, changes, await store.sections_of_venue(connection, venue_id))
            await store.update_venue(connection, changed)
        return changed

    async def list_sellers(self) -> list[Seller]:
        """Every organization by name, as receipts name it."""
        async with self._cells.catalogue.office() as connection:
            return await store.lock_sellers(connection)

    async def update_seller(self, organization: str, changes: SellerChanges) -> Seller:
        """Change what receipts say of an organization, given by its name or slug. Receipts that were issued stay.

        Raises CatalogueError; then nothing was written.
        """
        async with self._transaction() as connection:
            found = await store.lock_sellers(connection, organization)
            found = [seller for seller in found if seller.slug == organization] or found
            if len(found) > 1:
                raise CatalogueError(
                    f"{len(found)} organizations have this name. Give the slug of one: "
                    + ", ".join(seller.slug for seller in found)
                )
            if not found:
                raise CatalogueError(
                    f"There is no organization {organization!r}. `rowlock organization list` shows them."
                )
            changed = change_seller(found[0], changes)
            await store.update_seller(connection, changed)
        return changed

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
    prices = PriceChanges(
        given.prices_minor, given.fee_per_ticket_minor, given.fee_per_order_minor, given.tax_basis_points
    )
    return NewShow(
        plan_id=given.plan_id,
        details=read_details(
            {field.name: getattr(given, field.name) for field in fields(ShowDetails)}, plan.time_zone, datetime.now(UTC)
        ),
        currency=check_currency(given.currency),
        price_list=resolve_prices(plan.categories, prices),
    )


async def _lock_show(connection: Connection, show_id: UUID) -> ShowState:
    show = await store.lock_show(connection, show_id)
    if show is None:
        raise no_show(show_id)
    return show


async def _change_prices(connection: Connection, show: ShowState, changes: PriceChanges) -> ShowState:
    """Give a locked show a new version of its prices, unless it has these already."""
    plan = await store.find_plan(connection, show.plan_id)
    assert plan is not None, "the show refers to it"
    price_list = resolve_prices(plan.categories, changes, show.price_list)
    if price_list == show.price_list:
        return show
    version = await store.raise_price_version(connection, show.show_id)
    await store.add_price_list(connection, show.show_id, version, price_list, plan.category_numbers)
    return replace(show, price_list=price_list)


async def _add_show(connection: Connection, show: NewShow) -> tuple[UUID, str]:
    for slug in slugs(f"{show.details.title} {show.details.starts_at.date().isoformat()}"):
        show_id = await store.add_show(connection, show, slug)
        if show_id is not None:
            return show_id, slug
    raise CatalogueError(f"There are too many shows called {show.details.title} on that day. Choose another title.")


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
