"""The box office: seats that are kept from sale, and put back on sale."""

from collections.abc import Sequence
from uuid import UUID

from rowlock.db import boxoffice
from rowlock.db.boxoffice import BlockResult
from rowlock.db.calls import call
from rowlock.db.pool import Database
from rowlock.services.reserving import SeatWatcher


class BoxOffice:
    """Blocks and unblocks seats. Raises db.calls.BusyError when the database cannot answer."""

    def __init__(self, database: Database, watcher: SeatWatcher) -> None:
        self._database = database
        self._watcher = watcher

    async def block(self, show_id: UUID, seat_ids: Sequence[int], reason: str, ip_address: str | None) -> BlockResult:
        """Keep seats from sale, all or nothing."""
        result = await call(
            self._database.app,
            lambda connection: boxoffice.block(connection, show_id, seat_ids, reason, ip_address),
            repeatable=True,
        )
        self._watcher.changed(show_id)
        return result

    async def unblock(self, show_id: UUID, seat_ids: Sequence[int], ip_address: str | None) -> BlockResult:
        """Put blocked seats back on sale."""
        result = await call(
            self._database.app,
            lambda connection: boxoffice.unblock(connection, show_id, seat_ids, ip_address),
            repeatable=True,
        )
        self._watcher.changed(show_id)
        return result
