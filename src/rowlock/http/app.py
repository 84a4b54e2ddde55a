"""Puts the application together: services, routes, the lean road and the front."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from rowlock.db.calls import BusyError, FunctionsMissingError, OutcomeUnknownError
from rowlock.db.pool import Database
from rowlock.domain.database import Dsns
from rowlock.http.api import admin, health, shows
from rowlock.http.api.reservations import ReservationEndpoints
from rowlock.http.api.seat_status import SeatStatusEndpoints
from rowlock.http.front import AccessLog, Front
from rowlock.http.lean import LeanRoutes
from rowlock.http.openapi import add_lean_endpoints, drop_validation_errors
from rowlock.http.problem_page import problem_page
from rowlock.http.problems import MEDIA_TYPE, ProblemError, as_problem, problem_body
from rowlock.http.sessions import Sessions
from rowlock.live.boards import LiveShows
from rowlock.services.best_available import BestAvailable
from rowlock.services.boxoffice import BoxOffice
from rowlock.services.catalogue import Catalogue
from rowlock.services.reserving import Reserving
from rowlock.services.upkeep import Upkeep
from rowlock.services.version1 import Rollout, Version1
from rowlock.settings import Settings

log = structlog.get_logger(__name__)

# In the order in which people read them.
TAGS = [
    {"name": "shows", "description": "What is on, what the hall looks like, and which seats are available."},
    {"name": "reservations", "description": "Holding seats for the time it takes to pay."},
    {"name": "admin", "description": "For the operator and the box office, with the admin key."},
    {"name": "health", "description": "For probes."},
]


def create_app(
    settings: Settings,
    dsns: Dsns,
    *,
    secret_key: str,
    admin_api_key_hash: bytes | None = None,
    access_log: AccessLog | None = None,
) -> ASGIApp:
    """The ASGI application of one process. Its lifespan opens and closes the database pools.

    secret_key          signs session cookies and derives the answers to repeated requests.
    admin_api_key_hash  SHA-256 of the admin key; without it /api/admin refuses everybody.
    access_log          where requests are logged; by default in bundles on standard error.
    """
    database = Database(dsns, pool_size=settings.pool_size)
    catalogue = Catalogue(database)
    live = LiveShows(database)
    reserving = Reserving(database, live)
    version1 = Version1(database, reserving, Rollout(database, settings.v2_rollout_percent), live)
    upkeep = Upkeep(database, live)
    sessions = Sessions(secret_key, secure=settings.secure_cookies)
    lean = LeanRoutes(
        [
            *ReservationEndpoints(
                reserving, BestAvailable(catalogue, reserving, live), version1, secret_key
            ).endpoints(),
            *SeatStatusEndpoints(live).endpoints(),
            *health.endpoints(),
        ],
        sessions,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.open()
        try:
            yield
        finally:
            await reserving.close()
            await database.close()

    app = FastAPIOffline(
        title="Rowlock",
        version=version("rowlock"),
        description="Reserved seating that cannot sell a seat twice. Refusals are problems with a stable code.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        redoc_url=None,
        openapi_tags=TAGS,
    )
    app.include_router(shows.router(catalogue))
    app.include_router(admin.router(upkeep, BoxOffice(database, live), admin_api_key_hash))
    app.include_router(health.router(upkeep))
    _add_problem_page(app)
    _answer_with_problems(app)
    _describe(app, lean)
    return Front(lean, app, access_log or AccessLog(), reserving.room)


def _describe(app: FastAPI, lean: LeanRoutes) -> None:
    """Let the OpenAPI document tell of both roads."""
    fastapi_document = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = fastapi_document()
            drop_validation_errors(made)
            add_lean_endpoints(made, lean.endpoints)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way to change the document.


def _answer_with_problems(app: FastAPI) -> None:
    """Make every refusal of FastAPI's road a problem."""

    def respond(request: Request, error: ProblemError) -> Response:
        kind = error.problem_type
        headers = {name.decode(): value.decode() for name, value in (*kind.headers, *error.headers)}
        body = problem_body(error, request.scope["state"]["request_id"])
        return Response(body, status_code=kind.status, media_type=MEDIA_TYPE, headers=headers)

    async def on_expected(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        assert problem is not None
        return respond(request, problem)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return respond(request, ProblemError("INVALID_INPUT", f"{place}: {first['msg']}."))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return respond(request, ProblemError("NOT_FOUND"))
        if error.status_code == 405:
            allow = (error.headers or {}).get("Allow", "")
            headers = ((b"allow", allow.encode()),)
            return respond(request, ProblemError("METHOD_NOT_ALLOWED", f"Use {allow} here.", headers=headers))
        if error.status_code == 413:
            return respond(request, ProblemError("PAYLOAD_TOO_LARGE", error.detail))
        return respond(request, ProblemError("INVALID_INPUT", f"{error.detail}."))

    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("request_failed", request_id=request.scope["state"]["request_id"], exc_info=error)
        return respond(request, ProblemError("INTERNAL_ERROR"))

    for expected in (ProblemError, BusyError, OutcomeUnknownError, FunctionsMissingError):
        app.add_exception_handler(expected, on_expected)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_bug)


def _add_problem_page(app: FastAPI) -> None:
    """The page that the `type` of every problem leads to."""
    page = problem_page()

    @app.get("/problems", include_in_schema=False)
    async def problems() -> HTMLResponse:
        return HTMLResponse(page)
