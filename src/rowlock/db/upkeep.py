"""Calls of the functions that keep a database tidy, and what they tell: cleanup, statistics, partitions.

Who calls them and when is decided by the worker, the command line and HTTP.
"""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from rowlock.db.pool import connect
from rowlock.db.queries import query

_APPLICATION_NAME = "rowlock cleanup"

CLEANUP_BATCH = 2000
"""Holds that one call of a big cleanup retires: some tens of milliseconds of work. A thousand cost a tenth more."""


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """What one or more cleanup calls retired."""

    reservations_expired: int
    seats_released: int
    # There may be a hundred thousand, and `asyncio.run` writes the repr of its result when it puts Ctrl-C back.
    reservation_ids: tuple[UUID, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReservationStatistics:
    """What happened to reservations in a span of time.

    avg_hold_time_seconds and expiration_rate (0 to 1) are over holds that ended in it; None when none did.
    """

    total_created: int
    total_completed: int
    total_expired: int
    total_released: int
    total_failed: int
    avg_hold_time_seconds: Decimal | None
    expiration_rate: Decimal | None


async def cleanup_once(connection: AsyncConnection, *, run_by: str, limit: int = CLEANUP_BATCH) -> CleanupResult:
    """Retire up to `limit` holds that have run out, oldest first, in one transaction."""
    cursor = await connection.execute(query("upkeep/cleanup"), {"limit": limit, "run_by": run_by})
    row = await cursor.fetchone()
    assert row is not None, "the function answers with one row"
    return CleanupResult(row[0], row[1], tuple(row[2]))


async def cleanup(dsn: str, *, run_by: str, batch: int = CLEANUP_BATCH) -> CleanupResult:
    """Retire every hold that has run out, batch by batch; the totals. At least one run is recorded.

    When there is more than a batch, two connections share the work: it is the server's processor that takes the time,
    and each skips what the other has locked.
    """
    async with await connect(dsn, application_name=_APPLICATION_NAME) as one:
        results = [await cleanup_once(one, run_by=run_by, limit=batch)]
        if results[0].reservations_expired == batch:
            async with await connect(dsn, application_name=_APPLICATION_NAME) as two:
                lanes = await asyncio.gather(*(_clean_up_the_rest(c, run_by=run_by, batch=batch) for c in (one, two)))
            results += [result for lane in lanes for result in lane]
    return CleanupResult(
        sum(result.reservations_expired for result in results),
        sum(result.seats_released for result in results),
        tuple(id_ for result in results for id_ in result.reservation_ids),
    )


async def _clean_up_the_rest(connection: AsyncConnection, *, run_by: str, batch: int) -> list[CleanupResult]:
    results = [await cleanup_once(connection, run_by=run_by, limit=batch)]
    while results[-1].reservations_expired == batch:
        results.append(await cleanup_once(connection, run_by=run_by, limit=batch))
    return results


async def lapsed_reservations(connection: AsyncConnection) -> int:
    """How many holds have run out and wait for cleanup; at most 10,000 are counted."""
    cursor = await connection.execute(query("upkeep/lapsed"))
    row = await cursor.fetchone()
    assert row is not None, "the view has one row"
    return int(row[0])


async def statistics(
    connection: AsyncConnection, *, show_id: UUID | None = None, hours: int = 24
) -> ReservationStatistics:
    """What happened to reservations in the last `hours`, of one show or of all."""
    async with connection.cursor(row_factory=class_row(ReservationStatistics)) as cursor:
        await cursor.execute(query("upkeep/statistics"), {"show_id": show_id, "hours": hours})
        row = await cursor.fetchone()
    assert row is not None, "the function answers with one row"
    return row


async def ensure_partitions(connection: AsyncConnection) -> tuple[str, ...]:
    """Make the audit log's partitions of this month and the next two; the names of those made."""
    cursor = await connection.execute(query("upkeep/ensure_partitions"))
    return tuple(name for (name,) in await cursor.fetchall())
