"""The loops of reservations: retire holds soon after they ran out, and make the audit log's next partitions.

No buyer depends on them: a seat whose hold ran out can be bought at once, whether or not a worker runs.
"""

import time
from collections.abc import Callable

import structlog

from rowlock.database.connections import Connection
from rowlock.reservations import store
from rowlock.reservations.model import CleanupResult

RUN_BY = "worker"

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0
DAY_SECONDS = 24 * 60 * 60.0

# When a whole hall runs out at once, buyers must not notice that it is written down: small transactions, and pauses
# that leave the cores and the disk to them for five sixths of the time.
BATCH = 100
PAUSE_FACTOR = 5.0

_log = structlog.get_logger(__name__)


class CleanupLoop:
    """Looks often and cheaply, and cleans up when a hold is due, at the latest each minute as a sign of life.

    look_seconds       from one look to the next.
    heartbeat_seconds  how long there may be no cleanup run, so that its record tells whether a worker runs.
    batch              holds that one transaction retires at most.
    pause_factor       how long to pause between two batches, in times what the first one took.
    clock              seconds, from any starting point.
    """

    def __init__(
        self,
        *,
        look_seconds: float = LOOK_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        batch: int = BATCH,
        pause_factor: float = PAUSE_FACTOR,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_seconds = look_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._batch = batch
        self._pause_factor = pause_factor
        self._clock = clock
        self._next_heartbeat = clock()
        self._more_to_do = False
        self._reservations = 0
        self._seats = 0
        self._fruitless = 0

    async def work(self, connection: Connection) -> float:
        """One look, and a batch of the cleanup when there is something to do; seconds until the next call."""
        lapsed = self._more_to_do or await store.lapsed_reservations(connection) > 0
        began = self._clock()
        if not lapsed and began < self._next_heartbeat:
            self._fruitless = 0
            return self._look_seconds
        result = await store.cleanup_once(connection, run_by=RUN_BY, limit=self._batch)
        ended = self._clock()
        self._next_heartbeat = ended + self._heartbeat_seconds
        self._more_to_do = result.reservations_expired == self._batch
        self._tell(result)
        if not result.reservations_expired and lapsed and (left := await store.lapsed_reservations(connection)):
            return self._fruitless_pause(left)
        self._fruitless = 0
        return (ended - began) * self._pause_factor if self._more_to_do else self._look_seconds

    def _tell(self, result: CleanupResult) -> None:
        """One line in the log for a whole backlog, not one a batch."""
        self._reservations += result.reservations_expired
        self._seats += result.seats_released
        if self._reservations and not self._more_to_do:
            _log.info("holds_expired", reservations=self._reservations, seats=self._seats)
            self._reservations = self._seats = 0

    def _fruitless_pause(self, left: int) -> float:
        """These holds are locked by others, or the cleanup failed: each look would write a run for nothing."""
        self._fruitless += 1
        pause = min(self._look_seconds * 2.0**self._fruitless, self._heartbeat_seconds)
        _log.warning(
            "cleanup_made_no_progress",
            reservations_left=left,
            again_in_seconds=pause,
            look_at="rowlock.reservation_cleanup_job_status",
        )
        return pause


async def ensure_partitions(connection: Connection) -> float:
    """Make the audit log's monthly partitions that are missing; seconds until the next time."""
    for name in await store.ensure_partitions(connection):
        _log.info("audit_log_partition_made", partition=name)
    return DAY_SECONDS
