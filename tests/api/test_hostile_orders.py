"""Bodies of orders, payments, confirmations and refunds that are made to do harm: never a 500, never another price.

The generator is seeded, so a failure can be repeated. What others own answers exactly as what does not exist.
"""

import json
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from rowlock.base.dsns import Dsns
from tests.api.conftest import PRICES_MINOR
from tests.api.test_orders import ANNA, ORDERS, hold, intent, order
from tests.support.answers import Show
from tests.support.http import VOLATILE, Api, Application, running
from tests.support.scale import Scale
from tests.support.scripted_provider import OneProvider, ScriptedProvider
from tests.support.seatdb import SeatDb

NUMBERS: list[Any] = [0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 0.1, 1e308, True]
TEXTS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\u202e",
    "é" * 300,
    "x" * 70_000,
    "'; drop table rowlock.ticket_orders; --",
    "%s%n",
    "{{7*7}}",
    "EUR",
    "JPY",
    "NaN",
    "٣",
]
FIELDS = [
    "amount_minor",
    "total_minor",
    "price",
    "currency",
    "fee_minor",
    "order_id",
    "status",
    "__proto__",
    "payment_intent_id",
    "provider",
    "client_address",
]
PATHS = [ORDERS, f"{ORDERS}/payment-intent-v2", f"{ORDERS}/confirm"]


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def application(dsns: Dsns, provider: ScriptedProvider) -> AsyncIterator[Application]:
    async with running(dsns, providers=OneProvider(provider)) as application:
        yield application


def hostile_value(chance: random.Random, known: list[str]) -> Any:
    """A value that no field wants, or one that belongs to another field or customer."""
    kind = chance.randrange(7)
    if kind == 0:
        return chance.choice(NUMBERS)
    if kind == 1:
        return chance.choice(TEXTS)
    if kind == 2:
        return chance.choice(known)
    if kind == 3:
        return chance.choice([None, [], {}, [[]], [None], {"a": {}}])
    if kind == 4:
        return str(uuid4())
    if kind == 5:
        deep: Any = chance.choice(NUMBERS)
        for _ in range(chance.choice([3, 60, 900])):
            deep = [deep] if chance.random() < 0.5 else {"tickets": deep}
        return deep
    return [{"seat_id": chance.choice(NUMBERS), "price_type": chance.choice(["adult", *TEXTS])} for _ in range(3)]


def mutated(body: Any, chance: random.Random, known: list[str]) -> Any:
    """The body with one to three changes, at any depth."""
    changed = json.loads(json.dumps(body))
    for _ in range(chance.randint(1, 3)):
        place = changed
        while any(isinstance(value, dict) for value in place.values()) and chance.random() < 0.4:
            place = chance.choice([value for value in place.values() if isinstance(value, dict)])
        name = chance.choice([*place, *FIELDS])
        if chance.random() < 0.1:
            place.pop(name, None)
        else:
            place[name] = hostile_value(chance, known)
    return changed


def raw(body: Any, chance: random.Random) -> bytes:
    """The body as bytes; now and then they are no JSON, or say something twice."""
    text = json.dumps(body).encode()
    if chance.random() < 0.05:
        return text[: chance.randrange(len(text))]
    if chance.random() < 0.05:
        return text[:-1] + b', "order_id": "00000000-0000-0000-0000-000000000000"}'
    if chance.random() < 0.03:
        return text.replace(b"a", b"\xff", 1)
    return text


@pytest.mark.soak
async def test_hostile_bodies_never_break_the_server_or_change_a_price(
    client: Api, admin: Api, show: Show, db: SeatDb, provider: ScriptedProvider, scale: Scale
) -> None:
    chance = random.Random(18 if scale.repeatable else None)
    held = [await hold(client, show, seat) for seat in range(1, 7)]
    made = [(await order(client, one["reservation_token"])).json() for one in held[:4]]
    intents = [(await intent(client, one["order_id"])).json() for one in made[:3]]
    known = [
        *(one["reservation_token"] for one in held),
        *(one["order_token"] for one in made),
        *(one["order_id"] for one in made),
        *(one["payment_intent_id"] for one in intents),
        str(show.show_id),
    ]
    bodies: list[tuple[Api, str, dict[str, Any]]] = [
        (client, PATHS[0], {"reservation_token": held[4]["reservation_token"], "customer": ANNA, "tickets": []}),
        (client, PATHS[1], {"order_id": made[0]["order_id"], "idempotency_key": "k"}),
        (client, PATHS[2], {"order_id": made[0]["order_id"], "payment_intent_id": intents[0]["payment_intent_id"]}),
        (admin, f"{ORDERS}/{made[0]['order_id']}/refunds", {"reason": "ill", "amount_minor": 1, "keep_fees": True}),
    ]
    for number in range(scale.hostile_bodies):
        by, path, body = chance.choice(bodies)
        content = raw(mutated(body, chance, known), chance)
        headers = {"content-type": "application/json"}
        if chance.random() < 0.3:
            headers["authorization"] = f"Bearer {chance.choice(known)}"
        answer = await by.post(path, content=content, headers=headers)
        assert answer.status_code < 500, (number, path, content[:300], answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"

    assert {payment.amount_minor for payment in provider.payments.values()} == {PRICES_MINOR["Stalls"]}
    assert provider.kept_minor() == 0
    cursor = await db.owner.execute(
        "select distinct total_minor, currency from rowlock.ticket_orders where show_id = %s", [show.show_id]
    )
    assert await cursor.fetchall() == [(PRICES_MINOR["Stalls"], "USD")]
    assert await db.check() == []


def without_times(answer: Any) -> tuple[int, dict[str, Any]]:
    return answer.status_code, {name: value for name, value in answer.json().items() if name not in VOLATILE}


async def test_what_others_own_answers_exactly_as_what_does_not_exist(client: Api, show: Show) -> None:
    mine, other = [
        (await order(client, (await hold(client, show, seat))["reservation_token"])).json() for seat in (1, 2)
    ]
    foreign_intent = (await intent(client, other["order_id"])).json()["payment_intent_id"]
    missing = str(uuid4())
    same_show = str(UUID(int=UUID(other["order_id"]).int ^ (1 << 40)))
    bearer = {"authorization": f"Bearer {mine['order_token']}"}

    for path in (PATHS[1], PATHS[2]):
        answers = [
            await client.post(
                path,
                json={"order_id": order_id} | ({"payment_intent_id": foreign_intent} if path == PATHS[2] else {}),
                headers=bearer,
            )
            for order_id in (other["order_id"], missing, same_show)
        ]
        assert without_times(answers[0])[1]["code"] == "ORDER_NOT_FOUND"
        assert without_times(answers[0]) == without_times(answers[1]) == without_times(answers[2])
    of_another, of_none = [
        await client.post(PATHS[2], json={"order_id": mine["order_id"], "payment_intent_id": intent_id}, headers=bearer)
        for intent_id in (foreign_intent, missing)
    ]
    assert without_times(of_another)[1]["code"] == "PAYMENT_NOT_FOUND"
    assert without_times(of_another) == without_times(of_none)


async def test_the_payment_of_another_order_is_not_moved_on(
    client: Api, show: Show, provider: ScriptedProvider
) -> None:
    """Who names an order of their own and a payment of another gets the same answer, and nothing happens to it."""
    mine, other = [
        (await order(client, (await hold(client, show, seat))["reservation_token"])).json() for seat in (1, 2)
    ]
    foreign = (await intent(client, other["order_id"])).json()["payment_intent_id"]
    [reference] = provider.payments
    provider.authorize(reference)
    provider.calls.clear()

    answer = await client.post(PATHS[2], json={"order_id": mine["order_id"], "payment_intent_id": foreign})

    assert answer.json()["code"] == "PAYMENT_NOT_FOUND"
    assert provider.calls == []
