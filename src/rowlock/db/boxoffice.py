"""Calls of the functions that keep seats from sale and put them back."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection

from rowlock.db.queries import query
from rowlock.domain.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What blocking or unblocking came to, the seats it is about, and those that could not be had."""

    outcome: Outcome
    seat_ids: tuple[int, ...]
    unavailable_seat_ids: tuple[int, ...] = ()


async def block(
    connection: AsyncConnection, show_id: UUID, seat_ids: Sequence[int], reason: str, ip_address: str | None
) -> BlockResult:
    """Keep seats from sale, all or nothing."""
    cursor = await connection.execute(
        query("boxoffice/block"), (show_id, list(seat_ids), reason, "box office", ip_address, None)
    )
    row = await cursor.fetchone()
    assert row is not None, "the function answers with one row"
    return BlockResult(Outcome(row[0]), tuple(row[1]), tuple(row[2] or ()))


async def unblock(
    connection: AsyncConnection, show_id: UUID, seat_ids: Sequence[int], ip_address: str | None
) -> BlockResult:
    """Put blocked seats back on sale."""
    cursor = await connection.execute(
        query("boxoffice/unblock"), (show_id, list(seat_ids), "box office", ip_address, None)
    )
    row = await cursor.fetchone()
    assert row is not None, "the function answers with one row"
    return BlockResult(Outcome(row[0]), tuple(row[1]))
