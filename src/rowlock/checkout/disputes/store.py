"""The SQL of disputes."""

from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from rowlock.checkout.model import Dispute
from rowlock.checkout.providers.payment_provider import ProviderDispute
from rowlock.database.connections import Connection
from rowlock.database.queries import query


async def record(
    connection: Connection, show_id: UUID, payment_intent_id: UUID, dispute_id: UUID, told: ProviderDispute
) -> str:
    """Write down what the provider says of a dispute; returns the outcome."""
    given = {
        "show_id": show_id,
        "payment_intent_id": payment_intent_id,
        "dispute_id": dispute_id,
        "reference": told.reference,
        "status": told.outcome.value,
        "provider_status": told.status,
        "amount_minor": told.amount_minor,
        "withdrawn_minor": told.withdrawn_minor,
        "fee_minor": told.fee_minor,
        "currency": told.currency,
        "reason": told.reason,
        "respond_until": told.respond_until,
    }
    cursor = await connection.execute(query("disputes.record"), given)
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    return str(row[0])


async def open_or_all(connection: Connection, *, include_ended: bool, limit: int) -> list[Dispute]:
    """The disputes of a cell that are open, or all of them."""
    return await _disputes(connection, query("disputes.open_or_all"), {"all": include_ended, "limit": limit})


async def of_order(connection: Connection, show_id: UUID, order_id: UUID) -> list[Dispute]:
    """The disputes of an order."""
    return await _disputes(connection, query("disputes.of_order"), {"show_id": show_id, "order_id": order_id})


async def _disputes(connection: Connection, statement: LiteralString, given: dict[str, object]) -> list[Dispute]:
    async with connection.cursor(row_factory=class_row(Dispute)) as cursor:
        await cursor.execute(statement, given)
        return await cursor.fetchall()
