"""The SQL of version 1 of payments. Each function runs in one transaction of its caller's."""

from typing import Any, LiteralString
from uuid import UUID

from rowlock.checkout.model import OrderToken, PaymentBegun
from rowlock.database.connections import Connection
from rowlock.database.queries import query


async def owns_order(connection: Connection, token: OrderToken) -> bool:
    """Whether a token is that of an order."""
    given = {"show_id": token.show_id, "order_id": token.order_id, "secret": token.secret}
    row = await _row(connection, query("version1_payments.owns_order"), given)
    return row is not None and bool(row[0])


async def begin_payment(
    connection: Connection, show_id: UUID, order_id: UUID, payment_intent_id: UUID, provider: str, account: str
) -> PaymentBegun:
    """Record that an order is about to be paid at an account, or tell its live payment, as begin_payment_atomic."""
    found = await _row(connection, query("version1_payments.hold_of_order"), (show_id, order_id))
    if found is None:
        return PaymentBegun("ORDER_NOT_FOUND", None, None, None, None)
    reservation_id = found[0]
    hold = await _row(connection, query("version1_payments.lock_hold"), (show_id, reservation_id))
    order = await _row(connection, query("version1_payments.lock_order"), (show_id, order_id))
    assert hold is not None, "holds are never deleted"
    assert order is not None, "orders are never deleted"
    live = await _row(connection, query("version1_payments.lock_live_payment"), (show_id, order_id))
    times = await _row(connection, query("version1_payments.judge_times"), {"show_id": show_id, "order_id": order_id})
    assert times is not None, "show, order and hold are there"
    is_cancelled, is_late, has_run_out, ends_soon = times
    status, due_minor, currency = order
    outcome = _refusal(
        status, due_minor, live=live, is_cancelled=is_cancelled, is_late=is_late, has_run_out=has_run_out
    )
    if outcome is not None:
        return PaymentBegun(outcome, None, None, due_minor, currency)
    if live is not None:
        if live[1] == "requires_payment":
            await connection.execute(query("version1_payments.send_payment"), (show_id, live[0]))
        now = "sent" if live[1] == "requires_payment" else live[1]
        return PaymentBegun("OK", live[0], now, due_minor, currency)
    given = {
        "show_id": show_id,
        "payment_intent_id": payment_intent_id,
        "order_id": order_id,
        "provider": provider,
        "account": account,
        "amount_minor": due_minor,
        "currency": currency,
    }
    await connection.execute(query("version1_payments.add_payment"), given)
    if ends_soon and not hold[3]:
        of_hold = {"show_id": show_id, "reservation_id": reservation_id, "order_id": order_id, "seat_ids": hold[1]}
        await connection.execute(query("version1_payments.lock_claims"), of_hold)
        await connection.execute(query("version1_payments.give_grace"), of_hold)
    return PaymentBegun("OK", payment_intent_id, "sent", due_minor, currency)


def _refusal(
    status: str,
    due_minor: int,
    *,
    live: tuple[Any, ...] | None,
    is_cancelled: bool,
    is_late: bool,
    has_run_out: bool,
) -> str | None:
    """Why a payment cannot begin, in the precedence of begin_payment_atomic."""
    if is_cancelled:
        return "SHOW_NOT_ON_SALE"
    if status in ("cancelled", "expired", "voided"):
        return "ORDER_NOT_PAYABLE"
    if live is not None:
        return None
    if status != "pending" or due_minor == 0 or is_late:
        return "ORDER_NOT_PAYABLE"
    return "RESERVATION_EXPIRED" if has_run_out else None


async def record_payment(
    connection: Connection,
    show_id: UUID,
    payment_intent_id: UUID,
    status: str,
    *,
    reference: str | None,
    client_secret: str | None,
    failure: str | None,
) -> str | None:
    """Write down what the provider says of a payment that has begun; returns the state afterwards."""
    of_payment = {"show_id": show_id, "payment_intent_id": payment_intent_id}
    order = await _row(connection, query("version1_payments.lock_order_of_payment"), of_payment)
    if order is None:
        return None
    given = {
        **of_payment,
        "order_id": order[0],
        "reservation_id": order[1],
        "status": status,
        "reference": reference,
        "client_secret": client_secret,
        "failure": failure,
    }
    row = await _row(connection, query("version1_payments.record_payment"), given)
    return None if row is None else str(row[0])


async def _row(connection: Connection, statement: LiteralString, given: Any) -> tuple[Any, ...] | None:
    cursor = await connection.execute(statement, given)
    return await cursor.fetchone()
