"""The SQL of reconciliation."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from rowlock.checkout.reconciliation.model import CreditRefund, Position
from rowlock.database.connections import Connection
from rowlock.database.queries import query


async def positions(
    connection: Connection, provider: str, references: Sequence[str], ids: Sequence[UUID]
) -> list[Position]:
    """The payments of a provider by its references or by our ids."""
    given = {"provider": provider, "references": list(references), "ids": list(ids)}
    async with connection.cursor(row_factory=class_row(Position)) as cursor:
        await cursor.execute(query("reconciliation.positions"), given)
        return await cursor.fetchall()


async def refunds_of_credits(connection: Connection, provider: str, references: Sequence[str]) -> list[CreditRefund]:
    """The refunds of what exchanges have moved from these payments to other orders."""
    given = {"provider": provider, "references": list(references)}
    async with connection.cursor(row_factory=class_row(CreditRefund)) as cursor:
        await cursor.execute(query("reconciliation.refunds_of_credits"), given)
        return await cursor.fetchall()


async def references_since(
    connection: Connection, provider: str, after: tuple[datetime, UUID], limit: int
) -> list[tuple[datetime, UUID, str]]:
    """A page of the payments of a provider by age: when it was made, its id, and the provider's reference."""
    given = {"provider": provider, "after": after[0], "after_id": after[1], "limit": limit}
    cursor = await connection.execute(query("reconciliation.references_since"), given)
    return [(made_at, id_, reference) for made_at, id_, reference in await cursor.fetchall()]


async def accounts_since(connection: Connection, since: datetime) -> list[tuple[str, str | None, int]]:
    """Where payments were made since then: provider, account, and how many."""
    cursor = await connection.execute(query("reconciliation.accounts_since"), {"since": since})
    return [(provider, account, payments) for provider, account, payments in await cursor.fetchall()]


async def record_refund(
    connection: Connection,
    position: Position,
    refund_id: UUID,
    refunded_minor: int,
    *,
    reason: str,
    actor: str,
) -> tuple[str, int]:
    """Write down what was refunded at the provider by hand: the outcome, and how much that was."""
    given = {
        "show_id": position.show_id,
        "payment_intent_id": position.payment_intent_id,
        "refund_id": refund_id,
        "refunded_minor": refunded_minor,
        "reason": reason,
        "actor": actor,
    }
    cursor = await connection.execute(query("reconciliation.record_refund"), given)
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    return str(row[0]), int(row[1])
