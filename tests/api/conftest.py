"""The application on a fresh database, and a show in a small hall that the catalogue service published.

The hall is not that of tests.support.halls: requests need two categories with prices of their own, several rows and a
place for a wheelchair.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue import service
from rowlock.catalogue.model import Category, Row, Seat, SeatingPlan, Section, ShowInput
from rowlock.integrators import service as integrators
from rowlock.reservations.availability import service as availability
from tests.support.answers import Show
from tests.support.halls import services_on
from tests.support.http import ADMIN_KEY, Api, Application, Served, running, serving
from tests.support.servers import TestServer

ROWS = (("Stalls", "A"), ("Stalls", "B"), ("Balcony", "A"), ("Balcony", "B"))
SEATS_A_ROW = 10
PRICES_MINOR = {"Stalls": 5000, "Balcony": 3000}


def hall() -> SeatingPlan:
    """Forty seats: 1 to 20 in the stalls, 21 to 40 on the balcony; seat 40 is a place for a wheelchair."""
    return SeatingPlan(
        name="Small hall",
        width=110.0,
        height=60.0,
        focal_point=(55.0, 0.0),
        categories=(Category("Stalls"), Category("Balcony")),
        sections=(Section("Stalls"), Section("Balcony")),
        rows=tuple(Row(("Stalls", "Balcony").index(section), label) for section, label in ROWS),
        seats=tuple(
            Seat(
                seat_id=row * SEATS_A_ROW + place + 1,
                row=row,
                run=row,
                position=place,
                number=str(place + 1),
                label=f"{section}, row {label}, seat {place + 1}",
                x=10.0 * (place + 1),
                y=10.0 * (row + 1),
                category=row // 2,
                source_id=f"{row}-{place}",
                kind="wheelchair" if (row, place) == (3, 9) else "standard",
            )
            for row, (section, label) in enumerate(ROWS)
            for place in range(SEATS_A_ROW)
        ),
    )


async def put_on_sale(owner: psycopg.AsyncConnection, title: str = "Swan Lake") -> Show:
    """A show of the hall, on sale, with a price for each category."""
    imported = await services_on(owner).catalogue.import_plan(
        hall(), source_format="test", venue="Playhouse", organization="Moonlight"
    )
    given = ShowInput(imported.plan.plan_id, title, datetime.now(UTC) + timedelta(days=30), PRICES_MINOR)
    created = await services_on(owner).catalogue.create_show(given)
    return Show(created.show_id, len(imported.plan.plan.seats))


@pytest.fixture(scope="module")
def dsns(server: TestServer) -> Iterator[Dsns]:
    """One database for all tests of a file: each test has a show of its own, and no show depends on another.

    Files whose tests change what belongs to the whole database replace this by a database for each test.
    """
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test see at once what it has changed in the database: lists, shows and keys are not remembered."""
    monkeypatch.setattr(service, "BRIEF_SECONDS", 0.0)
    monkeypatch.setattr(availability, "UNKNOWN_SECONDS", 0.0)
    monkeypatch.setattr(integrators, "KEY_SECONDS", 0.0)


@pytest.fixture
async def show(owner: psycopg.AsyncConnection) -> Show:
    """A show of 40 seats, on sale, with the default limits."""
    return await put_on_sale(owner)


@pytest.fixture
async def application(dsns: Dsns) -> AsyncIterator[Application]:
    """The application with its default settings, in this process."""
    async with running(dsns) as application:
        yield application


@pytest.fixture
async def client(application: Application) -> AsyncIterator[Api]:
    """A program that calls the application: it sends its session id with each request and keeps no cookies."""
    async with application.client() as client:
        yield client


@pytest.fixture
async def admin(application: Application) -> AsyncIterator[Api]:
    """A client with the operator's key."""
    async with application.client(headers={"x-api-key": ADMIN_KEY}) as client:
        yield client


@pytest.fixture
async def browser(application: Application) -> AsyncIterator[Api]:
    """A browser: it keeps the session cookie."""
    async with application.client(browser=True) as client:
        yield client


@pytest.fixture
def served(dsns: Dsns) -> Iterator[Served]:
    """The application behind a real server."""
    with serving(dsns) as served:
        yield served


UNKNOWN_ID = UUID("00000000-0000-4000-8000-000000000000")
