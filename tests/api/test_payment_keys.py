"""Idempotency keys of payments: the classic list, beside what test_orders.py has of it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from rowlock.base.dsns import Dsns
from rowlock.base.ids import mint_id
from tests.api.test_orders import confirm, hold, intent, order
from tests.support.answers import Show
from tests.support.http import Api, Application, problem, running
from tests.support.scripted_provider import OneProvider, ScriptedProvider
from tests.support.seatdb import SeatDb

ODD_KEYS = [
    "a",
    "0",
    " spaces within ",
    "k" * 255,
    str(UUID(int=0)),
    "../../etc/passwd",
    "'; drop table rowlock.payment_intents; --",
    "%00%s%n",
    '{"json": true}',
    "schlüssel ✓ 鍵 🔑",
]


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def application(dsns: Dsns, provider: ScriptedProvider) -> AsyncIterator[Application]:
    async with running(dsns, providers=OneProvider(provider)) as application:
        yield application


async def ordered(client: Api, show: Show, seat: int = 1) -> str:
    return str((await order(client, (await hold(client, show, seat))["reservation_token"])).json()["order_id"])


async def test_the_same_key_gets_the_same_intent(client: Api, show: Show, provider: ScriptedProvider) -> None:
    order_id = await ordered(client, show)
    answers = [await intent(client, order_id, key="one") for _ in range(3)]
    assert len({answer.content for answer in answers}) == 1
    assert len(provider.payments) == 1


async def test_the_same_key_with_a_different_order_is_refused(client: Api, show: Show) -> None:
    await intent(client, await ordered(client, show, 1), key="one")
    problem(await intent(client, await ordered(client, show, 2), key="one"), 409, "IDEMPOTENCY_KEY_CONFLICT")


async def test_different_keys_for_one_order_at_once_never_charge_twice(
    client: Api, show: Show, provider: ScriptedProvider
) -> None:
    order_id = await ordered(client, show)
    answers = await asyncio.gather(*(intent(client, order_id, key=f"key {number}") for number in range(16)))
    assert {answer.status_code for answer in answers} == {200}
    [payment_intent_id] = {answer.json()["payment_intent_id"] for answer in answers}
    [reference] = provider.payments
    provider.authorize(reference)
    await asyncio.gather(*(confirm(client, order_id, payment_intent_id) for _ in range(4)))
    assert (provider.kept_minor(), len(provider.payments)) == (5000, 1)


async def test_no_key_works_and_is_as_safe(client: Api, show: Show, provider: ScriptedProvider) -> None:
    order_id = await ordered(client, show)
    answers = await asyncio.gather(*(intent(client, order_id) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["payment_intent_id"] for answer in answers}) == len(provider.payments) == 1


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_odd_keys_work(client: Api, show: Show, key: str) -> None:
    order_id = await ordered(client, show)
    first, again = await intent(client, order_id, key=key), await intent(client, order_id, key=key)
    assert first.status_code == 200, first.text
    assert first.content == again.content


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "a\tb", "a\0b"])
async def test_keys_that_are_not_printable_or_too_long_are_refused_in_the_body(
    client: Api, show: Show, key: str
) -> None:
    problem(await intent(client, await ordered(client, show), idempotency_key=key), 400, "INVALID_INPUT")


async def test_a_request_that_still_runs_says_when_to_come_back(
    client: Api, show: Show, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await ordered(client, show)
    create, is_asked, goes_on = provider.create, asyncio.Event(), asyncio.Event()

    async def held_back(wish: object) -> object:
        is_asked.set()
        await goes_on.wait()
        return await create(wish)  # type: ignore[arg-type] # It is passed on as it came.

    monkeypatch.setattr(provider, "create", held_back)
    first = asyncio.ensure_future(intent(client, order_id, key="one"))
    await is_asked.wait()

    refused = await intent(client, order_id, key="one")
    goes_on.set()

    problem(refused, 409, "IDEMPOTENCY_KEY_CONFLICT")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await first).status_code == 200
    assert len(provider.payments) == 1


async def test_the_key_of_a_process_that_died_works_again_after_thirty_seconds(
    client: Api, show: Show, db: SeatDb
) -> None:
    order_id = await ordered(client, show)
    await intent(client, order_id, key="one")
    # As a killed process leaves it: claimed, and without an answer.
    await db.owner.execute(
        "update rowlock.payment_idempotency_keys set answer = null, "
        "locked_until = clock_timestamp() + interval '30 seconds' where show_id = %s",
        [show.show_id],
    )
    problem(await intent(client, order_id, key="one"), 409, "IDEMPOTENCY_KEY_CONFLICT")

    await db.owner.execute(
        "update rowlock.payment_idempotency_keys set locked_until = locked_until - interval '30 seconds' "
        "where show_id = %s",
        [show.show_id],
    )

    assert (await intent(client, order_id, key="one")).status_code == 200


async def test_the_database_itself_takes_neither_a_second_live_payment_nor_a_key_twice(
    client: Api, show: Show, owner: psycopg.AsyncConnection
) -> None:
    order_id = await ordered(client, show)
    await intent(client, order_id, key="one")

    with pytest.raises(errors.UniqueViolation):
        await owner.execute(
            "insert into rowlock.payment_intents "
            "(show_id, payment_intent_id, order_id, provider, amount_minor, currency, status) "
            "values (%s, %s, %s, 'scripted', 5000, 'EUR', 'sent')",
            [show.show_id, mint_id(show.show_id), order_id],
        )
    with pytest.raises(errors.UniqueViolation):
        await owner.execute(
            "insert into rowlock.payment_idempotency_keys (show_id, idempotency_key, order_id, request_hash, "
            "locked_until) values (%s, 'one', %s, sha256('x'), clock_timestamp())",
            [show.show_id, order_id],
        )


async def test_confirming_twice_at_once_is_harmless(client: Api, show: Show, provider: ScriptedProvider) -> None:
    order_id = await ordered(client, show)
    paid = (await intent(client, order_id, key=uuid4().hex)).json()
    [reference] = provider.payments
    provider.authorize(reference)

    answers = await asyncio.gather(*(confirm(client, order_id, paid["payment_intent_id"]) for _ in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert (await confirm(client, order_id, paid["payment_intent_id"])).json()["status"] == "paid"
    assert provider.kept_minor() == 5000
