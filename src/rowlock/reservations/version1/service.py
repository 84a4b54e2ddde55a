"""Version 1 of reserve and release, and the rollout that decides for which sessions version 2 serves its endpoints."""

from asyncio import Lock
from time import monotonic
from uuid import UUID
from zlib import crc32

import structlog

from rowlock.base.holder import Holder
from rowlock.base.ids import show_key
from rowlock.base.outcomes import Outcome
from rowlock.database.calls import FunctionsMissingError, call
from rowlock.database.cells import Cells
from rowlock.database.connections import DATABASE_ERRORS, Connection
from rowlock.reservations.model import Intent, ReleaseResult, ReservationResult, ReservationToken, SeatIds
from rowlock.reservations.service import Reservations
from rowlock.reservations.store import shows_of_key
from rowlock.reservations.version1 import store

log = structlog.get_logger(__name__)

OVERRIDE_CACHED_SECONDS = 2.0


def is_served_by_version2(session: str, percent: int) -> bool:
    """Whether a session belongs to the `percent` that version 2 serves. The answer for a session is stable while the
    percentage is unchanged, and raising it moves no session back to version 1."""
    return crc32(session.encode()) % 100 < percent


class Rollout:
    """The share of version 1 requests, by session, that version 2 code serves.

    It is the operator's override, if there is one, else the setting.
    """

    def __init__(self, cells: Cells, default_percent: int) -> None:
        self._cells = cells
        self._default = default_percent
        self._override: int | None = None
        self._read_at = float("-inf")
        self._reading = Lock()

    async def percent(self) -> int:
        """The percentage in force, at most OVERRIDE_CACHED_SECONDS old."""
        if self._is_old():
            # Later requests wait for this read too: right after the start an override is not known yet.
            async with self._reading:
                if self._is_old():
                    await self._read()
        return self._default if self._override is None else self._override

    def _is_old(self) -> bool:
        return monotonic() - self._read_at > OVERRIDE_CACHED_SECONDS

    async def _read(self) -> None:
        try:
            async with self._cells.catalogue.app() as connection:
                self._override = await store.rollout_override(connection)
        except DATABASE_ERRORS as error:
            log.warning("rollout_override_unreadable", error=type(error).__name__)
        self._read_at = monotonic()


class Version1:
    """Reserve and release without stored functions, on the pool of the version 1 role."""

    def __init__(self, cells: Cells, reservations: Reservations, default_percent: int) -> None:
        self._cells = cells
        self._reservations = reservations
        self._limits = reservations.limits
        self._rollout = Rollout(cells, default_percent)

    async def is_served_by_version2(self, session: str) -> bool:
        """Whether the calls of a session are served by version 2 now."""
        return is_served_by_version2(session, await self._rollout.percent())

    async def reserve(self, intent: Intent[SeatIds]) -> ReservationResult:
        """As Reservations.reserve."""
        if is_served_by_version2(intent.holder.key, await self._rollout.percent()):
            try:
                return await self._reservations.reserve(intent)
            except FunctionsMissingError:
                log.warning("version1_serves_because_functions_are_missing")

        async def operation(connection: Connection) -> ReservationResult:
            async with connection.transaction():
                return await store.reserve(connection, intent, self._limits)

        result = await call(self._cells.of(intent.token.show_id).v1, operation, repeatable=True)
        self._reservations.availability.changed(intent.token.show_id)
        return result

    async def release(self, token: ReservationToken, holder: Holder) -> ReleaseResult:
        """As Reservations.release."""
        if is_served_by_version2(holder.key, await self._rollout.percent()):
            try:
                return await self._reservations.release(token, holder)
            except FunctionsMissingError:
                log.warning("version1_serves_because_functions_are_missing")
        return await self._release(token.show_id, token.reservation_id, holder, secret=token.secret)

    async def release_by_id(self, reservation_id: UUID, holder: Holder) -> ReleaseResult:
        """As Reservations.release_by_id."""
        if is_served_by_version2(holder.key, await self._rollout.percent()):
            try:
                return await self._reservations.release_by_id(reservation_id, holder)
            except FunctionsMissingError:
                log.warning("version1_serves_because_functions_are_missing")
        shows = await call(
            self._cells.catalogue.v1,
            lambda connection: shows_of_key(connection, show_key(reservation_id)),
            repeatable=True,
            reads=True,
        )
        for show_id in shows:
            result = await self._release(show_id, reservation_id, holder, holder_key=holder.key)
            if result.outcome != Outcome.RESERVATION_NOT_FOUND:
                return result
        return ReleaseResult(Outcome.RESERVATION_NOT_FOUND, reservation_id)

    async def _release(
        self,
        show_id: UUID,
        reservation_id: UUID,
        holder: Holder,
        *,
        secret: bytes | None = None,
        holder_key: str | None = None,
    ) -> ReleaseResult:
        async def operation(connection: Connection) -> ReleaseResult:
            async with connection.transaction():
                return await store.release(
                    connection, show_id, reservation_id, secret=secret, holder_key=holder_key, holder=holder
                )

        result = await call(self._cells.of(show_id).v1, operation, repeatable=True)
        self._reservations.availability.changed(show_id)
        return result
