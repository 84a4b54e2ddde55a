"""Reserving, extending, changing and releasing seats: version 2, on the stored functions.

The database decides; this service mints tokens, repeats what may be repeated and keeps calls short.
"""

from collections.abc import Sequence
from uuid import UUID

from rowlock.db import reservations
from rowlock.db.calls import call
from rowlock.db.connections import Connection
from rowlock.db.pool import Database
from rowlock.domain.outcomes import Outcome
from rowlock.domain.reservations import (
    Hold,
    Holder,
    ReleaseResult,
    ReservationResult,
    ReservationToken,
    ReserveRequest,
    show_key,
)


class Reserving:
    """The operations on holds. Every method raises db.calls.BusyError when the database cannot answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, request: ReserveRequest) -> ReservationResult:
        """Reserve all seats of the request or none. Repeating a request answers the same."""

        async def operation(connection: Connection) -> ReservationResult:
            (result,) = await reservations.reserve_batch(connection, request.token.show_id, [request])
            return result

        return await call(self._database.app, operation, repeatable=True)

    async def extend(
        self, token: ReservationToken, holder: Holder, seen_extension_count: int | None = None
    ) -> ReservationResult:
        """Extend a hold. Without the count the caller has seen, a lost connection raises OutcomeUnknownError."""
        return await call(
            self._database.app,
            lambda connection: reservations.extend(connection, token, holder, seen_extension_count),
            repeatable=seen_extension_count is not None,
        )

    async def change(
        self, token: ReservationToken, add: Sequence[int], remove: Sequence[int], holder: Holder
    ) -> ReservationResult:
        """Add and drop seats of a hold in one step."""
        return await call(
            self._database.app,
            lambda connection: reservations.change(connection, token, add, remove, holder),
            repeatable=True,
        )

    async def release(self, token: ReservationToken, holder: Holder) -> ReleaseResult:
        """Release the hold of a token."""
        return await call(
            self._database.app,
            lambda connection: reservations.release(
                connection,
                token.show_id,
                token.reservation_id,
                token_hash=token.hash,
                holder_key=None,
                holder=holder,
            ),
            repeatable=True,
        )

    async def release_by_id(self, reservation_id: UUID, holder: Holder) -> ReleaseResult:
        """Release a hold by its id, for its holder. The id leads to its show."""

        async def operation(connection: Connection) -> ReleaseResult:
            for show_id in await reservations.shows_of(connection, show_key(reservation_id)):
                result = await reservations.release(
                    connection, show_id, reservation_id, token_hash=None, holder_key=holder.key, holder=holder
                )
                if result.outcome != Outcome.RESERVATION_NOT_FOUND:
                    return result
            return ReleaseResult(Outcome.RESERVATION_NOT_FOUND, reservation_id)

        return await call(self._database.app, operation, repeatable=True)

    async def find(self, token: ReservationToken) -> Hold | None:
        """The hold of a token, or None."""
        return await call(
            self._database.app, lambda connection: reservations.find_hold(connection, token), repeatable=True
        )
