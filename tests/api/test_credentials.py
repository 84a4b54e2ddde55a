"""Every operation that asks for credentials refuses a request without, or with wrong ones: generated from the document.

What is asked for is there: a show, a paid order with a ticket, and a hold. So a refusal is about who asks.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from rowlock.base.dsns import Dsns
from rowlock.web.security import INTEGRATOR_KEY, OPERATOR_KEY, ORDER_TOKEN, SESSION_COOKIE
from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, Api, Application, running
from tests.support.scripted_provider import OneProvider, ScriptedProvider

ORDERS = "/api/ticket-orders"
METHODS = ("get", "put", "post", "delete", "patch")
Headers = Mapping[str, str | bytes]
# None of these is a credential of anybody.
WRONG: tuple[Headers, ...] = (
    {},
    {"x-api-key": ""},
    {"x-api-key": "wrong"},
    {"x-api-key": f"{ADMIN_KEY} x"},
    {"x-api-key": b"\xff\xfe"},
    {"authorization": f"Bearer {ADMIN_KEY}"},
    {"authorization": "Bearer " + "A" * 64},
    {"x-rowlock-key": f"rk_{'A' * 43}"},
    {"cookie": "rowlock_session=AAAA.BBBB"},
)
# What a member is, where its type does not tell; anything else is made up from the schema.
LIKELY = {"reason": "camera"}


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def application(dsns: Dsns, provider: ScriptedProvider) -> AsyncIterator[Application]:
    async with running(dsns, providers=OneProvider(provider)) as application:
        yield application


@pytest.fixture
async def document(client: Api) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get("/openapi.json")).json()
    return answer


@pytest.fixture
async def known(browser: Api, show: Show, provider: ScriptedProvider) -> dict[str, str]:
    """Ids and secrets of what is there: the show, a paid order with its ticket, and a hold of the browser."""
    held = (await browser.reserve(show, [1], by=uuid4().hex)).json()
    body = {"reservation_token": held["reservation_token"], "customer": {"name": "Anna", "email": "anna@example.org"}}
    order = (await browser.post(ORDERS, json=body)).json()
    intent = (await browser.post(f"{ORDERS}/payment-intent-v2", json={"order_id": order["order_id"]})).json()
    provider.authorize(list(provider.payments)[-1])
    paid = {"order_id": order["order_id"], "payment_intent_id": intent["payment_intent_id"]}
    confirmed = (await browser.post(f"{ORDERS}/confirm", json=paid)).json()
    live = (await browser.reserve(show, [2])).json()
    return {
        "show_id": str(show.show_id),
        "order_id": order["order_id"],
        "order_token": order["order_token"],
        "ticket_id": confirmed["tickets"][0]["ticket_id"],
        "token": live["reservation_token"],
        "cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar),
    }


def guarded(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The operations that nobody may call without credentials, as method, path and operation."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            operation = methods.get(method)
            if operation and operation["security"] and {} not in operation["security"]:
                yield method.upper(), path, operation


def value(schema: dict[str, Any], name: str, known: Mapping[str, str], schemas: dict[str, Any]) -> Any:
    """A value that the schema allows: of what is known, where the name tells."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        return value(choice, name, known, schemas)
    match schema.get("type"):
        case "object":
            wanted = schema.get("required", ())
            return {member: value(schema["properties"][member], member, known, schemas) for member in wanted}
        case "array":
            return [value(schema["items"], name.removesuffix("s"), known, schemas)] * schema.get("minItems", 1)
        case "integer" | "number":
            return int(schema.get("minimum", 1))
        case "boolean":
            return True
    if "enum" in schema:
        return schema["enum"][0]
    unknown = UNKNOWN_ID if schema.get("format") == "uuid" else "a line of text"
    return known.get(name, LIKELY.get(name, str(unknown)))


def request(path: str, operation: dict[str, Any], known: Mapping[str, str], schemas: dict[str, Any]) -> dict[str, Any]:
    """The address of what is there, and a body that would be accepted: arguments of httpx."""
    parameters = operation.get("parameters", ())
    in_path = {each["name"]: known[each["name"]] for each in parameters if each["in"] == "path"}
    query = {each["name"]: known[each["name"]] for each in parameters if each["in"] == "query" and each.get("required")}
    body = operation.get("requestBody")
    schema = body and body["content"]["application/json"]["schema"]
    return {
        "url": path.format(**in_path),
        "params": query,
        "json": schema and value(schema, "", known, schemas),
    }


async def open_operations(client: Api, document: dict[str, Any], known: Mapping[str, str]) -> list[str]:
    """The operations that answer to a request without credentials as to one with them, each with the answer."""
    found = []
    for method, path, operation in guarded(document):
        asked = request(path, operation, known, document["components"]["schemas"])
        # Only what the box office does is known to exist: an order or a hold of others answers as a missing one.
        refusals = {401} if path.startswith("/api/admin/") else {401, 403, 404}
        for headers in WRONG:
            answer = await client.request(method, headers=headers, **asked)  # type: ignore[arg-type] # httpx takes bytes.
            if answer.status_code not in refusals or "code" not in answer.json():
                found.append(f"{operation['operationId']} with {headers}: {answer.status_code} {answer.text[:200]}")
    return found


async def test_a_request_without_credentials_is_refused(
    client: Api, document: dict[str, Any], known: dict[str, str]
) -> None:
    names = {operation["operationId"] for _, _, operation in guarded(document)}

    assert {"blockSeats", "cleanUpExpiredReservations", "findMyReservation", "getOrder", "refundOrder"} <= names
    assert await open_operations(client, document, known) == []


async def test_the_same_requests_with_credentials_are_let_in(
    client: Api, document: dict[str, Any], known: dict[str, str]
) -> None:
    """Else a refusal would be about the request, and would say nothing of who asks."""
    ways = {
        OPERATOR_KEY: {"x-api-key": ADMIN_KEY},
        ORDER_TOKEN: {"authorization": f"Bearer {known['order_token']}"},
        SESSION_COOKIE: {"cookie": known["cookie"]},
    }
    # What ends a show comes last: nothing of it can be asked for afterwards.
    operations = sorted(guarded(document), key=lambda each: each[2]["operationId"] == "cancelShow")

    for method, path, operation in operations:
        asked = request(path, operation, known, document["components"]["schemas"])
        refused = await client.request(method, **asked)
        for scheme in [scheme for way in operation["security"] for scheme in way if scheme != INTEGRATOR_KEY]:
            answer = await client.request(method, headers=ways[scheme], **asked)
            told = f"{operation['operationId']} with {scheme}: {answer.status_code} {answer.text}"
            assert answer.status_code not in (400, 401, 403, 422), told
            assert answer.json().get("code") != refused.json()["code"], told


async def test_an_operation_that_does_not_ask_is_seen(
    client: Api, document: dict[str, Any], known: dict[str, str]
) -> None:
    document["paths"]["/api/shows/{show_id}"]["get"]["security"] = [{OPERATOR_KEY: []}]

    assert any("getShow with {}: 200" in told for told in await open_operations(client, document, known))
