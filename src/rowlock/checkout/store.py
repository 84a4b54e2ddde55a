"""The SQL of checkout: orders, payments, refunds, the outbox, and the inbox of what providers send."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from rowlock.base.holder import Holder
from rowlock.checkout.model import (
    InboxEvent,
    Message,
    NewOrder,
    NoticeRefund,
    NoticeShow,
    Order,
    OrderLine,
    OrderMade,
    OrderToken,
    Payment,
    PaymentBegun,
    Place,
    Receipt,
    Refund,
    RefundOpened,
    RefundWish,
    Reissued,
    ReissueWish,
    Ticket,
    TicketState,
)
from rowlock.database.connections import Connection
from rowlock.database.queries import query


async def sell_holds(connection: Connection, show_id: UUID, reservation_ids: Sequence[UUID]) -> int:
    """Turn holds into paid orders at the show's prices, of which nobody is told. Returns the number of orders.

    Raises RuntimeError when one cannot be completed, so that the caller's transaction is rolled back.
    """
    given = {"show_id": show_id, "reservation_ids": list(reservation_ids)}
    await connection.execute(query("checkout.add_orders"), given)
    await connection.execute(query("checkout.add_payments"), {"show_id": show_id})
    cursor = await connection.execute(query("checkout.complete_orders"), {"show_id": show_id})
    row = await cursor.fetchone()
    assert row is not None, "an aggregate returns one row"
    completed, orders = row
    if completed != orders or orders != len(reservation_ids):
        raise RuntimeError(f"{completed} of {len(reservation_ids)} demonstration orders were completed in {show_id}")
    await connection.execute(query("checkout.finish_messages"), {"show_id": show_id})
    return int(orders)


async def _one(connection: Connection, statement: LiteralString, parameters: Any) -> tuple[Any, ...]:
    cursor = await connection.execute(statement, parameters)
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    return row


# Orders.


async def create_order(connection: Connection, order: NewOrder, holder: Holder) -> OrderMade:
    """Order the seats of a hold, for the owner of its token."""
    wish = order.wish
    seats = sorted(wish.price_types)
    outcome, order_id, is_new, status, refused = await _one(
        connection,
        query("checkout.create_order"),
        {
            "show_id": wish.show_id,
            "reservation_id": wish.reservation_id,
            "secret": wish.hold_secret,
            "order_id": order.token.order_id,
            "order_code": order.code,
            "order_secret": order.token.secret,
            "customer_name": wish.customer_name,
            "customer_email": wish.customer_email,
            "seat_ids": seats,
            "price_types": [wish.price_types[seat] for seat in seats],
            "idempotency_key": wish.idempotency_key,
            "wish_hash": wish.hash,
            "session_id": holder.session_id,
            "ip_address": holder.ip_address,
            "user_agent": holder.user_agent,
        },
    )
    return OrderMade(outcome, order_id, is_new, status, tuple(refused or ()))


async def find_order(connection: Connection, token: OrderToken) -> Order | None:
    """The order that a token belongs to, or None."""
    given = {"show_id": token.show_id, "order_id": token.order_id, "secret": token.secret}
    return _order(await _dicts(connection, query("checkout.find_order"), given))


async def order_details(connection: Connection, show_id: UUID, order_id: UUID) -> Order | None:
    """An order for staff or the worker, or None."""
    return _order(await _dicts(connection, query("checkout.order_details"), {"show_id": show_id, "order_id": order_id}))


async def _dicts(connection: Connection, statement: LiteralString, parameters: Any) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


def _order(rows: Sequence[Mapping[str, Any]]) -> Order | None:
    if not rows:
        return None
    first = rows[0]
    whole = ("show_id", "order_id", "order_code", "reservation_id", "status", "customer_name", "customer_email")
    money = ("total_minor", "fee_minor", "currency", "created_at", "expires_at", "server_time")
    exchange = ("credit_minor", "exchange_of_show_id", "exchange_of_order_id")
    return Order(**{name: first[name] for name in (*whole, *money, *exchange)}, lines=tuple(_line(row) for row in rows))


def _line(row: Mapping[str, Any]) -> OrderLine:
    ticket = None
    if row["ticket_id"] is not None:
        ticket = Ticket(row["ticket_id"], row["ticket_status"], row["ticket_revision"])
    return OrderLine(
        seat_id=row["seat_id"],
        label=row["label"] or f"seat {row['seat_id']}",
        category=row["category"],
        price_type=row["price_type"],
        amount_minor=row["amount_minor"],
        fee_minor=row["item_fee_minor"],
        tax_basis_points=row["tax_basis_points"],
        ticket=ticket,
    )


async def shows_of_key(connection: Connection, key: int) -> list[UUID]:
    """The shows whose order ids carry `key` (see base.ids.show_key)."""
    cursor = await connection.execute(query("checkout.shows_of_key"), (key,))
    return [show_id for (show_id,) in await cursor.fetchall()]


async def orders_of_code(connection: Connection, code: str) -> list[tuple[UUID, UUID]]:
    """The orders of a code, as show and order."""
    cursor = await connection.execute(query("checkout.orders_of_code"), (code,))
    return [(show_id, order_id) for show_id, order_id in await cursor.fetchall()]


async def organization_of(connection: Connection, show_id: UUID) -> UUID:
    """The organization that sells a show."""
    (organization_id,) = await _one(connection, query("checkout.organization_of"), (show_id,))
    assert isinstance(organization_id, UUID), "a show has an organization"
    return organization_id


# Payments.


async def begin_payment(
    connection: Connection, show_id: UUID, order_id: UUID, payment_intent_id: UUID, provider: str, account: str
) -> PaymentBegun:
    """Record that an order is about to be paid at an account, or tell its live payment."""
    given = (show_id, order_id, payment_intent_id, provider, account)
    row = await _one(connection, query("checkout.begin_payment"), given)
    return PaymentBegun(*row)


async def record_payment(
    connection: Connection,
    show_id: UUID,
    payment_intent_id: UUID,
    status: str,
    *,
    reference: str | None = None,
    client_secret: str | None = None,
    failure: str | None = None,
) -> str | None:
    """Write down what the provider says of a payment; returns the state afterwards, None when there is none."""
    given = (show_id, payment_intent_id, status, reference, client_secret, failure)
    _, _, now = await _one(connection, query("checkout.record_payment"), given)
    return None if now is None else str(now)


async def payment(connection: Connection, show_id: UUID, payment_intent_id: UUID) -> Payment | None:
    """One payment, or None."""
    async with connection.cursor(row_factory=class_row(Payment)) as cursor:
        await cursor.execute(query("checkout.payment"), (show_id, payment_intent_id))
        return await cursor.fetchone()


async def complete_order(
    connection: Connection, show_id: UUID, order_id: UUID, payment_intent_id: UUID | None
) -> tuple[str, str | None, tuple[int, ...]]:
    """Sell the seats of an order: the outcome, the status of the order, and the seats that are gone."""
    given = (show_id, order_id, payment_intent_id)
    outcome, status, gone = await _one(connection, query("checkout.complete_order"), given)
    return outcome, status, tuple(gone or ())


async def pay_order(
    connection: Connection, show_id: UUID, order_id: UUID, payment_intent_id: UUID
) -> tuple[str, str | None]:
    """Record that money is captured: the outcome, and the status of the order."""
    outcome, status, _ = await _one(connection, query("checkout.pay_order"), (show_id, order_id, payment_intent_id))
    return outcome, status


async def end_order(connection: Connection, show_id: UUID, order_id: UUID, reason: str) -> str | None:
    """End a pending order whose seats are gone; returns the status of the order."""
    _, status = await _one(connection, query("checkout.end_order"), (show_id, order_id, reason))
    return None if status is None else str(status)


async def void_order(connection: Connection, show_id: UUID, order_id: UUID, reason: str) -> tuple[str, str | None]:
    """Take back a confirmed order whose money could not be captured: the outcome, and the status of the order."""
    outcome, status = await _one(connection, query("checkout.void_order"), (show_id, order_id, reason))
    return outcome, status


async def unsettled_payments(
    connection: Connection, *, untouched_seconds: float, limit: int, but: Sequence[UUID] = ()
) -> list[tuple[UUID, UUID, UUID]]:
    """Payments on their way, but for these, that were not looked at for a while: show, order and payment of each."""
    cursor = await connection.execute(
        query("checkout.unsettled_payments"),
        {"untouched_seconds": untouched_seconds, "limit": limit, "but": list(but)},
    )
    return [(show_id, order_id, payment_id) for show_id, order_id, payment_id in await cursor.fetchall()]


async def payments_of_order(connection: Connection, show_id: UUID, order_id: UUID) -> list[UUID]:
    """The payments of an order that are not captured, and that the provider knows or may know."""
    cursor = await connection.execute(query("checkout.payments_of_order"), (show_id, order_id))
    return [payment_id for (payment_id,) in await cursor.fetchall()]


async def payment_of_reference(connection: Connection, provider: str, reference: str) -> tuple[UUID, UUID, UUID] | None:
    """The show, order and payment that a provider knows by a reference, or None."""
    cursor = await connection.execute(query("checkout.payment_of_reference"), (provider, reference))
    row = await cursor.fetchone()
    return None if row is None else (row[0], row[1], row[2])


# Refunds.


async def open_refund(connection: Connection, wish: RefundWish, refund_id: UUID) -> RefundOpened:
    """Open a refund of a paid order."""
    outcome, status, found_id, amount, seats = await _one(
        connection,
        query("checkout.open_refund"),
        {
            "show_id": wish.show_id,
            "order_id": wish.order_id,
            "refund_id": refund_id,
            "idempotency_key": wish.idempotency_key,
            "seat_ids": None if wish.seat_ids is None else list(wish.seat_ids),
            "amount_minor": wish.amount_minor,
            "give_back": wish.give_back,
            "keep_fees": wish.keep_fees,
            "reason": wish.reason,
            "ip_address": wish.ip_address,
            "actor": wish.actor,
        },
    )
    return RefundOpened(outcome, status, found_id, amount, tuple(seats or ()))


async def reissue_ticket(connection: Connection, wish: ReissueWish) -> Reissued:
    """Give a ticket its next revision."""
    return Reissued(
        *await _one(
            connection,
            query("checkout.reissue_ticket"),
            (
                *(wish.show_id, wish.order_id, wish.ticket_id, wish.revision),
                *(wish.reason, wish.ip_address, wish.actor),
            ),
        )
    )


async def refund(connection: Connection, show_id: UUID, refund_id: UUID) -> Refund | None:
    """One refund, or None."""
    async with connection.cursor(row_factory=class_row(Refund)) as cursor:
        await cursor.execute(query("checkout.refund"), (show_id, refund_id))
        return await cursor.fetchone()


async def settle_refund(
    connection: Connection,
    show_id: UUID,
    refund_id: UUID,
    status: str,
    *,
    reference: str | None = None,
    failure: str | None = None,
) -> None:
    """Write down what the provider says of a refund."""
    await _one(connection, query("checkout.settle_refund"), (show_id, refund_id, status, reference, failure))


# What mails say, and receipts.


async def notice_show(connection: Connection, show_id: UUID) -> NoticeShow:
    """What a mail says of a show."""
    async with connection.cursor(row_factory=class_row(NoticeShow)) as cursor:
        await cursor.execute(query("checkout.notice_show"), (show_id,))
        show = await cursor.fetchone()
    assert show is not None, "shows are never deleted"
    return show


async def notice_refund(connection: Connection, show_id: UUID, refund_id: UUID) -> NoticeRefund | None:
    """What a mail says of a refund; None when there is none."""
    async with connection.cursor(row_factory=class_row(NoticeRefund)) as cursor:
        await cursor.execute(query("checkout.notice_refund"), (show_id, refund_id))
        return await cursor.fetchone()


async def places(connection: Connection, show_id: UUID, seat_ids: Sequence[int]) -> dict[int, Place]:
    """Where seats of a show are, by their ids."""
    async with connection.cursor(row_factory=class_row(Place)) as cursor:
        await cursor.execute(query("checkout.places"), {"show_id": show_id, "seat_ids": list(seat_ids)})
        return {place.seat_id: place for place in await cursor.fetchall()}


async def refunded_seats(connection: Connection, show_id: UUID, refund_id: UUID) -> dict[int, int]:
    """What a refund gave back for each of its seats, in minor units."""
    cursor = await connection.execute(query("checkout.refunded_seats"), (show_id, refund_id))
    return dict(await cursor.fetchall())


async def money_was_taken(connection: Connection, show_id: UUID, order_id: UUID) -> bool:
    """Whether money of an order was captured."""
    (taken,) = await _one(connection, query("checkout.money_was_taken"), (show_id, order_id))
    return bool(taken)


async def issue_receipt(
    connection: Connection, show_id: UUID, order_id: UUID, refund_id: UUID | None = None
) -> tuple[str, int | None, int | None]:
    """Give a paid order its receipt, or a refund its credit note: the outcome, the year and the number."""
    row = await _one(connection, query("checkout.issue_receipt"), (show_id, order_id, refund_id))
    return str(row[0]), row[2], row[3]


async def receipts_of_order(connection: Connection, show_id: UUID, order_id: UUID) -> list[Receipt]:
    """The receipt of an order and its credit notes, in the order in which they were issued."""
    async with connection.cursor(row_factory=class_row(Receipt)) as cursor:
        await cursor.execute(query("checkout.receipts_of_order"), (show_id, order_id))
        return await cursor.fetchall()


# The outbox and the inbox.


async def expire_orders(connection: Connection, limit: int) -> int:
    """End pending orders that cannot be paid any more; returns how many."""
    (ended,) = await _one(connection, query("checkout.expire_orders"), (limit,))
    return int(ended)


async def take_messages(connection: Connection, *, limit: int, seconds: int) -> list[Message]:
    """Messages that are due, for this worker for so many seconds."""
    async with connection.cursor(row_factory=class_row(Message)) as cursor:
        await cursor.execute(query("checkout.take_messages"), (limit, seconds))
        return await cursor.fetchall()


async def finish_message(
    connection: Connection, message_id: int, *, error: str | None = None, retry_seconds: int | None = None
) -> None:
    """A message is done, or is to be tried again; with an error and no time, never."""
    await connection.execute(query("checkout.finish_message"), (message_id, error, retry_seconds))


async def tell_buyers_of_move(connection: Connection, show_id: UUID, message_id: int, *, limit: int) -> int:
    """Make a message for each of the next orders of a show that was moved; returns how many."""
    (orders,) = await _one(connection, query("checkout.tell_buyers_of_move"), (show_id, message_id, limit))
    return int(orders)


async def keep_webhook_event(
    connection: Connection, provider: str, event_id: str, show_id: UUID | None, payload: Mapping[str, object]
) -> bool:
    """Put an event into the inbox. Returns whether it is new."""
    cursor = await connection.execute(
        query("checkout.keep_webhook_event"), (provider, event_id, show_id, Jsonb(dict(payload)))
    )
    return await cursor.fetchone() is not None


async def take_webhook_events(connection: Connection, *, limit: int, seconds: int) -> list[InboxEvent]:
    """Events that are due, for this worker for so many seconds."""
    async with connection.cursor(row_factory=class_row(InboxEvent)) as cursor:
        await cursor.execute(query("checkout.take_webhook_events"), {"limit": limit, "seconds": seconds})
        return await cursor.fetchall()


async def finish_webhook_event(
    connection: Connection, event: InboxEvent, *, error: str | None = None, retry_seconds: int | None = None
) -> None:
    """An event is done, or is to be tried again; with an error and no time, never."""
    given = {
        "provider": event.provider,
        "event_id": event.event_id,
        "error": error,
        "retry_seconds": retry_seconds,
    }
    await connection.execute(query("checkout.finish_webhook_event"), given)


# The keys of requests for a payment.


async def claim_payment_key(
    connection: Connection, show_id: UUID, key: str, order_id: UUID, request_hash: bytes
) -> bool:
    """Take a key for this request. Returns False when it is another's now, or has its answer."""
    given = {"show_id": show_id, "key": key, "order_id": order_id, "request_hash": request_hash}
    cursor = await connection.execute(query("checkout.claim_payment_key"), given)
    return await cursor.fetchone() is not None


async def payment_key(connection: Connection, show_id: UUID, key: str) -> tuple[UUID, bytes, str | None] | None:
    """The order, the wish and the answer of a key; None when it is not known."""
    cursor = await connection.execute(query("checkout.payment_key"), (show_id, key))
    row = await cursor.fetchone()
    return None if row is None else (row[0], row[1], row[2])


async def answer_payment_key(connection: Connection, show_id: UUID, key: str, answer: str | None) -> None:
    """Keep the answer of a key; None lets the key be used again at once."""
    await connection.execute(query("checkout.answer_payment_key"), {"show_id": show_id, "key": key, "answer": answer})


async def forget_payment_keys(connection: Connection) -> None:
    """Forget keys that are older than 30 days."""
    await connection.execute(query("checkout.forget_payment_keys"))


async def ticket_state(connection: Connection, show_id: UUID, ticket_id: UUID) -> TicketState | None:
    """What has become of a ticket; None when there is no such ticket."""
    async with connection.cursor(row_factory=class_row(TicketState)) as cursor:
        await cursor.execute(query("checkout.ticket_state"), {"show_id": show_id, "ticket_id": ticket_id})
        return await cursor.fetchone()
