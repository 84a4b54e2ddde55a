"""A whole purchase as one story, which a process can be killed in the middle of, and another one takes up again.

A buyer orders, begins to pay with a key, pays at the sandbox and confirms; the worker mails; staff refund one ticket;
the worker gives the money back. Every step is what a client or a worker sends, and is sent again after a crash. The
sandbox keeps its payments in the database, so it stands for a provider that outlives both.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing import get_context
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import psycopg

from rowlock.base.dsns import Dsns
from rowlock.checkout import store
from rowlock.checkout.exchanges import Exchanges
from rowlock.checkout.jobs import OutboxLoop, ReconcileLoop, money_handlers
from rowlock.checkout.notices import mail_handlers
from rowlock.checkout.provider_calls import WORKER_LIMIT_SECONDS
from rowlock.checkout.providers.model import CardOutcome
from rowlock.checkout.providers.payment_provider import ProviderRefund
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.purchase import Purchases
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.pool import PooledDatabase
from rowlock.mail import store as mail_store
from rowlock.mail.post import Mailbox, make_post
from tests.support.http import ADMIN_KEY, Api, running
from tests.support.scripted_provider import OneProvider

ORDERS = "/api/ticket-orders"
ANNA = {"name": "Anna Bauer", "email": "anna@example.org"}

# The recovery points: after which call the process dies, and after how many of them.
POINTS: dict[str, tuple[Any, str, int]] = {
    "the order is made": (store, "create_order", 1),
    "the key is claimed": (store, "claim_payment_key", 1),
    "the payment is recorded as sent": (store, "begin_payment", 1),
    "the payment is made at the provider": (SandboxProvider, "create", 1),
    "the provider's answer is recorded": (store, "record_payment", 1),
    "the answer of the key is kept": (store, "answer_payment_key", 1),
    "the buyer has paid": (SandboxProvider, "authorize", 1),
    "the authorization is recorded": (store, "record_payment", 2),
    "the seats are sold": (store, "complete_order", 1),
    "the money is captured": (SandboxProvider, "capture", 1),
    "the order is paid": (store, "pay_order", 1),
    "messages are taken": (store, "take_messages", 1),
    "the tickets are mailed": (Mailbox, "deliver", 1),
    "the mail is recorded": (mail_store, "record", 1),
    "a message is finished": (store, "finish_message", 1),
    "a refund is opened": (store, "open_refund", 1),
    "the money is back": (SandboxProvider, "refund", 1),
    "the refund is settled": (store, "settle_refund", 1),
    "the refund is mailed": (Mailbox, "deliver", 2),
}
BEFORE_THE_BUYER_PAYS = list(POINTS)[:6]


def sandbox_on(dsns: Dsns) -> SandboxProvider:
    cells = Cells(DirectDatabase(dsns, application_name="rowlock test"))
    return SandboxProvider(cells, "installation", secret=b"secret of the sandbox")


async def buy(client: Api, provider: SandboxProvider, hold_token: str) -> dict[str, Any]:
    """The buyer's part, with the retries of a page that is loaded again. Returns the order."""
    order = await client.post(ORDERS, json={"reservation_token": hold_token, "customer": ANNA})
    assert order.status_code in (200, 201), order.text
    order_id = order.json()["order_id"]
    paid = await client.post(
        f"{ORDERS}/payment-intent-v2", json={"order_id": order_id}, headers={"idempotency-key": "the page's key"}
    )
    assert paid.status_code == 200, paid.text
    intent_id = paid.json()["payment_intent_id"]
    kept = await provider.find(intent_id)
    assert kept is not None
    if kept.status == "open":
        await provider.authorize(kept.reference, CardOutcome.SUCCEED)
    confirmed = await client.post(f"{ORDERS}/confirm", json={"order_id": order_id, "payment_intent_id": intent_id})
    assert confirmed.status_code == 200, confirmed.text
    return dict(confirmed.json())


async def work(dsns: Dsns, provider: SandboxProvider, rounds: int = 2) -> None:
    """What a worker does: the reconciler and the outbox, with mails into the local mailbox."""
    await work_on(Cells(DirectDatabase(dsns, application_name="rowlock test")), provider, rounds)


async def work_on(cells: Cells, provider: SandboxProvider, rounds: int) -> None:
    purchases = Purchases(cells, OneProvider(provider), limit_seconds=WORKER_LIMIT_SECONDS)
    money, mail = money_handlers(purchases, Exchanges(cells)), mail_handlers(cells, make_post(cells, None, None))
    outbox = OutboxLoop({kind: [*money.get(kind, ()), *mail.get(kind, ())] for kind in {**money, **mail}})
    reconciler = ReconcileLoop(purchases, monotonic)
    async with cells.catalogue.worker() as connection:
        for _ in range(rounds):
            await reconciler.work(connection)
            await outbox.work(connection)


async def story(dsns: Dsns, hold_token: str) -> None:
    """Everything from the order to the mail about the refund. May be told again from its beginning."""
    provider = sandbox_on(dsns)
    async with running(dsns, providers=OneProvider(provider)) as application:
        async with application.client() as client:
            confirmed = await buy(client, provider, hold_token)
        await work(dsns, provider)
        async with application.client(headers={"x-api-key": ADMIN_KEY}) as staff:
            wish = {"ticket_ids": [confirmed["tickets"][0]["ticket_id"]], "reason": "ill"}
            refund = await staff.post(
                f"{ORDERS}/{confirmed['order_id']}/refunds", json=wish, headers={"idempotency-key": "refund-one"}
            )
            assert refund.status_code == 201, refund.text
        await work(dsns, provider)


async def a_minute_passes(owner: psycopg.AsyncConnection) -> None:
    """What was taken by a process that is dead may be taken again; claims of keys are at most 30 seconds old then."""
    await owner.execute("update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'")
    await owner.execute(
        "update rowlock.outbox_messages set next_attempt_at = next_attempt_at - interval '61 seconds' "
        "where done_at is null"
    )
    await owner.execute(
        "update rowlock.payment_idempotency_keys set locked_until = locked_until - interval '30 seconds'"
    )


# Dying.


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(owner: Any, name: str, times: int) -> None:
    """Kill this process right after so many calls of a function have done their work."""
    real, left = getattr(owner, name), [times]

    async def deadly(*arguments: Any, **more: Any) -> Any:
        result = await real(*arguments, **more)
        left[0] -= 1
        if left[0] == 0:
            _die()
        return result

    setattr(owner, name, deadly)


def refund_with_new_keys(change: Callable[[Any, str, Any], None] = setattr) -> None:
    """The planted mistake: a repeated refund is another one for the provider."""
    real: Callable[..., Awaitable[ProviderRefund]] = SandboxProvider.refund

    async def refund(self: SandboxProvider, reference: str, amount_minor: int, *, key: str) -> ProviderRefund:
        return await real(self, reference, amount_minor, key=f"{key} {uuid4()}")

    change(SandboxProvider, "refund", refund)


def _begin(dsns: Dsns, hold_token: str, point: str | int, mistake: bool) -> None:
    """The child process. A number is a count of statements, whichever they are."""
    if mistake:
        refund_with_new_keys()
    die_after(*(POINTS[point] if isinstance(point, str) else (psycopg.AsyncCursor, "execute", point)))
    asyncio.run(story(dsns, hold_token))


def killed_in_the_story(dsns: Dsns, hold_token: str, point: str | int, *, mistake: bool = False) -> bool:
    """Tell the story in a process of its own, which is killed at a point. Returns False when it was over before."""
    return _exit_code(_begin, dsns, hold_token, point, mistake) == -signal.SIGKILL


def _exit_code(target: Callable[..., None], *arguments: object) -> int | None:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    if process.exitcode is None:
        process.kill()
    return process.exitcode


# A worker that is killed from outside.


def _work_on(dsns: Dsns) -> None:
    async def forever() -> None:
        database = PooledDatabase(dsns)
        await database.open()
        cells = Cells(database)
        while True:
            await work_on(cells, SandboxProvider(cells, "installation", secret=b"secret of the sandbox"), rounds=1)

    with suppress(KeyboardInterrupt):
        asyncio.run(forever())


def worker_process(dsns: Dsns) -> Any:
    """A worker in a process of its own, which has begun; kill it."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_work_on, args=(dsns,), daemon=True)
    process.start()
    return process


# What is left.


async def money_at_the_sandbox(owner: psycopg.AsyncConnection, show_id: UUID) -> tuple[int, int, int]:
    """How many payments were captured, and how much was captured and refunded."""
    cursor = await owner.execute(
        "select count(*) filter (where p.status = 'captured'), "
        "coalesce(sum(p.amount_minor) filter (where p.status = 'captured'), 0)::bigint, "
        "coalesce(sum((select sum(r.amount_minor) from rowlock.sandbox_refunds as r "
        "where r.payment_reference = p.reference and r.status = 'succeeded')), 0)::bigint "
        "from rowlock.sandbox_payments as p where p.show_id = %s",
        [show_id],
    )
    [(payments, captured, refunded)] = await cursor.fetchall()
    return payments, captured, refunded
