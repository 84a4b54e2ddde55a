"""Reads the change feed of a show: what its seats are now, of those that changed since a position."""

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
    """The state of seats as of `server_time`: (seat id, status, reserved until)."""

    seats_total: int
    position: Position
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
