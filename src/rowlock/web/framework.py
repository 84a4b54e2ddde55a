"""Configures FastAPI: errors become problems, and its OpenAPI document includes the fast path's endpoints."""

from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from rowlock.database.calls import BusyError, FunctionsMissingError, LoginMissingError, OutcomeUnknownError
from rowlock.web.fast_path import NO_STORE, FastPath
from rowlock.web.openapi import add_fast_endpoints, complete, drop_validation_errors
from rowlock.web.problem_page import problem_page
from rowlock.web.problems import MEDIA_TYPE, ProblemError, as_problem, method_not_allowed, problem_body
from rowlock.web.texts import words_of

log = structlog.get_logger(__name__)


def describe(app: FastAPI, fast_path: FastPath, cookie: str) -> None:
    """Make the OpenAPI document of all endpoints. `cookie` is the name of the session cookie."""
    fastapi_document = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            openapi = fastapi_document()
            drop_validation_errors(openapi)
            add_fast_endpoints(openapi, fast_path.endpoints)
            complete(openapi, cookie)
            app.openapi_schema = openapi
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way to change the document.


def answer_with_problems(app: FastAPI) -> None:
    """Make every refusal of FastAPI a problem."""

    def respond(request: Request, error: ProblemError) -> Response:
        kind = error.problem_type
        headers = {name.decode(): value.decode() for name, value in (NO_STORE, *kind.headers, *error.headers)}
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
        message = first["msg"]
        if first["type"] == "string_pattern_mismatch":
            message = f"Expected {words_of(first['ctx']['pattern'])}"
        return respond(request, ProblemError("INVALID_INPUT", f"{place}: {message}."))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return respond(request, ProblemError("NOT_FOUND"))
        if error.status_code == 405:
            return respond(request, method_not_allowed((error.headers or {}).get("Allow", "").split(", ")))
        if error.status_code == 413:
            return respond(request, ProblemError("PAYLOAD_TOO_LARGE", error.detail))
        return respond(request, ProblemError("INVALID_INPUT", f"{error.detail}."))

    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("request_failed", request_id=request.scope["state"]["request_id"], exc_info=error)
        return respond(request, ProblemError("INTERNAL_ERROR"))

    for expected in (ProblemError, BusyError, OutcomeUnknownError, FunctionsMissingError, LoginMissingError):
        app.add_exception_handler(expected, on_expected)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_bug)


def add_problem_page(app: FastAPI) -> None:
    """Serve the page that the `type` of every problem refers to."""
    page = problem_page()

    @app.get("/problems", include_in_schema=False)
    async def problems() -> HTMLResponse:
        return HTMLResponse(page)
