"""Orders and payments over HTTP, from a hold to tickets and back, with a provider in memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from rowlock.base.dsns import Dsns
from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import Api, Application, held, outcome, problem, running
from tests.support.scripted_provider import OneProvider, ScriptedProvider, unavailable
from tests.support.seatdb import SeatDb

ORDERS = "/api/ticket-orders"
ANNA = {"name": "Anna Bauer", "email": "anna@example.org"}


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def application(dsns: Dsns, provider: ScriptedProvider) -> AsyncIterator[Application]:
    async with running(dsns, providers=OneProvider(provider)) as application:
        yield application


async def hold(client: Api, show: Show, *seats: int) -> dict[str, Any]:
    answer = await client.reserve(show, seats, by=uuid4().hex)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def order(client: Api, token: str, *, key: str | None = None, **more: Any) -> httpx.Response:
    body = {"reservation_token": token, "customer": ANNA, **more}
    return await client.post(ORDERS, json=body, headers={"idempotency-key": key} if key else None)


async def intent(client: Api, order_id: str, *, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {b"idempotency-key": key.encode()} if key else None
    return await client.post(f"{ORDERS}/payment-intent-v2", json={"order_id": order_id, **more}, headers=headers)


async def confirm(client: Api, order_id: str, payment_intent_id: str) -> httpx.Response:
    body = {"order_id": order_id, "payment_intent_id": payment_intent_id}
    return await client.post(f"{ORDERS}/confirm", json=body)


async def test_from_a_hold_to_tickets(client: Api, show: Show, provider: ScriptedProvider) -> None:
    made = await hold(client, show, 1, 2)
    answer = await order(client, made["reservation_token"])
    assert answer.status_code == 201, answer.text
    ordered = answer.json()
    assert (ordered["status"], ordered["total_minor"], ordered["tickets"]) == ("pending", 10_000, [])
    assert [(line["seat_id"], line["amount_minor"], line["price_type"]) for line in ordered["lines"]] == [
        (1, 5000, "adult"),
        (2, 5000, "adult"),
    ]
    assert len(ordered["order_code"]) == 8

    paid = (await intent(client, ordered["order_id"])).json()
    assert (paid["amount_minor"], paid["provider"], paid["status"]) == (10_000, "scripted", "sent")
    [reference] = provider.payments
    assert paid["client_secret"] == f"{reference}_secret"
    waiting = (await confirm(client, ordered["order_id"], paid["payment_intent_id"])).json()
    assert (waiting["status"], waiting["payment_status"], waiting["tickets"]) == ("pending", "sent", [])
    provider.authorize(reference)
    first = await confirm(client, ordered["order_id"], paid["payment_intent_id"])
    again = await confirm(client, ordered["order_id"], paid["payment_intent_id"])

    assert first.status_code == 200, first.text
    assert first.json()["status"] == "paid"
    assert [ticket["seat_label"] for ticket in first.json()["tickets"]] == [
        "Stalls, row A, seat 1",
        "Stalls, row A, seat 2",
    ]
    assert again.json() == first.json()
    bearer = {"authorization": f"Bearer {ordered['order_token']}"}
    seen = (await client.get(f"{ORDERS}/{ordered['order_id']}", headers=bearer)).json()
    assert (seen["status"], seen["expires_at"]) == ("paid", None)
    assert seen["tickets"] == first.json()["tickets"]


async def test_the_same_order_again_is_told_with_the_same_token(client: Api, show: Show) -> None:
    made = await hold(client, show, 1)
    first = await order(client, made["reservation_token"])

    again = await order(client, made["reservation_token"])

    assert (first.status_code, again.status_code) == (201, 200)
    for name in ("order_id", "order_code", "order_token", "total_minor"):
        assert again.json()[name] == first.json()[name]


async def test_a_free_order_goes_straight_to_tickets(
    client: Api, show: Show, db: SeatDb, provider: ScriptedProvider
) -> None:
    await db.owner.execute("update rowlock.show_prices set amount_minor = 0 where show_id = %s", [show.show_id])
    made = await hold(client, show, 1)

    ordered = (await order(client, made["reservation_token"])).json()

    assert (ordered["status"], ordered["total_minor"], len(ordered["tickets"])) == ("paid", 0, 1)
    assert outcome(await intent(client, ordered["order_id"])) == (409, "ORDER_NOT_PAYABLE")
    assert provider.calls == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"customer": {"name": " ", "email": "a@b.c"}}, 400, "INVALID_INPUT"),
        ({"customer": {"name": "A", "email": "a b@c.d"}}, 400, "INVALID_INPUT"),
        ({"customer": {"name": "A\nBcc: x@y.z", "email": "a@b.c"}}, 400, "INVALID_INPUT"),
        ({"customer": {"name": "A\0", "email": "a@b.c"}}, 400, "INVALID_INPUT"),
        ({"customer": {"name": "A", "email": "a\0@b.c"}}, 400, "INVALID_INPUT"),
        ({"tickets": [{"seat_id": 1, "price_type": "a\0b"}]}, 400, "INVALID_INPUT"),
        ({"idempotency_key": "a\0b"}, 400, "INVALID_INPUT"),
        ({"reservation_token": "a\0b"}, 404, "RESERVATION_NOT_FOUND"),
        ({"tickets": [{"seat_id": 1, "price_type": "adult"}] * 2}, 400, "INVALID_INPUT"),
        ({"tickets": [{"seat_id": 9, "price_type": "adult"}]}, 404, "SEATS_NOT_FOUND"),
        ({"tickets": [{"seat_id": 1, "price_type": "duke"}]}, 404, "PRICE_TYPE_NOT_FOUND"),
        ({"tickets": [{"seat_id": 1, "price_type": "adult", "amount_minor": 1}]}, 400, "INVALID_INPUT"),
        ({"total_minor": 1}, 400, "INVALID_INPUT"),
        ({"reservation_token": "x"}, 404, "RESERVATION_NOT_FOUND"),
        ({"idempotency_key": "\n"}, 400, "INVALID_INPUT"),
        ({"idempotency_key": "k" * 256}, 400, "INVALID_INPUT"),
    ],
)
async def test_what_cannot_be_ordered(
    client: Api, show: Show, db: SeatDb, change: dict[str, Any], status: int, code: str
) -> None:
    made = await hold(client, show, 1)

    answer = await client.post(
        ORDERS, json={"reservation_token": made["reservation_token"], "customer": ANNA, **change}
    )

    problem(answer, status, code)
    assert (await client.hold(made["reservation_token"])).json()["status"] == "active"


async def test_an_expired_reservation_is_refused(client: Api, show: Show, db: SeatDb) -> None:
    answer = await client.reserve(show, [1], by="anna")
    await db.age(held(show, answer, "anna"), minutes=20)

    problem(await order(client, answer.json()["reservation_token"]), 410, "RESERVATION_EXPIRED")


async def test_a_foreign_order_answers_as_a_missing_one(client: Api, show: Show) -> None:
    mine = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()
    other = (await order(client, (await hold(client, show, 2))["reservation_token"])).json()

    answers = [
        await client.get(f"{ORDERS}/{mine['order_id']}"),
        await client.get(f"{ORDERS}/{mine['order_id']}", headers={"authorization": f"Bearer {other['order_token']}"}),
        await client.get(f"{ORDERS}/{UNKNOWN_ID}", headers={"authorization": f"Bearer {mine['order_token']}"}),
        await client.get(f"{ORDERS}/{mine['order_id']}", headers={"authorization": "Bearer nonsense"}),
        await client.get(f"{ORDERS}/nonsense"),
    ]

    assert {outcome(answer) for answer in answers} == {(404, "ORDER_NOT_FOUND")}
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_one_key_gets_one_answer_byte_for_byte(client: Api, show: Show, provider: ScriptedProvider) -> None:
    ordered = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()

    first = await intent(client, ordered["order_id"], key="pay once")
    [reference] = provider.payments
    provider.authorize(reference)
    await confirm(client, ordered["order_id"], first.json()["payment_intent_id"])
    again = await intent(client, ordered["order_id"], key="pay once")

    assert first.content == again.content


async def test_keys_of_payments(client: Api, show: Show, provider: ScriptedProvider) -> None:
    mine = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()
    other = (await order(client, (await hold(client, show, 2))["reservation_token"])).json()
    first = (await intent(client, mine["order_id"], key="schlüssel ✓")).json()

    assert outcome(await intent(client, other["order_id"], key="schlüssel ✓")) == (409, "IDEMPOTENCY_KEY_CONFLICT")
    for key in ("another", None, "k" * 255, "'; drop table shows; --"):
        assert (await intent(client, mine["order_id"], key=key)).json()["payment_intent_id"] == (
            first["payment_intent_id"]
        )
    of_body = await intent(client, mine["order_id"], idempotency_key="another")
    assert of_body.json()["payment_intent_id"] == first["payment_intent_id"]
    assert len(provider.payments) == 1


async def test_sixty_four_requests_at_once_with_one_key_make_one_payment(
    client: Api, show: Show, provider: ScriptedProvider
) -> None:
    ordered = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()

    answers = await asyncio.gather(*(intent(client, ordered["order_id"], key="one") for _ in range(64)))

    assert len(provider.payments) == 1
    assert {outcome(answer) for answer in answers} <= {(200, None), (409, "IDEMPOTENCY_KEY_CONFLICT")}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1


async def test_a_failure_is_not_kept_with_its_key(client: Api, show: Show, provider: ScriptedProvider) -> None:
    ordered = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()
    provider.fail = unavailable("create")

    refused = await intent(client, ordered["order_id"], key="one")
    again = await intent(client, ordered["order_id"], key="one")

    problem(refused, 503, "PAYMENT_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) > 0
    assert again.status_code == 200


async def test_a_provider_that_hangs_is_given_up_within_two_seconds(
    client: Api, show: Show, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()

    async def hang(_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(provider, "create", hang)
    loop = asyncio.get_running_loop()
    began = loop.time()

    problem(await intent(client, ordered["order_id"]), 503, "PAYMENT_UNAVAILABLE")
    assert loop.time() - began < 3


async def test_a_late_payer_is_told_which_seats_are_gone(
    client: Api, show: Show, db: SeatDb, provider: ScriptedProvider
) -> None:
    answer = await client.reserve(show, [1, 2], by="anna")
    ordered = (await order(client, answer.json()["reservation_token"])).json()
    paid = (await intent(client, ordered["order_id"])).json()
    await db.age(held(show, answer, "anna"), minutes=30)
    await hold(client, show, 2)
    [reference] = provider.payments
    provider.authorize(reference)

    told = problem(await confirm(client, ordered["order_id"], paid["payment_intent_id"]), 409, "SEATS_UNAVAILABLE")

    assert "You are not charged" in told["detail"]
    assert told["unavailable_seat_ids"] == [2]
    assert provider.kept_minor() == 0


async def test_staff_refund_a_ticket_and_the_seat_is_free_again(
    client: Api, admin: Api, show: Show, db: SeatDb, provider: ScriptedProvider
) -> None:
    ordered = (await order(client, (await hold(client, show, 1, 2))["reservation_token"])).json()
    paid = (await intent(client, ordered["order_id"])).json()
    [reference] = provider.payments
    provider.authorize(reference)
    tickets = (await confirm(client, ordered["order_id"], paid["payment_intent_id"])).json()["tickets"]
    path, body = f"{ORDERS}/{ordered['order_id']}/refunds", {"ticket_ids": [tickets[0]["ticket_id"]], "reason": "ill"}

    problem(await client.post(path, json=body), 404, "ORDER_NOT_FOUND")
    problem(await client.post(path, json=body, headers={"x-api-key": "wrong"}), 401, "UNAUTHORIZED")
    # A key is any printable text, as it is of orders and payments.
    first = await admin.post(path, json=body, headers={b"idempotency-key": "krank – 1".encode()})
    again = await admin.post(path, json=body, headers={b"idempotency-key": "krank – 1".encode()})

    assert first.status_code == 201, first.text
    assert again.json() == first.json()
    assert (first.json()["amount_minor"], first.json()["seat_ids"]) == (5000, [1])
    assert set(await db.claims(show)) == {2}
    refused = await admin.post(path, json={"amount_minor": 5001, "reason": "more"})
    problem(refused, 409, "REFUND_EXCEEDS_PAYMENT")
    seen = await admin.get(f"{ORDERS}/{ordered['order_id']}")
    assert seen.json()["status"] == "partially_refunded"
    assert "order_token" not in seen.json()


async def test_a_webhook_is_kept_once_and_a_forged_one_never(client: Api, db: SeatDb) -> None:
    event = {"id": f"evt_{uuid4().hex}", "kind": "payment.authorized", "reference": "pay_1"}
    signed = {"scripted-signature": "right"}

    first = await client.post("/api/webhooks/scripted", json=event, headers=signed)
    again = await client.post("/api/webhooks/scripted", json=event, headers=signed)

    assert (first.json()["is_new"], again.json()["is_new"]) == (True, False)
    problem(await client.post("/api/webhooks/scripted", json=event), 400, "WEBHOOK_REFUSED")
    problem(await client.post("/api/webhooks/unknown", json=event, headers=signed), 404, "NOT_FOUND")
    cursor = await db.owner.execute("select count(*) from rowlock.webhook_events where event_id = %s", [event["id"]])
    assert await cursor.fetchall() == [(1,)]
