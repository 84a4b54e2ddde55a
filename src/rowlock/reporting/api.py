"""Statistics: of all shows for the operator, of one show also for the staff of its organization."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from rowlock.base.integrator import Scope
from rowlock.reporting.service import Reporting
from rowlock.web.admin_key import AdminGuards, integrator_of
from rowlock.web.integrator_key import KeyGuard
from rowlock.web.openapi import problems
from rowlock.web.problems import ProblemError


class Statistics(BaseModel):
    """Counts of reservation events. avg_hold_time_seconds and expiration_rate (0 to 1) cover holds that ended."""

    total_created: int
    total_completed: int
    total_expired: int
    total_released: int
    total_failed: int
    avg_hold_time_seconds: float | None
    expiration_rate: float | None


def admin_router(reporting: Reporting, guards: AdminGuards, keys: KeyGuard) -> APIRouter:
    """The routes of reports."""
    routes = APIRouter(prefix="/api/admin", tags=["admin"], dependencies=[Depends(guards.staff)])

    @routes.get(
        "/statistics",
        summary="Statistics",
        operation_id="getStatistics",
        responses=problems("UNAUTHORIZED", "FORBIDDEN", "SHOW_NOT_FOUND", "FUNCTIONS_MISSING", "LOGIN_MISSING"),
    )
    async def statistics(
        request: Request, show_id: UUID | None = None, hours: Annotated[int, Query(ge=1, le=87_600)] = 24
    ) -> Statistics:
        """Counts of reservation events in the last `hours`, of one show or of all.

        With an integrator's key `show_id` is needed; without one, a show that does not exist has only zeros.
        """
        if (integrator := integrator_of(request)) is not None:
            if show_id is None:
                raise ProblemError(
                    "FORBIDDEN",
                    "Statistics of all shows take the admin key. With X-Rowlock-Key name a show: ?show_id=….",
                )
            await keys.check(integrator, Scope.STAFF, show_id)
        found = await reporting.statistics(show_id=show_id, hours=hours)
        return Statistics(
            total_created=found.total_created,
            total_completed=found.total_completed,
            total_expired=found.total_expired,
            total_released=found.total_released,
            total_failed=found.total_failed,
            avg_hold_time_seconds=_float(found.avg_hold_time_seconds),
            expiration_rate=_float(found.expiration_rate),
        )

    return routes


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))
