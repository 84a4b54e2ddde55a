"""The SQL of reports."""

from uuid import UUID

from psycopg.rows import class_row

from rowlock.database.connections import Connection
from rowlock.database.queries import query
from rowlock.reporting.model import ReservationStatistics


async def statistics(connection: Connection, *, show_id: UUID | None = None, hours: int = 24) -> ReservationStatistics:
    """Counts of reservation events in the last `hours`, of one show or of all."""
    async with connection.cursor(row_factory=class_row(ReservationStatistics)) as cursor:
        await cursor.execute(query("reporting.reservation_statistics"), {"show_id": show_id, "hours": hours})
        row = await cursor.fetchone()
    assert row is not None, "the function answers with one row"
    return row
