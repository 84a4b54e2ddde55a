"""Reserving, extending, changing and releasing seats: version 2, on the stored functions.

The database decides; this service keeps calls short, lets reserves travel together and repeats what may be repeated.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from rowlock.db import reservations
from rowlock.db.calls import call
from rowlock.db.pool import Database
from rowlock.domain.outcomes import Outcome
from rowlock.domain.reservations import (
    Hold,
    Holder,
    ReleaseRequest,
    ReleaseResult,
    ReservationResult,
    ReservationToken,
    ReserveRequest,
    show_key,
)
from rowlock.services.coalescer import Coalescer


class SeatWatcher(Protocol):
    """Wants to know at once what this process has committed. It must not fail."""

    def claimed(self, show_id: UUID, seat_ids: Sequence[int], until: datetime) -> None:
        """Seats were reserved until then."""

    def changed(self, show_id: UUID | None) -> None:
        """Something else changed, in this show or in any."""


class Reserving:
    """The operations on holds. Every method raises db.calls.BusyError when the database cannot answer."""

    def __init__(self, database: Database, watcher: SeatWatcher) -> None:
        self._database = database
        self._watcher = watcher
        self._reserves: Coalescer[UUID, ReserveRequest, ReservationResult] = Coalescer(self._reserve)
        self._releases: Coalescer[UUID, ReleaseRequest, ReleaseResult] = Coalescer(self._release, lanes=1)

    def room(self) -> int:
        """How many more reserves may wait now; the next one is refused with BusyError when there is none."""
        return self._reserves.room()

    async def close(self) -> None:
        """Let what is on its way end, and refuse what still waits."""
        await self._reserves.close()
        await self._releases.close()

    async def reserve(self, request: ReserveRequest) -> ReservationResult:
        """Reserve all seats of the request or none. Repeating a request answers the same."""
        result = await self._reserves.submit(request.token.show_id, request)
        if request.repeated:
            # The hold of a request that was answered before may have ended since.
            self._watcher.changed(request.token.show_id)
        elif result.outcome == Outcome.OK and result.expires_at is not None:
            self._watcher.claimed(request.token.show_id, result.seat_ids, result.expires_at)
        return result

    async def _reserve(self, show_id: UUID, requests: Sequence[ReserveRequest]) -> list[ReservationResult]:
        return await call(
            self._database.app,
            lambda connection: reservations.reserve_batch(connection, show_id, requests),
            repeatable=True,
        )

    async def extend(
        self, token: ReservationToken, holder: Holder, seen_extension_count: int | None = None
    ) -> ReservationResult:
        """Extend a hold. Without the count the caller has seen, a lost connection raises OutcomeUnknownError."""
        result = await call(
            self._database.app,
            lambda connection: reservations.extend(connection, token, holder, seen_extension_count),
            repeatable=seen_extension_count is not None,
        )
        self._watcher.changed(token.show_id)
        return result

    async def change(
        self, token: ReservationToken, add: Sequence[int], remove: Sequence[int], holder: Holder
    ) -> ReservationResult:
        """Add and drop seats of a hold in one step."""
        result = await call(
            self._database.app,
            lambda connection: reservations.change(connection, token, add, remove, holder),
            repeatable=True,
        )
        self._watcher.changed(token.show_id)
        return result

    async def release(self, token: ReservationToken, holder: Holder) -> ReleaseResult:
        """Release the hold of a token."""
        request = ReleaseRequest(token.reservation_id, token.hash, None, holder)
        result = await self._releases.submit(token.show_id, request)
        self._watcher.changed(token.show_id)
        return result

    async def release_by_id(self, reservation_id: UUID, holder: Holder) -> ReleaseResult:
        """Release a hold by its id, for its holder. The id leads to its show."""
        key = show_key(reservation_id)
        shows = await call(
            self._database.app, lambda connection: reservations.shows_of(connection, key), repeatable=True, reads=True
        )
        for show_id in shows:
            request = ReleaseRequest(reservation_id, None, holder.key, holder)
            result = await self._releases.submit(show_id, request)
            if result.outcome != Outcome.RESERVATION_NOT_FOUND:
                self._watcher.changed(show_id)
                return result
        return ReleaseResult(Outcome.RESERVATION_NOT_FOUND, reservation_id)

    async def _release(self, show_id: UUID, requests: Sequence[ReleaseRequest]) -> list[ReleaseResult]:
        return await call(
            self._database.app,
            lambda connection: reservations.release_batch(connection, show_id, requests),
            repeatable=True,
        )

    async def find(self, token: ReservationToken) -> Hold | None:
        """The hold of a token, or None."""
        return await call(
            self._database.app,
            lambda connection: reservations.find_hold(connection, token),
            repeatable=True,
            reads=True,
        )
