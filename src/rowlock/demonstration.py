"""A demonstration for the first start: a dance studio with a theatre of 600 seats and three shows.

One show is on sale, one is nearly sold out, and one opens next week. All names are invented; seats are sold through
the same functions that buyers use. Runs only in an empty catalogue.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import cycle
from uuid import UUID
from zoneinfo import ZoneInfo

from rowlock.base.holder import Holder
from rowlock.base.outcomes import Outcome
from rowlock.catalogue.model import ALL_CATEGORIES, SeatingPlan, ShowInput
from rowlock.catalogue.price_list import ALL_TYPES
from rowlock.catalogue.showcase import theatre
from rowlock.database.access import OneConnection
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection
from rowlock.reservations.model import Intent, ReservationToken
from rowlock.services import Services, make_services

ORGANIZATION = "Moonlight Dance Studio"
VENUE = "Playhouse"
TIME_ZONE = "America/New_York"

_DEAREST_MINOR = 6500
_STEP_MINOR = 1500
_CHEAPEST_MINOR = 1500
_TAX_BASIS_POINTS = 700
_GROUP_SIZES = (2, 4, 2, 3, 1, 5, 2, 6)
_SEATS_LEFT = 12


@dataclass(frozen=True, slots=True)
class DemoShow:
    """A show of the demonstration, and what it demonstrates, in words."""

    show_id: UUID
    title: str
    what: str


async def ensure_demo(connection: Connection, *, now: datetime, plan: SeatingPlan | None = None) -> list[DemoShow]:
    """Fill an empty catalogue, as the owner and in one transaction, and return the shows.

    A catalogue with content is not changed, and no shows are returned.

    now   the current instant, with a zone: shows start in the weeks after it.
    plan  the hall; by default the theatre.
    """
    services = make_services(Cells(OneConnection(connection)))
    async with connection.transaction():
        if not await services.catalogue.lock_and_check_empty():
            return []
        hall = theatre() if plan is None else plan
        imported = await services.catalogue.import_plan(
            hall,
            source_format="demo",
            venue=VENUE,
            organization=ORGANIZATION,
            time_zone=TIME_ZONE,
        )
        shows = []
        for given, what in _show_inputs(imported.plan.plan_id, hall, now):
            created = await services.catalogue.create_show(given)
            shows.append(DemoShow(created.show_id, given.title, what))
        await _sell_nearly_all(services, shows[1].show_id, hall)
    return shows


def _show_inputs(plan_id: UUID, hall: SeatingPlan, now: datetime) -> list[tuple[ShowInput, str]]:
    """The input for each show, and what the show demonstrates."""
    prices = _prices(hall)

    def show(title: str, days: int, at: time, sales_start_at: datetime | None = None) -> ShowInput:
        return ShowInput(
            plan_id,
            title,
            _local(now, days, at),
            prices,
            sales_start_at=sales_start_at,
            tax_basis_points={ALL_TYPES: _TAX_BASIS_POINTS},
        )

    sales_start = _local(now, 7, time(10))
    return [
        (show("An Evening of Dance", 21, time(19, 30)), "on sale"),
        (show("Little Swans: the Junior Recital", 10, time(15)), f"nearly sold out, {_SEATS_LEFT} seats left"),
        (show("Gala Night", 60, time(20), sales_start), f"on sale from {sales_start:%d %B %Y, %H:%M %Z}"),
    ]


def _local(now: datetime, days: int, at: time) -> datetime:
    zone = ZoneInfo(TIME_ZONE)
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=days), at, tzinfo=zone)


def _prices(hall: SeatingPlan) -> dict[str, int]:
    """Prices by category, for children half of what adults pay: a plan lists its categories from the dearest down."""
    for_sale = [category.name for category in hall.categories if category.for_sale]
    steps = {name: max(_CHEAPEST_MINOR, _DEAREST_MINOR - index * _STEP_MINOR) for index, name in enumerate(for_sale)}
    children = {f"{name}/child": price // 2 for name, price in steps.items()}
    return {ALL_CATEGORIES: _CHEAPEST_MINOR, **steps, **children}


async def _sell_nearly_all(services: Services, show_id: UUID, hall: SeatingPlan) -> None:
    """Sell all seats but some that are spread evenly over the hall."""
    seats = [seat.seat_id for seat in hall.seats if hall.categories[seat.category].for_sale]
    step = max(2, len(seats) // _SEATS_LEFT)
    seats_left = set(seats[step // 2 :: step][:_SEATS_LEFT])
    groups = _groups([seat_id for seat_id in seats if seat_id not in seats_left])
    intents = [
        Intent(ReservationToken.mint(show_id), Holder(key=f"demo-{number}", session_id="demo"), group, accessible=True)
        for number, group in enumerate(groups, 1)
    ]
    results = await asyncio.gather(*(services.reservations.reserve(intent) for intent in intents))
    if any(result.outcome is not Outcome.OK for result in results):
        raise RuntimeError(f"seats of the new demonstration show {show_id} could not be held")
    await services.checkout.sell_holds(show_id, [intent.token.reservation_id for intent in intents])


def _groups(seats: Sequence[int]) -> list[tuple[int, ...]]:
    sizes = cycle(_GROUP_SIZES)
    groups = []
    start = 0
    while start < len(seats):
        group = tuple(seats[start : start + next(sizes)])
        groups.append(group)
        start += len(group)
    return groups
