"""Health probes: whether the process responds, and whether it can serve."""

import msgspec
from fastapi import APIRouter
from msgspec import Struct
from pydantic import BaseModel

from rowlock.operations.service import Operations
from rowlock.web.fast_path import Endpoint, Reply, Request
from rowlock.web.openapi import problems
from rowlock.web.problems import ProblemError
from rowlock.web.security import PUBLIC, stated


class Health(BaseModel):
    """The state of the process."""

    status: str


class Alive(Struct):
    """The process answers."""

    status: str = "ok"


_ALIVE = msgspec.json.encode(Alive())


def endpoints() -> list[Endpoint]:
    """The liveness probe, on the fast path so that it responds also when other routes are slow."""
    return [
        Endpoint(
            "GET",
            "/health/live",
            _live,
            "Is the process alive?",
            "Always ok while the process answers. Restart it when it does not.",
            gives=Alive,
            tag="health",
            operation_id="checkLiveness",
            security=PUBLIC,
        )
    ]


async def _live(_: Request) -> Reply:
    return Reply(200, _ALIVE)


def router(operations: Operations) -> APIRouter:
    """The routes of probes."""
    routes = APIRouter(prefix="/health", tags=["health"])

    @routes.get(
        "/ready",
        summary="Can it serve?",
        operation_id="checkReadiness",
        openapi_extra=stated(PUBLIC),
        responses=problems("NOT_READY"),
    )
    async def ready() -> Health:
        """Ready when the database answers, can write and has the functions. Send no traffic here while it is not."""
        if (reason := await operations.why_not_ready()) is not None:
            raise ProblemError("NOT_READY", reason)
        return Health(status="ready")

    return routes
