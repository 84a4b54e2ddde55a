"""The seat core for tests: each database function as a method, called in the role that may.

The roles are rowlock_app, rowlock_office and rowlock_worker, none of which has a right to any seat table. What the
owner prepares and looks at is in `tables`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString
from uuid import UUID

import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from rowlock.base.dsns import Dsns
from rowlock.base.ids import mint_id
from rowlock.database.connections import APP_ROLE, OFFICE_ROLE, WORKER_ROLE, with_role
from rowlock.reservations import store
from tests.support.answers import (
    Blocked,
    Changed,
    Cleaned,
    Completed,
    Extended,
    Moved,
    Paid,
    Payment,
    Refunded,
    Released,
    Request,
    Reserved,
    Show,
    ShowCancelled,
    Statistics,
    Unblocked,
    Voided,
)
from tests.support.tables import Connection, Tables


class SeatDb(Tables):
    """One application connection, and the owner's beside it."""

    def __init__(self, dsns: Dsns, app: Connection, owner: Connection) -> None:
        super().__init__(owner)
        self.dsns = dsns
        self.app = app

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

    async def reserve_batch(
        self, show: Show, requests: Sequence[Request], limits: Sequence[int] | None = None
    ) -> list[Reserved]:
        rows = await self._rows(
            """
            select * from rowlock.reserve_seats_batch(
                %s, %s::uuid[], %s::bytea[], %s::bytea[], %s::int[], %s::int[], %s::text[], %s::text[], %s::inet[],
                %s::text[], %s::boolean[], %s::inet[], %s::int[]
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
            [r.accessible for r in requests],
            [r.client for r in requests],
            None if limits is None else list(limits),
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

    async def change_within_limits(
        self,
        hold: Reserved,
        *,
        add: Sequence[int] = (),
        remove: Sequence[int] = (),
        accessible: bool = False,
        limits: Sequence[int] | None = None,
    ) -> Changed:
        """Change as the holder, as the server does it for a client."""
        return Changed(
            **await self._call(
                "select * from rowlock.change_seats_within_limits("
                "%s, %s, %s::int[], %s::int[], %s, %s::int[], null, %s, null, null, null)",
                hold.show.show_id,
                hold.reservation_id,
                list(add),
                list(remove),
                accessible,
                None if limits is None else list(limits),
                hold.holder,
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
                %s, %s::uuid[], %s::bytea[], %s::text[], %s::text[], %s::inet[], %s::text[], null
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
                "select * from rowlock.begin_payment_atomic(%s, %s, %s, 'test', 'installation')",
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

    async def cleanup_runs(self) -> list[dict[str, Any]]:
        """The cleanup status view, newest run first, as the application may read it."""
        async with self.in_role(OFFICE_ROLE):
            return await self._rows("select * from rowlock.reservation_cleanup_job_status")

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
