"""Version 1: reserving and releasing in plain SQL inside one application transaction, without any stored function.

The fallback when the functions are missing, and the baseline of the benchmark. It keeps the contract of the functions:
the same outcomes in the same precedence, the same locks in the same order, the same audit rows.
"""

from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from rowlock.base.hold_limits import HoldLimits
from rowlock.base.holder import Holder
from rowlock.base.outcomes import Outcome
from rowlock.database.connections import Connection
from rowlock.database.queries import query
from rowlock.reservations.model import Intent, ReleaseResult, ReservationResult, SeatIds

Row = tuple[Any, ...]


async def _rows(connection: Connection, statement: LiteralString, parameters: Any) -> list[Row]:
    cursor = await connection.execute(statement, parameters)
    return await cursor.fetchall() if cursor.description else []


async def _row(connection: Connection, statement: LiteralString, parameters: Any) -> Row | None:
    rows = await _rows(connection, statement, parameters)
    return rows[0] if rows else None


async def _log(
    connection: Connection,
    show_id: UUID,
    reservation_id: UUID,
    event: str,
    seat_ids: list[int],
    holder: Holder,
    *,
    error_code: Outcome | None = None,
    session_id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    await _rows(
        connection,
        query("version1.write_audit_row"),
        {
            "show_id": show_id,
            "reservation_id": reservation_id,
            "event": event,
            "seat_ids": seat_ids,
            "session_id": session_id or holder.session_id,
            "ip_address": holder.ip_address,
            "user_agent": holder.user_agent,
            "error_code": error_code,
            "metadata": Jsonb(metadata or {}),
        },
    )


# Refusals that need the catalogue alone are counted, and so are those by the limits; those that say nothing about a
# known show leave no trace.
_COUNTED = (
    Outcome.TOO_MANY_SEATS,
    Outcome.SHOW_NOT_ON_SALE,
    Outcome.SEATS_NOT_FOUND,
    Outcome.ACCESSIBLE_SEATS,
    Outcome.TOO_MANY_HOLDS,
)
_NOT_LOGGED = (Outcome.INVALID_INPUT, Outcome.SHOW_NOT_FOUND)
_SEATS_LOGGED = 10

# The names in the statement weigh_hold, in the order of HoldLimits.for_database.
_LIMITS = ("seats", "holds", "new_weight", "session_weight", "share_percent")

_OUTCOME_OF_STATUS = {"active": Outcome.OK, "expired": Outcome.RESERVATION_EXPIRED}


async def _log_refusal(
    connection: Connection,
    show_id: UUID,
    reservation_id: UUID,
    outcome: Outcome,
    seats: list[int],
    holder: Holder,
    *,
    session_id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """What the function log_refusals does."""
    if outcome in _COUNTED:
        await _rows(connection, query("version1.count_refusal"), {"show_id": show_id, "code": outcome})
    elif outcome not in _NOT_LOGGED:
        await _log(
            connection,
            show_id,
            reservation_id,
            "failed",
            seats[:_SEATS_LOGGED],
            holder,
            error_code=outcome,
            session_id=session_id,
            metadata={**(metadata or {}), "seats": len(seats)},
        )


class _RefusedError(Exception):
    """Ends a reserve with a refusal: the outcome, and the unavailable seats."""

    def __init__(self, outcome: Outcome, unavailable: tuple[int, ...] = ()) -> None:
        self.outcome = outcome
        self.unavailable = unavailable


async def reserve(
    connection: Connection, intent: Intent[SeatIds], limits: HoldLimits | None = None
) -> ReservationResult:
    """Reserve all seats of the request or none. Call it inside a transaction, and commit that in both cases."""
    show_id, reservation_id, holder = intent.token.show_id, intent.token.reservation_id, intent.holder
    seats = sorted(intent.wish)
    try:
        return await _reserve(connection, intent, seats, limits)
    except _RefusedError as refusal:
        await _log_refusal(connection, show_id, reservation_id, refusal.outcome, seats, holder)
        return ReservationResult(refusal.outcome, reservation_id, datetime.now(UTC), tuple(seats), refusal.unavailable)


async def _reserve(
    connection: Connection, intent: Intent[SeatIds], seats: list[int], limits: HoldLimits | None
) -> ReservationResult:
    show_id, reservation_id, holder = intent.token.show_id, intent.token.reservation_id, intent.holder
    if not seats or len(set(seats)) < len(seats) or seats[0] < 1 or not holder.key:
        raise _RefusedError(Outcome.INVALID_INPUT)
    await connection.execute(query("version1.lock_plan"), {"show_id": show_id})
    client = None if limits is None else holder.network
    if client is not None:
        await connection.execute(query("version1.lock_client"), {"show_id": show_id, "client": client})
    show = await _row(connection, query("version1.show_rules"), {"show_id": show_id, "reservation_id": reservation_id})
    if show is None:
        raise _RefusedError(Outcome.SHOW_NOT_FOUND)
    on_sale, seats_total, max_seats, hold_seconds, max_extensions, is_recorded = show
    if is_recorded:
        return await _repeated(connection, intent, seats, max_extensions)

    active_hold = await _row(connection, query("version1.lock_active_hold"), (show_id, holder.key))
    if active_hold is not None and active_hold[0] == reservation_id:
        return await _repeated(connection, intent, seats, max_extensions)
    if len(seats) > max_seats:
        raise _RefusedError(Outcome.TOO_MANY_SEATS)
    if not on_sale:
        raise _RefusedError(Outcome.SHOW_NOT_ON_SALE)
    stale_seats: list[int] = []
    if active_hold is not None:
        has_lapsed = await _row(connection, query("version1.has_lapsed"), (show_id, active_hold[0]))
        if has_lapsed is None or not has_lapsed[0]:
            raise _RefusedError(Outcome.DUPLICATE_RESERVATION)
    if seats[-1] > seats_total:
        raise _RefusedError(Outcome.SEATS_NOT_FOUND)
    if not intent.accessible:
        accessible_rows = await _rows(connection, query("version1.accessible_seats"), (seats, show_id))
        if accessible_rows:
            raise _RefusedError(Outcome.ACCESSIBLE_SEATS, tuple(seat for (seat,) in accessible_rows))
    if taken_rows := await _rows(connection, query("version1.unavailable_seats"), (show_id, seats)):
        if await _find(connection, intent, seats) is not None:
            # By this same request, which was sent twice and has been committed since the first check.
            return await _repeated(connection, intent, seats, max_extensions)
        raise _RefusedError(Outcome.SEATS_UNAVAILABLE, tuple(seat for (seat,) in taken_rows))

    weight = None
    if limits is not None and client is not None:
        weight = await _weigh(connection, intent, client, seats, limits)

    expired_hold = None
    if active_hold is not None:
        expired_hold = await _row(connection, query("version1.expire_reservation"), (show_id, active_hold[0]))
        claim_rows = await _rows(
            connection, query("version1.claims_of_hold"), (show_id, active_hold[0], active_hold[1])
        )
        stale_seats = [seat for (seat,) in claim_rows]
    new_hold = await _row(
        connection,
        query("version1.insert_reservation"),
        {
            "show_id": show_id,
            "reservation_id": reservation_id,
            "secret": intent.token.secret,
            "wish_hash": intent.wish_hash,
            "reserved_by": holder.key,
            "session_id": holder.session_id,
            "seat_ids": seats,
            "hold_seconds": hold_seconds,
            "client": client,
            "weight": weight,
        },
    )
    if new_hold is None:
        if await _find(connection, intent, seats) is not None:
            return await _repeated(connection, intent, seats, max_extensions)
        raise _RefusedError(Outcome.DUPLICATE_RESERVATION)

    claim = {
        "show_id": show_id,
        "reservation_id": reservation_id,
        "reserved_by": holder.key,
        "reserved_until": new_hold[0],
    }
    seats_to_lock = {"seat_ids": sorted({*seats, *stale_seats})}
    locked_seats = {seat for (seat,) in await _rows(connection, query("version1.lock_seats"), claim | seats_to_lock)}
    missing_seats = tuple(seat for seat in seats if seat not in locked_seats)
    if missing_seats:
        await _rows(connection, query("version1.drop_claims"), (show_id, reservation_id, sorted(locked_seats)))
        await _rows(connection, query("version1.delete_reservation"), (show_id, reservation_id))
    else:
        await _rows(connection, query("version1.take_over"), claim | {"seat_ids": seats})
        unwanted_seats = [seat for seat in stale_seats if seat not in seats]
        await _rows(connection, query("version1.drop_claims"), (show_id, reservation_id, unwanted_seats))
    if active_hold is not None and expired_hold is not None:
        freed_rows = await _rows(connection, query("version1.drop_claims"), (show_id, active_hold[0], active_hold[1]))
        await _log(
            connection,
            show_id,
            active_hold[0],
            "expired",
            sorted(seat for (seat,) in freed_rows),
            Holder(holder.key),
            session_id=expired_hold[0],
            metadata={"held_seconds": expired_hold[1]},
        )
    if missing_seats:
        raise _RefusedError(Outcome.SEATS_UNAVAILABLE, missing_seats)
    await _log(connection, show_id, reservation_id, "created", seats, holder)
    return ReservationResult(
        Outcome.OK,
        reservation_id,
        server_time=new_hold[1],
        seat_ids=tuple(seats),
        expires_at=new_hold[0],
        extension_count=0,
        extensions_remaining=max_extensions,
        status="active",
    )


async def _weigh(
    connection: Connection, intent: Intent[SeatIds], client: str, seats: list[int], limits: HoldLimits
) -> int:
    """What the hold counts in the limits of its client. Raises _RefusedError beyond them."""
    row = await _row(
        connection,
        query("version1.weigh_hold"),
        {
            "show_id": intent.token.show_id,
            "client": client,
            "reserved_by": intent.holder.key,
            "seat_ids": seats,
            **dict(zip(_LIMITS, limits.for_database, strict=True)),
        },
    )
    assert row is not None, "the show has a row"
    weight, is_beyond = row
    if is_beyond:
        raise _RefusedError(Outcome.TOO_MANY_HOLDS)
    return int(weight)


async def _find(connection: Connection, intent: Intent[SeatIds], seats: list[int]) -> Row | None:
    """The reservation that has this id, if there is one, and whether it is this intent's."""
    given = {
        "show_id": intent.token.show_id,
        "reservation_id": intent.token.reservation_id,
        "reserved_by": intent.holder.key,
        "secret": intent.token.secret,
        "wish_hash": intent.wish_hash,
        "seat_ids": seats,
    }
    return await _row(connection, query("version1.find_reservation"), given)


async def _repeated(
    connection: Connection, intent: Intent[SeatIds], seats: list[int], max_extensions: int
) -> ReservationResult:
    """The result for a request that was committed before: the present state of its hold."""
    row = await _find(connection, intent, seats)
    if row is None or not row[4]:
        raise _RefusedError(Outcome.INVALID_INPUT)
    held_seats, expires_at, extension_count, status, _, is_same_wish = row
    if not is_same_wish:
        outcome = Outcome.IDEMPOTENCY_KEY_REUSED
    else:
        outcome = _OUTCOME_OF_STATUS.get(status, Outcome.RESERVATION_NOT_ACTIVE)
    return ReservationResult(
        outcome,
        intent.token.reservation_id,
        datetime.now(UTC),
        seat_ids=tuple(held_seats),
        expires_at=expires_at,
        extension_count=extension_count,
        extensions_remaining=max(0, max_extensions - extension_count),
        status=status,
    )


async def release(
    connection: Connection,
    show_id: UUID,
    reservation_id: UUID,
    *,
    secret: bytes | None,
    holder_key: str | None,
    holder: Holder,
) -> ReleaseResult:
    """Release a hold if the secret of its token or its holder matches. Call it inside a transaction."""
    hold = await _row(
        connection,
        query("version1.lock_reservation"),
        {
            "show_id": show_id,
            "reservation_id": reservation_id,
            "secret": secret,
            "reserved_by": holder_key,
        },
    )
    if hold is None:
        return ReleaseResult(Outcome.RESERVATION_NOT_FOUND, reservation_id)
    status, seats, session_id, _ = hold
    if status == "released":
        return ReleaseResult(Outcome.OK, reservation_id, tuple(seats))
    order = await _row(connection, query("version1.lock_pending_order"), (show_id, reservation_id))
    outcome = Outcome.RESERVATION_EXPIRED if status == "expired" else Outcome.RESERVATION_NOT_ACTIVE
    if status == "active":
        outcome = Outcome.ORDER_BEING_PAID if order is not None and order[1] else Outcome.OK
    if outcome != Outcome.OK:
        await _log_refusal(
            connection,
            show_id,
            reservation_id,
            outcome,
            seats,
            holder,
            session_id=holder.session_id or session_id,
            metadata={"operation": "release"},
        )
        return ReleaseResult(outcome, reservation_id)
    locked_seats = [
        seat for (seat,) in await _rows(connection, query("version1.lock_claims"), (show_id, reservation_id, seats))
    ]
    await _rows(connection, query("version1.drop_claims"), (show_id, reservation_id, locked_seats))
    ended_hold = await _row(connection, query("version1.end_released"), (show_id, reservation_id))
    assert ended_hold is not None
    if order is not None:
        await _rows(connection, query("version1.cancel_order"), {"show_id": show_id, "order_id": order[0]})
    await _log(
        connection,
        show_id,
        reservation_id,
        "released",
        locked_seats,
        holder,
        session_id=holder.session_id or session_id,
        metadata={"held_seconds": ended_hold[0]},
    )
    return ReleaseResult(Outcome.OK, reservation_id, tuple(locked_seats))


async def rollout_override(connection: Connection) -> int | None:
    """The operator's override of v2_rollout_percent, or None when there is none."""
    row = await _row(connection, query("version1.rollout_override"), None)
    return None if row is None else int(row[0])
