"""Reservation services on a fresh database, as one process or several have them, and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue.service import Catalogue
from rowlock.database.cells import Cells
from rowlock.database.pool import PooledDatabase
from rowlock.reservations import store
from rowlock.reservations.availability import service, show
from rowlock.reservations.availability.service import REFRESH_SECONDS, Availability
from rowlock.reservations.model import SeatChanges
from rowlock.reservations.service import Reservations
from tests.support.seatdb import SeatDb

HANGS_AFTER_SECONDS = 30.0


class Clock:
    """Takes the place of the monotonic clock."""

    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now

    def pass_refresh(self) -> None:
        """Let every snapshot become too old to be served."""
        self.now += REFRESH_SECONDS * 1.05


class Readings:
    """Counts the readings that went to the database."""

    def __init__(self) -> None:
        self.asked: list[int | None] = []

    @property
    def count(self) -> int:
        return len(self.asked)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(service, "monotonic", clock)
    monkeypatch.setattr(show, "monotonic", clock)
    return clock


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    """Every reading is still made and also counted. None stands for a whole new snapshot."""
    readings, read = Readings(), store.seat_changes

    async def counted(connection: object, show_id: UUID, after_id: int | None = None) -> SeatChanges | None:
        readings.asked.append(after_id)
        return await read(connection, show_id, after_id)  # type: ignore[arg-type] # It is passed on unchanged.

    monkeypatch.setattr(store, "seat_changes", counted)
    return readings


@pytest.fixture
async def database(dsns: Dsns) -> AsyncIterator[PooledDatabase]:
    database = PooledDatabase(dsns)
    await database.open()
    yield database
    await database.close()


def reservations_on(database: PooledDatabase) -> Reservations:
    """A service of its own, as in a process of its own."""
    cells = Cells(database)
    return Reservations(cells, Catalogue(cells))


@asynccontextmanager
async def processes(dsns: Dsns, count: int) -> AsyncIterator[list[Reservations]]:
    """So many services with pools, queues and snapshots of their own, as in so many processes."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            database = PooledDatabase(dsns)
            await database.open()
            stack.push_async_callback(database.close)
            made.append(reservations_on(database))
        yield made


@pytest.fixture
def reservations(database: PooledDatabase, clock: Clock) -> Reservations:
    return reservations_on(database)


@pytest.fixture
def availability(reservations: Reservations) -> Availability:
    return reservations.availability


async def until_a_service_waits(db: SeatDb) -> int:
    """Wait until a connection of a service waits for a lock; the id of its server process."""
    async with asyncio.timeout(HANGS_AFTER_SECONDS):
        while True:
            cursor = await db.owner.execute(
                "select pid from pg_stat_activity where datname = current_database() "
                "and application_name ~ '^rowlock [0-9]' and cardinality(pg_blocking_pids(pid)) > 0"
            )
            if (row := await cursor.fetchone()) is not None:
                return int(row[0])
