"""The live pictures of one process over a fresh database, and a clock that passes when the test says so."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from rowlock.db.pool import Database
from rowlock.db.seat_changes import SeatChanges, seat_changes
from rowlock.domain.database import Dsns
from rowlock.live import boards
from rowlock.live.boards import REFRESH_SECONDS, LiveShows
from tests.support.seatdb import SeatDb

HANGS_AFTER_SECONDS = 30.0


class Clock:
    """Takes the place of the monotonic clock."""

    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now

    def pass_refresh(self) -> None:
        """Let what is known become too old to be shown."""
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
    monkeypatch.setattr(boards, "monotonic", clock)
    return clock


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    """Every reading still happens; it is only counted. None stands for a whole new picture."""
    readings, read = Readings(), seat_changes

    async def counted(connection: object, show_id: UUID, after_id: int | None = None) -> SeatChanges | None:
        readings.asked.append(after_id)
        return await read(connection, show_id, after_id)  # type: ignore[arg-type] # It is passed on as it came.

    monkeypatch.setattr(boards, "seat_changes", counted)
    return readings


@pytest.fixture
async def database(dsns: Dsns) -> AsyncIterator[Database]:
    database = Database(dsns)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def live(database: Database, clock: Clock) -> LiveShows:
    return LiveShows(database)


async def until_a_service_waits(db: SeatDb) -> int:
    """Wait until a connection of a service waits for somebody's lock; the id of its server process."""
    async with asyncio.timeout(HANGS_AFTER_SECONDS):
        while True:
            cursor = await db.owner.execute(
                "select pid from pg_stat_activity where datname = current_database() "
                "and application_name = 'rowlock' and cardinality(pg_blocking_pids(pid)) > 0"
            )
            if (row := await cursor.fetchone()) is not None:
                return int(row[0])
