"""Turns holds into paid orders. Today only for the demonstration, which has no payment provider."""

from collections.abc import Sequence
from uuid import UUID

from rowlock.checkout import store
from rowlock.database.cells import Cells


class Checkout:
    """The operations on orders."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def sell_holds(self, show_id: UUID, reservation_ids: Sequence[UUID]) -> int:
        """Turn holds into paid orders at the show's prices, as the owner; the number of orders.

        Raises RuntimeError when one cannot be completed; the caller's transaction should then leave nothing behind.
        """
        async with self._cells.of(show_id).owner() as connection:
            return await store.sell_holds(connection, show_id, reservation_ids)
