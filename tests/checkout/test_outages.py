"""A provider that is down, slow, busy, or answers with an error what it has done, for minutes of the database's time.

The provider is Stripe's SDK against the simulator, over HTTP; only for slowness a provider in memory is asked, which
waits as long as a test says. Holds, seat map and orders go on meanwhile; afterwards everything drains, and nothing is
charged twice.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout import jobs
from rowlock.checkout.exchanges import Exchanges
from rowlock.checkout.jobs import InboxLoop, OutboxLoop, ReconcileLoop, money_handlers
from rowlock.checkout.providers import stripe as stripe_adapter
from rowlock.checkout.providers.payment_provider import PaymentProvider
from rowlock.checkout.providers.stripe import StripeProvider
from rowlock.checkout.purchase import Purchases
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from tests.api.conftest import put_on_sale
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, Api, problem, running
from tests.support.scripted_provider import OneProvider, ScriptedProvider, unavailable
from tests.support.seatdb import SeatDb
from tests.support.stripe_simulator import SECRET_KEY, WEBHOOK_SECRET, Fault, StripeSimulator
from tests.support.stripe_state import GOOD_CARD

ORDERS = "/api/ticket-orders"
ANNA = {"name": "Anna Bauer", "email": "anna@example.org"}
ROUNDS = 5
"""Rounds of the worker during an outage, with a minute of the database's time before each, and so many after it."""


@dataclass
class Shop:
    """An application, its worker and its provider."""

    db: SeatDb
    show: Show
    client: Api
    staff: Api
    provider: PaymentProvider

    async def order(self, *seats: int) -> str:
        hold = await self.client.reserve(self.show, seats, by=uuid4().hex)
        assert hold.status_code == 201, hold.text
        body = {"reservation_token": hold.json()["reservation_token"], "customer": ANNA}
        answer = await self.client.post(ORDERS, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["order_id"])

    async def pay(self, order_id: str) -> httpx.Response:
        return await self.client.post(f"{ORDERS}/payment-intent-v2", json={"order_id": order_id})

    async def confirm(self, order_id: str, intent_id: str) -> httpx.Response:
        body = {"order_id": order_id, "payment_intent_id": intent_id}
        return await self.client.post(f"{ORDERS}/confirm", json=body)

    async def refund(self, order_id: str) -> None:
        answer = await self.staff.post(f"{ORDERS}/{order_id}/refunds", json={"reason": "ill"})
        assert answer.status_code == 201, answer.text

    async def work(self, rounds: int, limit_seconds: float = 5.0) -> None:
        """So many rounds of a worker, each a minute after the one before."""
        cells = Cells(DirectDatabase(self.db.dsns, application_name="rowlock test"))
        purchases = Purchases(cells, OneProvider(self.provider), limit_seconds=limit_seconds)
        outbox, inbox = OutboxLoop(money_handlers(purchases, Exchanges(cells))), InboxLoop(purchases)
        async with cells.catalogue.worker() as connection:
            for _ in range(rounds):
                await self.db.owner.execute(
                    "update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'"
                )
                for table in (b"outbox_messages", b"webhook_events"):
                    await self.db.owner.execute(
                        b"update rowlock." + table + b" set next_attempt_at = next_attempt_at - interval '1 minute'"
                    )
                await inbox.work(connection)
                await ReconcileLoop(purchases, monotonic).work(connection)
                await outbox.work(connection)

    async def orders(self) -> dict[str, str]:
        cursor = await self.db.owner.execute(
            "select order_id::text, status from rowlock.ticket_orders where show_id = %s", [self.show.show_id]
        )
        return dict(await cursor.fetchall())

    async def ledger(self) -> int:
        cursor = await self.db.owner.execute(
            "select coalesce(sum(amount_minor), 0)::bigint from rowlock.ledger_entries "
            "where show_id = %s and account = 'provider'",
            [self.show.show_id],
        )
        [(amount,)] = await cursor.fetchall()
        return int(amount)

    async def unfinished(self) -> int:
        cursor = await self.db.owner.execute(
            "select (select count(*) from rowlock.outbox_messages where show_id = %(show)s and done_at is null) "
            "+ (select count(*) from rowlock.refunds where show_id = %(show)s and status <> 'succeeded')",
            {"show": self.show.show_id},
        )
        [(count,)] = await cursor.fetchall()
        return int(count)


Opener = Callable[[PaymentProvider], Awaitable[Shop]]


@pytest.fixture
async def shop_with(dsns: Dsns, db: SeatDb) -> AsyncIterator[Opener]:
    async with AsyncExitStack() as stack:

        async def open_shop(provider: PaymentProvider) -> Shop:
            application = await stack.enter_async_context(running(dsns, providers=OneProvider(provider)))
            client = await stack.enter_async_context(application.client())
            staff = await stack.enter_async_context(application.client(headers={"x-api-key": ADMIN_KEY}))
            return Shop(db, await put_on_sale(db.owner), client, staff, provider)

        yield open_shop


def kept_by(simulator: StripeSimulator) -> int:
    """All money that the simulator has taken and not given back."""
    return sum(c["amount"] - c["amount_refunded"] for c in simulator.platform.charges.values() if c["captured"])


def reference_of(simulator: StripeSimulator, order_id: str) -> str:
    [found] = [i["id"] for i in simulator.platform.intents.values() if i["metadata"]["order_id"] == order_id]
    return str(found)


async def answered_within(seconds: float, asking: Awaitable[httpx.Response]) -> httpx.Response:
    began = time.monotonic()
    answer = await asking
    assert time.monotonic() - began < seconds
    return answer


FAULTS = {
    "down": Fault("503", times=None),
    "rate limit": Fault("429", times=None),
    "error before": Fault("500", times=None, only="POST"),
    "error after success": Fault("500_after", times=None, only="POST"),
}


@pytest.mark.soak("pg15", full=True)
@pytest.mark.parametrize("name", FAULTS)
async def test_after_an_outage_of_minutes_everything_is_paid_and_refunded_once(
    name: str, simulator: StripeSimulator, shop_with: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The adapter's clock does not move with the database's.
    monkeypatch.setattr(stripe_adapter, "KEY_WINDOW_SECONDS", 0.001)
    stripe = StripeProvider(SECRET_KEY, publishable_key=None, webhook_secrets=(WEBHOOK_SECRET,), api_base=simulator.url)
    shop = await shop_with(stripe)
    before = kept_by(simulator)
    authorized, refunded, unpaid = await shop.order(1), await shop.order(2), await shop.order(3)
    intents = {order_id: (await shop.pay(order_id)).json()["payment_intent_id"] for order_id in (authorized, refunded)}
    for order_id in intents:
        simulator.platform.confirm(reference_of(simulator, order_id), GOOD_CARD)
    assert (await shop.confirm(refunded, intents[refunded])).json()["status"] == "paid"
    await shop.refund(refunded)

    fault = Fault(FAULTS[name].kind, None, FAULTS[name].only)
    simulator.faults.append(fault)
    for asked in (shop.pay(unpaid), shop.confirm(authorized, intents[authorized])):
        refusal = await answered_within(2.0, asked)
        if name != "error after success" or refusal.status_code != 200:
            problem(refusal, 503, "PAYMENT_UNAVAILABLE")
            assert int(refusal.headers["retry-after"]) >= 1
    await shop.work(ROUNDS)
    # Meanwhile seats are held and ordered as ever.
    later = await shop.order(4)
    seen: Any = (await shop.client.get(f"/api/shows/{shop.show.show_id}/seats")).status_code
    assert seen == 200
    simulator.faults.clear()

    for order_id in (unpaid, later):
        paid = await shop.pay(order_id)
        assert paid.status_code == 200, paid.text
        simulator.platform.confirm(reference_of(simulator, order_id), GOOD_CARD)
    await shop.work(ROUNDS)

    assert await shop.orders() == {authorized: "paid", refunded: "refunded", unpaid: "paid", later: "paid"}
    assert kept_by(simulator) - before == 3 * 5000 == await shop.ledger()
    assert await shop.unfinished() == 0
    await stripe.close()


async def test_a_busy_provider_says_when_to_come_back(shop_with: Opener, simulator: StripeSimulator) -> None:
    stripe = StripeProvider(SECRET_KEY, publishable_key=None, webhook_secrets=(WEBHOOK_SECRET,), api_base=simulator.url)
    shop = await shop_with(stripe)
    order_id = await shop.order(1)
    simulator.faults.append(Fault("429"))

    refusal = await shop.pay(order_id)

    assert refusal.headers["retry-after"] == "2"
    assert (await shop.pay(order_id)).status_code == 200
    await stripe.close()


class SlowProvider(ScriptedProvider):
    """It takes so many seconds for each call that is named, or for all of them."""

    seconds: float = 0.0
    slow: frozenset[str] = frozenset({"create", "fetch", "capture", "refund"})

    async def _wait(self, call: str) -> None:
        if call in self.slow:
            await asyncio.sleep(self.seconds)

    async def create(self, wish: Any) -> Any:
        await self._wait("create")
        return await super().create(wish)

    async def fetch(self, reference: str) -> Any:
        await self._wait("fetch")
        return await super().fetch(reference)

    async def capture(self, reference: str, *, key: str) -> Any:
        await self._wait("capture")
        return await super().capture(reference, key=key)


async def test_a_slow_provider_keeps_a_request_for_less_than_two_seconds_in_all(shop_with: Opener) -> None:
    """Each call alone would be quick enough: asking takes 1.2 seconds, and capturing as long again."""
    provider = SlowProvider()
    shop = await shop_with(provider)
    order_id = await shop.order(1)
    paid = (await shop.pay(order_id)).json()
    [reference] = provider.payments
    provider.authorize(reference)
    provider.seconds = 1.2

    refusal = await answered_within(2.0, shop.confirm(order_id, paid["payment_intent_id"]))

    problem(refusal, 503, "PAYMENT_UNAVAILABLE")
    provider.seconds = 0.0
    await shop.work(2)
    assert await shop.orders() == {order_id: "paid"}
    assert provider.kept_minor() == 5000


async def test_holds_and_orders_do_not_wait_for_a_provider_that_takes_ten_seconds(shop_with: Opener) -> None:
    provider = SlowProvider()
    provider.seconds = 10.0
    shop = await shop_with(provider)
    waiting = [await shop.order(seat) for seat in (1, 2, 3, 4)]
    requests = [asyncio.ensure_future(shop.pay(order_id)) for order_id in waiting]
    await asyncio.sleep(0)

    for seat in range(5, 10):
        await shop.order(seat)
        seen = await shop.client.get(f"/api/shows/{shop.show.show_id}/seats")
        assert seen.status_code == 200
    assert not any(request.done() for request in requests), "holds and orders were no quicker than the provider"
    for request in requests:
        problem(await request, 503, "PAYMENT_UNAVAILABLE")

    provider.seconds = 0.0
    for order_id in waiting:
        assert (await shop.pay(order_id)).status_code == 200
    assert len(provider.payments) == len(waiting)


async def test_payments_that_cannot_be_asked_about_do_not_keep_others_from_their_turn(
    shop_with: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One account is down for long, and its payments are the oldest; the others have to get their turn."""
    monkeypatch.setattr(jobs, "BATCH", 2)
    provider = ScriptedProvider()
    shop = await shop_with(provider)
    orders = [await shop.order(seat) for seat in (1, 2, 3, 4)]
    for order_id in orders:
        await shop.pay(order_id)
    lost, last = list(provider.payments)[:3], list(provider.payments)[3]
    provider.authorize(last)
    fetch = provider.fetch

    async def fetch_if_up(reference: str) -> Any:
        if reference in lost:
            unavailable("fetch")("fetch")
        return await fetch(reference)

    monkeypatch.setattr(provider, "fetch", fetch_if_up)
    await shop.db.owner.execute("update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'")
    cells = Cells(DirectDatabase(shop.db.dsns, application_name="rowlock test"))
    loop = ReconcileLoop(Purchases(cells, OneProvider(provider)), lambda: 0.0)
    async with cells.catalogue.worker() as connection:
        for _ in range(2):
            await loop.work(connection)

    assert (await shop.orders())[orders[3]] == "paid"


@pytest.mark.parametrize("which", ["inbox", "reconciler"])
async def test_a_round_ends_in_time_with_a_slow_provider(
    which: str, shop_with: Opener, worker: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round that is cut off leaves what it has taken to nobody for a minute, and does none of the work after it."""
    monkeypatch.setattr(jobs, "ROUND_SECONDS", -1.0)
    provider = ScriptedProvider()
    shop = await shop_with(provider)
    for seat in (1, 2, 3):
        await shop.pay(await shop.order(seat))
    for reference in provider.payments:
        event = {"id": f"evt_{reference}", "kind": "payment", "reference": reference}
        await shop.client.post("/api/webhooks/scripted", json=event, headers={"scripted-signature": "right"})
    await shop.db.owner.execute("update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'")
    provider.calls.clear()
    purchases = Purchases(Cells(DirectDatabase(shop.db.dsns, application_name="test")), OneProvider(provider))

    ticks = iter(range(1000))
    loop = InboxLoop(purchases) if which == "inbox" else ReconcileLoop(purchases, lambda: float(next(ticks)))
    await loop.work(worker)

    assert provider.calls.count("fetch") <= 1
