"""Keeps a board for each show that somebody looks at, current by the change feed and right after own writes.

A thousand viewers cost the database one query: whoever finds the board older than REFRESH_SECONDS asks, and everybody
else who comes meanwhile waits for that answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from time import monotonic
from uuid import UUID

from rowlock.db.calls import call
from rowlock.db.pool import Database
from rowlock.db.seat_changes import Position, SeatChanges, seat_changes
from rowlock.domain.best_available import Chooser, Hall
from rowlock.domain.seat_board import AVAILABLE, CODES, RESERVED, SeatBoard

REFRESH_SECONDS = 0.2
# A whole new picture now and then mends whatever the feed could not tell. It costs in proportion to the hall.
RELOAD_SECONDS = 1.0
RELOAD_SECONDS_PER_SEAT = 0.0005
BOARDS_LIMIT = 200


class LiveShow:
    """The board of one show, the chooser of its best seats, and where in the change feed they stand."""

    def __init__(self, seats_total: int, hall: Hall) -> None:
        self.chooser = Chooser(hall)
        self.board = SeatBoard(seats_total, self._changed)
        self._tentative: set[int] = set()
        self.position: Position | None = None
        self.ahead: Position | None = None
        self.refreshed_at = float("-inf")
        self.loaded_at = float("-inf")
        # Server clock minus ours: deadlines are the database's, whatever this machine thinks the time is.
        self._offset = 0.0
        # Seats that this process wrote, and when: an older reading of the feed must not undo them.
        self._written: dict[int, float] = {}

    def now(self) -> float:
        """The database's clock, in seconds of the epoch."""
        return monotonic() + self._offset

    def picture(self) -> SeatBoard:
        """The board as of now."""
        self.board.expire(self.now())
        return self.board

    def write(self, seat_ids: Sequence[int], status: int, until: datetime | None = None) -> None:
        """Take in what this process has just committed."""
        written = monotonic()
        for seat_id in seat_ids:
            self._written[seat_id] = written
        self.board.put(seat_ids, status, until.timestamp() if until is not None else None)

    def take_in(self, changes: SeatChanges, asked_at: float, *, whole: bool) -> None:
        """Apply a reading of the feed that was asked for at `asked_at`."""
        self._offset = changes.server_time.timestamp() - monotonic()
        newer = {seat_id for seat_id, at in self._written.items() if at >= asked_at}
        self._written = {seat_id: at for seat_id, at in self._written.items() if at >= asked_at}
        states = [
            (seat_id, CODES[status], until.timestamp() if status == "reserved" and until is not None else None)
            for seat_id, status, until in changes.seats
            if seat_id not in newer
        ]
        if whole and not newer:
            self.board.replace(states)
        else:
            for seat_id, status, until in states:
                self.board.put((seat_id,), status, until)
        if whole or self.position is None:
            self.position = self.ahead = changes.position
        elif self.ahead is not None and changes.horizon >= self.ahead.next_xid:
            self.position, self.ahead = self.ahead, changes.position

    def hold_back(self, seat_ids: Sequence[int]) -> None:
        """Offer these seats to nobody else while somebody is about to claim them."""
        self._tentative.update(seat_ids)
        for seat_id in seat_ids:
            self.chooser.set_free(seat_id, free=False)

    def let_go(self, seat_ids: Sequence[int]) -> None:
        """The claim has been decided: offer again what is available."""
        self._tentative.difference_update(seat_ids)
        self._changed(seat_ids)

    def _changed(self, seat_ids: Sequence[int]) -> None:
        for seat_id in seat_ids:
            if seat_id not in self._tentative:
                self.chooser.set_free(seat_id, free=self.board.status(seat_id) == AVAILABLE)


class LiveShows:
    """The live picture of every show that somebody looks at."""

    def __init__(self, database: Database, hall_of: Callable[[UUID], Awaitable[Hall | None]]) -> None:
        self._database = database
        self._hall_of = hall_of
        self._shows: dict[UUID, LiveShow] = {}
        self._refreshing: dict[UUID, asyncio.Task[LiveShow | None]] = {}

    async def get(self, show_id: UUID, *, fresh: bool = False) -> LiveShow | None:
        """The live picture of a show, at most REFRESH_SECONDS old; None when there is no such show.

        With `fresh` it is read now. Raises db.calls.BusyError when the database cannot answer.
        """
        show = self._shows.get(show_id)
        if show is not None and not fresh and monotonic() - show.refreshed_at < REFRESH_SECONDS:
            return show
        task = self._refreshing.get(show_id)
        if task is None:
            task = self._refreshing[show_id] = asyncio.create_task(self._refresh(show_id))
            task.add_done_callback(lambda _: self._refreshing.pop(show_id, None))
        return await asyncio.shield(task)

    def known(self, show_id: UUID) -> LiveShow | None:
        """The picture as it is in memory, if there is one."""
        return self._shows.get(show_id)

    def claimed(self, show_id: UUID, seat_ids: Sequence[int], until: datetime) -> None:
        """This process has reserved seats."""
        if (show := self._shows.get(show_id)) is not None:
            show.write(seat_ids, RESERVED, until)

    def freed(self, show_id: UUID, seat_ids: Sequence[int]) -> None:
        """This process has released seats."""
        if (show := self._shows.get(show_id)) is not None:
            show.write(seat_ids, AVAILABLE)

    def changed(self, show_id: UUID | None) -> None:
        """This process has changed something in a show, or in any: look before the next answer."""
        for known, show in self._shows.items():
            if show_id is None or known == show_id:
                show.refreshed_at = float("-inf")

    async def _refresh(self, show_id: UUID) -> LiveShow | None:
        show = self._shows.get(show_id)
        asked_at = monotonic()
        whole = show is None or asked_at - show.loaded_at > RELOAD_SECONDS + (
            RELOAD_SECONDS_PER_SEAT * show.board.seats_total
        )
        after = None if whole or show is None or show.position is None else show.position.last_id
        changes = await call(
            self._database.app, lambda connection: seat_changes(connection, show_id, after), repeatable=True
        )
        if changes is None:
            self._shows.pop(show_id, None)
            return None
        if show is None:
            hall = await self._hall_of(show_id)
            if hall is None:
                return None
            show = LiveShow(changes.seats_total, hall)
            while len(self._shows) >= BOARDS_LIMIT:
                self._shows.pop(min(self._shows, key=lambda known: self._shows[known].refreshed_at))
            self._shows[show_id] = show
        show.take_in(changes, asked_at, whole=whole)
        show.refreshed_at = asked_at
        if whole:
            show.loaded_at = asked_at
        return show
