"""What an organizer puts on sale: a seating plan in a venue, and shows with their prices.

Decides what is missing or contradictory before anything is written, and writes each thing in one transaction.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from rowlock.db import boxoffice, catalogue
from rowlock.db.catalogue import NewShow, Organization, PlanOfShow, PublishedPlan, Venue
from rowlock.db.connections import Connection
from rowlock.domain.outcomes import Outcome
from rowlock.domain.plan import Category, SeatingPlan

DEFAULT_CURRENCY = "USD"
ALL_CATEGORIES = ""
"""The key of a price that holds for every category without one of its own."""

_SLUG_LENGTH = 60
_SLUGS_TRIED = 1000


class ProgrammeError(ValueError):
    """What was asked for cannot be done; the message says what was wrong, what is allowed and what to do."""


@dataclass(frozen=True, slots=True)
class PlanImported:
    """A plan as it was published, and where."""

    organization: Organization
    venue: Venue
    plan: PublishedPlan


@dataclass(frozen=True, slots=True)
class ShowDraft:
    """A show as an organizer asks for it.

    prices_minor  category name → amount in minor units of `currency`; ALL_CATEGORIES stands for the rest.
    """

    plan_id: UUID
    title: str
    starts_at: datetime
    prices_minor: Mapping[str, int]
    currency: str = DEFAULT_CURRENCY
    sales_start_at: datetime | None = None
    sales_end_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShowCreated:
    """A show that is in the database. `blocked` has the number of seats of each category that is not for sale."""

    show_id: UUID
    slug: str
    plan: PlanOfShow
    prices_minor: Mapping[str, int]
    blocked: Mapping[str, int]


async def import_plan(
    connection: Connection,
    plan: SeatingPlan,
    *,
    source_format: str,
    venue: str,
    organization: str | None = None,
    time_zone: str | None = None,
) -> PlanImported:
    """Publish a plan in a venue; organization and venue are made when they are new.

    Without `organization` it is the only one there is; in an empty database one is made with the venue's name.
    Raises ProgrammeError.
    """
    if not venue.strip():
        raise ProgrammeError("The venue has no name. Name the building that the plan belongs to.")
    if time_zone is not None:
        check_time_zone(time_zone)
    async with connection.transaction():
        owner = await _ensure_organization(connection, organization, fallback=venue.strip())
        place = await catalogue.ensure_venue(connection, owner.organization_id, venue.strip(), time_zone or "UTC")
        if time_zone is not None and place.time_zone != time_zone:
            raise ProgrammeError(
                f"The venue {place.name} is in the time zone {place.time_zone}, not in {time_zone}. Leave the "
                "time zone out, or give the venue another name."
            )
        published = await catalogue.publish_plan(connection, place.venue_id, plan, source_format=source_format)
    return PlanImported(owner, place, published)


async def _ensure_organization(connection: Connection, name: str | None, *, fallback: str) -> Organization:
    found = await catalogue.find_organizations(connection, name)
    if name is None and len(found) > 1:
        raise ProgrammeError(
            "There are several organizations here, so say which one sells: "
            + ", ".join(organization.name for organization in found)
        )
    if found:
        return found[0]
    name = fallback if name is None else name.strip()
    if not name:
        raise ProgrammeError("The organization has no name. Give it one, or leave it out.")
    for slug in slugs(name):
        added = await catalogue.add_organization(connection, name, slug)
        if added is not None:
            return added
    raise ProgrammeError(f"There are too many organizations called {name}. Choose another name.")


async def create_show(connection: Connection, draft: ShowDraft) -> ShowCreated:
    """Put a show on sale: the show, its prices, and seats of categories not for sale blocked with the reason.

    Raises ProgrammeError; then nothing was written.
    """
    plan = await catalogue.find_plan(connection, draft.plan_id)
    if plan is None:
        raise ProgrammeError(f"There is no seating plan {draft.plan_id}. `rowlock plan list` shows what there is.")
    title = draft.title.strip()
    if not title:
        raise ProgrammeError("The show has no title.")
    if not re.fullmatch(r"[A-Z]{3}", draft.currency):
        raise ProgrammeError(f"{draft.currency!r} is no currency. Use its ISO 4217 code, such as USD or EUR.")
    _check_window(draft)
    prices = resolve_prices(plan.categories, draft.prices_minor)
    async with connection.transaction():
        show_id, slug = await _add_show(connection, draft, title, prices)
        blocked = await _block_not_for_sale(connection, plan, show_id)
    named = {plan.categories[index].name: amount for index, amount in prices.items()}
    return ShowCreated(show_id, slug, plan, named, blocked)


def _check_window(draft: ShowDraft) -> None:
    opens, closes = draft.sales_start_at, draft.sales_end_at
    if opens is not None and closes is not None and closes <= opens:
        raise ProgrammeError(f"Sales would end at {closes.isoformat()}, before they start at {opens.isoformat()}.")


async def _add_show(
    connection: Connection, draft: ShowDraft, title: str, prices: Mapping[int, int]
) -> tuple[UUID, str]:
    for slug in slugs(f"{title} {draft.starts_at.date().isoformat()}"):
        show = NewShow(
            plan_id=draft.plan_id,
            slug=slug,
            title=title,
            starts_at=draft.starts_at,
            currency=draft.currency,
            prices_minor=prices,
            sales_start_at=draft.sales_start_at,
            sales_end_at=draft.sales_end_at,
        )
        show_id = await catalogue.add_show(connection, show)
        if show_id is not None:
            return show_id, slug
    raise ProgrammeError(f"There are too many shows called {title} on that day. Choose another title.")


async def _block_not_for_sale(connection: Connection, plan: PlanOfShow, show_id: UUID) -> dict[str, int]:
    kept = [index for index, category in enumerate(plan.categories) if not category.for_sale]
    seats = await catalogue.seats_by_category(connection, plan.plan_id, kept)
    for index, seat_ids in seats.items():
        reason = f"not for sale: {plan.categories[index].name}"
        result = await boxoffice.block(connection, show_id, seat_ids, reason, None)
        assert result.outcome is Outcome.OK, "nobody else knows of this show yet"
    return {plan.categories[index].name: len(seat_ids) for index, seat_ids in seats.items()}


def resolve_prices(categories: Sequence[Category], given: Mapping[str, int]) -> dict[int, int]:
    """The amount in minor units for each category that is for sale, by its number in the plan.

    Raises ProgrammeError for a category the plan does not have or does not sell, a category left without a
    price, and a negative amount.
    """
    sold = {category.name: index for index, category in enumerate(categories) if category.for_sale}
    names = ", ".join(sold) or "none"
    unsold = {category.name for category in categories if not category.for_sale}
    for name, amount in given.items():
        if name in unsold:
            raise ProgrammeError(f"The category {name} is not for sale in this plan. For sale: {names}.")
        if name != ALL_CATEGORIES and name not in sold:
            raise ProgrammeError(f"The plan has no category {name!r}. It has: {names}.")
        if amount < 0:
            raise ProgrammeError(f"The price {amount} is negative. Prices are minor units from 0 up.")
    missing = [name for name in sold if name not in given] if ALL_CATEGORIES not in given else []
    if missing:
        raise ProgrammeError(
            f"No price was given for: {', '.join(missing)}. Give one price for each category, or one for all."
        )
    return {index: given.get(name, given.get(ALL_CATEGORIES, 0)) for name, index in sold.items()}


def check_time_zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name. Raises ProgrammeError."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ProgrammeError(
            f"{name!r} is no time zone. Use an IANA name, such as Europe/Berlin or America/New_York."
        ) from error


def read_instant(text: str, time_zone: str) -> datetime:
    """The instant that an ISO 8601 text means; without a zone of its own it is read in `time_zone`.

    Raises ProgrammeError, also for a time that the clocks skip there when summer time starts.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise ProgrammeError(
            f"{text!r} is no date and time. Use ISO 8601, such as 2027-06-12T19:30 or 2027-06-12T19:30+02:00."
        ) from error
    if read.tzinfo is not None:
        return read
    zone = check_time_zone(time_zone)
    local = read.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != read:
        raise ProgrammeError(
            f"{text} does not exist in {time_zone}: clocks are put forward then. Add the offset to say which "
            "instant you mean, such as +02:00."
        )
    return local


def slugs(text: str) -> list[str]:
    """Names for addresses made of `text`, best first: `swan-lake`, `swan-lake-2`, `swan-lake-3` and so on."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    base = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:_SLUG_LENGTH].strip("-") or "untitled"
    return [base, *(f"{base}-{number}" for number in range(2, _SLUGS_TRIED))]
