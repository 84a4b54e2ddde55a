"""Reads statistics from every cell and combines them."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from rowlock.database.access import Database
from rowlock.database.calls import call
from rowlock.database.cells import Cells
from rowlock.reporting import store
from rowlock.reporting.model import ReservationStatistics


class Reporting:
    """Reports. Every method raises database.calls.BusyError when a database cannot answer."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def statistics(self, *, show_id: UUID | None = None, hours: int = 24) -> ReservationStatistics:
        """Counts of reservation events in the last `hours`, of one show or of all."""
        cells = self._cells.each() if show_id is None else (self._cells.of(show_id),)
        return together([await self._of_cell(cell, show_id, hours) for cell in cells])

    @staticmethod
    async def _of_cell(cell: Database, show_id: UUID | None, hours: int) -> ReservationStatistics:
        return await call(
            cell.office,
            lambda connection: store.statistics(connection, show_id=show_id, hours=hours),
            repeatable=True,
            reads=True,
        )


def together(parts: Sequence[ReservationStatistics]) -> ReservationStatistics:
    """The statistics of several cells as one; means are weighted by the number of holds that ended."""
    if len(parts) == 1:
        return parts[0]
    total_expired = sum(part.total_expired for part in parts)
    total_ended = sum(part.total_ended for part in parts)
    hold_seconds = ((part.avg_hold_time_seconds or Decimal(0)) * part.total_ended for part in parts)
    total_hold_seconds = sum(hold_seconds, Decimal(0))
    return ReservationStatistics(
        total_created=sum(part.total_created for part in parts),
        total_completed=sum(part.total_completed for part in parts),
        total_expired=total_expired,
        total_released=sum(part.total_released for part in parts),
        total_failed=sum(part.total_failed for part in parts),
        avg_hold_time_seconds=round(total_hold_seconds / total_ended, 3) if total_ended else None,
        expiration_rate=round(Decimal(total_expired) / total_ended, 4) if total_ended else None,
    )
