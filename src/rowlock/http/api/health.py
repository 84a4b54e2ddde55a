"""Probes: is the process alive, and can it serve."""

from fastapi import APIRouter
from pydantic import BaseModel

from rowlock.http.openapi import problems
from rowlock.http.problems import ProblemError
from rowlock.services.upkeep import Upkeep


class Health(BaseModel):
    """How the process is."""

    status: str


def router(upkeep: Upkeep) -> APIRouter:
    """The routes of probes."""
    routes = APIRouter(prefix="/health", tags=["health"])

    @routes.get("/live", summary="Is the process alive?")
    async def live() -> Health:
        """Always ok while the process answers. Restart it when it does not."""
        return Health(status="ok")

    @routes.get("/ready", summary="Can it serve?", responses=problems("NOT_READY"))
    async def ready() -> Health:
        """Ready when the database answers and has the functions. Send no traffic here while it is not."""
        if (reason := await upkeep.why_not_ready()) is not None:
            raise ProblemError("NOT_READY", reason)
        return Health(status="ready")

    return routes
