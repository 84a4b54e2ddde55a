"""Which refunds a provider is to be asked about, and those that are opened again."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from rowlock.database.connections import Connection
from rowlock.database.queries import query


@dataclass(frozen=True, slots=True)
class Retried:
    """The outcome of retry_refunds_atomic, the refunds that are open again, and how much they give back."""

    outcome: str
    refund_ids: tuple[UUID, ...]
    amount_minor: int


async def refunds_to_ask_about(
    connection: Connection, *, untouched_seconds: float, longest_seconds: float, limit: int, but: Sequence[UUID] = ()
) -> list[tuple[UUID, UUID]]:
    """Open refunds that were not looked at for a quarter of their age, but for these: show and refund of each.

    That quarter is at least `untouched_seconds` and at most `longest_seconds`.
    """
    given = {"untouched_seconds": untouched_seconds, "longest_seconds": longest_seconds, "limit": limit}
    cursor = await connection.execute(query("checkout.refunds_to_ask_about"), {**given, "but": list(but)})
    return [(show_id, refund_id) for show_id, refund_id in await cursor.fetchall()]


async def open_refunds_of_reference(connection: Connection, provider: str, reference: str) -> list[tuple[UUID, UUID]]:
    """The open refunds of the payment that a provider knows by a reference: show and refund of each."""
    given = {"provider": provider, "reference": reference}
    cursor = await connection.execute(query("checkout.open_refunds_of_reference"), given)
    return [(show_id, refund_id) for show_id, refund_id in await cursor.fetchall()]


async def retry_refunds(
    connection: Connection, show_id: UUID, order_id: UUID, *, actor: str, ip_address: str | None
) -> Retried:
    """Open every refund of an order again that has failed."""
    cursor = await connection.execute(query("checkout.retry_refunds"), (show_id, order_id, actor, ip_address))
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    return Retried(row[0], tuple(row[1]), row[2])
