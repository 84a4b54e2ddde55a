"""Keeps the seats of requested shows in memory, updated from the change feed and by this process's own writes.

A thousand viewers cost the database one query: the first request that finds the seats older than REFRESH_SECONDS reads
them, and requests that arrive meanwhile wait for the same reading.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from uuid import UUID

import structlog

from rowlock.base.lru import Lru
from rowlock.database.calls import BusyError, FunctionsMissingError, call
from rowlock.database.cells import Cells
from rowlock.reservations import store
from rowlock.reservations.availability.show import ShowAvailability
from rowlock.reservations.availability.status_array import RESERVED
from rowlock.reservations.model import SeatChanges

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 0.2
KNOWN_SECONDS = 2.0
"""Seats older than this are not offered: the show may have been moved to another plan since."""
SHOWS_LIMIT = 200
UNKNOWN_SECONDS = 1.0
UNKNOWN_LIMIT = 1_000
"""For how long an id is remembered to be of no show, and of how many."""
READINGS_LIMIT = 1_000
"""Readings in progress at one time, each of a show that a client asks for, known or not."""


class Availability:
    """The seats of requested shows, at most SHOWS_LIMIT. Reads raise BusyError when the database cannot answer."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._shows: dict[UUID, ShowAvailability] = {}
        self._readings = 0
        # For shows that this process has changed: the number of the first reading that includes the change.
        self._required_readings: dict[UUID, int] = {}
        # When a show was last found not to exist.
        self._unknown = Lru[UUID, float](UNKNOWN_LIMIT)
        self._refreshing: dict[UUID, asyncio.Task[ShowAvailability | None]] = {}

    async def get(self, show_id: UUID, *, fresh: bool = False) -> ShowAvailability | None:
        """The seats of a show, at most REFRESH_SECONDS old; None when there is no such show.

        With `fresh` they are read after the start of this call.
        """
        oldest = monotonic() - REFRESH_SECONDS
        first_reading = self._readings + 1 if fresh else 0
        unknown_at = self._unknown.get(show_id)
        if not fresh and unknown_at is not None and monotonic() - unknown_at < UNKNOWN_SECONDS:
            return None
        while True:
            show = self._shows.get(show_id)
            if show is not None and self._is_new_enough(show_id, show, oldest) and show.reading >= first_reading:
                return show
            if show_id not in self._refreshing and len(self._refreshing) >= READINGS_LIMIT:
                raise BusyError("too many shows are being read")
            if await asyncio.shield(self._reading_of(show_id)) is None:
                return None

    def current(self, show_id: UUID) -> ShowAvailability | None:
        """What `get` returns without waiting, as for nearly all viewers; None when it would have to wait."""
        show = self._shows.get(show_id)
        if show is not None and self._is_new_enough(show_id, show, monotonic() - REFRESH_SECONDS):
            return show
        return None

    def known(self, show_id: UUID) -> ShowAvailability | None:
        """The seats in memory, if any, at most KNOWN_SECONDS old. If they are not new enough for `get`, start a reading
        for later requests."""
        show = self._shows.get(show_id)
        if show is not None and show.refreshed_at < monotonic() - KNOWN_SECONDS:
            return None
        if show is not None and not self._is_new_enough(show_id, show, monotonic() - REFRESH_SECONDS):
            self._reading_of(show_id)
        return show

    def claimed(self, show_id: UUID, seat_ids: Sequence[int], until: datetime) -> None:
        """Record that this process has reserved seats."""
        show = self._shows.get(show_id)
        # A show that was moved to a larger plan has seats that are not in memory yet.
        if show is not None and max(seat_ids) <= show.statuses.seats_total:
            show.write(seat_ids, RESERVED, until)
        else:
            self.changed(show_id)

    def changed(self, show_id: UUID | None) -> None:
        """Record that this process has changed a show (None: any show): read it before the next answer."""
        show_ids = self._shows.keys() | self._refreshing.keys()
        for changed_id in show_ids if show_id is None else show_ids & {show_id}:
            self._required_readings[changed_id] = self._readings + 1

    def _is_new_enough(self, show_id: UUID, show: ShowAvailability, oldest: float) -> bool:
        return show.refreshed_at > oldest and show.reading >= self._required_readings.get(show_id, 0)

    def _reading_of(self, show_id: UUID) -> "asyncio.Task[ShowAvailability | None]":
        """The reading in progress, else a new one."""
        task = self._refreshing.get(show_id)
        if task is None or task.done():
            task = self._refreshing[show_id] = asyncio.create_task(self._refresh(show_id))
            task.add_done_callback(lambda ended_task: self._forget(show_id, ended_task))
        return task

    def _forget(self, show_id: UUID, task: "asyncio.Task[ShowAvailability | None]") -> None:
        if self._refreshing.get(show_id) is task:
            del self._refreshing[show_id]
            if show_id not in self._shows:
                # It does not exist or could not be read, and the next reading starts after all changes so far.
                self._required_readings.pop(show_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Requests that wait for this reading raise the error; a background reading has no such requests.
            log.debug("seat_status_not_read", error=type(error).__name__)

    async def _refresh(self, show_id: UUID) -> ShowAvailability | None:
        self._readings += 1
        reading, asked_at = self._readings, monotonic()
        show = self._shows.get(show_id)
        after = None
        if show is not None:
            show.asked = reading
            after = show.reads_from(asked_at)
        changes, whole = await self._read(show_id, after)
        if show is not None and changes is not None and changes.plan_id != show.plan_id:
            # The show was moved to another plan: the same numbers are other seats now.
            show = None
            if not whole:
                changes, whole = await self._read(show_id, None)
        if changes is None:
            self._remove(show_id)
            self._unknown.put(show_id, asked_at)
            return None
        if show is None:
            show = ShowAvailability(changes.plan_id, changes.seats_total)
            while show_id not in self._shows and len(self._shows) >= SHOWS_LIMIT:
                self._remove(min(self._shows, key=lambda other: self._shows[other].refreshed_at))
            self._shows[show_id] = show
        show.apply(changes, reading, asked_at, whole=whole)
        return show

    async def _read(self, show_id: UUID, after: int | None) -> tuple[SeatChanges | None, bool]:
        """The seats that changed after an audit id, and whether they are a whole snapshot instead."""
        app = self._cells.of(show_id).app
        try:
            changes = await call(
                app, lambda connection: store.seat_changes(connection, show_id, after), repeatable=True, reads=True
            )
        except FunctionsMissingError:
            # Version 1 sells without any function. Without the change feed each reading is a whole snapshot.
            changes = await call(
                app, lambda connection: store.seat_states(connection, show_id), repeatable=True, reads=True
            )
            return changes, True
        return changes, after is None

    def _remove(self, show_id: UUID) -> None:
        self._shows.pop(show_id, None)
        self._required_readings.pop(show_id, None)
