"""Migrations from every earlier state of the tables, with data in them, to the present one. No row may be lost.

A new migration needs what a database of its version may contain in SEEDS: then all later ones are tried on it.
"""

import shutil
from pathlib import Path

import psycopg
import pytest

from rowlock.database.schema.definitions import read_files
from rowlock.database.schema.migrate import migrate

Connection = psycopg.AsyncConnection

SHOW = "00000000-0000-0000-0000-00000000000a"
HOLD = "00000000-0000-0000-0000-00000000000b"
ORDER = "00000000-0000-0000-0000-00000000000c"
INTENT = "00000000-0000-0000-0000-00000000000d"

SEEDS = {
    1: f"""
        insert into organizations (organization_id, name, slug) values ('{SHOW}', 'Studio', 'studio');
        insert into venues (venue_id, organization_id, name) values ('{SHOW}', '{SHOW}', 'Hall');
        insert into seating_plans (plan_id, venue_id, name, version, source_format, seats_total, layout, checksum)
            values ('{SHOW}', '{SHOW}', 'Full', 1, 'csv', 40, '{{}}', '');
        insert into seats (plan_id, seat_id, row_no, run_no, position, number, label, x, y, category, source_id)
            select '{SHOW}', n, 0, 0, n, n, 'A-' || n, n, 0, 0, n from generate_series(1, 40) as n;
        insert into shows (show_id, plan_id, slug, title, starts_at, seats_total)
            values ('{SHOW}', '{SHOW}', 'gala', 'Gala', '2030-01-01', 40);
        insert into show_prices (show_id, category, amount_minor) values ('{SHOW}', 0, 1500);
    """,
    2: f"""
        insert into seat_reservations (show_id, reservation_id, reserved_by, seat_ids, status, expires_at, ended_at)
            values ('{SHOW}', '{HOLD}', 'anna', '{{1,2}}', 'completed', '2030-01-01', '2029-12-31');
        insert into show_seats (show_id, seat_id, status, reservation_id, order_id)
            values ('{SHOW}', 1, 'sold', '{HOLD}', '{ORDER}'), ('{SHOW}', 2, 'sold', '{HOLD}', '{ORDER}');
        insert into show_seats (show_id, seat_id, status, block_reason) values ('{SHOW}', 3, 'blocked', 'camera');
        insert into seat_reservation_audit_log (show_id, reservation_id, event, seat_ids)
            values ('{SHOW}', '{HOLD}', 'created', '{{1,2}}'), ('{SHOW}', '{HOLD}', 'completed', '{{1,2}}');
        insert into reservation_cleanup_runs (run_by, started_at, finished_at, status)
            values ('worker', '2029-12-31', '2029-12-31', 'succeeded');
    """,
    3: f"""
        insert into ticket_orders (show_id, order_id, order_code, idempotency_key, reservation_id, customer_name,
                customer_email, status, total_minor, currency, paid_at)
            values ('{SHOW}', '{ORDER}', 'ABC', 'key', '{HOLD}', 'Anna', 'anna@example.org', 'paid', 3000, 'USD',
                '2029-12-31');
        insert into ticket_order_items (show_id, order_id, seat_id, price_type, amount_minor)
            values ('{SHOW}', '{ORDER}', 1, 'adult', 1500), ('{SHOW}', '{ORDER}', 2, 'adult', 1500);
        insert into payment_intents (show_id, payment_intent_id, order_id, provider, amount_minor, currency, status)
            values ('{SHOW}', '{INTENT}', '{ORDER}', 'sandbox', 3000, 'USD', 'captured');
        insert into refunds (show_id, refund_id, payment_intent_id, idempotency_key, amount_minor, reason)
            values ('{SHOW}', '{HOLD}', '{INTENT}', 'key', 1500, 'ill');
        insert into tickets (show_id, ticket_id, order_id, seat_id)
            values ('{SHOW}', '{HOLD}', '{ORDER}', 1), ('{SHOW}', '{INTENT}', '{ORDER}', 2);
        insert into webhook_events (provider, event_id, payload) values ('sandbox', 'e1', '{{}}');
        insert into outbox_messages (show_id, order_id, kind) values ('{SHOW}', '{ORDER}', 'order_completed');
    """,
    4: """
        insert into runtime_settings (name, value) values ('v2_rollout_percent', '50');
    """,
    5: f"""
        insert into order_idempotency_keys (show_id, idempotency_key, order_id, wish_hash)
            values ('{SHOW}', 'key', '{ORDER}', '');
        insert into refund_items (show_id, refund_id, order_id, seat_id, amount_minor)
            values ('{SHOW}', '{HOLD}', '{ORDER}', 1, 1500);
    """,
    6: "",
    7: f"""
        insert into reservation_refusal_counts (show_id, hour_at, code, slot, refusals)
            values ('{SHOW}', '2029-12-31', 'SHOW_NOT_ON_SALE', 3, 7);
    """,
    8: """
        insert into runtime_settings (name, value) values ('cleanup_paused', 'true');
    """,
    9: "",
    10: "",
    11: f"""
        insert into seat_reservations (show_id, reservation_id, reserved_by, seat_ids, expires_at, client, weight)
            values ('{SHOW}', '00000000-0000-0000-0000-0000000000ee', 'zoe', '{{9}}', '2030-01-01', '203.0.113.9', 2);
    """,
    12: """
        insert into integrator_keys (key_id, organization_id, name, scopes, key_hash)
            values (gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', 'shop', '{sell}', sha256('key'));
    """,
    13: "",
    14: f"""
        insert into show_prices (
                show_id, price_version, category, price_type, amount_minor, fee_minor, tax_basis_points)
            values ('{SHOW}', 2, 0, 'child', 1150, 150, 700);
        insert into show_price_lists (show_id, price_version, fee_per_order_minor) values ('{SHOW}', 2, 200);
    """,
    15: "",
    16: """
        insert into ledger_entries (show_id, movement_id, account, order_id, amount_minor, currency)
            select o.show_id, o.order_id, 'provider', o.order_id, 5000, 'EUR' from ticket_orders as o limit 1;
        insert into disputes (
                show_id, dispute_id, payment_intent_id, provider, provider_reference, provider_status, amount_minor,
                currency, reason)
            select i.show_id, i.payment_intent_id, i.payment_intent_id, 'test', 'dp_1', 'open', 1, 'EUR', 'fraudulent'
            from payment_intents as i limit 1;
        insert into payment_idempotency_keys (show_id, idempotency_key, order_id, request_hash, locked_until)
            select o.show_id, 'key', o.order_id, sha256('wish'), '2030-01-01' from ticket_orders as o limit 1;
    """,
    17: f"""
        insert into sandbox_payments (
                reference, account, create_key, show_id, order_id, payment_intent_id, amount_minor, currency,
                description)
            values ('sbx_1', '', 'key', '{SHOW}', '{ORDER}', '{ORDER}', 1500, 'EUR', 'Gala');
        insert into sandbox_refunds (reference, account, refund_key, payment_reference, amount_minor, currency, status)
            values ('sbr_1', '', 'key', 'sbx_1', 100, 'EUR', 'succeeded');
        insert into sandbox_events (event_id, payment_reference, kind, body, deliveries_left)
            values ('sbe_1', 'sbx_1', 'payment.created', '{{}}', 0);
        insert into manual_payments (
                reference, account, create_key, show_id, order_id, payment_intent_id, amount_minor, currency,
                description)
            values ('man_1', '', 'key', '{SHOW}', '{ORDER}', '{ORDER}', 1500, 'EUR', 'Gala');
        insert into manual_refunds (reference, account, refund_key, payment_reference, amount_minor, currency, status)
            values ('mar_1', '', 'key', 'man_1', 100, 'EUR', 'succeeded');
    """,
    18: """
        insert into mails (message_id, kind, recipient, subject, status)
            values ('<a@b>', 'tickets', 'a@b.c', 's', 'sent');
        insert into mailbox_messages (message_id, recipient, subject, content) values ('<a@b>', 'a@b.c', 's', 'text');
        insert into receipt_counters (organization_id, year, last_number)
            values ('00000000-0000-0000-0000-00000000000a', 2026, 1);
        insert into receipts (organization_id, year, number, show_id, order_id, amount_minor, currency, issued_at)
            select '00000000-0000-0000-0000-00000000000a', 2026, 1, o.show_id, o.order_id, 5000, 'EUR', '2026-01-01'
            from ticket_orders as o limit 1;
    """,
    19: "",
    20: "update organizations set legal_name = 'Moonlight Ltd', address = '1 Main Street', tax_id = 'DE1'",
    21: "",
    22: """
        insert into sandbox_disputes (
                reference, account, payment_reference, amount_minor, fee_minor, currency, reason, respond_until)
            values ('dp_2', '', 'sbx_1', 1500, 1500, 'EUR', 'fraudulent', '2030-01-01');
    """,
    23: "",
    24: f"""
        insert into ticket_exchanges (
                show_id, to_order_id, to_show_id, to_reservation_id, order_id, seat_ids, idempotency_key, wish_hash,
                reason)
            values ('{SHOW}', '{HOLD}', '{SHOW}', '{HOLD}', '{ORDER}', '{{1}}', 'key', sha256('wish'), 'asked');
    """,
    25: "",
    26: "",
}

# Tables that a migration fills from others. Every other one has as many rows as before.
FILLED = ("state_changes", "ledger_entries")

VERSIONS = [file.version for file in read_files() if file.kind == "migration"]


async def contents(connection: Connection) -> dict[str, list[dict[str, object]]]:
    """Every row of every table of ours, by table, but for the tables that record migrations."""
    cursor = await connection.execute(
        "select relname::text from pg_class where relnamespace = 'rowlock'::regnamespace "
        "and relkind in ('r', 'p') and not relispartition and relname not like 'schema_%'"
    )
    found = {}
    for (name,) in await cursor.fetchall():
        cursor = await connection.execute(f"select to_jsonb(t) from rowlock.{name} as t order by 1".encode())
        found[name] = [row[0] for row in await cursor.fetchall()]
    return found


def earlier(sql_dir: Path, version: int) -> Path:
    """Make sql/ what it was when `version` was the newest migration: its functions are not kept, so there are none."""
    for file in read_files(sql_dir):
        if file.kind in ("function", "view") or (file.kind == "migration" and file.version > version):
            (sql_dir / file.path).unlink()
    (sql_dir / "grants.sql").write_text("-- The grants of that version.\n")
    return sql_dir


async def migrated_and_seeded(connection: Connection, sql_dir: Path, version: int) -> None:
    """Each version gets its rows before the next one comes, as a database that grew with Rowlock has them."""
    for number in range(1, version + 1):
        assert number in SEEDS, f"Migration {number} needs rows for its tables in SEEDS of this file."
        then = sql_dir.parent / f"sql-{number}"
        shutil.copytree(sql_dir, then)
        await migrate(connection, sql_dir=earlier(then, number))
        await connection.execute(f"set search_path = rowlock; {SEEDS[number]}".encode())


@pytest.mark.parametrize("version", VERSIONS)
async def test_data_of_an_earlier_version_survives_migrating(empty: Connection, sql_dir: Path, version: int) -> None:
    await migrated_and_seeded(empty, sql_dir, version)
    before = await contents(empty)
    assert all(before.values()), f"Every table of version {version} has rows, or this test shows nothing about it."

    report = await migrate(empty)

    assert [path[11:15] for path in report.migrations] == [f"{later:04}" for later in VERSIONS if later > version]
    after = await contents(empty)
    for table, rows in before.items():
        left = list(after[table])
        for old in rows:
            kept = next((new for new in left if old.items() <= new.items()), None)
            assert kept is not None, f"{table} no longer has {old}"
            left.remove(kept)
        assert not left or table in FILLED, f"{table} has rows that were not there"


async def test_seats_sold_before_the_last_migration_cannot_be_sold_after_it(empty: Connection, sql_dir: Path) -> None:
    await migrated_and_seeded(empty, sql_dir, VERSIONS[-2])

    await migrate(empty)

    cursor = await empty.execute(
        "select outcome, unavailable_seat_ids from rowlock.reserve_seats_atomic(%s, '{2,3,4}', 'ben')", [SHOW]
    )
    assert await cursor.fetchone() == ("SEATS_UNAVAILABLE", [2, 3])
