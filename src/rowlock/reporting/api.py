"""The operator's statistics, behind X-API-Key."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from rowlock.reporting.service import Reporting
from rowlock.web.admin_key import AdminGuard
from rowlock.web.openapi import problems


class Statistics(BaseModel):
    """Counts of reservation events. avg_hold_time_seconds and expiration_rate (0 to 1) cover holds that ended."""

    total_created: int
    total_completed: int
    total_expired: int
    total_released: int
    total_failed: int
    avg_hold_time_seconds: float | None
    expiration_rate: float | None


def admin_router(reporting: Reporting, guard: AdminGuard) -> APIRouter:
    """The operator's routes."""
    routes = APIRouter(prefix="/api/admin", tags=["admin"], dependencies=[Depends(guard)])

    @routes.get(
        "/statistics", summary="Statistics", responses=problems("UNAUTHORIZED", "FUNCTIONS_MISSING", "LOGIN_MISSING")
    )
    async def statistics(show_id: UUID | None = None, hours: Annotated[int, Query(ge=1, le=87_600)] = 24) -> Statistics:
        """Counts of reservation events in the last `hours`, of one show or of all."""
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
