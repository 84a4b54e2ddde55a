"""Keeps a board for each show that somebody looks at, current by the change feed and right after own writes.

A thousand viewers cost the database one query: whoever finds the board older than REFRESH_SECONDS asks, and everybody
else who comes meanwhile waits for that answer.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from uuid import UUID

import structlog

from rowlock.db.calls import FunctionsMissingError, call
from rowlock.db.pool import Database
from rowlock.db.seat_changes import Position, SeatChanges, seat_changes, seat_states
from rowlock.domain.best_available import Chooser
from rowlock.domain.hall import Hall
from rowlock.domain.seat_board import AVAILABLE, CODES, RESERVED, SeatBoard

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 0.2
# A whole new picture now and then mends whatever the feed could not tell. It costs in proportion to the hall.
RELOAD_SECONDS = 1.0
RELOAD_SECONDS_PER_SEAT = 0.0005
# Until a new board knows where the feed is complete, it reads everything again, large halls less often.
SETTLE_SECONDS_PER_SEAT = 0.00002
# A transaction of the application ends within the statement timeout. What a longer one commits, a reload will show:
# reading the feed again and again from where somebody's report or backup began would cost more and more.
SETTLED_AFTER_SECONDS = 10.0
BOARDS_LIMIT = 200


class LiveShow:
    """The board of one show, the chooser of its best seats, and where in the change feed they stand."""

    def __init__(self, seats_total: int) -> None:
        self.board = SeatBoard(seats_total, self._changed)
        self._chooser: Chooser | None = None
        self._tentative: set[int] = set()
        self._decision: asyncio.Future[None] | None = None
        # Everything up to the position has been taken in; `ahead` becomes the position once it is settled.
        self._position: Position | None = None
        self._ahead: Position | None = None
        self._ahead_at = float("-inf")
        self._loaded_at = float("-inf")
        # Readings of this process are numbered: the last that was asked for, and the one shown, with its time.
        self.asked = 0
        self.reading = 0
        self.refreshed_at = float("-inf")
        # Server clock minus ours: deadlines are the database's, whatever this machine thinks the time is.
        self._offset = 0.0
        # Seats that this process wrote, and the last reading asked for before: that one must not undo them.
        self._written: dict[int, int] = {}

    def now(self) -> float:
        """The database's clock, in seconds of the epoch."""
        return monotonic() + self._offset

    def picture(self) -> SeatBoard:
        """The board as of now."""
        self.board.expire(self.now())
        return self.board

    def write(self, seat_ids: Sequence[int], status: int, until: datetime | None = None) -> None:
        """Take in what this process has just committed."""
        for seat_id in seat_ids:
            self._written[seat_id] = self.asked
        self.board.put(seat_ids, status, until.timestamp() if until is not None else None)

    def lost(self, seat_ids: Sequence[int]) -> None:
        """Somebody else has these seats; the feed will say what they are."""
        self.write([seat_id for seat_id in seat_ids if self.board.status(seat_id) == AVAILABLE], RESERVED)

    def reads_from(self, now: float) -> int | None:
        """The audit id to read the feed on from; None when it is time for a whole new picture."""
        if self._ahead is None:
            return None
        start, seats = self._position, self.board.seats_total
        if start is not None:
            due_after = RELOAD_SECONDS + RELOAD_SECONDS_PER_SEAT * seats
        else:
            start, due_after = self._ahead, SETTLE_SECONDS_PER_SEAT * seats
        return start.last_id if now - self._loaded_at <= due_after else None

    def take_in(self, changes: SeatChanges, reading: int, asked_at: float, *, whole: bool) -> None:
        """Apply a reading: its number, and when it was asked for."""
        self.reading, self.refreshed_at = reading, asked_at
        self._offset = changes.server_time.timestamp() - monotonic()
        self._written = {seat_id: after for seat_id, after in self._written.items() if after >= reading}
        states = [
            (seat_id, CODES[status], until.timestamp() if status == "reserved" and until is not None else None)
            for seat_id, status, until in changes.seats
        ]
        if whole:
            self.board.replace(states, keep=self._written)
            self._loaded_at = asked_at
        else:
            for seat_id, status, until in states:
                if seat_id not in self._written:
                    self.board.put((seat_id,), status, until)
        self._move_on(changes, asked_at, whole=whole)

    def _move_on(self, changes: SeatChanges, asked_at: float, *, whole: bool) -> None:
        """Continue from the reading before this one, once nothing with a lower id can still be committed.

        A board without a position has never read what was under way at its first reading; a whole reading makes
        up for that.
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
        """Chooses among the seats that are free now. `hall` is that of the show."""
        if self._chooser is None:
            self._chooser = Chooser(hall)
            for seat_id in (*self.board.taken(), *self._tentative):
                self._chooser.set_free(seat_id, free=False)
        self.board.expire(self.now())
        return self._chooser

    def hold_back(self, seat_ids: Sequence[int]) -> None:
        """Offer these seats to nobody else while somebody is about to claim them."""
        self._tentative.update(seat_ids)
        self._changed(seat_ids)

    def let_go(self, seat_ids: Sequence[int]) -> None:
        """The claim has been decided: offer again what is available."""
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
                free = seat_id not in self._tentative and self.board.status(seat_id) == AVAILABLE
                self._chooser.set_free(seat_id, free=free)


class LiveShows:
    """The live picture of every show that somebody looks at."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shows: dict[UUID, LiveShow] = {}
        self._readings = 0
        # The number of the first reading that will do, of shows that this process has changed since.
        self._wanted: dict[UUID, int] = {}
        self._refreshing: dict[UUID, asyncio.Task[LiveShow | None]] = {}

    async def get(self, show_id: UUID, *, fresh: bool = False) -> LiveShow | None:
        """The live picture of a show, at most REFRESH_SECONDS old; None when there is no such show.

        With `fresh` it is read after this call. Raises db.calls.BusyError when the database cannot answer.
        """
        oldest = monotonic() - REFRESH_SECONDS
        wanted = self._readings + 1 if fresh else 0
        while True:
            show = self._shows.get(show_id)
            if show is not None and self._is_new_enough(show_id, show, oldest) and show.reading >= wanted:
                return show
            if await asyncio.shield(self._reading_of(show_id)) is None:
                return None

    def current(self, show_id: UUID) -> LiveShow | None:
        """What `get` gives without waiting, which is what nearly all viewers need; None when it would have to wait."""
        show = self._shows.get(show_id)
        if show is not None and self._is_new_enough(show_id, show, monotonic() - REFRESH_SECONDS):
            return show
        return None

    def known(self, show_id: UUID) -> LiveShow | None:
        """The picture in memory, if there is one. When it is too old, a reading begins for those who follow."""
        show = self._shows.get(show_id)
        if show is not None and not self._is_new_enough(show_id, show, monotonic() - REFRESH_SECONDS):
            self._reading_of(show_id)
        return show

    def claimed(self, show_id: UUID, seat_ids: Sequence[int], until: datetime) -> None:
        """This process has reserved seats."""
        if (show := self._shows.get(show_id)) is not None:
            show.write(seat_ids, RESERVED, until)
        else:
            self.changed(show_id)

    def changed(self, show_id: UUID | None) -> None:
        """This process has changed something in a show, or in any: look before the next answer."""
        pictured = self._shows.keys() | self._refreshing.keys()
        for changed in pictured if show_id is None else pictured & {show_id}:
            self._wanted[changed] = self._readings + 1

    def _is_new_enough(self, show_id: UUID, show: LiveShow, oldest: float) -> bool:
        return show.refreshed_at > oldest and show.reading >= self._wanted.get(show_id, 0)

    def _reading_of(self, show_id: UUID) -> "asyncio.Task[LiveShow | None]":
        """The reading that is under way, else a new one."""
        task = self._refreshing.get(show_id)
        if task is None or task.done():
            task = self._refreshing[show_id] = asyncio.create_task(self._refresh(show_id))
            task.add_done_callback(lambda done: self._forget(show_id, done))
        return task

    def _forget(self, show_id: UUID, done: "asyncio.Task[LiveShow | None]") -> None:
        if self._refreshing.get(show_id) is done:
            del self._refreshing[show_id]
        if not done.cancelled() and (error := done.exception()) is not None:
            # Whoever waits for it raises it; a reading in the background has nobody who would.
            log.debug("seat_status_not_read", error=type(error).__name__)

    async def _refresh(self, show_id: UUID) -> LiveShow | None:
        self._readings += 1
        reading, asked_at = self._readings, monotonic()
        show = self._shows.get(show_id)
        after = None
        if show is not None:
            show.asked = reading
            after = show.reads_from(asked_at)
        whole = after is None
        try:
            changes = await call(
                self._database.app,
                lambda connection: seat_changes(connection, show_id, after),
                repeatable=True,
                reads=True,
            )
        except FunctionsMissingError:
            # After a rollback version 1 goes on selling, so its buyers go on looking: at everything, each time.
            whole = True
            changes = await call(
                self._database.app, lambda connection: seat_states(connection, show_id), repeatable=True, reads=True
            )
        if changes is None:
            self._remove(show_id)
            return None
        if show is None:
            show = LiveShow(changes.seats_total)
            while len(self._shows) >= BOARDS_LIMIT:
                self._remove(min(self._shows, key=lambda known: self._shows[known].refreshed_at))
            self._shows[show_id] = show
        show.take_in(changes, reading, asked_at, whole=whole)
        return show

    def _remove(self, show_id: UUID) -> None:
        self._shows.pop(show_id, None)
        self._wanted.pop(show_id, None)
