"""The SQL of exchanges: calls in the show of the old tickets, and in that of the new ones."""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from rowlock.checkout.exchange_model import Decision, Given, Link, Making, Started, Wish
from rowlock.database.connections import Connection
from rowlock.database.queries import query


async def _row(connection: Connection, statement: LiteralString, parameters: Any) -> tuple[Any, ...]:
    cursor = await connection.execute(statement, parameters)
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    return row


async def begin_exchange(connection: Connection, wish: Wish, to_order_id: UUID, to_reservation_id: UUID) -> Started:
    """Write down that tickets are to be exchanged; a repeated wish is told its ids."""
    row = await _row(
        connection,
        query("exchanges.begin_exchange"),
        {
            "show_id": wish.show_id,
            "order_id": wish.order_id,
            "idempotency_key": wish.idempotency_key,
            "wish_hash": wish.hash,
            "seat_ids": sorted(wish.seats),
            "to_show_id": wish.to_show_id,
            "to_order_id": to_order_id,
            "to_reservation_id": to_reservation_id,
            "reason": wish.reason,
            "ip_address": wish.ip_address,
            "actor": wish.actor,
        },
    )
    return Started(*row)


async def make_exchange_order(connection: Connection, making: Making) -> tuple[str, tuple[int, ...]]:
    """Order held seats in exchange for tickets: the outcome, and the seats that it refuses."""
    old, token = making.old, making.token
    seats = sorted(making.price_types)
    outcome, refused = await _row(
        connection,
        query("exchanges.make_exchange_order"),
        {
            "show_id": token.show_id,
            "reservation_id": making.hold.reservation_id,
            "secret": making.hold.secret,
            "order_id": token.order_id,
            "order_code": making.code,
            "order_secret": token.secret,
            "customer_name": old.customer_name,
            "customer_email": old.customer_email,
            "seat_ids": seats,
            "price_types": [making.price_types[seat] for seat in seats],
            "wish_hash": making.wish_hash,
            "session_id": making.session_id,
            "ip_address": making.ip_address,
            "of_show_id": old.show_id,
            "of_order_id": old.order_id,
            "worth_minor": making.worth_minor,
        },
    )
    return outcome, tuple(refused or ())


async def give_up_tickets(
    connection: Connection, show_id: UUID, to_order_id: UUID, credit_minor: int, *, is_confirmed: bool
) -> Given:
    """Decide an exchange, or tell what was decided."""
    given = (show_id, to_order_id, credit_minor, is_confirmed)
    return Given(*await _row(connection, query("exchanges.give_up_tickets"), given))


async def finish_exchange(connection: Connection, show_id: UUID, order_id: UUID, given: Given) -> None:
    """Make the new order paid with the money of the tickets that were given up."""
    money = (
        given.credit_ids,
        given.amounts_minor,
        given.source_providers,
        given.source_references,
        given.source_accounts,
    )
    await _row(connection, query("exchanges.finish_exchange"), (show_id, order_id, *(list(one) for one in money)))


async def difference_captured(connection: Connection, show_id: UUID, order_id: UUID) -> int:
    """Money that was captured for an order, credits not counted."""
    (amount,) = await _row(connection, query("exchanges.difference_captured"), (show_id, order_id))
    return int(amount)


async def decision(connection: Connection, show_id: UUID, to_order_id: UUID) -> Decision | None:
    """What was decided of an exchange, or None when it was never begun."""
    cursor = await connection.execute(query("exchanges.exchange"), (show_id, to_order_id))
    row = await cursor.fetchone()
    return None if row is None else Decision(row[0], tuple(row[1]), *row[2:])


async def credits_of(connection: Connection, show_id: UUID, to_order_id: UUID) -> Sequence[UUID]:
    """The refunds of old tickets whose money went to an order."""
    cursor = await connection.execute(query("exchanges.credits"), (show_id, to_order_id))
    return [refund_id for (refund_id,) in await cursor.fetchall()]


async def credited_order(connection: Connection, show_id: UUID, refund_id: UUID) -> tuple[UUID, UUID] | None:
    """The order that the money of a refund went to in an exchange: show and order, or None."""
    cursor = await connection.execute(query("exchanges.credited_order"), (show_id, refund_id))
    row = await cursor.fetchone()
    return None if row is None else (row[0], row[1])


async def exchanges_of(connection: Connection, show_id: UUID, order_id: UUID) -> list[Link]:
    """What tickets of an order were exchanged for, or are being exchanged for, the first one first."""
    cursor = await connection.execute(query("exchanges.exchanges_of"), (show_id, order_id))
    return [Link(row[0], row[1], tuple(row[2]), *row[3:]) for row in await cursor.fetchall()]


async def show_terms(connection: Connection, show_id: UUID) -> tuple[UUID, str] | None:
    """The organization and the currency of a show, or None."""
    cursor = await connection.execute(query("exchanges.show_terms"), (show_id,))
    row = await cursor.fetchone()
    return None if row is None else (row[0], row[1])
