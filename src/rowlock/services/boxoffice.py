"""The box office: seats that are kept from sale, and put back on sale."""

from collections.abc import Sequence
from uuid import UUID

from rowlock.db import boxoffice
from rowlock.db.boxoffice import BlockResult
from rowlock.db.calls import call
from rowlock.db.pool import Database


class BoxOffice:
    """Blocks and unblocks seats. Raises db.calls.BusyError when the database cannot answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def block(self, show_id: UUID, seat_ids: Sequence[int], reason: str, ip_address: str | None) -> BlockResult:
        """Keep seats from sale, all or nothing."""
        return await call(
            self._database.app,
            lambda connection: boxoffice.block(connection, show_id, seat_ids, reason, ip_address),
            repeatable=True,
        )

    async def unblock(self, show_id: UUID, seat_ids: Sequence[int], ip_address: str | None) -> BlockResult:
        """Put blocked seats back on sale."""
        return await call(
            self._database.app,
            lambda connection: boxoffice.unblock(connection, show_id, seat_ids, ip_address),
            repeatable=True,
        )
