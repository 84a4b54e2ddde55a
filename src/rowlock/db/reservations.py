"""Calls of the functions that reserve, extend, change and release seats, and the view that shows a hold."""

from collections.abc import Sequence
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from rowlock.db.queries import query
from rowlock.domain.outcomes import Outcome
from rowlock.domain.reservations import (
    HeldSeat,
    Hold,
    Holder,
    ReleaseRequest,
    ReleaseResult,
    ReservationResult,
    ReservationToken,
    ReserveRequest,
)

# A look-up in a dict costs a fifth of making the enum from its value, and this happens for every request.
_OUTCOMES = {str(outcome): outcome for outcome in Outcome}


async def reserve_batch(
    connection: AsyncConnection, show_id: UUID, requests: Sequence[ReserveRequest]
) -> list[ReservationResult]:
    """Reserve seats of one show for many requests in one transaction; results in the order of the requests."""
    cursor = await connection.cursor(binary=True).execute(
        query("reservations/reserve_batch"),
        (
            show_id,
            _array([request.token.reservation_id.hex for request in requests]),
            _array([_hex(request.token.hash) for request in requests]),
            _array([str(seat_id) for request in requests for seat_id in request.seat_ids]),
            _array([str(number) for number, request in enumerate(requests, 1) for _ in request.seat_ids]),
            _array([_quoted(request.holder.key) for request in requests]),
            _array([_quoted(request.holder.session_id) for request in requests]),
            _array([_quoted(request.holder.ip_address) for request in requests]),
            _array([_quoted(request.holder.user_agent) for request in requests]),
        ),
    )
    return [
        ReservationResult(
            outcome=_OUTCOMES[outcome],
            reservation_id=reservation_id,
            server_time=server_time,
            seat_ids=tuple(seats) if seats else (),
            unavailable_seat_ids=tuple(unavailable) if unavailable else (),
            expires_at=expires_at,
            extension_count=count,
            extensions_remaining=remaining,
        )
        for _, outcome, reservation_id, seats, unavailable, expires_at, count, remaining, server_time in (
            await cursor.fetchall()
        )
    ]


def _array(elements: list[str]) -> str:
    """A PostgreSQL array literal. Writing it ourselves costs a tenth of what the driver takes for a list."""
    return f"{{{','.join(elements)}}}"


def _hex(data: bytes | None) -> str:
    """Some bytes as an element of an array literal."""
    return "NULL" if data is None else f'"\\\\x{data.hex()}"'


def _quoted(text: str | None) -> str:
    """One text as an element of an array literal."""
    if text is None:
        return "NULL"
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


async def extend(
    connection: AsyncConnection, token: ReservationToken, holder: Holder, seen_extension_count: int | None = None
) -> ReservationResult:
    """Extend the hold that the token belongs to. With the extension count the caller has seen it may be repeated."""
    cursor = await connection.execute(
        query("reservations/extend"),
        (
            token.show_id,
            token.reservation_id,
            token.hash,
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
    connection: AsyncConnection,
    token: ReservationToken,
    add: Sequence[int],
    remove: Sequence[int],
    holder: Holder,
) -> ReservationResult:
    """Add and drop seats of the hold that the token belongs to."""
    cursor = await connection.execute(
        query("reservations/change"),
        (
            token.show_id,
            token.reservation_id,
            list(add),
            list(remove),
            token.hash,
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
    connection: AsyncConnection, show_id: UUID, requests: Sequence[ReleaseRequest]
) -> list[ReleaseResult]:
    """Release many holds of one show in one transaction; results in the order of the requests."""
    cursor = await connection.cursor(binary=True).execute(
        query("reservations/release_batch"),
        (
            show_id,
            _array([request.reservation_id.hex for request in requests]),
            _array([_hex(request.token_hash) for request in requests]),
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


async def shows_of(connection: AsyncConnection, key: int) -> list[UUID]:
    """The shows whose reservation ids carry `key` (see `domain.reservations.show_key`)."""
    cursor = await connection.execute(query("reservations/shows_of_key"), (key,))
    return [show_id for (show_id,) in await cursor.fetchall()]


async def find_hold(connection: AsyncConnection, token: ReservationToken) -> Hold | None:
    """The hold that the token belongs to, or None when there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("reservations/details"), (token.show_id, token.reservation_id, token.hash))
        rows = await cursor.fetchall()
    if not rows:
        return None
    first = rows[0]
    return Hold(
        show_id=token.show_id,
        reservation_id=token.reservation_id,
        status=first["status"],
        seats=tuple(HeldSeat(row["seat_id"], row["label"], row["category"], row["price_minor"]) for row in rows),
        currency=first["currency"],
        created_at=first["created_at"],
        expires_at=first["expires_at"],
        extension_count=first["extension_count"],
        extensions_remaining=first["extensions_remaining"],
        server_time=first["server_time"],
    )
