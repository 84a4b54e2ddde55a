"""A small hall that is published through the catalogue service, and shows in it."""

from datetime import UTC, datetime, timedelta

from rowlock.catalogue.model import ALL_CATEGORIES, Category, Row, Seat, SeatingPlan, Section, ShowInput
from rowlock.database.access import OneConnection
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection
from rowlock.services import Services, make_services
from tests.support.answers import Show


def services_on(connection: Connection) -> Services:
    """Every service, on one connection and with its rights."""
    return make_services(Cells(OneConnection(connection)))


SEATS = 40
# How many of a hundred bookings are for one, two, … eight people: pairs are the most frequent, then families.
GROUP_SIZES = (12, 34, 12, 22, 7, 8, 3, 2)


def hall(seats: int = SEATS, *, crew: int = 0, name: str = "Small hall") -> SeatingPlan:
    """One row of seats; the last `crew` of them belong to a category that is not for sale."""
    return SeatingPlan(
        name=name,
        width=10.0 * seats + 20,
        height=60.5,
        focal_point=(5.0 * seats, 0.0),
        categories=(Category("Stalls"), Category("Crew", for_sale=False)),
        sections=(Section("Stalls"),),
        rows=(Row(0, "A"),),
        seats=tuple(
            Seat(
                seat_id=number,
                row=0,
                run=0,
                position=number - 1,
                number=str(number),
                label=f"Stalls, row A, seat {number}",
                x=10.0 * number,
                y=1 / 3,
                category=int(number > seats - crew),
                source_id=f"A-{number}",
            )
            for number in range(1, seats + 1)
        ),
    )


async def put_on_sale(owner: Connection, plan: SeatingPlan | None = None, title: str = "Swan Lake") -> Show:
    """A show of the hall, on sale."""
    catalogue = services_on(owner).catalogue
    imported = await catalogue.import_plan(plan or hall(), source_format="test", venue="Playhouse")
    given = ShowInput(imported.plan.plan_id, title, datetime.now(UTC) + timedelta(days=30), {ALL_CATEGORIES: 2500})
    created = await catalogue.create_show(given)
    return Show(created.show_id, len(imported.plan.plan.seats))
