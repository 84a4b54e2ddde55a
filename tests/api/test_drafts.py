"""A draft is not found by any call for buyers, as if there were no such show."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from rowlock.base.dsns import Dsns
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, problem, running, session
from tests.support.seatdb import SeatDb

CALLS: dict[str, Callable[[Api, Show], Awaitable[httpx.Response]]] = {
    "/api/shows/{show_id}": lambda client, show: client.get(f"/api/shows/{show.show_id}"),
    "/api/shows/{show_id}/seat-map": lambda client, show: client.get(f"/api/shows/{show.show_id}/seat-map"),
    "/api/shows/{show_id}/seats": lambda client, show: client.get(f"/api/shows/{show.show_id}/seats"),
    "/api/shows/{show_id}/seats as bits": lambda client, show: client.get(
        f"/api/shows/{show.show_id}/seats", headers={"accept": "application/octet-stream"}
    ),
    f"{RESERVATIONS}/reserve-v2": lambda client, show: client.reserve(show, [1], by="anna"),
    f"{RESERVATIONS}/reserve": lambda client, show: client.reserve(show, [1], by="anna", version=1),
    f"{RESERVATIONS}/best-available": lambda client, show: client.best(show, 2, session_id=session("anna")),
}


@pytest.fixture
async def client(dsns: Dsns) -> AsyncIterator[Api]:
    """A client of an application whose version 1 is version 1 itself."""
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        yield client


@pytest.mark.parametrize("name", CALLS)
async def test_a_draft_is_not_found(client: Api, show: Show, db: SeatDb, name: str) -> None:
    await db.set_show(show, status="draft")

    problem(await CALLS[name](client, show), 404, "SHOW_NOT_FOUND")

    assert await db.claims(show) == {}
    assert await db.audit(show) == []
    await db.set_show(show, status="on_sale")
    assert (await CALLS[name](client, show)).status_code in (200, 201), "A draft that goes on sale is found at once."


def names_a_show(path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether an operation of the OpenAPI document takes the id of a show from a buyer."""
    content = operation.get("requestBody", {}).get("content", {}).values()
    bodies = [body["schema"].get("$ref", "").rpartition("/")[2] for body in content]
    in_body = any("show_id" in schemas.get(body, {}).get("properties", {}) for body in bodies)
    is_for_buyers = not operation["security"] or {} in operation["security"]
    return is_for_buyers and ("{show_id}" in path or in_body)


async def test_every_call_for_buyers_that_names_a_show_is_tried(client: Api) -> None:
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]

    found = {
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if names_a_show(path, operation, schemas)
    }

    assert found == {name.removesuffix(" as bits") for name in CALLS}
