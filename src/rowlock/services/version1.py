"""Version 1 of reserve and release, and the rollout that decides which of its callers version 2 serves."""

from asyncio import Lock
from time import monotonic
from uuid import UUID
from zlib import crc32

import structlog

from rowlock.db import runtime_settings, version1
from rowlock.db.calls import FunctionsMissingError, call
from rowlock.db.connections import DATABASE_ERRORS, Connection
from rowlock.db.pool import Database
from rowlock.db.reservations import shows_of
from rowlock.domain.outcomes import Outcome
from rowlock.domain.reservations import (
    Holder,
    ReleaseResult,
    ReservationResult,
    ReservationToken,
    ReserveRequest,
    show_key,
)
from rowlock.services.reserving import Reserving, SeatWatcher

log = structlog.get_logger(__name__)

OVERRIDE_LIVES_SECONDS = 2.0


def is_served_by_version2(session: str, percent: int) -> bool:
    """Whether a session belongs to the `percent` that version 2 serves. A session stays where it is while the
    percentage stands, and raising it moves nobody back."""
    return crc32(session.encode()) % 100 < percent


class Rollout:
    """The share of version 1's callers that version 2 serves: the setting, unless an operator overrode it."""

    def __init__(self, database: Database, default_percent: int) -> None:
        self._database = database
        self._default = default_percent
        self._override: int | None = None
        self._read_at = float("-inf")
        self._reading = Lock()

    async def percent(self) -> int:
        """The percentage in force, at most OVERRIDE_LIVES_SECONDS old."""
        if self._is_old():
            # Who comes meanwhile waits too: right after a start the setting may be what an operator has overridden.
            async with self._reading:
                if self._is_old():
                    await self._read()
        return self._default if self._override is None else self._override

    def _is_old(self) -> bool:
        return monotonic() - self._read_at > OVERRIDE_LIVES_SECONDS

    async def _read(self) -> None:
        try:
            async with self._database.app() as connection:
                self._override = await runtime_settings.rollout_override(connection)
        except DATABASE_ERRORS as error:
            log.warning("rollout_override_unreadable", error=type(error).__name__)
        self._read_at = monotonic()


class Version1:
    """Reserve and release without stored functions, on the pool of the version 1 role."""

    def __init__(self, database: Database, reserving: Reserving, rollout: Rollout, watcher: SeatWatcher) -> None:
        self._database = database
        self._reserving = reserving
        self._rollout = rollout
        self._watcher = watcher

    async def reserve(self, request: ReserveRequest) -> ReservationResult:
        """As Reserving.reserve."""
        if is_served_by_version2(request.holder.key, await self._rollout.percent()):
            try:
                return await self._reserving.reserve(request)
            except FunctionsMissingError:
                log.warning("version1_serves_because_functions_are_missing")

        async def operation(connection: Connection) -> ReservationResult:
            async with connection.transaction():
                return await version1.reserve(connection, request)

        result = await call(self._database.v1, operation, repeatable=True)
        self._watcher.changed(request.token.show_id)
        return result

    async def release(self, token: ReservationToken, holder: Holder) -> ReleaseResult:
        """As Reserving.release."""
        if is_served_by_version2(holder.key, await self._rollout.percent()):
            try:
                return await self._reserving.release(token, holder)
            except FunctionsMissingError:
                log.warning("version1_serves_because_functions_are_missing")
        return await self._release(token.show_id, token.reservation_id, holder, token_hash=token.hash)

    async def release_by_id(self, reservation_id: UUID, holder: Holder) -> ReleaseResult:
        """As Reserving.release_by_id."""
        if is_served_by_version2(holder.key, await self._rollout.percent()):
            try:
                return await self._reserving.release_by_id(reservation_id, holder)
            except FunctionsMissingError:
                log.warning("version1_serves_because_functions_are_missing")
        shows = await call(
            self._database.v1,
            lambda connection: shows_of(connection, show_key(reservation_id)),
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
        token_hash: bytes | None = None,
        holder_key: str | None = None,
    ) -> ReleaseResult:
        async def operation(connection: Connection) -> ReleaseResult:
            async with connection.transaction():
                return await version1.release(
                    connection, show_id, reservation_id, token_hash=token_hash, holder_key=holder_key, holder=holder
                )

        result = await call(self._database.v1, operation, repeatable=True)
        self._watcher.changed(show_id)
        return result
