"""The SQL of payments that a provider keeps with us, and of the accounts' organizations.

A change locks its payment, decides, and writes it with the events that tell of it: one short transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from rowlock.checkout.providers.model import (
    DISPUTE_FEE_MINOR,
    Change,
    Decide,
    KeptDispute,
    KeptPayment,
    KeptRefund,
    event_body,
    give_back,
    settle,
)
from rowlock.checkout.providers.payment_provider import PaymentWish, ProviderRefusedError
from rowlock.database.connections import Connection
from rowlock.database.queries import query


@dataclass(frozen=True, slots=True)
class Books:
    """The statements about one provider's tables. Without `add_event` it has no webhooks."""

    add_payment: LiteralString
    payment_by_key: LiteralString
    payment: LiteralString
    lock_payment: LiteralString
    write_payment: LiteralString
    payments_since: LiteralString
    add_refund: LiteralString
    refund_by_key: LiteralString
    refund: LiteralString
    add_event: LiteralString | None = None


SANDBOX = Books(
    add_payment=query("sandbox.add_payment"),
    payment_by_key=query("sandbox.payment_by_key"),
    payment=query("sandbox.payment"),
    lock_payment=query("sandbox.lock_payment"),
    write_payment=query("sandbox.write_payment"),
    payments_since=query("sandbox.payments_since"),
    add_refund=query("sandbox.add_refund"),
    refund_by_key=query("sandbox.refund_by_key"),
    refund=query("sandbox.refund"),
    add_event=query("sandbox.add_event"),
)
MANUAL = Books(
    add_payment=query("manual.add_payment"),
    payment_by_key=query("manual.payment_by_key"),
    payment=query("manual.payment"),
    lock_payment=query("manual.lock_payment"),
    write_payment=query("manual.write_payment"),
    payments_since=query("manual.payments_since"),
    add_refund=query("manual.add_refund"),
    refund_by_key=query("manual.refund_by_key"),
    refund=query("manual.refund"),
)


_FIELDS = tuple(field.name for field in fields(KeptPayment))


@dataclass(frozen=True, slots=True)
class DueEvent:
    """A webhook to be delivered now. `attempts` counts this one."""

    event_id: str
    body: str
    attempts: int
    created_at: datetime


async def add_payment(
    connection: Connection, books: Books, account: str, reference: str, wish: PaymentWish
) -> KeptPayment:
    """The payment that a key has made, now or before. Raises ProviderRefusedError when it was another wish."""
    given = {
        "reference": reference,
        "account": account,
        "key": wish.key,
        "show_id": wish.show_id,
        "order_id": wish.order_id,
        "payment_intent_id": wish.payment_intent_id,
        "amount_minor": wish.amount_minor,
        "currency": wish.currency,
        "description": wish.description,
        "return_url": wish.return_url,
    }
    await connection.execute(books.add_payment, given)
    payment = await _payment(connection, books.payment_by_key, given)
    assert payment is not None, "the payment of a key is there once it was added"
    asked = (wish.payment_intent_id, wish.order_id, wish.amount_minor, wish.currency)
    if (payment.payment_intent_id, payment.order_id, payment.amount_minor, payment.currency) != asked:
        raise ProviderRefusedError("this key has made another payment", "key_reused")
    return payment


async def find_payment(connection: Connection, books: Books, account: str, reference: str) -> KeptPayment | None:
    """A payment of an account as it was written; `settle` says what it is now."""
    return await _payment(connection, books.payment, {"account": account, "reference": reference})


async def change_payment(
    connection: Connection, books: Books, account: str, reference: str, decide: Decide
) -> KeptPayment | None:
    """Lock a payment, let it settle, and do what `decide` says; None when there is none of this reference."""
    async with connection.transaction():
        payment = await _lock(connection, books, account, reference)
        if payment is None:
            return None
        settled = settle(payment)
        change = decide(settled.payment)
        return await _write(connection, books, payment, Change(change.payment, (*settled.kinds, *change.kinds)))


async def add_refund(
    connection: Connection, books: Books, account: str, reference: str, key: str, *, payment: str, amount_minor: int
) -> KeptRefund | None:
    """The refund that a key has made, now or before; None when there is no such payment."""
    async with connection.transaction():
        # The lock first: of two calls with one key, the second finds the refund of the first.
        locked = await _lock(connection, books, account, payment)
        if locked is None:
            return None
        found = await _refund(connection, books.refund_by_key, {"account": account, "key": key})
        if found is not None:
            if (found.payment_reference, found.amount_minor) != (payment, amount_minor):
                raise ProviderRefusedError("this key has made another refund", "key_reused")
            return found
        disputed_minor = await _disputed(connection, account, payment) if books is SANDBOX else 0
        change, status, failure = give_back(locked, amount_minor, disputed_minor=disputed_minor)
        made = KeptRefund(reference, payment, amount_minor, locked.currency, status, failure)
        await connection.execute(
            books.add_refund,
            {
                "reference": reference,
                "account": account,
                "key": key,
                "payment_reference": payment,
                "amount_minor": amount_minor,
                "currency": locked.currency,
                "status": status,
                "failure": failure,
            },
        )
        await _write(connection, books, locked, change)
        return made


async def find_refund(connection: Connection, books: Books, account: str, reference: str) -> KeptRefund | None:
    """A refund of an account."""
    return await _refund(connection, books.refund, {"account": account, "reference": reference})


async def payments_since(
    connection: Connection, books: Books, account: str, after: tuple[datetime, str], limit: int
) -> list[KeptPayment]:
    """A page of an account's payments by age."""
    given = {"account": account, "created_at": after[0], "reference": after[1], "limit": limit}
    async with connection.cursor(row_factory=class_row(KeptPayment)) as cursor:
        await cursor.execute(books.payments_since, given)
        return await cursor.fetchall()


async def find_sandbox_payment(
    connection: Connection, account: str, id_: str, payment_intent_id: UUID | None
) -> str | None:
    """The reference of an account's payment, by itself or by the id of our payment intent."""
    cursor = await connection.execute(
        query("sandbox.find_payment"), {"account": account, "id": id_, "payment_intent_id": payment_intent_id}
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def open_dispute(
    connection: Connection, account: str, payment_reference: str, new: str, reason: str
) -> KeptDispute | None:
    """The bank takes back what is left of a captured payment. A payment with an open dispute keeps that one."""
    async with connection.transaction():
        payment = await _lock(connection, SANDBOX, account, payment_reference)
        if payment is None:
            return None
        known = await _newest_dispute(connection, account, payment_reference)
        if known is not None and known.status == "opened":
            return known
        left = payment.captured_minor - payment.refunded_minor
        if left <= 0:
            raise ProviderRefusedError(f"the payment is {payment.status}, and no money of it is left", "not_captured")
        given = {
            "reference": new,
            "account": account,
            "payment_reference": payment_reference,
            "amount_minor": left,
            "fee_minor": DISPUTE_FEE_MINOR,
            "currency": payment.currency,
            "reason": reason,
        }
        await connection.execute(query("sandbox.add_dispute"), given)
        await _write(connection, SANDBOX, payment, Change(payment, ("dispute.opened",), new))
        return await find_dispute(connection, account, new)


async def end_dispute(connection: Connection, account: str, payment_reference: str, status: str) -> KeptDispute | None:
    """What the bank decides about the newest dispute of a payment: won or lost. One that has ended stays so."""
    async with connection.transaction():
        payment = await _lock(connection, SANDBOX, account, payment_reference)
        known = await _newest_dispute(connection, account, payment_reference)
        if payment is None or known is None or known.status != "opened":
            return known
        given = {"account": account, "reference": known.reference, "status": status}
        await connection.execute(query("sandbox.end_dispute"), given)
        await _write(connection, SANDBOX, payment, Change(payment, (f"dispute.{status}",), known.reference))
        return await find_dispute(connection, account, known.reference)


async def find_dispute(connection: Connection, account: str, reference: str) -> KeptDispute | None:
    """A dispute of an account of the sandbox."""
    async with connection.cursor(row_factory=class_row(KeptDispute)) as cursor:
        await cursor.execute(query("sandbox.dispute"), {"account": account, "reference": reference})
        return await cursor.fetchone()


async def disputes_since(connection: Connection, account: str, since: datetime) -> list[KeptDispute]:
    """The disputes of an account of the sandbox that were opened since then."""
    async with connection.cursor(row_factory=class_row(KeptDispute)) as cursor:
        await cursor.execute(query("sandbox.disputes_since"), {"account": account, "since": since})
        return await cursor.fetchall()


async def _disputed(connection: Connection, account: str, payment_reference: str) -> int:
    cursor = await connection.execute(
        query("sandbox.disputed"), {"account": account, "payment_reference": payment_reference}
    )
    [(disputed_minor,)] = await cursor.fetchall()
    return int(disputed_minor)


async def _newest_dispute(connection: Connection, account: str, payment_reference: str) -> KeptDispute | None:
    async with connection.cursor(row_factory=class_row(KeptDispute)) as cursor:
        given = {"account": account, "payment_reference": payment_reference}
        await cursor.execute(query("sandbox.disputes_of_payment"), given)
        return await cursor.fetchone()


async def settling(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """Account and reference of the sandbox's payments whose bank has decided by now."""
    cursor = await connection.execute(query("sandbox.settling"), {"limit": limit})
    return [(account, reference) for account, reference in await cursor.fetchall()]


async def claim_events(connection: Connection, limit: int, lease_seconds: float) -> list[DueEvent]:
    """The sandbox's webhooks that are due. Nobody else gets them before the lease is over."""
    async with connection.cursor(row_factory=class_row(DueEvent)) as cursor:
        await cursor.execute(query("sandbox.claim_events"), {"limit": limit, "lease_seconds": lease_seconds})
        return await cursor.fetchall()


async def event_delivered(connection: Connection, event_id: str) -> None:
    """A webhook was taken."""
    await connection.execute(query("sandbox.event_delivered"), {"event_id": event_id})


async def event_failed(
    connection: Connection, event_id: str, failure: str, *, pause_seconds: float, give_up_seconds: float
) -> None:
    """A webhook was not taken: try again after a pause, unless it is older than that."""
    given = {
        "event_id": event_id,
        "failure": failure,
        "pause_seconds": pause_seconds,
        "give_up_seconds": give_up_seconds,
    }
    await connection.execute(query("sandbox.event_failed"), given)


async def organizations_by_slug(connection: Connection, slugs: Sequence[str]) -> dict[str, UUID]:
    """The ids of the organizations that are there, by slug."""
    cursor = await connection.execute(query("payment_accounts.organizations_by_slug"), {"slugs": list(slugs)})
    return dict(await cursor.fetchall())


async def _lock(connection: Connection, books: Books, account: str, reference: str) -> KeptPayment | None:
    await connection.execute(books.lock_payment, {"account": account, "reference": reference})
    return await find_payment(connection, books, account, reference)


async def _write(connection: Connection, books: Books, before: KeptPayment, change: Change) -> KeptPayment:
    payment = change.payment
    for kind in change.kinds:
        if books.add_event is None:
            break
        number = payment.events + 1
        event_id = f"evt_{payment.reference}_{number}"
        given = {
            "event_id": event_id,
            "reference": payment.reference,
            "kind": kind,
            "body": event_body(event_id, kind, payment, change.dispute),
            "deliveries": payment.deliveries,
        }
        await connection.execute(books.add_event, given)
        payment = replace(payment, events=number)
    if payment != before:
        await connection.execute(books.write_payment, {name: getattr(payment, name) for name in _FIELDS})
    return payment


async def _payment(connection: Connection, statement: LiteralString, given: Mapping[str, object]) -> KeptPayment | None:
    async with connection.cursor(row_factory=class_row(KeptPayment)) as cursor:
        await cursor.execute(statement, given)
        return await cursor.fetchone()


async def _refund(connection: Connection, statement: LiteralString, given: Mapping[str, object]) -> KeptRefund | None:
    async with connection.cursor(row_factory=class_row(KeptRefund)) as cursor:
        await cursor.execute(statement, given)
        return await cursor.fetchone()
