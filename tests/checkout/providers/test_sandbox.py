"""The sandbox: its test cards, its webhooks over HTTP, its page, and that a restart loses nothing."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout.providers import bookkeeping, store
from rowlock.checkout.providers.model import CardOutcome, KeptPayment, PaymentNotOpenError
from rowlock.checkout.providers.payment_provider import (
    PaymentStatus,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefundStatus,
    WebhookRefusedError,
)
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.providers.sandbox.jobs import IDLE_SECONDS, SandboxDeliveries
from rowlock.checkout.providers.sandbox.signing import HEADER, sign
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection, connect
from rowlock.jobs.loops import Loop, run_loops
from tests.support.inbox import Inbox, inbox_running
from tests.support.provider_contract import ProviderContract, collected, wish
from tests.support.servers import TestServer

SECRET = b"secret of the sandbox in tests"
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def dsns(server: TestServer) -> Iterator[Dsns]:
    """One database for the file: each test makes payments of its own."""
    with server.database() as name:
        yield server.dsns(name)


def sandbox_on(dsns: Dsns, account: str = "installation", **more: Any) -> SandboxProvider:
    return SandboxProvider(Cells(DirectDatabase(dsns, application_name="rowlock test")), account, secret=SECRET, **more)


@pytest.fixture
def provider(dsns: Dsns) -> SandboxProvider:
    return sandbox_on(dsns)


class WithCards:
    """The buyer has test cards."""

    def __init__(self, provider: SandboxProvider) -> None:
        self._provider = provider

    async def pay(self, reference: str) -> None:
        await self._provider.authorize(reference, CardOutcome.SUCCEED)

    async def try_declined_card(self, reference: str) -> None:
        await self._provider.authorize(reference, CardOutcome.DECLINE)


@pytest.fixture
def buyer(provider: SandboxProvider) -> WithCards:
    return WithCards(provider)


class TestSandbox(ProviderContract):
    pass


async def status(provider: SandboxProvider, reference: str) -> PaymentStatus:
    payment = await provider.fetch(reference)
    assert payment is not None
    return payment.status


# Cards


async def test_a_3_d_secure_step_is_passed_or_refused(provider: SandboxProvider) -> None:
    passed, refused = [(await provider.create(wish())).reference for _ in range(2)]
    for reference in (passed, refused):
        kept = await provider.authorize(reference, CardOutcome.THREE_D_SECURE)
        assert (kept.status, kept.step) == ("open", "three_d_secure")

    await provider.authorize(passed, CardOutcome.SUCCEED)
    await provider.authorize(refused, CardOutcome.DECLINE)

    assert await status(provider, passed) is PaymentStatus.AUTHORIZED
    assert await status(provider, refused) is PaymentStatus.OPEN


async def test_a_slow_bank_decides_by_itself(provider: SandboxProvider, owner: psycopg.AsyncConnection) -> None:
    reference = (await provider.create(wish())).reference
    await provider.authorize(reference, CardOutcome.LATE)
    assert await status(provider, reference) is PaymentStatus.PROCESSING
    with pytest.raises(ProviderUnavailableError) as not_yet:
        await provider.cancel(reference, key="cancel")
    assert not_yet.value.retry_after_seconds == 60.0

    await owner.execute(
        "update rowlock.sandbox_payments set settles_at = clock_timestamp() where reference = %s", [reference]
    )

    assert await status(provider, reference) is PaymentStatus.AUTHORIZED
    assert (await provider.cancel(reference, key="cancel")).status is PaymentStatus.CANCELLED


async def test_a_delay_can_be_as_long_as_a_program_says(provider: SandboxProvider) -> None:
    reference = (await provider.create(wish())).reference

    await provider.authorize(reference, CardOutcome.DELAY, after_seconds=0)

    assert await status(provider, reference) is PaymentStatus.AUTHORIZED


async def test_an_ended_payment_takes_no_card_and_one_that_was_paid_stays_paid(provider: SandboxProvider) -> None:
    ended, paid = [(await provider.create(wish())).reference for _ in range(2)]
    await provider.cancel(ended, key="cancel")
    await provider.authorize(paid, CardOutcome.SUCCEED)

    await provider.authorize(paid, CardOutcome.SUCCEED)
    for reference, outcome in ((ended, CardOutcome.SUCCEED), (paid, CardOutcome.DECLINE)):
        with pytest.raises(PaymentNotOpenError):
            await provider.authorize(reference, outcome)
    assert await status(provider, paid) is PaymentStatus.AUTHORIZED


async def test_a_refund_fails_with_the_card_for_it(provider: SandboxProvider) -> None:
    reference = (await provider.create(wish())).reference
    await provider.authorize(reference, CardOutcome.REFUND_FAILS)
    await provider.capture(reference, key="capture")

    refund = await provider.refund(reference, 100, key=f"refund-{reference}")

    assert refund.status is RefundStatus.FAILED
    assert refund.failure
    payment = await provider.fetch(reference)
    assert payment is not None
    assert payment.refunded_minor == 0


async def test_an_account_does_not_see_the_payments_of_another(provider: SandboxProvider, dsns: Dsns) -> None:
    other = sandbox_on(dsns, "moonlight")
    wanted = wish()
    ours, theirs = await provider.create(wanted), await other.create(wanted)

    assert ours.reference != theirs.reference, "one key, two accounts"
    assert await other.fetch(ours.reference) is None
    found = await other.find(str(wanted.payment_intent_id))
    assert found is not None
    assert found.reference == theirs.reference
    since = datetime.now(UTC) - timedelta(hours=1)
    assert (await collected(other.list_since(since))).keys() == {theirs.reference}
    with pytest.raises(ProviderRefusedError):
        await other.capture(ours.reference, key="k")


async def test_a_long_list_comes_in_pages(dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeping, "_PAGE", 2)
    provider = sandbox_on(dsns, "long list")
    made = {(await provider.create(wish())).reference for _ in range(5)}

    assert (await collected(provider.list_since(datetime.now(UTC) - timedelta(hours=1)))).keys() == made


async def test_the_contract_sees_refunds_that_do_not_wait_for_each_other(
    provider: SandboxProvider, buyer: WithCards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without the lock all decide on one state, and one gets through: events are unique."""
    everyone = asyncio.Barrier(8)

    async def read_without_lock(
        connection: Connection, books: store.Books, account: str, reference: str
    ) -> KeptPayment | None:
        payment = await store.find_payment(connection, books, account, reference)
        await everyone.wait()
        return payment

    reference = await TestSandbox()._captured(provider, buyer)
    monkeypatch.setattr(store, "_lock", read_without_lock)

    made = await asyncio.gather(
        *(provider.refund(reference, 2000, key=f"refund-{number}-{reference}") for number in range(8)),
        return_exceptions=True,
    )

    assert sum(not isinstance(refund, BaseException) for refund in made) == 1, "and not four, as the contract wants"


# Webhooks


async def rounds(deliveries: SandboxDeliveries, dsns: Dsns) -> None:
    """Rounds of the loop until it has nothing to do."""
    async with asyncio.timeout(PATIENCE_SECONDS), await connect(dsns.worker) as connection:
        while await deliveries.work(connection) != IDLE_SECONDS:
            pass
    await deliveries.close()


def told(inbox: Inbox, reference: str) -> list[str]:
    """The kinds of the webhooks about a payment, as they arrived."""
    events = [json.loads(body) for _, body in inbox.received]
    return [event["kind"] for event in events if event["payment"]["reference"] == reference]


async def test_webhooks_arrive_signed_and_say_what_has_become_of_a_payment(
    provider: SandboxProvider, dsns: Dsns
) -> None:
    wanted = wish()
    reference = (await provider.create(wanted)).reference
    await provider.authorize(reference, CardOutcome.DECLINE)
    await provider.authorize(reference, CardOutcome.SUCCEED)
    await provider.capture(reference, key="capture")
    await provider.refund(reference, 100, key=f"refund-{reference}")

    with inbox_running() as inbox:
        await rounds(provider.deliveries(inbox.url), dsns)

    kinds = ["payment.declined", "payment.authorized", "payment.captured", "refund.succeeded"]
    assert sorted(told(inbox, reference)) == sorted(kinds)
    assert {path for path, _ in inbox.paths} == {"/api/webhooks/sandbox"}
    for headers, body in inbox.received:
        event = provider.parse_webhook(headers, body, datetime.now(UTC))
        if event.reference == reference:
            assert (event.show_id, event.payment_intent_id) == (wanted.show_id, wanted.payment_intent_id)
        with pytest.raises(WebhookRefusedError):
            provider.parse_webhook(headers, body + b" ", datetime.now(UTC))
        with pytest.raises(WebhookRefusedError):
            provider.parse_webhook(headers, body, datetime.now(UTC) + timedelta(seconds=310))
        with pytest.raises(WebhookRefusedError):
            sandbox_on(dsns, "moonlight").parse_webhook(headers, body, datetime.now(UTC))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"account": "installation"}', b"\xff", b'{"payment": 1}'])
def test_what_is_signed_and_no_event_is_refused(dsns: Dsns, body: bytes) -> None:
    now = datetime.now(UTC)
    with pytest.raises(WebhookRefusedError):
        sandbox_on(dsns).parse_webhook({HEADER: sign(body, SECRET, now)}, body, now)
    with pytest.raises(WebhookRefusedError):
        sandbox_on(dsns).parse_webhook({}, body, now)


async def test_webhooks_get_lost_or_repeated_with_the_cards_for_it(provider: SandboxProvider, dsns: Dsns) -> None:
    lost, repeated = [(await provider.create(wish())).reference for _ in range(2)]
    await provider.authorize(lost, CardOutcome.LOST_WEBHOOK)
    await provider.authorize(repeated, CardOutcome.REPEATED_WEBHOOK)
    await provider.capture(repeated, key="capture")

    with inbox_running() as inbox:
        await rounds(provider.deliveries(inbox.url), dsns)

    assert told(inbox, lost) == []
    assert sorted(told(inbox, repeated)) == 3 * ["payment.authorized"] + 3 * ["payment.captured"]


async def test_a_webhook_is_delivered_until_it_is_taken(
    provider: SandboxProvider, dsns: Dsns, owner: psycopg.AsyncConnection
) -> None:
    reference = (await provider.create(wish())).reference
    await provider.authorize(reference, CardOutcome.SUCCEED)
    due = "select attempts, last_failure, deliver_at > clock_timestamp() from rowlock.sandbox_events "

    with inbox_running() as inbox:
        inbox.status = 500
        await rounds(provider.deliveries(inbox.url), dsns)
        cursor = await owner.execute(due + "where payment_reference = %s", [reference])
        assert await cursor.fetchone() == (1, "status 500", True)
        inbox.status = 200
        await owner.execute(
            "update rowlock.sandbox_events set deliver_at = clock_timestamp() where deliver_at is not null"
        )
        await rounds(provider.deliveries(inbox.url), dsns)
        await rounds(provider.deliveries(inbox.url), dsns)

    assert told(inbox, reference) == 2 * ["payment.authorized"]
    cursor = await owner.execute(
        "select deliveries_left, deliver_at, delivered_at is not null from rowlock.sandbox_events "
        "where payment_reference = %s",
        [reference],
    )
    assert await cursor.fetchone() == (0, None, True)


async def test_a_webhook_is_given_up_after_three_days(
    provider: SandboxProvider, dsns: Dsns, owner: psycopg.AsyncConnection
) -> None:
    reference = (await provider.create(wish())).reference
    await provider.authorize(reference, CardOutcome.SUCCEED)
    await owner.execute(
        "update rowlock.sandbox_events set created_at = created_at - interval '73 hours' where payment_reference = %s",
        [reference],
    )

    await rounds(provider.deliveries("http://127.0.0.1:9"), dsns)

    cursor = await owner.execute(
        "select deliver_at, last_failure like 'ConnectError%%' from rowlock.sandbox_events "
        "where payment_reference = %s",
        [reference],
    )
    assert await cursor.fetchone() == (None, True)


async def test_two_workers_deliver_each_webhook_once(provider: SandboxProvider, dsns: Dsns) -> None:
    references = [(await provider.create(wish())).reference for _ in range(30)]
    for reference in references:
        await provider.authorize(reference, CardOutcome.SUCCEED)

    with inbox_running() as inbox:
        await asyncio.gather(*(rounds(provider.deliveries(inbox.url), dsns) for _ in range(2)))

    assert [told(inbox, reference) for reference in references] == 30 * [["payment.authorized"]]


async def test_a_restart_loses_nothing(dsns: Dsns, owner: psycopg.AsyncConnection) -> None:
    """Another process knows every payment, and delivers what the one before has not, or was about to deliver."""
    before = sandbox_on(dsns)
    reference = (await before.create(wish())).reference
    await before.authorize(reference, CardOutcome.DELAY, after_seconds=0)
    async with await connect(dsns.worker) as connection:
        # It has claimed what is due, and dies.
        claimed = await store.claim_events(connection, 100, lease_seconds=0.2)
    assert claimed
    await asyncio.sleep(0.25)

    after = sandbox_on(dsns)
    with inbox_running() as inbox:
        stop = asyncio.Event()
        loop = Loop("sandbox webhooks", after.deliveries(inbox.url).work)
        task = asyncio.create_task(run_loops(dsns.worker, [loop], stop))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(told(inbox, reference)) < 2:  # noqa: ASYNC110 - the inbox is in another thread.
                await asyncio.sleep(0.02)
        stop.set()
        await task

    assert sorted(told(inbox, reference)) == ["payment.authorized", "payment.processing"]
    assert await status(after, reference) is PaymentStatus.AUTHORIZED
