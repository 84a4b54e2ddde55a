"""The background loops of reservations: retire expired holds, and make the audit log's next partitions.

Sales do not depend on them: the seats of an expired hold can be sold at once, whether or not a worker runs.
"""

import time
from collections.abc import Callable

import structlog

from rowlock.database.connections import Connection
from rowlock.reservations import store
from rowlock.reservations.model import CleanupResult

RUN_BY = "worker"

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0
DAY_SECONDS = 24 * 60 * 60.0

# When the holds of a whole hall expire at once, cleanup must not slow buyers down: small transactions, and pauses that
# leave cores and disk unused by cleanup for five sixths of the time.
BATCH = 100
PAUSE_FACTOR = 5.0

_log = structlog.get_logger(__name__)


class CleanupLoop:
    """Looks for expired holds every second with a cheap query, and cleans up when there are some.

    While an operator has paused the cleanup, it asks every second whether the pause is over, and nothing is recorded.

    poll_seconds       how often to look for expired holds.
    heartbeat_seconds  the longest time without a cleanup run; the recorded runs show that a worker is running.
    batch              the most holds that one transaction retires.
    pause_factor       the pause after a batch, as a multiple of the time that the batch took.
    clock              seconds, from any starting point.
    """

    def __init__(
        self,
        *,
        poll_seconds: float = POLL_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        batch: int = BATCH,
        pause_factor: float = PAUSE_FACTOR,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poll_seconds = poll_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._batch = batch
        self._pause_factor = pause_factor
        self._clock = clock
        self._next_heartbeat = clock()
        self._more_to_do = False
        self._paused = False
        self._reservations = 0
        self._seats = 0
        self._runs_without_progress = 0

    async def work(self, connection: Connection) -> float:
        """Look for expired holds, and retire one batch if there are some. Returns the seconds until the next call."""
        call_anyway = self._more_to_do or self._paused
        has_lapsed = call_anyway or await store.lapsed_reservations(connection) > 0
        started_at = self._clock()
        if not has_lapsed and started_at < self._next_heartbeat:
            self._runs_without_progress = 0
            return self._poll_seconds
        result = await store.cleanup_once(connection, run_by=RUN_BY, limit=self._batch)
        ended_at = self._clock()
        self._more_to_do = result.reservations_expired == self._batch
        self._log_backlog(result)
        self._log_pause(result)
        if self._paused:
            self._runs_without_progress = 0
            return self._poll_seconds
        self._next_heartbeat = ended_at + self._heartbeat_seconds
        if not result.reservations_expired and has_lapsed and (count := await store.lapsed_reservations(connection)):
            return self._pause_without_progress(count)
        self._runs_without_progress = 0
        return (ended_at - started_at) * self._pause_factor if self._more_to_do else self._poll_seconds

    def _log_backlog(self, result: CleanupResult) -> None:
        """Log one line for a whole backlog, not one per batch."""
        self._reservations += result.reservations_expired
        self._seats += result.seats_released
        if self._reservations and not self._more_to_do:
            _log.info("holds_expired", reservations=self._reservations, seats=self._seats)
            self._reservations = self._seats = 0

    def _log_pause(self, result: CleanupResult) -> None:
        """Log one line when an operator's pause begins, and one when it ends."""
        if result.paused and not self._paused:
            _log.info("cleanup_paused", resume_with="rowlock cleanup --resume")
        if self._paused and not result.paused:
            _log.info("cleanup_resumed")
        self._paused = result.paused

    def _pause_without_progress(self, reservations_left: int) -> float:
        """Other transactions lock these holds, or the cleanup failed: pause longer, as each try records a run."""
        self._runs_without_progress += 1
        pause = min(self._poll_seconds * 2.0**self._runs_without_progress, self._heartbeat_seconds)
        _log.warning(
            "cleanup_made_no_progress",
            reservations_left=reservations_left,
            again_in_seconds=pause,
            look_at="rowlock.reservation_cleanup_job_status",
        )
        return pause


async def ensure_partitions(connection: Connection) -> float:
    """Make the audit log's missing monthly partitions. Returns the seconds until the next call."""
    for name in await store.ensure_partitions(connection):
        _log.info("audit_log_partition_made", partition=name)
    return DAY_SECONDS
