"""Refunds that are pending at the provider, or of which nobody knows whether they were made: each is settled by itself.

No webhook need come. Time passes in the database.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout import jobs, refund_store
from rowlock.checkout.exchanges import Exchanges
from rowlock.checkout.jobs import InboxLoop, OutboxLoop, ReconcileLoop, money_handlers
from rowlock.checkout.model import RefundWish
from rowlock.checkout.notices import mail_handlers
from rowlock.checkout.providers.model import CardOutcome
from rowlock.checkout.providers.payment_provider import PaymentProvider, ProviderRefusedError
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.providers.sandbox.signing import HEADER, sign
from rowlock.checkout.providers.stripe import StripeProvider
from rowlock.checkout.purchase import Purchases
from rowlock.checkout.service import Checkout
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.mail.post import Mails, make_post
from tests.api.conftest import put_on_sale
from tests.checkout.test_crashes import assert_sound
from tests.checkout.test_purchases import PRICE, Buyer, buyer, order_for
from tests.support.answers import Show
from tests.support.http import running
from tests.support.scripted_provider import OneProvider, ScriptedProvider, unavailable
from tests.support.seatdb import SeatDb
from tests.support.stripe_simulator import (
    SECRET_KEY,
    WEBHOOK_SECRET,
    Fault,
    StripeSimulator,
    signature,
    simulated_stripe,
)
from tests.support.stripe_state import GOOD_CARD

Connection = psycopg.AsyncConnection


@pytest.fixture
async def show(db: SeatDb) -> Show:
    show = await db.make_show()
    await db.owner.execute(
        "insert into rowlock.show_prices (show_id, category, amount_minor) values (%s, 0, %s) "
        "on conflict (show_id, price_version, category, price_type) do update set amount_minor = excluded.amount_minor",
        [show.show_id, PRICE],
    )
    return show


@dataclass
class Back:
    """A worker whose refunds are looked at, and what is recorded of them."""

    db: SeatDb
    worker: Connection
    purchases: Purchases
    cells: Cells

    async def outbox(self) -> None:
        """The worker's outbox: money first, then mails into the local mailbox."""
        money = money_handlers(self.purchases, Exchanges(self.cells))
        mail = mail_handlers(self.cells, make_post(self.cells, None, None))
        await OutboxLoop({kind: [*money.get(kind, ()), *mail.get(kind, ())] for kind in {**money, **mail}}).work(
            self.worker
        )

    async def reconcile(self, rounds: int = 1, loop: ReconcileLoop | None = None) -> None:
        """So many rounds of the reconciler, each two minutes after the one before, and of a worker that starts anew."""
        for _ in range(rounds):
            await self.db.owner.execute(
                "update rowlock.refunds set created_at = created_at - interval '2 minutes', "
                "updated_at = updated_at - interval '2 minutes'"
            )
            await (loop or ReconcileLoop(self.purchases, lambda: 0.0)).work(self.worker)

    async def statuses(self) -> list[str]:
        cursor = await self.db.owner.execute("select status from rowlock.refunds order by created_at, refund_id")
        return [status for (status,) in await cursor.fetchall()]

    async def messages(self, like: str = "refund\\_%") -> list[str]:
        cursor = await self.db.owner.execute(
            "select kind from rowlock.outbox_messages where kind like %s order by message_id", [like]
        )
        return [kind for (kind,) in await cursor.fetchall()]


def back_with(db: SeatDb, worker: Connection, provider: PaymentProvider) -> Back:
    cells = Cells(DirectDatabase(db.dsns, application_name="rowlock test"))
    return Back(db, worker, Purchases(cells, OneProvider(provider)), cells)


async def paid(db: SeatDb, show: Show, provider: ScriptedProvider, seat: int) -> Buyer:
    one = await buyer(db, show, provider, seat, holder=f"buyer {seat}")
    provider.authorize(one.reference)
    assert await one.confirm() == "paid"
    return one


async def open_refund(checkout: Checkout, show_id: UUID, order_id: UUID) -> None:
    """Refund all of an order, or open that refund again once it has failed."""
    opened = await checkout.refund(RefundWish(show_id, order_id, f"refund-{order_id}", "ill", "admin"))
    assert opened.outcome == "OK"


async def refund_of(db: SeatDb, show: Show, provider: ScriptedProvider, seat: int = 1) -> Buyer:
    """A buyer who has paid, and whose refund is opened."""
    one = await paid(db, show, provider, seat)
    await open_refund(one.checkout, show.show_id, one.order.order_id)
    return one


async def provider_sum(db: SeatDb) -> int:
    cursor = await db.owner.execute(
        "select coalesce(sum(amount_minor), 0)::bigint from rowlock.ledger_entries where account = 'provider'"
    )
    [(amount,)] = await cursor.fetchall()
    return int(amount)


async def test_a_pending_refund_succeeds_without_a_webhook(db: SeatDb, show: Show, worker: Connection) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    await refund_of(db, show, provider)
    await back.outbox()
    await back.reconcile()
    assert (await back.statuses(), await provider_sum(db)) == (["pending"], PRICE)

    provider.finish_refunds()
    await back.reconcile(2)

    assert await back.statuses() == ["succeeded"]
    assert await provider_sum(db) == provider.kept_minor() == 0
    assert await back.messages() == ["refund_requested", "refund_succeeded"]
    # It is asked about, and not made again.
    assert provider.calls.count("refund") == 1


async def test_a_pending_refund_that_fails_is_listed_and_can_be_opened_again(
    db: SeatDb, show: Show, worker: Connection
) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    one = await refund_of(db, show, provider)
    await back.outbox()
    provider.fail_refunds("the card was closed")

    await back.reconcile()
    await back.outbox()

    assert (await back.statuses(), await provider_sum(db)) == (["failed"], PRICE)
    [listed] = await Mails(back.cells).list_given_up()
    assert (listed.kind, "the card was closed" in (listed.error or "")) == ("refund_failed", True)
    cursor = await db.owner.execute(
        "select metadata ->> 'failure' from rowlock.seat_reservation_audit_log where event = 'refund_failed'"
    )
    assert await cursor.fetchall() == [("the card was closed",)]
    # The buyer still has to get the money. For the provider it is another refund: the first one stays failed.
    provider.refunds_pending = False
    await open_refund(one.checkout, show.show_id, one.order.order_id)
    await back.outbox()
    assert await provider_sum(db) == provider.kept_minor() == 0


async def test_while_the_provider_is_down_a_pending_refund_stays_pending(
    db: SeatDb, show: Show, worker: Connection
) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    await refund_of(db, show, provider)
    await back.outbox()
    provider.fail = unavailable("fetch_refund", times=3)
    provider.finish_refunds()

    await back.reconcile(3)
    assert (provider.calls.count("fetch_refund"), await back.statuses()) == (3, ["pending"])
    await back.reconcile()

    assert await back.statuses() == ["succeeded"]
    assert await provider_sum(db) == 0


async def test_a_refund_whose_answer_was_lost_is_settled_by_the_reconciler_alone(
    db: SeatDb, show: Show, worker: Connection
) -> None:
    provider = ScriptedProvider()
    back = back_with(db, worker, provider)
    await refund_of(db, show, provider)
    provider.lose = unavailable("refund")
    await back.outbox()
    assert await back.statuses() == ["in_doubt"]

    await back.reconcile()

    assert await back.statuses() == ["succeeded"]
    assert len(provider.refunds) == 1
    assert await provider_sum(db) == provider.kept_minor() == 0


async def test_a_refund_that_the_provider_does_not_have_is_not_made_again(
    db: SeatDb, show: Show, worker: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """The keys may be those of another account by now. The money must not be given back twice."""
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    await refund_of(db, show, provider)
    await back.outbox()
    provider.refunds.clear()

    await back.reconcile()

    assert (await back.statuses(), provider.calls.count("refund")) == (["pending"], 1)


async def test_refunds_that_cannot_be_asked_about_do_not_keep_others_from_their_turn(
    db: SeatDb, show: Show, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    for seat in (1, 2, 3, 4):
        await refund_of(db, show, provider, seat)
    await back.outbox()
    monkeypatch.setattr(jobs, "BATCH", 2)
    lost = list(provider.refunds)[:3]
    fetch = provider.fetch_refund

    async def fetch_if_known(reference: str) -> Any:
        if reference in lost:
            raise ProviderRefusedError("not permitted")
        return await fetch(reference)

    monkeypatch.setattr(provider, "fetch_refund", fetch_if_known)
    provider.finish_refunds()

    await back.reconcile(2)

    assert await back.statuses() == ["pending", "pending", "pending", "succeeded"]


async def test_refunds_get_their_turn_beside_payments(
    db: SeatDb, show: Show, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round ends in time. What it has looked at by then are not payments alone."""
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    for seat in (1, 2):
        await refund_of(db, show, provider, seat)
    await back.outbox()
    for seat in (3, 4, 5):
        await buyer(db, show, provider, seat, holder=f"buyer {seat}")
    await db.owner.execute("update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'")
    provider.calls.clear()
    # Each reading of the clock is 8 seconds after the one before; a look reads it twice.
    clock = iter(range(0, 1000, 8))

    await back.reconcile(1, ReconcileLoop(back.purchases, lambda: float(next(clock))))

    assert provider.calls == ["fetch", "fetch_refund"]


AGES = [
    # age of the refund when it was looked at, time since then, both in seconds, and whether it is due again
    (0, 14, False),
    (0, 16, True),
    (60, 14, False),
    (60, 16, True),
    (1200, 290, False),
    (1200, 310, True),
    (86400, 3590, False),
    (86400, 3610, True),
]


@pytest.mark.parametrize(("age", "since", "is_due"), AGES)
async def test_a_refund_is_asked_about_less_often_as_it_ages(
    db: SeatDb, show: Show, worker: Connection, age: int, since: int, is_due: bool
) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    await refund_of(db, show, provider)
    await back.outbox()
    await db.owner.execute(
        "update rowlock.refunds set created_at = clock_timestamp() - make_interval(secs => %(age)s + %(since)s), "
        "updated_at = clock_timestamp() - make_interval(secs => %(since)s)",
        {"age": age, "since": since},
    )

    found = await refund_store.refunds_to_ask_about(
        worker,
        untouched_seconds=jobs.UNTOUCHED_SECONDS,
        longest_seconds=jobs.LONGEST_UNTOUCHED_SECONDS,
        limit=jobs.BATCH,
    )

    assert bool(found) is is_due


async def test_a_webhook_settles_a_pending_refund_at_once(db: SeatDb, show: Show, worker: Connection) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    one = await refund_of(db, show, provider)
    await back.outbox()
    provider.finish_refunds()
    event = json.dumps({"id": "evt_1", "kind": "refund.updated", "reference": one.reference}).encode()
    assert await one.checkout.receive("scripted", {"scripted-signature": "right"}, event, datetime.now(UTC))

    await InboxLoop(back.purchases).work(worker)

    assert await back.statuses() == ["succeeded"]


# Through Stripe's SDK, and through the sandbox.


@pytest.fixture
def simulator() -> Iterator[StripeSimulator]:
    with simulated_stripe() as simulator:
        simulator.platform.refunds_pending = True
        yield simulator


@pytest.fixture
async def stripe(simulator: StripeSimulator) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(
        SECRET_KEY, publishable_key=None, webhook_secrets=(WEBHOOK_SECRET,), api_base=simulator.url
    )
    yield provider
    await provider.close()


async def stripe_refund(
    db: SeatDb, show: Show, provider: StripeProvider, simulator: StripeSimulator, back: Back
) -> str:
    """An order was paid at Stripe, and its refund is pending there. Returns Stripe's id of it."""
    checkout = Checkout(back.cells, OneProvider(provider), secret_key="key")
    _, order = await order_for(db, show, checkout, 1, holder="anna")
    _, payment = await checkout.pay(order)
    assert payment is not None
    assert payment.reference is not None
    simulator.platform.confirm(payment.reference, GOOD_CARD)
    advanced = await checkout.confirm(order, payment.payment_intent_id)
    assert advanced is not None
    assert advanced.order.status == "paid"
    await open_refund(checkout, show.show_id, order.order_id)
    await back.outbox()
    [id_] = simulator.platform.refunds
    assert await back.statuses() == ["pending"]
    return id_


@pytest.mark.parametrize("ends", ["succeeded", "failed"])
@pytest.mark.parametrize("is_told", [True, False], ids=["by webhook", "without webhook"])
async def test_a_refund_at_stripe_that_is_pending_for_long(
    db: SeatDb,
    show: Show,
    worker: Connection,
    stripe: StripeProvider,
    simulator: StripeSimulator,
    ends: str,
    is_told: bool,
) -> None:
    back = back_with(db, worker, stripe)
    id_ = await stripe_refund(db, show, stripe, simulator, back)
    simulator.faults.append(Fault("503", None, "GET /v1/refunds"))
    await back.reconcile()
    assert await back.statuses() == ["pending"]
    simulator.faults.clear()

    if ends == "succeeded":
        simulator.platform.finish_refund(id_)
    else:
        simulator.platform.fail_refund(id_)
    if is_told:
        event = json.dumps(simulator.platform.events[-1]).encode()
        headers = {"stripe-signature": signature(event, WEBHOOK_SECRET)}
        checkout = Checkout(back.cells, OneProvider(stripe), secret_key="key")
        assert await checkout.receive("stripe", headers, event, datetime.now(UTC))
        await InboxLoop(back.purchases).work(worker)
    else:
        await back.reconcile()

    assert await back.statuses() == [ends]
    assert await back.messages() == ["refund_requested", f"refund_{ends}"]
    [charge] = simulator.platform.charges.values()
    assert charge["amount"] - charge["amount_refunded"] == await provider_sum(db)
    assert len(simulator.platform.refunds) == 1


async def test_a_refund_that_failed_at_stripe_is_made_anew_when_it_is_opened_again(
    db: SeatDb, show: Show, worker: Connection, stripe: StripeProvider, simulator: StripeSimulator
) -> None:
    back = back_with(db, worker, stripe)
    checkout = Checkout(back.cells, OneProvider(stripe), secret_key="key")
    simulator.platform.fail_refund(await stripe_refund(db, show, stripe, simulator, back))
    await back.reconcile()
    assert await back.statuses() == ["failed"]
    cursor = await db.owner.execute("select order_id from rowlock.refunds")
    [(order_id,)] = await cursor.fetchall()
    simulator.platform.refunds_pending = False

    await open_refund(checkout, show.show_id, order_id)
    await back.outbox()

    assert await back.statuses() == ["succeeded"]
    assert sorted(refund["status"] for refund in simulator.platform.refunds.values()) == ["failed", "succeeded"]
    assert await provider_sum(db) == 0


async def test_a_webhook_of_the_sandbox_settles_a_refund_in_doubt(
    dsns: Dsns, db: SeatDb, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = await put_on_sale(db.owner)
    cells = Cells(DirectDatabase(dsns, application_name="rowlock test"))
    secret = b"secret of the sandbox"
    sandbox = SandboxProvider(cells, "installation", secret=secret)
    back = back_with(db, worker, sandbox)
    checkout = Checkout(cells, OneProvider(sandbox), secret_key="key")
    async with AsyncExitStack() as stack:
        application = await stack.enter_async_context(running(dsns, providers=OneProvider(sandbox)))
        client = await stack.enter_async_context(application.client())
        _, order = await order_for(db, show, checkout, 1, holder="anna")
        _, payment = await checkout.pay(order)
        assert payment is not None
        assert payment.reference is not None
        await sandbox.authorize(payment.reference, CardOutcome.SUCCEED)
        await checkout.confirm(order, payment.payment_intent_id)
        await open_refund(checkout, show.show_id, order.order_id)
        with monkeypatch.context() as losing:
            losing.setattr(SandboxProvider, "refund", _answer_lost(SandboxProvider.refund))
            await back.outbox()
        assert await back.statuses() == ["in_doubt"]
        cursor = await db.owner.execute("select body from rowlock.sandbox_events where kind like 'refund%'")
        [(body,)] = await cursor.fetchall()
        headers = {HEADER: sign(body.encode(), secret, datetime.now(UTC)), "content-type": "application/json"}
        sent = await client.post("/api/webhooks/sandbox", content=body.encode(), headers=headers)
        assert sent.status_code == 200, sent.text

    await InboxLoop(back.purchases).work(worker)

    assert await back.statuses() == ["succeeded"]
    await assert_sound(db, show)


def _answer_lost(real: Any) -> Any:
    async def refund(*arguments: Any, **more: Any) -> None:
        await real(*arguments, **more)
        unavailable("refund")("refund")

    return refund
