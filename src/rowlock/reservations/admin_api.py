"""Endpoints for the operator and the box office: cleanup, and blocking seats."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from rowlock.base.integrator import Scope
from rowlock.base.outcomes import Outcome
from rowlock.reservations.service import Reservations
from rowlock.web.admin_key import AdminGuards, integrator_of
from rowlock.web.fast_path import client_address
from rowlock.web.integrator_key import KeyGuard
from rowlock.web.openapi import problems
from rowlock.web.parameters import ShowId, parse_show_id
from rowlock.web.problems import ProblemError
from rowlock.web.texts import LINE

SeatId = Annotated[int, Field(strict=True, ge=1, le=2_147_483_647)]


class CleanupResult(BaseModel):
    """What one cleanup call retired: nothing while an operator has paused the cleanup."""

    total_reservations_expired: int
    total_seats_released: int
    reservation_ids: list[UUID]
    paused: Annotated[bool, Field(description="Whether nothing was retired because the cleanup is paused.")]


class SeatsToBlock(BaseModel):
    """Seats to keep from sale, and why."""

    model_config = ConfigDict(extra="forbid")

    seat_ids: Annotated[list[SeatId], Field(min_length=1, max_length=10_000)]
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=LINE)]


class SeatsToUnblock(BaseModel):
    """Blocked seats to put back on sale."""

    model_config = ConfigDict(extra="forbid")

    seat_ids: Annotated[list[SeatId], Field(min_length=1, max_length=10_000)]


class BlockedSeats(BaseModel):
    """The seats that were blocked or unblocked."""

    success: bool = True
    seat_ids: list[int]


def admin_router(reservations: Reservations, guards: AdminGuards, keys: KeyGuard) -> APIRouter:
    """The routes of the operator and the box office."""
    routes = APIRouter(prefix="/api/admin", tags=["admin"])
    for_staff = [Depends(guards.staff)]

    async def actor(request: Request, show_id: UUID) -> str:
        """Who blocks or unblocks seats of a show, for the audit log. Raises ProblemError for a key of others."""
        integrator = integrator_of(request)
        await keys.check(integrator, Scope.STAFF, show_id)
        return "box office" if integrator is None else f"key: {integrator.name}"

    @routes.post(
        "/cleanup",
        summary="Retire expired holds",
        operation_id="cleanUpExpiredReservations",
        dependencies=[Depends(guards.operator)],
        responses=problems("UNAUTHORIZED", "FORBIDDEN", "FUNCTIONS_MISSING", "LOGIN_MISSING"),
    )
    async def cleanup(limit: Annotated[int, Query(ge=1, le=100_000)] = 1000) -> CleanupResult:
        """Run cleanup_expired_seat_reservations() once. Safe while other cleanups run.

        While the cleanup is paused, the answer is zeros and `paused`, and no error: a pause is no reason for an alarm.
        """
        done = await reservations.clean_up(limit=limit, run_by="http")
        return CleanupResult(
            total_reservations_expired=done.reservations_expired,
            total_seats_released=done.seats_released,
            reservation_ids=list(done.reservation_ids),
            paused=done.paused,
        )

    codes = (
        *(Outcome.SHOW_NOT_FOUND, Outcome.SEATS_NOT_FOUND),
        *("UNAUTHORIZED", "FORBIDDEN", "FUNCTIONS_MISSING", "LOGIN_MISSING"),
    )

    @routes.post(
        "/shows/{show_id}/block",
        summary="Block seats",
        operation_id="blockSeats",
        dependencies=for_staff,
        responses=problems(*codes, Outcome.SEATS_UNAVAILABLE),
    )
    async def block(show_id: ShowId, body: SeatsToBlock, request: Request) -> BlockedSeats:
        """Keep seats from sale, all or nothing. A live hold or a sale is never replaced."""
        show = parse_show_id(show_id)
        by = await actor(request, show)
        result = await reservations.block(show, body.seat_ids, body.reason, client_address(request.scope), by)
        if result.outcome == Outcome.SEATS_UNAVAILABLE:
            raise ProblemError(
                Outcome.SEATS_UNAVAILABLE,
                "At least one seat is held by a customer or sold. Wait for it, or block the others.",
                {"unavailable_seat_ids": list(result.unavailable_seat_ids)},
            )
        if result.outcome != Outcome.OK:
            raise ProblemError(result.outcome)
        return BlockedSeats(seat_ids=list(result.seat_ids))

    @routes.post(
        "/shows/{show_id}/unblock",
        summary="Unblock seats",
        operation_id="unblockSeats",
        dependencies=for_staff,
        responses=problems(*codes),
    )
    async def unblock(show_id: ShowId, body: SeatsToUnblock, request: Request) -> BlockedSeats:
        """Put blocked seats back on sale. Seats that are not blocked are not changed."""
        show = parse_show_id(show_id)
        by = await actor(request, show)
        result = await reservations.unblock(show, body.seat_ids, client_address(request.scope), by)
        if result.outcome != Outcome.OK:
            raise ProblemError(result.outcome)
        return BlockedSeats(seat_ids=list(result.seat_ids))

    return routes
