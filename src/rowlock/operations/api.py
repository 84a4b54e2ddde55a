"""Probes: is the process alive, and can it serve."""

import msgspec
from fastapi import APIRouter
from msgspec import Struct
from pydantic import BaseModel

from rowlock.operations.service import Operations
from rowlock.web.fast_path import Endpoint, Reply, Request
from rowlock.web.openapi import problems
from rowlock.web.problems import ProblemError


class Health(BaseModel):
    """How the process is."""

    status: str


class Alive(Struct):
    """The process answers."""

    status: str = "ok"


_ALIVE = msgspec.json.encode(Alive())


def endpoints() -> list[Endpoint]:
    """The probe for life, on the fast path: it has to answer also when everything else is slow."""
    return [
        Endpoint(
            "GET",
            "/health/live",
            _live,
            "Is the process alive?",
            "Always ok while the process answers. Restart it when it does not.",
            gives=Alive,
            tag="health",
        )
    ]


async def _live(_: Request) -> Reply:
    return Reply(200, _ALIVE)


def router(operations: Operations) -> APIRouter:
    """The routes of probes."""
    routes = APIRouter(prefix="/health", tags=["health"])

    @routes.get("/ready", summary="Can it serve?", responses=problems("NOT_READY"))
    async def ready() -> Health:
        """Ready when the database answers and has the functions. Send no traffic here while it is not."""
        if (reason := await operations.why_not_ready()) is not None:
            raise ProblemError("NOT_READY", reason)
        return Health(status="ready")

    return routes
