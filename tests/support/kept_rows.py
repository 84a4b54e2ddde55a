"""The rows of a show, kept and put back: a test that needs the same start a hundred times makes it once.

All rows of the tables below are kept, so the database has one such show at a time. Rows are put back with their ids;
deadlines are moved on by the time that has passed, so that a hold has as long to live as when it was kept.
"""

from typing import LiteralString

import psycopg

# Parents before those that refer to them.
TABLES: tuple[LiteralString, ...] = (
    "shows", "show_price_lists", "show_prices", "seat_reservations", "ticket_orders", "order_idempotency_keys",
    "ticket_order_items", "payment_intents", "show_seats", "tickets", "refunds", "refund_items", "ledger_entries",
    "outbox_messages", "receipt_counters", "receipts", "seat_reservation_audit_log", "reservation_cleanup_runs",
    "reservation_refusal_counts", "ticket_exchanges", "disputes",
)  # fmt: skip

_COLUMNS: LiteralString = """
select string_agg(quote_ident(attname), ', ' order by attnum)
from pg_attribute
where attrelid = ('rowlock.' || %s)::regclass and attnum > 0 and not attisdropped and attgenerated = ''
"""

_MOVE_ON: LiteralString = """
    v_by := clock_timestamp() - (select k.at from rowlock_test.kept_at as k);
    if v_by > interval '5 s' then
        update rowlock_test.kept_at set at = at + v_by;
        update rowlock_test.kept_seat_reservations
        set created_at = created_at + v_by, expires_at = expires_at + v_by, ended_at = ended_at + v_by;
        update rowlock_test.kept_show_seats set reserved_until = reserved_until + v_by;
        update rowlock_test.kept_ticket_orders set expires_at = expires_at + v_by;
    end if;
"""


class KeptRows:
    """The kept rows of one database. Make it with `in_database`."""

    def __init__(self, owner: psycopg.AsyncConnection) -> None:
        self.owner = owner

    @classmethod
    async def in_database(cls, owner: psycopg.AsyncConnection) -> "KeptRows":
        wipe = "".join(f"    delete from rowlock.{table};\n" for table in reversed(TABLES))
        keep = put = ""
        # Not even the owner may delete what the audit log says; in a test's own database the owner may.
        made = (
            "grant delete on rowlock.seat_reservation_audit_log to current_user;\n"
            "create table if not exists rowlock_test.kept_at (at timestamptz);\n"
        )
        for table in TABLES:
            cursor = await owner.execute(_COLUMNS, [table])
            (columns,) = await cursor.fetchone() or ("",)
            made += (
                f"create table if not exists rowlock_test.kept_{table} as"
                f" select {columns} from rowlock.{table} limit 0;\n"
            )
            keep += (
                f"    delete from rowlock_test.kept_{table};\n"
                f"    insert into rowlock_test.kept_{table} select {columns} from rowlock.{table};\n"
            )
            put += (
                f"    insert into rowlock.{table} ({columns}) overriding system value"
                f" select {columns} from rowlock_test.kept_{table};\n"
            )
        at = "    delete from rowlock_test.kept_at;\n    insert into rowlock_test.kept_at values (clock_timestamp());\n"
        bodies = {"wipe": wipe, "keep": keep + at, "put_back": _MOVE_ON + wipe + put}
        functions = "".join(
            f"create or replace function rowlock_test.{name}() returns void language plpgsql as $$\n"
            f"declare v_by interval;\nbegin\n{body}end\n$$;\n"
            for name, body in bodies.items()
        )
        await owner.execute(("create schema if not exists rowlock_test;\n" + made + functions).encode())
        return cls(owner)

    async def wipe(self) -> None:
        """Delete every row of the tables."""
        await self.owner.execute("select rowlock_test.wipe()")

    async def keep(self) -> None:
        """Keep every row as it is now, in place of what was kept before."""
        await self.owner.execute("select rowlock_test.keep()")

    async def put_back(self) -> None:
        """Make the tables as they were when they were kept."""
        await self.owner.execute("select rowlock_test.put_back()")
