"""The Stripe adapter: the real SDK over HTTP, against a simulator of Stripe's API."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from rowlock.checkout.providers import stripe
from rowlock.checkout.providers.payment_provider import (
    PaymentStatus,
    ProviderPayment,
    ProviderUnavailableError,
    RefundStatus,
    WebhookRefusedError,
)
from rowlock.checkout.providers.stripe import StripeProvider
from tests.support.inbox import inbox_running
from tests.support.provider_contract import ProviderContract, collected, wish
from tests.support.stripe_simulator import (
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    Fault,
    StripeSimulator,
    signature,
    simulated_stripe,
)
from tests.support.stripe_state import BANK_TRANSFER, CARD_WITH_3DS, DECLINED_CARD, GOOD_CARD, IDEAL, StripeError


class AtStripe:
    """The buyer acts on Stripe's part of the page, which Rowlock never sees."""

    def __init__(self, simulator: StripeSimulator) -> None:
        self._simulator = simulator

    async def pay(self, reference: str) -> None:
        self._simulator.platform.confirm(reference, GOOD_CARD)

    async def try_declined_card(self, reference: str) -> None:
        with pytest.raises(StripeError):
            self._simulator.platform.confirm(reference, DECLINED_CARD)


def connect(simulator: StripeSimulator, **more: object) -> StripeProvider:
    given: dict[str, object] = {
        "publishable_key": PUBLISHABLE_KEY,
        "webhook_secrets": (WEBHOOK_SECRET,),
        "api_base": simulator.url,
    }
    return StripeProvider(SECRET_KEY, **(given | more))  # type: ignore[arg-type] # Tests name parameters.


@pytest.fixture
async def provider(simulator: StripeSimulator) -> AsyncIterator[StripeProvider]:
    provider = connect(simulator)
    yield provider
    await provider.close()


@pytest.fixture
def buyer(simulator: StripeSimulator) -> AtStripe:
    return AtStripe(simulator)


class TestStripe(ProviderContract):
    async def test_a_payment_is_made_to_be_captured_later_with_what_finds_it_again(
        self, provider: StripeProvider, simulator: StripeSimulator
    ) -> None:
        wanted = wish()
        made = await provider.create(wanted)

        intent = simulator.platform.intents[made.reference]
        assert intent["capture_method"] == "manual"
        assert intent["metadata"] == {
            "show_id": str(wanted.show_id),
            "order_id": str(wanted.order_id),
            "payment_intent_id": str(wanted.payment_intent_id),
        }
        assert made.client_secret == intent["client_secret"]
        assert "anna@example.org" not in json.dumps(intent), "Stripe would send a receipt of its own"
        assert str(made.client_secret) not in repr(made)

    async def test_a_3_d_secure_step_leaves_it_open(self, provider: StripeProvider, simulator: StripeSimulator) -> None:
        made = await provider.create(wish())
        simulator.platform.confirm(made.reference, CARD_WITH_3DS)
        assert (await fetched(provider, made)).status is PaymentStatus.OPEN

        simulator.platform.confirm(made.reference, CARD_WITH_3DS)
        assert (await fetched(provider, made)).status is PaymentStatus.AUTHORIZED


async def fetched(provider: StripeProvider, payment: ProviderPayment) -> ProviderPayment:
    found = await provider.fetch(payment.reference)
    assert found is not None
    return found


async def test_what_cannot_be_captured_later_is_charged_at_once_and_only_where_that_is_wanted(
    provider: StripeProvider, simulator: StripeSimulator
) -> None:
    later = await provider.create(wish())
    with pytest.raises(StripeError):
        simulator.platform.confirm(later.reference, IDEAL)
    mixed = connect(simulator, mixed=True)
    with_card, with_ideal, with_transfer = [await mixed.create(wish()) for _ in range(3)]

    simulator.platform.confirm(with_card.reference, GOOD_CARD)
    simulator.platform.confirm(with_ideal.reference, IDEAL)
    simulator.platform.confirm(with_transfer.reference, BANK_TRANSFER)

    assert (await fetched(mixed, with_card)).status is PaymentStatus.AUTHORIZED
    assert (await fetched(mixed, with_ideal)).status is PaymentStatus.CAPTURED
    assert (await fetched(mixed, with_transfer)).status is PaymentStatus.PROCESSING
    with pytest.raises(ProviderUnavailableError):
        await mixed.cancel(with_transfer.reference, key="cancel")
    simulator.platform.settle(with_transfer.reference)
    assert (await mixed.capture(with_transfer.reference, key="capture-mixed")).status is PaymentStatus.CAPTURED
    refund = await mixed.refund(with_ideal.reference, 8500, key="lost")
    assert refund.status is RefundStatus.SUCCEEDED
    await mixed.close()


# When Stripe fails


@pytest.mark.parametrize("kind", ["429", "500", "503"])
@pytest.mark.parametrize("call", ["create", "fetch", "capture", "cancel", "refund"])
async def test_what_may_be_sent_again_is_told_apart_from_what_may_not(
    provider: StripeProvider, simulator: StripeSimulator, buyer: AtStripe, kind: str, call: str
) -> None:
    made = await provider.create(wish())
    await buyer.pay(made.reference)
    simulator.faults.append(Fault(kind))
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: provider.create(wish()),
        "fetch": lambda: provider.fetch(made.reference),
        "capture": lambda: provider.capture(made.reference, key=f"k-{made.reference}"),
        "cancel": lambda: provider.cancel(made.reference, key=f"k-{made.reference}"),
        "refund": lambda: provider.refund(made.reference, 1, key=f"k-{made.reference}"),
    }

    with pytest.raises(ProviderUnavailableError) as failed:
        await calls[call]()

    assert failed.value.retry_after_seconds == (2.0 if kind == "429" else None)
    assert SECRET_KEY not in str(failed.value)


@pytest.mark.parametrize("done", [True, False])
async def test_a_stored_server_error_is_looked_behind(
    provider: StripeProvider, simulator: StripeSimulator, buyer: AtStripe, done: bool
) -> None:
    """Stripe answers a key with the error that it has stored, for a day: whether the work was done, or not."""
    kind = "500_after" if done else "500"

    async def twice(make: object, only: str) -> object:
        assert callable(make)
        simulator.faults.append(Fault(kind, only=only))
        with pytest.raises(ProviderUnavailableError):
            await make()
        return await make()

    wanted = wish()
    made = await twice(lambda: provider.create(wanted), "POST /v1/payment_intents")
    assert isinstance(made, ProviderPayment)
    assert len(await intents_of(provider, wanted.payment_intent_id)) == 1
    await buyer.pay(made.reference)
    captured = await twice(lambda: provider.capture(made.reference, key=f"c-{made.reference}"), "/capture")
    assert isinstance(captured, ProviderPayment)
    assert captured.status is PaymentStatus.CAPTURED
    await twice(lambda: provider.refund(made.reference, 500, key=f"r-{made.reference}"), "POST /v1/refunds")
    assert (await fetched(provider, made)).refunded_minor == 500
    other = await provider.create(wish())
    cancelled = await twice(lambda: provider.cancel(other.reference, key=f"x-{other.reference}"), "/cancel")
    assert isinstance(cancelled, ProviderPayment)
    assert cancelled.status is PaymentStatus.CANCELLED


async def intents_of(provider: StripeProvider, payment_intent_id: UUID) -> list[str]:
    listed = await collected(provider.list_since(datetime.now(UTC) - timedelta(hours=1)))
    return [ref for ref, payment in listed.items() if payment.payment_intent_id == payment_intent_id]


async def test_a_call_with_the_key_of_one_that_is_under_way_is_to_be_sent_again(
    provider: StripeProvider, simulator: StripeSimulator
) -> None:
    simulator.faults.append(Fault("late", seconds=0.5))
    wanted = wish()

    first = asyncio.create_task(provider.create(wanted))
    while not simulator.requests:  # noqa: ASYNC110 - the simulator is in another thread.
        await asyncio.sleep(0.01)
    with pytest.raises(ProviderUnavailableError):
        await provider.create(wanted)

    made = await first
    assert (await provider.create(wanted)).reference == made.reference


async def test_an_answer_that_does_not_come_is_given_up_and_found_later(
    provider: StripeProvider, simulator: StripeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "CALL_SECONDS", 0.2)
    simulator.faults.append(Fault("late", seconds=0.6))
    wanted = wish()
    with pytest.raises(ProviderUnavailableError, match=r"0\.2 seconds"):
        await provider.create(wanted)

    await asyncio.sleep(0.6)
    made = await provider.create(wanted)

    assert await intents_of(provider, wanted.payment_intent_id) == [made.reference]


async def test_an_outage_is_told_at_once() -> None:
    with simulated_stripe() as gone:
        provider = connect(gone)
    with pytest.raises(ProviderUnavailableError):
        await provider.create(wish())
    await provider.close()


@pytest.mark.parametrize("has_search", [True, False])
async def test_a_key_that_stripe_may_have_forgotten_makes_no_second_payment(
    provider: StripeProvider, simulator: StripeSimulator, has_search: bool
) -> None:
    simulator.has_search = has_search
    old = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    fresh = wish()
    made_then = UUID(int=(int(old * 1000) << 80) | (fresh.payment_intent_id.int & ((1 << 80) - 1)))
    wanted = replace(fresh, payment_intent_id=made_then)
    first = await provider.create(wanted)
    simulator.forget_keys()

    assert (await provider.create(wanted)).reference == first.reference
    assert len(await intents_of(provider, made_then)) == 1


async def test_a_forgotten_key_makes_no_second_refund(
    provider: StripeProvider, simulator: StripeSimulator, buyer: AtStripe
) -> None:
    made = await provider.create(wish())
    await buyer.pay(made.reference)
    await provider.capture(made.reference, key=f"capture-{made.reference}")
    first = await provider.refund(made.reference, 1000, key=f"once-{made.reference}")
    simulator.forget_keys()

    assert await provider.refund(made.reference, 1000, key=f"once-{made.reference}") == first
    assert (await provider.capture(made.reference, key=f"capture-{made.reference}")).status is PaymentStatus.CAPTURED
    assert (await fetched(provider, made)).refunded_minor == 1000


async def test_a_refund_can_fail_later(provider: StripeProvider, simulator: StripeSimulator, buyer: AtStripe) -> None:
    simulator.platform.refunds_pending = True
    made = await provider.create(wish())
    await buyer.pay(made.reference)
    await provider.capture(made.reference, key="capture-later")
    refund = await provider.refund(made.reference, 1000, key="pending")
    assert refund.status is RefundStatus.PENDING

    simulator.platform.fail_refund(refund.reference)

    failed = await provider.fetch_refund(refund.reference)
    assert failed is not None
    assert (failed.status, failed.failure) == (RefundStatus.FAILED, "lost_or_stolen_card")
    assert (await fetched(provider, made)).refunded_minor == 0


async def test_a_key_that_was_revoked_is_for_the_operator_to_mend(simulator: StripeSimulator) -> None:
    provider = StripeProvider("rk_revoked", publishable_key=None, webhook_secrets=(), api_base=simulator.url)

    with pytest.raises(ProviderUnavailableError, match="401"):
        await provider.create(wish())
    await provider.close()


# Accounts


async def test_a_connected_account_sees_its_own_payments_only(
    provider: StripeProvider, simulator: StripeSimulator
) -> None:
    simulator.connect("acct_moonlight")
    connected = connect(simulator, stripe_account="acct_moonlight")
    theirs, ours = await connected.create(wish()), await provider.create(wish())

    assert await provider.fetch(theirs.reference) is None
    assert await connected.fetch(ours.reference) is None
    assert (await collected(connected.list_since(datetime.now(UTC) - timedelta(hours=1)))).keys() == {theirs.reference}
    await connected.close()


# Webhooks


async def events(simulator: StripeSimulator, provider: StripeProvider) -> dict[str, object]:
    made = await provider.create(wish())
    simulator.platform.confirm(made.reference, GOOD_CARD)
    event: dict[str, object] = simulator.platform.events[-1]
    return event


def signed(event: object, secret: str = WEBHOOK_SECRET, at: float | None = None) -> tuple[dict[str, str], bytes]:
    body = json.dumps(event).encode()
    return {"stripe-signature": signature(body, secret, at)}, body


async def test_a_webhook_is_read(provider: StripeProvider, simulator: StripeSimulator) -> None:
    wanted = wish()
    made = await provider.create(wanted)
    simulator.platform.confirm(made.reference, GOOD_CARD)

    event = provider.parse_webhook(*signed(simulator.platform.events[-1]), datetime.now(UTC))

    assert event.kind == "payment_intent.amount_capturable_updated"
    assert event.reference == made.reference
    assert (event.show_id, event.payment_intent_id) == (wanted.show_id, wanted.payment_intent_id)
    assert event.dispute is None


async def test_a_dispute_is_read(provider: StripeProvider, simulator: StripeSimulator, buyer: AtStripe) -> None:
    made = await provider.create(wish())
    await buyer.pay(made.reference)
    await provider.capture(made.reference, key="capture-disputed")
    dispute = simulator.platform.dispute(made.reference)

    event = provider.parse_webhook(*signed(simulator.platform.events[-1]), datetime.now(UTC))

    assert event.reference == made.reference
    assert event.dispute is not None
    assert (event.dispute.reference, event.dispute.amount_minor) == (dispute["id"], 8500)
    assert (event.dispute.currency, event.dispute.reason) == ("EUR", "fraudulent")


async def test_secrets_can_be_rotated(simulator: StripeSimulator) -> None:
    provider = connect(simulator, webhook_secrets=("whsec_new", "whsec_old"))
    event = await events(simulator, provider)

    for secret in ("whsec_old", "whsec_new"):
        provider.parse_webhook(*signed(event, secret), datetime.now(UTC))
    with pytest.raises(WebhookRefusedError):
        provider.parse_webhook(*signed(event, "whsec_other"), datetime.now(UTC))
    await provider.close()


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_an_old_webhook_is_refused(provider: StripeProvider, simulator: StripeSimulator, seconds: int) -> None:
    now = datetime.now(UTC)
    headers, body = signed(await events(simulator, provider), at=now.timestamp())

    provider.parse_webhook(headers, body, now + timedelta(seconds=seconds * 0.98))
    with pytest.raises(WebhookRefusedError):
        provider.parse_webhook(headers, body, now + timedelta(seconds=seconds * 1.02))


async def test_a_webhook_of_others_is_refused(provider: StripeProvider, simulator: StripeSimulator) -> None:
    event = await events(simulator, provider)
    headers, body = signed(event)
    now = datetime.now(UTC)

    for changed in (
        ({}, body),
        (headers, body + b" "),
        (headers, body.replace(b"EUR", b"USD").replace(b"8500", b"1")),
        ({"stripe-signature": "t=1,v1="}, body),
        signed({**event, "account": "acct_other"}),
        signed({**event, "livemode": True}),
        signed({"object": "event"}),
        signed([]),
        signed("text"),
        ({"stripe-signature": signature(b"\xff", WEBHOOK_SECRET)}, b"\xff"),
        ({"stripe-signature": signature(b"{", WEBHOOK_SECRET)}, b"{"),
    ):
        with pytest.raises(WebhookRefusedError):
            provider.parse_webhook(*changed, now)
    provider.parse_webhook(headers, body, now)


# Of the simulator: what other tests rest on


async def test_the_simulator_repeats_shuffles_and_loses_webhooks() -> None:
    with simulated_stripe() as own, inbox_running() as inbox:
        for _ in range(40):
            own.platform.create_intent({"amount": "100", "currency": "eur"})
        made = [event["id"] for event in own.platform.events]

        inbox.status = 500
        await own.deliver(inbox.url, tries=2)
        assert own.delivered == {}
        assert [json.loads(body)["id"] for _, body in inbox.received] == [id_ for id_ in made for _ in range(2)]
        inbox.received.clear()
        inbox.status = 200
        await own.deliver(inbox.url, disorder=random.Random(1), duplicates=2, lost=0.5)

    arrived = [json.loads(body)["id"] for _, body in inbox.received]
    assert arrived != sorted(arrived, key=made.index), "out of order"
    assert len(set(arrived)) < len(arrived), "some twice"
    assert 20 < len(arrived) < 60, "some never"


async def test_the_simulator_keeps_the_rules_of_keys(simulator: StripeSimulator) -> None:
    headers = {"authorization": f"Bearer {SECRET_KEY}", "idempotency-key": "of this test"}
    async with httpx.AsyncClient(base_url=simulator.url, headers=headers) as client:
        bad = await client.post("/v1/payment_intents", data={"amount": "-1", "currency": "eur"})
        first = await client.post("/v1/payment_intents", data={"amount": "100", "currency": "eur"})
        again = await client.post("/v1/payment_intents", data={"amount": "100", "currency": "eur"})
        other = await client.post("/v1/payment_intents", data={"amount": "101", "currency": "eur"})

    assert bad.status_code == 400, "and nothing was executed, so the key is not spent"
    assert first.status_code == 200
    assert first.content == again.content
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
