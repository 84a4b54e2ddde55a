"""Retires holds within a second or two of running out: writes their audit events and frees their seats for the map.

Nobody depends on it: a seat whose hold ran out can be bought at once, whether or not a worker is there.
"""

import time
from collections.abc import Callable

import structlog

from rowlock.db import upkeep
from rowlock.db.connections import Connection

RUN_BY = "worker"

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0

_log = structlog.get_logger(__name__)


class Reaper:
    """Looks often and cheaply, and cleans up when a hold is due, at the latest each minute as a sign of life.

    look_seconds       from one look to the next.
    heartbeat_seconds  how long there may be no cleanup run, so that its record tells whether anybody cleans up.
    batch              holds that one transaction retires at most.
    clock              seconds, from any starting point.
    """

    def __init__(
        self,
        *,
        look_seconds: float = LOOK_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        batch: int = upkeep.CLEANUP_BATCH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_seconds = look_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._batch = batch
        self._clock = clock
        self._next_heartbeat = clock()
        self._fruitless = 0

    async def work(self, connection: Connection) -> float:
        """One look, and the cleanup when there is something to do; seconds until the next look."""
        lapsed = await upkeep.lapsed_reservations(connection)
        if not lapsed and self._clock() < self._next_heartbeat:
            self._fruitless = 0
            return self._look_seconds
        result = await upkeep.cleanup(connection, run_by=RUN_BY, batch=self._batch)
        self._next_heartbeat = self._clock() + self._heartbeat_seconds
        if result.reservations_expired:
            _log.info("holds_expired", reservations=result.reservations_expired, seats=result.seats_released)
        elif lapsed and (left := await upkeep.lapsed_reservations(connection)):
            return self._fruitless_pause(left)
        self._fruitless = 0
        return self._look_seconds

    def _fruitless_pause(self, left: int) -> float:
        """Somebody has these holds locked, or the cleanup failed: each look would write a run for nothing."""
        self._fruitless += 1
        pause = min(self._look_seconds * 2.0**self._fruitless, self._heartbeat_seconds)
        _log.warning(
            "cleanup_made_no_progress",
            reservations_left=left,
            again_in_seconds=pause,
            look_at="rowlock.reservation_cleanup_job_status",
        )
        return pause
