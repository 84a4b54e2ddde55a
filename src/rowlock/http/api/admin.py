"""Endpoints of the operator and the box office, behind X-API-Key: cleanup, statistics, and seats kept from sale."""

import hmac
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Security
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, Field

from rowlock.domain.outcomes import Outcome
from rowlock.http.api.shows import ShowId, parse_show_id
from rowlock.http.lean import client_address
from rowlock.http.openapi import problems
from rowlock.http.problems import ProblemError
from rowlock.services.boxoffice import BoxOffice
from rowlock.services.upkeep import Upkeep

SeatId = Annotated[int, Field(ge=1, le=2_147_483_647)]
_api_key = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The admin key: ROWLOCK_ADMIN_API_KEY, or the one `up` printed."
)


class CleanupResult(BaseModel):
    """What one cleanup retired."""

    total_reservations_expired: int
    total_seats_released: int
    reservation_ids: list[UUID]


class Statistics(BaseModel):
    """What happened to reservations. avg_hold_time_seconds and expiration_rate (0 to 1) are over holds that ended."""

    total_created: int
    total_completed: int
    total_expired: int
    total_released: int
    total_failed: int
    avg_hold_time_seconds: float | None
    expiration_rate: float | None


class SeatsToBlock(BaseModel):
    """Seats to keep from sale, and why."""

    seat_ids: Annotated[list[SeatId], Field(min_length=1, max_length=10_000)]
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class SeatsToUnblock(BaseModel):
    """Blocked seats to put back on sale."""

    seat_ids: Annotated[list[SeatId], Field(min_length=1, max_length=10_000)]


class BlockedSeats(BaseModel):
    """The seats that are blocked, or set free, now."""

    success: bool = True
    seat_ids: list[int]


def router(upkeep: Upkeep, box_office: BoxOffice, admin_api_key_hash: bytes | None) -> APIRouter:
    """The routes of the operator. Without a key hash every request is refused."""
    routes = APIRouter(
        prefix="/api/admin",
        tags=["admin"],
        dependencies=[Depends(_guard(admin_api_key_hash))],
    )

    @routes.post("/cleanup", summary="Retire expired holds", responses=problems("UNAUTHORIZED", "FUNCTIONS_MISSING"))
    async def cleanup(limit: Annotated[int, Query(ge=1, le=100_000)] = 1000) -> CleanupResult:
        """Run cleanup_expired_seat_reservations() once. Safe next to every other cleanup."""
        done = await upkeep.cleanup(limit=limit, run_by="http")
        return CleanupResult(
            total_reservations_expired=done.reservations_expired,
            total_seats_released=done.seats_released,
            reservation_ids=list(done.reservation_ids),
        )

    @routes.get("/statistics", summary="Statistics", responses=problems("UNAUTHORIZED", "FUNCTIONS_MISSING"))
    async def statistics(show_id: UUID | None = None, hours: Annotated[int, Query(ge=1, le=87_600)] = 24) -> Statistics:
        """What happened to reservations in the last `hours`, of one show or of all."""
        told = await upkeep.statistics(show_id=show_id, hours=hours)
        return Statistics(
            total_created=told.total_created,
            total_completed=told.total_completed,
            total_expired=told.total_expired,
            total_released=told.total_released,
            total_failed=told.total_failed,
            avg_hold_time_seconds=_float(told.avg_hold_time_seconds),
            expiration_rate=_float(told.expiration_rate),
        )

    codes = (Outcome.SHOW_NOT_FOUND, Outcome.SEATS_NOT_FOUND, "UNAUTHORIZED", "FUNCTIONS_MISSING")

    @routes.post("/shows/{show_id}/block", summary="Block seats", responses=problems(*codes, Outcome.SEATS_UNAVAILABLE))
    async def block(show_id: ShowId, body: SeatsToBlock, request: Request) -> BlockedSeats:
        """Keep seats from sale, all or nothing. A live hold or a sale is never overrun."""
        result = await box_office.block(
            parse_show_id(show_id), body.seat_ids, body.reason, client_address(request.scope)
        )
        if result.outcome == Outcome.SEATS_UNAVAILABLE:
            raise ProblemError(
                Outcome.SEATS_UNAVAILABLE,
                "At least one seat is held by a customer or sold. Wait for it, or block the others.",
                {"unavailable_seat_ids": list(result.unavailable_seat_ids)},
            )
        if result.outcome != Outcome.OK:
            raise ProblemError(result.outcome)
        return BlockedSeats(seat_ids=list(result.seat_ids))

    @routes.post("/shows/{show_id}/unblock", summary="Unblock seats", responses=problems(*codes))
    async def unblock(show_id: ShowId, body: SeatsToUnblock, request: Request) -> BlockedSeats:
        """Put blocked seats back on sale. Seats that are not blocked are left alone."""
        result = await box_office.unblock(parse_show_id(show_id), body.seat_ids, client_address(request.scope))
        if result.outcome != Outcome.OK:
            raise ProblemError(result.outcome)
        return BlockedSeats(seat_ids=list(result.seat_ids))

    return routes


def _guard(key_hash: bytes | None) -> Callable[[str | None], Coroutine[Any, Any, None]]:
    async def guard(key: Annotated[str | None, Security(_api_key)]) -> None:
        given = sha256((key or "").encode()).digest()
        if key_hash is None or not hmac.compare_digest(given, key_hash):
            raise ProblemError("UNAUTHORIZED")

    return guard


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))
