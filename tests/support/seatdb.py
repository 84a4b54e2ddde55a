"""The seat core for tests: each database function as a method, and queries for the state that a call left behind.

Functions are called in the role that may: rowlock_app, rowlock_office or rowlock_worker, none of which has a right to
any seat table. Tests make a catalogue, move deadlines and read tables as the owner. What must hold between the tables
is written here a second time, independent of the product's own invariant check, so that a mistake in one does not hide
in the other.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from rowlock.base.dsns import Dsns
from rowlock.base.ids import mint_id
from rowlock.database.connections import APP_ROLE, OFFICE_ROLE, WORKER_ROLE, with_role
from rowlock.reservations import store

Connection = psycopg.AsyncConnection


@dataclass(frozen=True)
class Show:
    """A show on sale; its seats are 1 to `seats_total`."""

    show_id: UUID
    seats_total: int


@dataclass(frozen=True)
class Reserved:
    """The answer to a reservation request, and what was asked: enough to act as its holder later."""

    show: Show
    holder: str
    outcome: str
    reservation_id: UUID
    status: str | None
    seat_ids: list[int] | None
    unavailable_seat_ids: list[int] | None
    expires_at: datetime | None
    extension_count: int | None
    extensions_remaining: int | None
    server_time: datetime
    request: int = 1
    secret: bytes | None = field(default=None, repr=False)

    @property
    def hold(self) -> timedelta:
        """The time that was left to the holder when the answer was made."""
        assert self.expires_at is not None
        return self.expires_at - self.server_time


@dataclass(frozen=True)
class Extended:
    outcome: str
    reservation_id: UUID
    expires_at: datetime | None
    extension_count: int | None
    extensions_remaining: int | None
    server_time: datetime


@dataclass(frozen=True)
class Changed:
    outcome: str
    reservation_id: UUID
    seat_ids: list[int] | None
    unavailable_seat_ids: list[int] | None
    expires_at: datetime | None
    extension_count: int | None
    extensions_remaining: int | None
    server_time: datetime


@dataclass(frozen=True)
class Released:
    outcome: str
    reservation_id: UUID
    released_seat_ids: list[int]
    server_time: datetime


@dataclass(frozen=True)
class Blocked:
    outcome: str
    seat_ids: list[int]
    unavailable_seat_ids: list[int] | None
    server_time: datetime


@dataclass(frozen=True)
class Unblocked:
    outcome: str
    seat_ids: list[int]
    server_time: datetime


@dataclass(frozen=True)
class Moved:
    outcome: str
    plan_id: UUID | None
    seats_total: int | None
    seat_ids: list[int]
    categories: list[str]
    server_time: datetime


@dataclass(frozen=True)
class Completed:
    outcome: str
    order_id: UUID
    status: str | None
    seat_ids: list[int]
    unavailable_seat_ids: list[int] | None
    ticket_ids: list[UUID]
    server_time: datetime


@dataclass(frozen=True)
class Payment:
    outcome: str
    order_id: UUID
    payment_intent_id: UUID | None
    status: str | None
    amount_minor: int | None
    currency: str | None
    server_time: datetime


@dataclass(frozen=True)
class Paid:
    outcome: str
    order_id: UUID
    status: str | None
    refund_id: UUID | None
    server_time: datetime


@dataclass(frozen=True)
class Voided:
    outcome: str
    order_id: UUID
    status: str | None
    released_seat_ids: list[int]
    server_time: datetime


@dataclass(frozen=True)
class Refunded:
    outcome: str
    order_id: UUID
    status: str | None
    refund_id: UUID
    amount_minor: int
    seat_ids: list[int]
    server_time: datetime


@dataclass(frozen=True)
class ShowCancelled:
    outcome: str
    holds_released: int
    orders_ended: int
    holds_left: int
    orders_left: int
    server_time: datetime


@dataclass(frozen=True)
class Cleaned:
    total_reservations_expired: int
    total_seats_released: int
    reservation_ids: list[UUID]


@dataclass(frozen=True)
class Statistics:
    total_created: int
    total_completed: int
    total_expired: int
    total_released: int
    total_failed: int
    avg_hold_time_seconds: Any
    expiration_rate: Any


@dataclass(frozen=True)
class Request:
    """One request of a batch. Its reservation id is its own unless the test repeats one."""

    seats: Sequence[int]
    holder: str | None
    reservation_id: UUID | None = field(default_factory=uuid4)
    secret: bytes | None = None
    wish: bytes | None = None


@dataclass(frozen=True)
class AuditRow:
    """One row of the audit log, without what differs from run to run."""

    id: int
    event: str
    reservation_id: UUID | None
    order_id: UUID | None
    seat_ids: list[int]
    session_id: str | None
    ip_address: str | None
    user_agent: str | None
    error_code: str | None
    metadata: dict[str, Any]
    actor: str | None


def token(text: str) -> bytes:
    """The secret part of a token."""
    return text.encode()


def missing_hold(show: Show) -> Reserved:
    """A hold that was never made: an answer about another holder's hold must be the same."""
    return Reserved(show, "no holder", "OK", uuid4(), "active", [], None, None, None, None, datetime.now(UTC))


def said(answer: Any) -> dict[str, Any]:
    """What an answer says, apart from the id that was asked for and the time."""
    return {
        name: value
        for name, value in asdict(answer).items()
        if name not in ("reservation_id", "server_time", "show", "secret", "request")
    }


def fold_audit(rows: Iterable[AuditRow]) -> dict[int, tuple[str, UUID | None]]:
    """What the audit log alone says about every seat: (status, reservation or order it belongs to).

    Holds that ran out and were not retired yet still count, because no event says that time passed.
    """
    seats: dict[int, tuple[str, UUID | None]] = {}
    for row in rows:
        match row.event:
            case "created":
                seats |= dict.fromkeys(row.seat_ids, ("reserved", row.reservation_id))
            case "changed":
                for seat in row.metadata["removed"]:
                    seats.pop(seat, None)
                seats |= dict.fromkeys(row.seat_ids, ("reserved", row.reservation_id))
            case "refunded" if row.metadata["give_back"] == "house":
                seats |= dict.fromkeys(row.seat_ids, ("blocked", None))
            case "released" | "expired" | "unblocked" | "voided" | "refunded":
                for seat in row.seat_ids:
                    seats.pop(seat, None)
            case "completed":
                seats |= dict.fromkeys(row.seat_ids, ("sold", row.order_id))
            case "blocked":
                seats |= dict.fromkeys(row.seat_ids, ("blocked", None))
            case "extended" | "failed" | "cancelled" | "moved":
                pass
            case other:
                raise AssertionError(f"The audit log has an event {other!r} that no function writes.")
    return seats


class SeatDb:
    """One application connection, and the owner's beside it."""

    def __init__(self, dsns: Dsns, app: Connection, owner: Connection) -> None:
        self.dsns = dsns
        self.app = app
        self.owner = owner

    @classmethod
    @asynccontextmanager
    async def connect(cls, dsns: Dsns) -> AsyncIterator["SeatDb"]:
        """For tests that cannot use the fixture, because they run an event loop of their own."""
        async with (
            await Connection.connect(with_role(dsns.owner, APP_ROLE), autocommit=True) as app,
            await Connection.connect(dsns.owner, autocommit=True) as owner,
        ):
            yield cls(dsns, app, owner)

    @asynccontextmanager
    async def another(self) -> AsyncIterator["SeatDb"]:
        """The same database over an application connection of its own: a second client at the same time."""
        async with await Connection.connect(with_role(self.dsns.owner, APP_ROLE), autocommit=True) as app:
            yield SeatDb(self.dsns, app, self.owner)

    # What the application does.

    async def reserve(
        self,
        show: Show,
        *,
        seats: Sequence[int] | None,
        holder: str | None,
        reservation_id: UUID | None = None,
        secret: bytes | None = None,
        wish: bytes | None = None,
        session: str | None = None,
        ip: str | None = None,
        user_agent: str | None = None,
    ) -> Reserved:
        row = await self._call(
            "select * from rowlock.reserve_seats_atomic(%s, %s::int[], %s, %s, %s, %s, %s, %s, %s)",
            show.show_id,
            _array(seats),
            holder,
            session,
            ip,
            user_agent,
            reservation_id,
            secret,
            wish,
        )
        return Reserved(show=show, holder=holder or "", secret=secret, **row)

    async def reserve_batch(self, show: Show, requests: Sequence[Request]) -> list[Reserved]:
        rows = await self._rows(
            """
            select * from rowlock.reserve_seats_batch(
                %s, %s::uuid[], %s::bytea[], %s::bytea[], %s::int[], %s::int[], %s::text[], %s::text[], %s::inet[],
                %s::text[]
            )
            """,
            show.show_id,
            [r.reservation_id for r in requests],
            [r.secret for r in requests],
            [r.wish for r in requests],
            [seat for r in requests for seat in r.seats],
            [number for number, r in enumerate(requests, start=1) for _ in r.seats],
            [r.holder for r in requests],
            [None] * len(requests),
            [None] * len(requests),
            [None] * len(requests),
        )
        assert [row["request"] for row in rows] == list(range(1, len(requests) + 1))
        return [
            Reserved(show=show, holder=r.holder or "", secret=r.secret, **row)
            for r, row in zip(requests, rows, strict=True)
        ]

    async def extend(self, hold: Reserved, *, holder: str | None = None, secret: bytes | None = None) -> Extended:
        """Extend as the holder, or as the one who is named instead."""
        return Extended(
            **await self._call(
                "select * from rowlock.extend_reservation_atomic(%s, %s, %s, %s)",
                hold.show.show_id,
                hold.reservation_id,
                secret,
                _who(hold, holder, secret),
            )
        )

    async def change(
        self,
        hold: Reserved,
        *,
        add: Sequence[int | None] | None = (),
        remove: Sequence[int | None] | None = (),
        holder: str | None = None,
        secret: bytes | None = None,
    ) -> Changed:
        """Change as the holder, or as the one who is named instead."""
        return Changed(
            **await self._call(
                "select * from rowlock.change_seats_atomic(%s, %s, %s::int[], %s::int[], %s, %s)",
                hold.show.show_id,
                hold.reservation_id,
                _array(add),
                _array(remove),
                secret,
                _who(hold, holder, secret),
            )
        )

    async def release(self, hold: Reserved, *, holder: str | None = None, secret: bytes | None = None) -> Released:
        """Release as the holder, or as the one who is named instead."""
        return Released(
            **await self._call(
                "select * from rowlock.release_seats_atomic(%s, %s, %s, %s)",
                hold.show.show_id,
                hold.reservation_id,
                secret,
                _who(hold, holder, secret),
            )
        )

    async def release_batch(self, show: Show, requests: Sequence[tuple[Reserved, str]]) -> list[Released]:
        """Release many holds, each as the one who is named with it."""
        rows = await self._rows(
            """
            select * from rowlock.release_seats_batch(
                %s, %s::uuid[], %s::bytea[], %s::text[], %s::text[], %s::inet[], %s::text[]
            )
            """,
            show.show_id,
            [hold.reservation_id for hold, _ in requests],
            [None] * len(requests),
            [holder for _, holder in requests],
            *[[None] * len(requests)] * 3,
        )
        assert [row.pop("request") for row in rows] == list(range(1, len(requests) + 1))
        return [Released(**row) for row in rows]

    async def block(self, show: Show, *, seats: Sequence[int | None] | None, reason: str | None = "camera") -> Blocked:
        return Blocked(
            **await self._call(
                "select * from rowlock.block_seats_atomic(%s, %s::int[], %s, p_actor => 'box office')",
                show.show_id,
                _array(seats),
                reason,
                role=OFFICE_ROLE,
            )
        )

    async def unblock(self, show: Show, *, seats: Sequence[int | None] | None) -> Unblocked:
        return Unblocked(
            **await self._call(
                "select * from rowlock.unblock_seats_atomic(%s, %s::int[], p_actor => 'box office')",
                show.show_id,
                _array(seats),
                role=OFFICE_ROLE,
            )
        )

    async def complete(self, show: Show, order_id: UUID, intent: UUID | None = None) -> Completed:
        return Completed(
            **await self._call(
                "select * from rowlock.complete_order_atomic(%s, %s, %s)",
                show.show_id,
                order_id,
                intent,
                role=WORKER_ROLE,
            )
        )

    async def begin_payment(self, show: Show, order_id: UUID, intent: UUID) -> Payment:
        return Payment(
            **await self._call(
                "select * from rowlock.begin_payment_atomic(%s, %s, %s, 'test')",
                show.show_id,
                order_id,
                intent,
                role=WORKER_ROLE,
            )
        )

    async def pay(self, show: Show, order_id: UUID, intent: UUID) -> Paid:
        return Paid(
            **await self._call(
                "select * from rowlock.pay_order_atomic(%s, %s, %s)", show.show_id, order_id, intent, role=WORKER_ROLE
            )
        )

    async def void(self, show: Show, order_id: UUID) -> Voided:
        return Voided(
            **await self._call(
                "select * from rowlock.void_order_atomic(%s, %s, 'declined')", show.show_id, order_id, role=WORKER_ROLE
            )
        )

    async def refund(self, show: Show, order_id: UUID, *, key: str = "refund", **wish: object) -> Refunded:
        """Open a refund. `wish` are parameters without their p_: seat_ids, amount_minor, give_back, keep_fees."""
        names = "".join(f", p_{name} => %s" for name in wish)
        return Refunded(
            **await self._call(
                f"select * from rowlock.refund_order_atomic(%s, %s, %s, %s, p_reason => 'ill'{names})",
                show.show_id,
                order_id,
                mint_id(show.show_id),
                key,
                *wish.values(),
                role=WORKER_ROLE,
            )
        )

    async def cancel_show(self, show: Show, *, limit: int = 500) -> ShowCancelled:
        return ShowCancelled(
            **await self._call(
                "select * from rowlock.cancel_show_atomic(%s, 'ill', %s)", show.show_id, limit, role=WORKER_ROLE
            )
        )

    async def move(self, show: Show, plan_id: UUID, prices: Mapping[str, int] | None = None) -> Moved:
        return Moved(
            **await self._call(
                "select * from rowlock.move_show_atomic(%s, %s, %s::text[], %s::bigint[], p_actor => 'box office')",
                show.show_id,
                plan_id,
                list(prices or {}),
                list((prices or {}).values()),
                role=OFFICE_ROLE,
            )
        )

    async def cleanup(self, *, limit: int = 1000, run_by: str = "test") -> Cleaned:
        return Cleaned(
            **await self._call(
                "select * from rowlock.cleanup_expired_seat_reservations(%s, %s)", limit, run_by, role=WORKER_ROLE
            )
        )

    async def pause_cleanup(self) -> None:
        """Pause the cleanup as an operator does, until `resume_cleanup`."""
        await store.pause_cleanup(self.owner)

    async def resume_cleanup(self) -> None:
        await store.resume_cleanup(self.owner)

    async def statistics(self, show: Show | None = None, *, hours: int = 24) -> Statistics:
        return Statistics(
            **await self._call(
                "select * from rowlock.get_reservation_statistics(%s, %s)",
                show.show_id if show else None,
                hours,
                role=OFFICE_ROLE,
            )
        )

    # What tests prepare, as the owner.

    async def make_show(self, *, seats: int = 40, **columns: object) -> Show:
        """A show on sale in a hall of its own. `columns` are columns of shows, such as hold_seconds=60."""
        return await make_show(self.owner, seats=seats, **columns)

    async def set_show(self, show: Show, **columns: object) -> None:
        """Change columns of the show, such as status="paused"."""
        names = psycopg.sql.SQL(", ").join(
            psycopg.sql.SQL("{} = %s").format(psycopg.sql.Identifier(name)) for name in columns
        )
        await self.owner.execute(
            psycopg.sql.SQL("update rowlock.shows set {} where show_id = %s").format(names),
            [*columns.values(), show.show_id],
        )

    async def age(self, hold: Reserved, *, minutes: float) -> None:
        """Move a hold so many minutes into the past. Nothing else is moved."""
        await self.owner.execute(
            """
            with aged as (
                update rowlock.seat_reservations
                set created_at = created_at - %(by)s, expires_at = expires_at - %(by)s
                where show_id = %(show)s and reservation_id = %(hold)s
            )
            update rowlock.show_seats
            set reserved_until = reserved_until - %(by)s
            where show_id = %(show)s and reservation_id = %(hold)s and status = 'reserved'
            """,
            {"by": timedelta(minutes=minutes), "show": hold.show.show_id, "hold": hold.reservation_id},
        )

    async def order(
        self,
        hold: Reserved,
        *,
        seats: Sequence[int] | None = None,
        status: str = "pending",
        price_minor: int = 0,
        fee_minor: int = 0,
        **columns: object,
    ) -> UUID:
        """An order for the seats of a hold (or for `seats`), as checkout would write it; free without a price.

        `columns` replace columns of the order, such as currency="EUR" or total_minor=1.
        """
        order_id = mint_id(hold.show.show_id)
        ordered = list(hold.seat_ids or []) if seats is None else list(seats)
        kept = {"total_minor": len(ordered) * price_minor + fee_minor, "currency": "USD"} | columns
        await self.owner.execute(
            """
            with o as (
                insert into rowlock.ticket_orders
                    (show_id, order_id, order_code, idempotency_key, reservation_id, customer_name, customer_email,
                     status, total_minor, currency, fee_minor)
                values (
                    %(show)s, %(order)s, %(order)s::text, %(order)s::text, %(hold)s, 'Anna', 'anna@example.org',
                    %(status)s, %(total)s, %(currency)s, %(fee)s
                )
            )
            insert into rowlock.ticket_order_items (show_id, order_id, seat_id, price_type, amount_minor)
            select %(show)s, %(order)s, s, 'adult', %(price)s from unnest(%(seats)s::int[]) as s
            """,
            {
                "show": hold.show.show_id,
                "order": order_id,
                "hold": hold.reservation_id,
                "status": status,
                "total": kept["total_minor"],
                "currency": kept["currency"],
                "fee": fee_minor,
                "price": price_minor,
                "seats": ordered,
            },
        )
        return order_id

    async def intent(self, show: Show, order_id: UUID, *, status: str = "authorized", **columns: object) -> UUID:
        """A payment intent for the order's total; `columns` replace amount_minor or currency."""
        intent = mint_id(show.show_id)
        await self.owner.execute(
            """
            insert into rowlock.payment_intents
                (show_id, payment_intent_id, order_id, provider, amount_minor, currency, status)
            select show_id, %s, order_id, 'test', coalesce(%s, total_minor), coalesce(%s, currency), %s
            from rowlock.ticket_orders where show_id = %s and order_id = %s
            """,
            [intent, columns.get("amount_minor"), columns.get("currency"), status, show.show_id, order_id],
        )
        return intent

    async def set_intent(self, show: Show, intent: UUID, status: str) -> None:
        """What the provider told of an intent."""
        await self.owner.execute(
            "update rowlock.payment_intents set status = %s where show_id = %s and payment_intent_id = %s",
            [status, show.show_id, intent],
        )

    # What tests look at, as the owner.

    async def claims(self, show: Show) -> dict[int, str]:
        """The claim of each seat now: its holder, "sold" or "blocked". Claims that ran out do not count."""
        cursor = await self.owner.execute(
            """
            select seat_id, coalesce(reserved_by, status)
            from rowlock.show_seats
            where show_id = %s and (status <> 'reserved' or reserved_until > clock_timestamp())
            order by seat_id
            """,
            [show.show_id],
        )
        return dict(await cursor.fetchall())

    async def counted_refusals(self, show: Show) -> dict[str, int]:
        """How many refusals of each code were only counted."""
        rows = await self._owner_rows(
            "select code, sum(refusals)::integer as refusals from rowlock.reservation_refusal_counts "
            "where show_id = %s group by code order by code",
            show.show_id,
        )
        return {row["code"]: row["refusals"] for row in rows}

    async def claim_rows(self, show: Show) -> dict[int, tuple[str, UUID | None]]:
        """Every claim row, lapsed or not: (status, reservation or order), as fold_audit() has them."""
        cursor = await self.owner.execute(
            """
            select seat_id, status, case status when 'reserved' then reservation_id when 'sold' then order_id end
            from rowlock.show_seats where show_id = %s order by seat_id
            """,
            [show.show_id],
        )
        return {seat: (status, whose) for seat, status, whose in await cursor.fetchall()}

    async def reservation(self, hold: Reserved) -> dict[str, Any]:
        """The row of a hold."""
        rows = await self.reservations(hold.show)
        return next(row for row in rows if row["reservation_id"] == hold.reservation_id)

    async def reservations(self, show: Show) -> list[dict[str, Any]]:
        """All reservation rows of a show, oldest first."""
        return await self._owner_rows(
            "select * from rowlock.seat_reservations where show_id = %s order by created_at, reservation_id",
            show.show_id,
        )

    async def audit(self, show: Show) -> list[AuditRow]:
        """The audit log of a show, in order."""
        rows = await self._owner_rows(
            """
            select id, event, reservation_id, order_id, seat_ids, session_id, host(ip_address) as ip_address,
                user_agent, error_code, metadata, actor
            from rowlock.seat_reservation_audit_log where show_id = %s order by id
            """,
            show.show_id,
        )
        return [AuditRow(**row) for row in rows]

    async def events(self, show: Show) -> list[tuple[str, list[int], str | None]]:
        """The audit log in short: (event, seats, error code)."""
        return [(row.event, row.seat_ids, row.error_code) for row in await self.audit(show)]

    async def cleanup_runs(self) -> list[dict[str, Any]]:
        """The cleanup status view, newest run first, as the application may read it."""
        async with self.in_role(OFFICE_ROLE):
            return await self._rows("select * from rowlock.reservation_cleanup_job_status")

    async def check(self, show: Show | None = None) -> list[str]:
        """Everything that contradicts between the tables, in words; [] when nothing does.

        Claims of a hold that ran out may be missing, because other holders may have taken the seats.
        """
        only = show.show_id if show else None
        async with self.owner.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_VIOLATIONS, {"show": only})
            found = [f"{row['show_id']}: {row['violation']}" for row in await cursor.fetchall()]
        if show:
            shows = [show]
        else:
            every = await self._owner_rows("select show_id, seats_total from rowlock.shows")
            shows = [Show(**row) for row in every]
        for here in shows:
            told, kept = fold_audit(await self.audit(here)), await self.claim_rows(here)
            found += [
                f"{here.show_id}: seat {seat} is {kept.get(seat)}, and its audit log says {told.get(seat)}"
                for seat in sorted(told.keys() | kept.keys())
                if told.get(seat) != kept.get(seat)
            ]
        return found

    async def _call(self, query: LiteralString, *values: object, role: LiteralString = APP_ROLE) -> dict[str, Any]:
        async with self.app.cursor(row_factory=dict_row) as cursor:
            if role == APP_ROLE:
                await cursor.execute(query, values)
            else:
                # In one message, so that a test that steps through the call sees no pause in it. A call that fails
                # takes the role back with everything else.
                async with self.app.pipeline():
                    await self.app.execute(f"set role {role}".encode())
                    await cursor.execute(query, values)
                    await self.app.execute(f"set role {APP_ROLE}".encode())
            (row,) = await cursor.fetchall()
        return row

    @asynccontextmanager
    async def in_role(self, role: LiteralString) -> AsyncIterator[None]:
        """Be another role for a while, on the same connection."""
        await self.app.execute(f"set role {role}".encode())
        try:
            yield
        finally:
            if self.app.info.transaction_status != TransactionStatus.INERROR:
                await self.app.execute(f"set role {APP_ROLE}".encode())

    async def _rows(self, query: LiteralString, *values: object) -> list[dict[str, Any]]:
        async with self.app.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()

    async def _owner_rows(self, query: LiteralString, *values: object) -> list[dict[str, Any]]:
        async with self.owner.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()


_VIOLATIONS: LiteralString = """
with claims as (
    select c.* from rowlock.show_seats as c where c.show_id = %(show)s or %(show)s::uuid is null
),
holds as (
    select a.* from rowlock.seat_reservations as a where a.show_id = %(show)s or %(show)s::uuid is null
),
valid_tickets as (
    select t.* from rowlock.tickets as t
    where (t.show_id = %(show)s or %(show)s::uuid is null) and t.status <> 'void'
),
violations as (
    select c.show_id, 'seat ' || c.seat_id || ' is reserved for a hold that does not list it' as violation
    from claims as c
    where c.status = 'reserved' and not exists (
        select from holds as a
        where a.show_id = c.show_id and a.reservation_id = c.reservation_id and a.reserved_by = c.reserved_by
            and a.status = 'active' and a.expires_at = c.reserved_until and c.seat_id = any(a.seat_ids)
    )
    union all
    select a.show_id, 'live hold ' || a.reservation_id || ' has no claim on its seat ' || s
    from holds as a, unnest(a.seat_ids) as s
    where a.status = 'active' and a.expires_at > clock_timestamp() and not exists (
        select from claims as c
        where c.show_id = a.show_id and c.seat_id = s and c.reservation_id = a.reservation_id
            and c.status = 'reserved'
    )
    union all
    select c.show_id, 'seat ' || c.seat_id || ' is ' || c.status || ', and the plan of its show has no such seat'
    from claims as c join rowlock.shows as s using (show_id)
    where not exists (select from rowlock.seats as p where p.plan_id = s.plan_id and p.seat_id = c.seat_id)
    union all
    -- A hold that has ended may have had seats of an earlier plan.
    select a.show_id, 'hold ' || a.reservation_id || ' has seats that its show has not, or one twice'
    from holds as a join rowlock.shows as s using (show_id)
    where (
        select count(distinct e) < count(*) or min(e) < 1 or a.status = 'active' and max(e) > s.seats_total
        from unnest(a.seat_ids) as e
    )
    union all
    select a.show_id, 'hold ' || a.reservation_id || ' was extended more often or for longer than was logged'
    from holds as a
    cross join lateral (
        select count(*) as times, max(e.metadata ->> 'expires_at')::timestamptz as until
        from rowlock.seat_reservation_audit_log as e
        where e.show_id = a.show_id and e.reservation_id = a.reservation_id and e.event = 'extended'
    ) as logged
    where a.status = 'active' and (a.extension_count <> logged.times or a.expires_at > logged.until)
    union all
    select a.show_id, 'hold ' || a.reservation_id || ' was ended more than once'
    from rowlock.seat_reservation_audit_log as a
    where (a.show_id = %(show)s or %(show)s::uuid is null) and a.event in ('expired', 'released')
    group by a.show_id, a.reservation_id having count(*) > 1
    union all
    select c.show_id, 'seat ' || c.seat_id || ' is sold without a ticket or a paid order'
    from claims as c
    where c.status = 'sold' and not exists (
        select from valid_tickets as t
        join rowlock.ticket_orders as o using (show_id, order_id)
        where t.show_id = c.show_id and t.order_id = c.order_id and t.seat_id = c.seat_id
            and o.status in ('confirmed', 'paid', 'partially_refunded')
    )
    union all
    select t.show_id, 'there is a ticket for seat ' || t.seat_id || ', which is not sold'
    from valid_tickets as t
    where not exists (
        select from claims as c
        where c.show_id = t.show_id and c.seat_id = t.seat_id and c.order_id = t.order_id
    )
)
select * from violations order by 1, 2
"""


async def make_show(owner: Connection, *, seats: int = 40, **columns: object) -> Show:
    """A show on sale in a hall of its own, in one round trip. `columns` are columns of shows."""
    show_id = uuid4()
    extra = psycopg.sql.SQL("").join(psycopg.sql.SQL(", {}").format(psycopg.sql.Identifier(name)) for name in columns)
    values = psycopg.sql.SQL("").join(
        psycopg.sql.SQL(", {}").format(psycopg.sql.Literal(value)) for value in columns.values()
    )
    await owner.execute(
        psycopg.sql.SQL(
            """
            with organization as (
                insert into rowlock.organizations (name, slug) values ('Studio', %(name)s) returning *
            ),
            venue as (
                insert into rowlock.venues (organization_id, name) select organization_id, 'Hall' from organization
                returning *
            ),
            plan as (
                insert into rowlock.seating_plans
                    (venue_id, name, version, source_format, seats_total, layout, checksum)
                select venue_id, 'Hall', 1, 'test', %(seats)s, '{{}}', '' from venue
                returning *
            ),
            seat as (
                insert into rowlock.seats
                    (plan_id, seat_id, row_no, run_no, position, number, label, x, y, category, source_id)
                select plan_id, n, 0, 0, n, n::text, n::text, n, 0, 0, n::text
                from plan, generate_series(1, %(seats)s) as n
            )
            insert into rowlock.shows (show_id, plan_id, slug, title, starts_at, seats_total{extra})
            select
                %(show)s, plan_id, %(name)s, 'Spring', clock_timestamp() + interval '30 days', %(seats)s
                {values}
            from plan
            """
        ).format(extra=extra, values=values),
        {
            "name": show_id.hex,
            "seats": seats,
            "show": show_id,
        },
    )
    return Show(show_id, seats)


async def make_plan(owner: Connection, show: Show, *, labels: Sequence[str]) -> UUID:
    """Another plan of the show's venue. Its seats are 1 to the number of labels; those of make_show have "1", "2", …"""
    cursor = await owner.execute(
        """
        with plan as (
            insert into rowlock.seating_plans (venue_id, name, version, source_format, seats_total, layout, checksum)
            select venue_id, %(name)s, 1, 'test', %(seats)s, '{}', ''
            from rowlock.shows join rowlock.seating_plans using (plan_id)
            where show_id = %(show)s
            returning plan_id
        ),
        seat as (
            insert into rowlock.seats
                (plan_id, seat_id, row_no, run_no, position, number, label, x, y, category, source_id)
            select plan_id, n, 0, 0, n, n::text, label, n, 0, 0, n::text
            from plan, unnest(%(labels)s::text[]) with ordinality as s (label, n)
        )
        select plan_id from plan
        """,
        {"name": uuid4().hex, "seats": len(labels), "show": show.show_id, "labels": list(labels)},
    )
    row = await cursor.fetchone()
    assert row is not None
    return UUID(str(row[0]))


def _array(values: Sequence[int | None] | None) -> list[int | None] | None:
    return None if values is None else list(values)


def _who(hold: Reserved, holder: str | None, secret: bytes | None) -> str | None:
    """A caller with a token needs no holder key."""
    return holder if holder is not None or secret is not None else hold.holder


@pytest.fixture
async def db(dsns: Dsns, owner: Connection) -> AsyncIterator[SeatDb]:
    """The seat core of a fresh database."""
    async with await Connection.connect(with_role(dsns.owner, APP_ROLE), autocommit=True) as app:
        yield SeatDb(dsns, app, owner)


@pytest.fixture
async def show(db: SeatDb) -> Show:
    """A show of 40 seats, on sale, with the default limits."""
    return await db.make_show()
