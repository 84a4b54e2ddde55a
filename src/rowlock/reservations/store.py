"""The SQL of reservations: calls of the functions that reserve, change and release seats, and reads."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from psycopg.rows import class_row, dict_row

from rowlock.base.hold_limits import HoldLimits
from rowlock.base.holder import Holder
from rowlock.base.outcomes import Outcome
from rowlock.database.connections import Connection
from rowlock.database.queries import query
from rowlock.reservations.model import (
    BlockResult,
    CleanupResult,
    ClientHolds,
    HeldSeat,
    Hold,
    HoldsReleased,
    Intent,
    Position,
    ReleaseRequest,
    ReleaseResult,
    ReservationResult,
    ReservationToken,
    SeatChanges,
    SeatIds,
)

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# A look-up in a dict costs a fifth of making the enum from its value, and this happens for every request.
_OUTCOMES = {str(outcome): outcome for outcome in Outcome}
# Who gives back holds for their holders, for the audit log.
_OPERATOR = "operator"


async def reserve_batch(
    connection: Connection, show_id: UUID, requests: Sequence[Intent[SeatIds]], *, limits: HoldLimits | None = None
) -> list[ReservationResult]:
    """Reserve seats of one show for many requests in one transaction; results in the order of the requests."""
    cursor = await connection.cursor(binary=True).execute(
        query("reservations.reserve_batch"),
        (
            show_id,
            _array([request.token.reservation_id.hex for request in requests]),
            _array([_hex(request.token.secret) for request in requests]),
            _array([_hex(request.wish_hash) for request in requests]),
            _array([str(seat_id) for request in requests for seat_id in request.wish]),
            _array([str(number) for number, request in enumerate(requests, 1) for _ in request.wish]),
            _array([_quoted(request.holder.key) for request in requests]),
            _array([_quoted(request.holder.session_id) for request in requests]),
            _array([_quoted(request.holder.ip_address) for request in requests]),
            _array([_quoted(request.holder.user_agent) for request in requests]),
            _array(["t" if request.accessible else "f" for request in requests]),
            None if limits is None else _array([request.holder.network or "NULL" for request in requests]),
            None if limits is None else limits.for_database,
        ),
    )
    return [
        ReservationResult(
            outcome=_OUTCOMES[outcome],
            reservation_id=reservation_id,
            status=status,
            server_time=server_time,
            seat_ids=tuple(seats) if seats else (),
            unavailable_seat_ids=tuple(unavailable) if unavailable else (),
            expires_at=expires_at,
            extension_count=count,
            extensions_remaining=remaining,
        )
        for _, outcome, reservation_id, status, seats, unavailable, expires_at, count, remaining, server_time in (
            await cursor.fetchall()
        )
    ]


def without_waiting(
    operation: Callable[[Connection, UUID, Sequence[Item]], Awaitable[Sequence[Answer]]],
) -> Callable[[Connection, UUID, Sequence[Item]], Awaitable[Sequence[Answer]]]:
    """The same operation in a transaction that hardly waits for locks: it fails at once where another has them."""

    async def alone(connection: Connection, show_id: UUID, items: Sequence[Item]) -> Sequence[Answer]:
        async with connection.transaction():
            await connection.execute(query("reservations.hardly_wait_for_locks"))
            return await operation(connection, show_id, items)

    return alone


def _array(elements: list[str]) -> str:
    """A PostgreSQL array literal. Making it here takes a tenth of the time that the driver takes for a list."""
    return f"{{{','.join(elements)}}}"


def _hex(data: bytes | None) -> str:
    """Bytes as an element of an array literal."""
    return "NULL" if data is None else f'"\\\\x{data.hex()}"'


def _quoted(text: str | None) -> str:
    """A text as an element of an array literal."""
    if text is None:
        return "NULL"
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


async def extend(
    connection: Connection, token: ReservationToken, holder: Holder, seen_extension_count: int | None = None
) -> ReservationResult:
    """Extend the hold that the token belongs to. With the extension count the caller has seen it may be repeated."""
    cursor = await connection.execute(
        query("reservations.extend"),
        (
            token.show_id,
            token.reservation_id,
            token.secret,
            holder.session_id,
            holder.ip_address,
            holder.user_agent,
            seen_extension_count,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return ReservationResult(
        outcome=Outcome(row[0]),
        reservation_id=row[1],
        expires_at=row[2],
        extension_count=row[3],
        extensions_remaining=row[4],
        server_time=row[5],
    )


async def change(
    connection: Connection,
    token: ReservationToken,
    add: Sequence[int],
    remove: Sequence[int],
    holder: Holder,
    *,
    accessible: bool = False,
    limits: HoldLimits | None = None,
) -> ReservationResult:
    """Add and drop seats of the hold that the token belongs to."""
    cursor = await connection.execute(
        query("reservations.change_seats"),
        (
            token.show_id,
            token.reservation_id,
            list(add),
            list(remove),
            accessible,
            None if limits is None else limits.for_database,
            token.secret,
            holder.session_id,
            holder.ip_address,
            holder.user_agent,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return ReservationResult(
        outcome=Outcome(row[0]),
        reservation_id=row[1],
        server_time=row[2],
        seat_ids=tuple(row[3] or ()),
        unavailable_seat_ids=tuple(row[4] or ()),
        expires_at=row[5],
        extension_count=row[6],
        extensions_remaining=row[7],
    )


async def release_batch(
    connection: Connection, show_id: UUID, requests: Sequence[ReleaseRequest]
) -> list[ReleaseResult]:
    """Release many holds of one show in one transaction; results in the order of the requests."""
    cursor = await connection.cursor(binary=True).execute(
        query("reservations.release_batch"),
        (
            show_id,
            _array([request.reservation_id.hex for request in requests]),
            _array([_hex(request.secret) for request in requests]),
            _array([_quoted(request.holder_key) for request in requests]),
            _array([_quoted(request.holder.session_id) for request in requests]),
            _array([_quoted(request.holder.ip_address) for request in requests]),
            _array([_quoted(request.holder.user_agent) for request in requests]),
        ),
    )
    return [
        ReleaseResult(_OUTCOMES[outcome], reservation_id, tuple(seats))
        for outcome, reservation_id, seats in await cursor.fetchall()
    ]


async def shows_of_key(connection: Connection, key: int) -> list[UUID]:
    """The shows whose reservation ids carry `key` (see base.ids.show_key)."""
    cursor = await connection.execute(query("reservations.shows_of_key"), (key,))
    return [show_id for (show_id,) in await cursor.fetchall()]


async def find_hold(connection: Connection, token: ReservationToken) -> Hold | None:
    """The hold that the token belongs to, or None when there is none."""
    return await _hold(connection, (token.show_id, token.reservation_id, token.secret, None))


async def find_live_hold(connection: Connection, show_id: UUID, holder_key: str) -> Hold | None:
    """The live hold of a holder in a show, or None when there is none."""
    return await _hold(connection, (show_id, None, None, holder_key))


async def _hold(connection: Connection, parameters: tuple[UUID, UUID | None, bytes | None, str | None]) -> Hold | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("reservations.hold_details"), parameters)
        rows = await cursor.fetchall()
    if not rows:
        return None
    first = rows[0]
    return Hold(
        show_id=first["show_id"],
        reservation_id=first["reservation_id"],
        status=first["status"],
        seats=tuple(HeldSeat(row["seat_id"], row["label"], row["category"], row["price_minor"]) for row in rows),
        currency=first["currency"],
        created_at=first["created_at"],
        expires_at=first["expires_at"],
        extension_count=first["extension_count"],
        extensions_remaining=first["extensions_remaining"],
        server_time=first["server_time"],
        wish_hash=first["wish_hash"],
    )


async def holds_by_client(connection: Connection, show_id: UUID | None) -> list[ClientHolds]:
    """The live holds of each client address in each show, or in one, those with most seats first."""
    async with connection.cursor(row_factory=class_row(ClientHolds)) as cursor:
        await cursor.execute(query("reservations.holds_by_client"), {"show_id": show_id})
        return await cursor.fetchall()


async def holds_to_release(
    connection: Connection, client: str | None, reservation_ids: Sequence[UUID], show_id: UUID | None
) -> list[tuple[UUID, list[UUID]]]:
    """The live holds of a client address and those with these ids: shows, each with its reservations."""
    given = {"client": client, "reservation_ids": list(reservation_ids), "show_id": show_id}
    cursor = await connection.execute(query("reservations.holds_to_release"), given)
    return [(show, reservations) for show, reservations in await cursor.fetchall()]


async def release_holds(connection: Connection, show_id: UUID, reservation_ids: Sequence[UUID]) -> HoldsReleased:
    """Give back the seats of holds of one show for their holders, in one transaction."""
    cursor = await connection.execute(query("reservations.release_holds"), (show_id, list(reservation_ids), _OPERATOR))
    rows = await cursor.fetchall()
    released = [seats for outcome, seats in rows if outcome == Outcome.OK]
    being_paid = sum(outcome == Outcome.ORDER_BEING_PAID for outcome, _ in rows)
    return HoldsReleased(len(released), sum(len(seats) for seats in released), being_paid)


async def block(
    connection: Connection, show_id: UUID, seat_ids: Sequence[int], reason: str, ip_address: str | None, actor: str
) -> BlockResult:
    """Keep seats from sale, all or nothing."""
    cursor = await connection.execute(
        query("reservations.block_seats"), (show_id, list(seat_ids), reason, ip_address, actor)
    )
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    return BlockResult(Outcome(row[0]), tuple(row[1]), tuple(row[2] or ()))


async def unblock(
    connection: Connection, show_id: UUID, seat_ids: Sequence[int], ip_address: str | None, actor: str
) -> BlockResult:
    """Put blocked seats back on sale."""
    cursor = await connection.execute(query("reservations.unblock_seats"), (show_id, list(seat_ids), ip_address, actor))
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    return BlockResult(Outcome(row[0]), tuple(row[1]))


async def seat_changes(connection: Connection, show_id: UUID, after_id: int | None = None) -> SeatChanges | None:
    """Seats that changed after an audit id, or every claim; None when there is no such show."""
    cursor = await connection.cursor(binary=True).execute(
        query("reservations.seat_changes"), {"show_id": show_id, "after_id": after_id}
    )
    rows = await cursor.fetchall()
    if not rows:
        return None
    plan_id, seats_total, seats_limit, last_id, horizon, next_xid, server_time = rows[0][:7]
    return SeatChanges(
        plan_id,
        seats_total,
        seats_limit,
        Position(last_id, next_xid),
        horizon,
        server_time,
        [(row[7], row[8], row[9]) for row in rows if row[7] is not None],
    )


async def seat_states(connection: Connection, show_id: UUID) -> SeatChanges | None:
    """Every claim, from a view, which needs no function; None when there is no such show."""
    cursor = await connection.cursor(binary=True).execute(query("reservations.seat_states"), (show_id,))
    rows = await cursor.fetchall()
    if not rows:
        return None
    plan_id, seats_total, seats_limit, server_time = rows[0][:4]
    seats: list[tuple[int, str, datetime | None]] = [(row[4], row[5], None) for row in rows if row[4] is not None]
    return SeatChanges(plan_id, seats_total, seats_limit, None, 0, server_time, seats)


async def cleanup_once(connection: Connection, *, run_by: str, limit: int) -> CleanupResult:
    """Retire up to `limit` holds that have run out, oldest first, in one transaction."""
    cursor = await connection.execute(query("reservations.clean_up"), {"limit": limit, "run_by": run_by})
    row = await cursor.fetchone()
    assert row is not None, "the function returns one row"
    expired, released, ids, paused = row
    return CleanupResult(expired, released, paused, tuple(ids))


async def cleanup_rest(connection: Connection, *, run_by: str, limit: int) -> list[CleanupResult]:
    """Retire batches of `limit` holds until one is not full."""
    results = [await cleanup_once(connection, run_by=run_by, limit=limit)]
    while results[-1].reservations_expired == limit:
        results.append(await cleanup_once(connection, run_by=run_by, limit=limit))
    return results


async def pause_cleanup(connection: Connection) -> datetime:
    """Stop the cleanup, whoever calls it. As the owner. Returns since when it is paused."""
    cursor = await connection.execute(query("reservations.pause_cleanup"))
    row = await cursor.fetchone()
    assert row is not None, "the row is inserted, or updated"
    since: datetime = row[0]
    return since


async def resume_cleanup(connection: Connection) -> None:
    """End a pause of the cleanup, if there is one. As the owner."""
    await connection.execute(query("reservations.resume_cleanup"))


async def cleanup_paused_since(connection: Connection) -> datetime | None:
    """Since when the cleanup is paused, None when it is not."""
    cursor = await connection.execute(query("reservations.cleanup_paused_since"))
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def lapsed_reservations(connection: Connection) -> int:
    """How many holds have run out and wait for cleanup; at most 10,000 are counted."""
    cursor = await connection.execute(query("reservations.count_lapsed"))
    row = await cursor.fetchone()
    assert row is not None, "the view has one row"
    return int(row[0])


async def ensure_partitions(connection: Connection) -> tuple[str, ...]:
    """Make the audit log's partitions of this month and the next two. Returns the names of those made."""
    cursor = await connection.execute(query("reservations.ensure_partitions"))
    return tuple(name for (name,) in await cursor.fetchall())
