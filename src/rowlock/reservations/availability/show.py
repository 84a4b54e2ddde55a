"""Seat availability of one show in memory: a snapshot of its seats, kept current by readings of the change feed.

It may lag behind the database, which alone decides every sale. `service` decides when a reading is due.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from uuid import UUID

from rowlock.reservations.availability.status_array import AVAILABLE, CODES, RESERVED, StatusArray
from rowlock.reservations.best_available import Chooser
from rowlock.reservations.hall import Hall
from rowlock.reservations.model import Position, SeatChanges

# A new snapshot at this interval corrects what the feed has missed. Its cost is proportional to the size of the hall.
RELOAD_SECONDS = 1.0
RELOAD_SECONDS_PER_SEAT = 0.0005
# Until it is known from where the feed is complete, every reading is a whole snapshot, less often for large halls.
SETTLE_SECONDS_PER_SEAT = 0.00002
# A transaction of the application ends within the statement timeout. Changes of a longer one appear with the next
# snapshot: to read the feed from where a long report or backup began would cost more with every reading.
SETTLED_AFTER_SECONDS = 10.0


class ShowAvailability:
    """The status of every seat of one show, the chooser of its best seats, and the position in the change feed."""

    def __init__(self, plan_id: UUID, seats_total: int) -> None:
        # What the seat ids mean. A show that was moved to another plan gets another object.
        self.plan_id = plan_id
        self.statuses = StatusArray(seats_total, self._changed)
        # How many seats one hold may have, as of the last reading.
        self.seats_limit = 0
        self._chooser: Chooser | None = None
        self._tentative: set[int] = set()
        self._decision: asyncio.Future[None] | None = None
        # Every event up to `position` has been applied. `ahead` becomes the position once no lower id can be committed.
        self._position: Position | None = None
        self._ahead: Position | None = None
        self._ahead_at = float("-inf")
        self._loaded_at = float("-inf")
        # Readings of this process are numbered: the last one started, and the last one applied, with its time.
        self.asked = 0
        self.reading = 0
        self.refreshed_at = float("-inf")
        # The database's clock minus ours: deadlines follow the database's clock.
        self._offset = 0.0
        # Seats that this process wrote, each with the last reading started before, which must not overwrite them.
        self._written: dict[int, int] = {}

    def now(self) -> float:
        """The database's clock, in seconds of the epoch."""
        return monotonic() + self._offset

    def current(self) -> StatusArray:
        """The status of every seat as of now."""
        self.statuses.expire(self.now())
        return self.statuses

    def version(self) -> str:
        """Identifies plan and status of every seat: equal in every process."""
        return f"{self.plan_id.hex[-8:]}{self.current().version}"

    def write(self, seat_ids: Sequence[int], status: int, until: datetime | None = None) -> None:
        """Apply a change that this process has just committed."""
        for seat_id in seat_ids:
            self._written[seat_id] = self.asked
        self.statuses.put(seat_ids, status, until.timestamp() if until is not None else None)

    def lost(self, seat_ids: Sequence[int]) -> None:
        """Mark seats that another holder has, until the feed has their status."""
        self.write([seat_id for seat_id in seat_ids if self.statuses.status(seat_id) == AVAILABLE], RESERVED)

    def reads_from(self, now: float) -> int | None:
        """The audit id to continue the feed from; None when a whole new snapshot is due."""
        if self._ahead is None:
            return None
        start, seats = self._position, self.statuses.seats_total
        if start is not None:
            due_after = RELOAD_SECONDS + RELOAD_SECONDS_PER_SEAT * seats
        else:
            start, due_after = self._ahead, SETTLE_SECONDS_PER_SEAT * seats
        return start.last_id if now - self._loaded_at <= due_after else None

    def apply(self, changes: SeatChanges, reading: int, asked_at: float, *, whole: bool) -> None:
        """Apply a reading. `reading` is its number, `asked_at` when it was started."""
        self.reading, self.refreshed_at = reading, asked_at
        self.seats_limit = changes.seats_limit
        self._offset = changes.server_time.timestamp() - monotonic()
        self._written = {seat_id: after for seat_id, after in self._written.items() if after >= reading}
        states = [
            (seat_id, CODES[status], until.timestamp() if status == "reserved" and until is not None else None)
            for seat_id, status, until in changes.seats
        ]
        if whole:
            self.statuses.replace(states, keep=self._written)
            self._loaded_at = asked_at
        else:
            for seat_id, status, until in states:
                if seat_id not in self._written:
                    self.statuses.put((seat_id,), status, until)
        self._move_on(changes, asked_at, whole=whole)

    def _move_on(self, changes: SeatChanges, asked_at: float, *, whole: bool) -> None:
        """Continue from the reading before this one, once no transaction with a lower id can still commit.

        Without a position, transactions that ran during the first reading have never been read; only a whole reading
        includes them.
        """
        settled = self._ahead is not None and (
            changes.horizon >= self._ahead.next_xid or asked_at - self._ahead_at > SETTLED_AFTER_SECONDS
        )
        if changes.position is None:
            self._position = self._ahead = None
        elif self._ahead is None:
            self._ahead, self._ahead_at = changes.position, asked_at
        elif settled and (whole or self._position is not None):
            self._position, self._ahead, self._ahead_at = self._ahead, changes.position, asked_at

    # Choosing seats.

    def chooser(self, hall: Hall) -> Chooser:
        """The chooser among the seats that are free now. `hall` is that of the plan."""
        if self._chooser is None:
            self._chooser = Chooser(hall)
            for seat_id in (*self.statuses.taken(), *self._tentative):
                self._chooser.set_free(seat_id, free=False)
        self.statuses.expire(self.now())
        return self._chooser

    def hold_back(self, seat_ids: Sequence[int]) -> None:
        """Offer these seats to no other request until the database has decided."""
        self._tentative.update(seat_ids)
        self._changed(seat_ids)

    def let_go(self, seat_ids: Sequence[int]) -> None:
        """The claim has been decided: offer those of the seats again that are available."""
        self._tentative.difference_update(seat_ids)
        self._changed(seat_ids)
        if self._decision is not None:
            self._decision.set_result(None)
            self._decision = None

    async def decision(self) -> bool:
        """Wait until seats that are held back are let go; False when there are none."""
        if not self._tentative:
            return False
        if self._decision is None:
            self._decision = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._decision)
        return True

    def _changed(self, seat_ids: Sequence[int]) -> None:
        if self._chooser is not None:
            for seat_id in seat_ids:
                free = seat_id not in self._tentative and self.statuses.status(seat_id) == AVAILABLE
                self._chooser.set_free(seat_id, free=free)
