"""Exchanges over HTTP: for staff alone, answered with the new order, and repeatable by their key."""

from collections.abc import AsyncIterator

import pytest

from rowlock.base.dsns import Dsns
from tests.api.test_orders import ORDERS, confirm, hold, intent, order
from tests.support.answers import Show
from tests.support.http import Api, Application, problem, running
from tests.support.scripted_provider import OneProvider, ScriptedProvider


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def application(dsns: Dsns, provider: ScriptedProvider) -> AsyncIterator[Application]:
    async with running(dsns, providers=OneProvider(provider)) as application:
        yield application


async def test_staff_exchange_a_ticket(client: Api, admin: Api, show: Show, provider: ScriptedProvider) -> None:
    ordered = (await order(client, (await hold(client, show, 1, 2))["reservation_token"])).json()
    paid = (await intent(client, ordered["order_id"])).json()
    [reference] = provider.payments
    provider.authorize(reference)
    tickets = (await confirm(client, ordered["order_id"], paid["payment_intent_id"])).json()["tickets"]
    path = f"{ORDERS}/{ordered['order_id']}/exchanges"
    body = {"tickets": [{"ticket_id": tickets[0]["ticket_id"], "seat_id": 5}], "reason": "asked"}

    problem(await client.post(path, json=body), 404, "ORDER_NOT_FOUND")
    problem(await client.post(path, json=body, headers={"x-api-key": "wrong"}), 401, "UNAUTHORIZED")
    first = await admin.post(path, json=body, headers={"idempotency-key": "x1"})
    again = await admin.post(path, json=body, headers={"idempotency-key": "x1"})

    assert first.status_code == 201, first.text
    made = first.json()
    assert (made["status"], made["credit_minor"], made["due_minor"], made["refunded_minor"]) == ("paid", 5000, 0, 0)
    assert [line["seat_id"] for line in made["lines"]] == [5]
    assert (again.status_code, again.json()["order_id"]) == (201, made["order_id"])
    seen = await client.get(f"{ORDERS}/{made['order_id']}", headers={"authorization": f"Bearer {made['order_token']}"})
    assert (seen.json()["status"], seen.json()["credit_minor"]) == ("paid", 5000)
    problem(await admin.post(path, json=body, headers={"idempotency-key": "x2"}), 404, "SEATS_NOT_FOUND")
    other = {"tickets": [{"ticket_id": tickets[1]["ticket_id"], "seat_id": 5}], "reason": "asked"}
    problem(await admin.post(path, json=other, headers={"idempotency-key": "x1"}), 422, "IDEMPOTENCY_KEY_REUSED")
    taken = await admin.post(path, json=other)
    problem(taken, 409, "SEATS_UNAVAILABLE")
    assert taken.json()["unavailable_seat_ids"] == [5]
    twice = {**body, "tickets": [*body["tickets"], *body["tickets"]]}
    problem(await admin.post(path, json=twice), 400, "INVALID_INPUT")
