"""The SQL of checkout."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from rowlock.database.connections import Connection
from rowlock.database.queries import query


async def sell_holds(connection: Connection, show_id: UUID, reservation_ids: Sequence[UUID]) -> int:
    """Turn holds into paid orders at the show's prices. Returns the number of orders.

    Raises RuntimeError when one cannot be completed, so that the caller's transaction is rolled back.
    """
    given = {"show_id": show_id, "reservation_ids": list(reservation_ids)}
    await connection.execute(query("checkout.add_orders"), given)
    await connection.execute(query("checkout.add_payments"), {"show_id": show_id})
    cursor = await connection.execute(query("checkout.complete_orders"), {"show_id": show_id})
    row = await cursor.fetchone()
    assert row is not None, "an aggregate returns one row"
    completed, orders = row
    if completed != orders or orders != len(reservation_ids):
        raise RuntimeError(f"{completed} of {len(reservation_ids)} demonstration orders were completed in {show_id}")
    return int(orders)


async def ticket_status(connection: Connection, show_id: UUID, ticket_id: UUID) -> tuple[str, datetime | None] | None:
    """The status of a ticket and when it was used; None when there is no such ticket."""
    cursor = await connection.execute(query("checkout.ticket_status"), {"show_id": show_id, "ticket_id": ticket_id})
    return await cursor.fetchone()
