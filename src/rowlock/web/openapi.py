"""The OpenAPI document, made for generators: FastAPI's routes, the fast path's endpoints, and what holds for all."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rowlock.web.client_schemas import mend
from rowlock.web.fast_path import Endpoint
from rowlock.web.problems import MEDIA_TYPE, PROBLEM_TYPES, Problem
from rowlock.web.security import schemes

# Every endpoint may refuse with these: after a bug, when the database does not answer, or before it is reached at all.
COMMON = ("INTERNAL_ERROR", "BUSY", "REQUEST_TOO_SLOW", "HEAD_TOO_LARGE")
_PROBES = "/health/"
_REF = "#/components/schemas/{name}"


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may refuse with these codes."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *COMMON):
        by_status.setdefault(PROBLEM_TYPES[code].status, []).append(str(code))
    return {
        status: {
            "description": f"{PROBLEM_TYPES[names[0]].title}: {', '.join(names)}.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
        }
        for status, names in sorted(by_status.items())
    }


def add_fast_endpoints(document: dict[str, Any], endpoints: Iterable[Endpoint]) -> None:
    """Describe the endpoints of the fast path in `document`, in place."""
    endpoints = list(endpoints)
    types = [kind for endpoint in endpoints for kind in (endpoint.takes, endpoint.gives) if kind is not None]
    schemas, components = msgspec.json.schema_components([Problem, *types], ref_template=_REF)
    schema_of = dict(zip(map(id, [Problem, *types]), schemas, strict=True))
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    for endpoint in endpoints:
        operation: dict[str, Any] = {
            "tags": [endpoint.tag],
            "summary": endpoint.summary,
            "description": endpoint.description,
            "responses": _responses(endpoint, schema_of),
        }
        # Neither is made up where an endpoint does not say it: a test then tells which one.
        if endpoint.operation_id is not None:
            operation["operationId"] = endpoint.operation_id
        if endpoint.security is not None:
            operation["security"] = [dict(way) for way in endpoint.security]
        if "reservation_token" in getattr(endpoint.gives, "__struct_fields__", ()):
            operation["responses"][str(endpoint.status)]["links"] = _links_of_a_hold(endpoints)
        if parameters := [*_path_parameters(endpoint.path), *endpoint.parameters]:
            operation["parameters"] = parameters
        if endpoint.takes is not None:
            operation["requestBody"] = {
                "required": not endpoint.optional_body,
                "content": {"application/json": {"schema": schema_of[id(endpoint.takes)]}},
            }
        document["paths"].setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    document["paths"] = dict(sorted(document["paths"].items()))


def drop_validation_errors(document: dict[str, Any]) -> None:
    """Replace FastAPI's 422 by the problem that is sent instead: 400 INVALID_INPUT."""
    for path in document["paths"].values():
        for operation in path.values():
            if operation["responses"].pop("422", None) is not None:
                operation["responses"].setdefault("400", problems("INVALID_INPUT")[400])
    for name in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(name, None)


def complete(document: dict[str, Any], cookie: str) -> None:
    """Add what holds for every endpoint, in place. `cookie` is the name of the session cookie."""
    document["components"]["securitySchemes"] = schemes(cookie)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not path.startswith(_PROBES):
                _add_problem(operation, "WRONG_HOST")
                if method != "get":
                    _add_problem(operation, "CROSS_SITE")
            operation["responses"] = dict(sorted(operation["responses"].items()))
    mend(document)


def _responses(endpoint: Endpoint, schema_of: dict[int, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of[id(endpoint.gives)]}}
    if endpoint.path.endswith("/seats") and endpoint.method == "GET":
        content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    codes = [*endpoint.problems, *(("UNAUTHORIZED", "FORBIDDEN") if endpoint.keys else ())]
    if endpoint.takes is not None:
        codes = ["INVALID_INPUT", *codes, "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"]
    answers: dict[str, Any] = {str(endpoint.status): {"description": "Done.", "content": content}}
    for status, response in endpoint.other_responses.items():
        answers[status] = {"content": content, **response} if status.startswith("2") else response
    answers.update({str(status): response for status, response in problems(*codes).items()})
    return answers


def _links_of_a_hold(endpoints: list[Endpoint]) -> dict[str, Any]:
    """The OpenAPI links from the token in a response to the endpoints that take it."""
    from_answer = "$response.body#/reservation_token"
    links = {}
    for endpoint in endpoints:
        if "{token}" in endpoint.path:
            link: dict[str, Any] = {"parameters": {"token": from_answer}}
        elif endpoint.path.endswith("/release-v2"):
            link = {"requestBody": {"reservation_token": from_answer}}
        else:
            continue
        if endpoint.operation_id is not None:
            links[endpoint.operation_id] = {"operationId": endpoint.operation_id, **link}
    return links


def _add_problem(operation: dict[str, Any], code: str) -> None:
    status = PROBLEM_TYPES[code].status
    known = operation["responses"].get(str(status))
    if known is None:
        operation["responses"][str(status)] = problems(code)[status]
    else:
        operation["responses"][str(status)] = {**known, "description": f"{known['description'][:-1]}, {code}."}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
