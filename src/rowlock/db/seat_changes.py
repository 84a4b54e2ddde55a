"""Reads what the seats of a show are now: of those that changed since a position in the change feed, or of all."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection

from rowlock.db.queries import query


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the audit log. It is safe to continue from once a later horizon has reached `next_xid`."""

    last_id: int
    next_xid: int


@dataclass(frozen=True, slots=True)
class SeatChanges:
    """The state of seats as of `server_time`: (seat id, status, reserved until).

    Without the change feed there is no position to continue from, and no deadline is known.
    """

    seats_total: int
    position: Position | None
    horizon: int
    server_time: datetime
    seats: list[tuple[int, str, datetime | None]]


async def seat_changes(connection: AsyncConnection, show_id: UUID, after_id: int | None = None) -> SeatChanges | None:
    """Seats that changed after an audit id, or every claim; None when there is no such show."""
    cursor = await connection.cursor(binary=True).execute(query("shows/seat_changes"), (show_id, after_id))
    rows = await cursor.fetchall()
    if not rows:
        return None
    seats_total, last_id, horizon, next_xid, server_time = rows[0][:5]
    return SeatChanges(
        seats_total,
        Position(last_id, next_xid),
        horizon,
        server_time,
        [(row[5], row[6], row[7]) for row in rows if row[5] is not None],
    )


async def seat_states(connection: AsyncConnection, show_id: UUID) -> SeatChanges | None:
    """Every claim, from the view that also stays after a rollback; None when there is no such show."""
    cursor = await connection.cursor(binary=True).execute(query("shows/seat_states"), (show_id,))
    rows = await cursor.fetchall()
    if not rows:
        return None
    seats_total, server_time = rows[0][:2]
    return SeatChanges(
        seats_total, None, 0, server_time, [(row[2], row[3], None) for row in rows if row[2] is not None]
    )
