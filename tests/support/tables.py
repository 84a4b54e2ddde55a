"""What tests prepare and what they look at, in the tables, as the owner: shows, orders, deadlines, claims."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from rowlock.base.ids import mint_id
from tests.support.answers import AuditRow, Reserved, Show
from tests.support.contradictions import VIOLATIONS, fold_audit

Connection = psycopg.AsyncConnection


class Tables:
    """The owner's connection, and what tests do with it."""

    def __init__(self, owner: Connection) -> None:
        self.owner = owner

    # What tests prepare.

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

    # What tests look at.

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

    async def check(self, show: Show | None = None) -> list[str]:
        """Everything that contradicts between the tables, in words; [] when nothing does.

        Claims of a hold that ran out may be missing, because other holders may have taken the seats.
        """
        only = show.show_id if show else None
        async with self.owner.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(VIOLATIONS, {"show": only})
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

    async def _owner_rows(self, query: LiteralString, *values: object) -> list[dict[str, Any]]:
        async with self.owner.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()


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
