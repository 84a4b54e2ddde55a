"""Turns holds into paid orders. Only the demonstration uses it so far; there is no payment provider."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from rowlock.checkout import store
from rowlock.database.cells import Cells


class Checkout:
    """The operations on orders."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def sell_holds(self, show_id: UUID, reservation_ids: Sequence[UUID]) -> int:
        """Turn holds into paid orders at the show's prices, as the owner. Returns the number of orders.

        Raises RuntimeError when one cannot be completed, so that the caller's transaction is rolled back.
        """
        async with self._cells.of(show_id).owner() as connection:
            return await store.sell_holds(connection, show_id, reservation_ids)

    async def ticket_status(self, show_id: UUID, ticket_id: UUID) -> tuple[str, datetime | None] | None:
        """Whether a ticket is `valid`, `used` or `void`, and when it was used; None when there is no such ticket."""
        async with self._cells.of(show_id).office() as connection:
            return await store.ticket_status(connection, show_id, ticket_id)
