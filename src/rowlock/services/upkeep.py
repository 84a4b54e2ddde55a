"""Upkeep on request: cleanup, statistics, and whether the service is fit to take requests."""

from uuid import UUID

from rowlock.db import upkeep
from rowlock.db.calls import BusyError, call
from rowlock.db.connections import Connection
from rowlock.db.pool import Database
from rowlock.db.runtime_settings import functions_present
from rowlock.services.reserving import SeatWatcher


class Upkeep:
    """What the admin endpoints and probes ask for."""

    def __init__(self, database: Database, watcher: SeatWatcher) -> None:
        self._database = database
        self._watcher = watcher

    async def cleanup(self, *, limit: int, run_by: str) -> upkeep.CleanupResult:
        """Retire up to `limit` expired holds."""

        async def operation(connection: Connection) -> upkeep.CleanupResult:
            return await upkeep.cleanup_once(connection, run_by=run_by, limit=limit)

        result = await call(self._database.app, operation, repeatable=True)
        self._watcher.changed(None)
        return result

    async def statistics(self, *, show_id: UUID | None, hours: int) -> upkeep.ReservationStatistics:
        """What happened to reservations in the last `hours`."""

        async def operation(connection: Connection) -> upkeep.ReservationStatistics:
            return await upkeep.statistics(connection, show_id=show_id, hours=hours)

        return await call(self._database.app, operation, repeatable=True, reads=True)

    async def why_not_ready(self) -> str | None:
        """Why no request should come here now, or None when all is well."""
        try:
            present = await call(self._database.app, functions_present, repeatable=True, reads=True)
        except BusyError:
            return "The database does not answer."
        return None if present else "The database functions are not installed. Run `rowlock migrate`."
