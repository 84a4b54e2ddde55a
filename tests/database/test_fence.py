"""What each role may execute, read and write: all of it, compared with what is written here."""

from hashlib import sha256

import psycopg
import pytest
from psycopg import errors

from rowlock.base.dsns import Dsns
from tests.support.answers import Show, token
from tests.support.seatdb import SeatDb

Connection = psycopg.AsyncConnection

EXECUTE = {
    "rowlock_app": {
        "reserve_seats_atomic",
        "reserve_seats_batch",
        "extend_reservation_atomic",
        "change_seats_atomic",
        "change_seats_within_limits",
        "release_seats_atomic",
        "release_seats_batch",
        "find_reservation",
        "seat_changes_since",
        "create_order_atomic",
        "find_order",
        "find_integrator_key",
    },
    "rowlock_office": {
        "block_seats_atomic",
        "unblock_seats_atomic",
        "move_show_atomic",
        "announce_show_moved",
        "release_holds_atomic",
        "get_reservation_statistics",
    },
    "rowlock_worker": {
        "begin_payment_atomic",
        "complete_order_atomic",
        "pay_order_atomic",
        "void_order_atomic",
        "refund_order_atomic",
        "reissue_ticket_atomic",
        "begin_exchange_atomic",
        "make_exchange_order_atomic",
        "give_up_tickets_atomic",
        "finish_exchange_atomic",
        "tell_buyers_of_move",
        "cancel_show_atomic",
        "record_payment_atomic",
        "settle_refund_atomic",
        "record_refund_atomic",
        "retry_refunds_atomic",
        "record_dispute_atomic",
        "end_order_atomic",
        "expire_orders_atomic",
        "take_outbox_messages",
        "finish_outbox_message",
        "issue_receipt_atomic",
        "cleanup_expired_seat_reservations",
        "ensure_audit_log_partitions",
        "get_reservation_statistics",
    },
    "rowlock_v1": set(),
}
CATALOGUE = {"organizations", "venues", "seating_plans", "seats", "shows", "show_prices", "show_price_lists"}
# What a provider sends, and the answers to repeated requests for a payment.
INBOX = {"webhook_events", "payment_idempotency_keys"}
SCHEMA = {"schema_migrations", "schema_objects", "schema_old_functions", "runtime_settings"}
KEPT_BY_PROVIDERS = {
    "sandbox_payments",
    "sandbox_refunds",
    "sandbox_events",
    "sandbox_disputes",
    "manual_payments",
    "manual_refunds",
}
READ = {
    "rowlock_app": CATALOGUE | SCHEMA | {"seat_states", "show_listing"},
    "rowlock_office": CATALOGUE
    | {
        "ticket_order_items",
        "refunds",
        "refund_items",
        "tickets",
        "disputes",
        "disputed_payments",
        "ticket_exchanges",
        "ledger_entries",
        "order_details",
        "receipts",
        "mails",
        "reservation_cleanup_runs",
        "reservation_refusal_counts",
        "runtime_settings",
        "seat_states",
        "live_holds",
        "show_listing",
        "reservation_details",
        "reservation_refusals",
        "reservation_cleanup_job_status",
        "seat_change_feed",
        "lapsed_reservations",
        "seating_plan_checksums",
    },
    "rowlock_worker": CATALOGUE
    | SCHEMA
    | {"lapsed_reservations", "reservation_cleanup_job_status", "seat_change_feed"}
    | {"order_details", "payment_intents", "refunds", "refund_items", "ledger_entries"}
    | {"disputes", "disputed_payments", "ticket_exchanges"}
    | INBOX
    | KEPT_BY_PROVIDERS
    | {"receipts", "mails", "mailbox_messages"},
    "rowlock_v1": {"shows", "show_prices", "seats", "show_seats", "seat_reservations", "reservation_refusal_counts"},
}
INSERT = {
    "rowlock_app": set(),
    "rowlock_office": CATALOGUE,
    "rowlock_worker": INBOX | KEPT_BY_PROVIDERS | {"mails", "mailbox_messages"},
    "rowlock_v1": {
        "show_seats",
        "seat_reservations",
        "seat_reservation_audit_log",
        "reservation_refusal_counts",
    },
}
UPDATE = {
    "rowlock_app": set(),
    "rowlock_office": {"organizations", "venues"},
    "rowlock_worker": INBOX
    | {"sandbox_payments", "sandbox_events", "sandbox_disputes", "manual_payments", "mails", "mailbox_messages"},
    "rowlock_v1": {"show_seats", "seat_reservations", "reservation_refusal_counts"},
}
DELETE = {
    "rowlock_app": set(),
    "rowlock_office": set(),
    "rowlock_worker": {"payment_idempotency_keys", "mailbox_messages"},
    "rowlock_v1": {"show_seats", "seat_reservations"},
}
NEVER: dict[str, set[str]] = {role: set() for role in EXECUTE}
RIGHTS = {
    "select": READ,
    "insert": INSERT,
    "update": UPDATE,
    "delete": DELETE,
    "truncate": NEVER,
    "references": NEVER,
    "trigger": NEVER,
}
ORDERS = """
    show_id order_id order_code idempotency_key reservation_id customer_name customer_email status total_minor fee_minor
    currency created_at expires_at confirmed_at paid_at exchange_of_show_id exchange_of_order_id credit_minor
    given_up_at
"""
PAYMENTS = """
    show_id payment_intent_id order_id provider provider_reference amount_minor currency status created_at updated_at
    failure account source_provider source_reference
"""
LOGGED = """
    id at xid show_id reservation_id order_id event seat_ids ip_address user_agent error_code metadata actor
"""
CHANGEABLE = """
    slug title description image_url doors_at starts_at ends_at sales_start_at sales_end_at status
    max_seats_per_reservation hold_seconds extension_seconds max_extensions max_hold_seconds organization_id
    price_version
"""
# What staff see of the outbox: all but what a message carries.
QUEUED = "message_id show_id order_id kind created_at done_at attempts next_attempt_at last_error"
# Version 1 begins payments, and writes down what the provider says of them.
TO_BE_PAID = "show_id order_id reservation_id status total_minor credit_minor currency expires_at token_hash"
BEGUN = "show_id order_id payment_intent_id status provider provider_reference client_secret failure"
BEGINS = "show_id payment_intent_id order_id provider account amount_minor currency status"
TOLD = "status updated_at provider_reference client_secret failure"
COLUMNS = {
    "rowlock_app": set(),
    "rowlock_worker": set(),
    "rowlock_office": {
        *(f"select seat_reservation_audit_log.{column}" for column in LOGGED.split()),
        *(f"select ticket_orders.{column}" for column in ORDERS.split()),
        *(f"select payment_intents.{column}" for column in PAYMENTS.split()),
        *(f"select outbox_messages.{column}" for column in QUEUED.split()),
        *(f"update mails.{column}" for column in ("status", "error", "at")),
        "update seating_plans.checksum",
        *(f"update shows.{column}" for column in CHANGEABLE.split()),
    },
    "rowlock_v1": {
        *(f"select ticket_orders.{column}" for column in TO_BE_PAID.split()),
        *(f"select payment_intents.{column}" for column in BEGUN.split()),
        *(f"insert payment_intents.{column}" for column in BEGINS.split()),
        "update ticket_orders.status",
        *(f"update payment_intents.{column}" for column in TOLD.split()),
    },
}
# What proves a holder, and what is made of it.
SECRETS = {"token_hash", "wish_hash", "reserved_by", "session_id", "key_hash"}

roles = pytest.mark.parametrize("role", EXECUTE)


def login(dsns: Dsns, role: str) -> str:
    return str(getattr(dsns, role.removeprefix("rowlock_")))


@roles
async def test_a_role_executes_its_functions_and_no_other(dsns: Dsns, owner: Connection, role: str) -> None:
    cursor = await owner.execute(
        "select p.proname, "
        "array(select format('null::%s', format_type(t, null)) from unnest(p.proargtypes::oid[]) as t) "
        "from pg_proc as p where p.pronamespace = 'rowlock'::regnamespace order by 1"
    )
    functions = await cursor.fetchall()
    assert len(functions) >= 20
    cursor = await owner.execute(
        "select proname from pg_proc "
        "where pronamespace = 'rowlock'::regnamespace and has_function_privilege(%s, oid, 'execute')",
        [role],
    )
    assert {name for (name,) in await cursor.fetchall()} == EXECUTE[role]

    async with await Connection.connect(login(dsns, role), autocommit=True) as connection:
        for name, arguments in functions:
            if name not in EXECUTE[role]:
                statement = f"select rowlock.{name}({', '.join(arguments)})"
                with pytest.raises(errors.InsufficientPrivilege, match=name):
                    await connection.execute(statement.encode())


@roles
@pytest.mark.parametrize("right", RIGHTS)
async def test_a_role_has_the_rights_to_tables_that_it_needs_and_no_other(
    owner: Connection, role: str, right: str
) -> None:
    cursor = await owner.execute(
        "select relname from pg_class "
        "where relnamespace = 'rowlock'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S') "
        "and case relkind when 'S' then has_sequence_privilege(%(role)s, oid, 'usage, select, update') "
        "else has_table_privilege(%(role)s, oid, %(right)s) end",
        {"role": role, "right": right},
    )

    assert {name for (name,) in await cursor.fetchall()} == RIGHTS[right][role]


@roles
async def test_a_role_has_the_rights_to_columns_that_it_needs_and_no_other(owner: Connection, role: str) -> None:
    cursor = await owner.execute(
        "select format('%%s %%s.%%s', r.name, c.relname, a.attname) "
        "from unnest(array['select', 'insert', 'update', 'references']) as r (name), pg_class as c "
        "join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
        "where c.relnamespace = 'rowlock'::regnamespace and c.relkind in ('r', 'p', 'v') "
        "and has_column_privilege(%(role)s, c.oid, a.attnum, r.name) "
        "and not has_table_privilege(%(role)s, c.oid, r.name)",
        {"role": role},
    )

    assert {line for (line,) in await cursor.fetchall()} == COLUMNS[role]


@pytest.mark.parametrize("role", sorted(EXECUTE.keys() - {"rowlock_v1"}))
async def test_no_secret_hash_or_holder_can_be_read(owner: Connection, role: str) -> None:
    """All but version 1, which writes holds itself. The wish hashes of refunds and exchanges prove nothing."""
    cursor = await owner.execute(
        "select format('%%s.%%s', c.relname, a.attname) "
        "from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 "
        "where c.relnamespace = 'rowlock'::regnamespace and c.relname not in ('refunds', 'ticket_exchanges') "
        "and a.attname = any(%s) "
        "and has_column_privilege(%s, c.oid, a.attnum, 'select')",
        [list(SECRETS), role],
    )

    assert await cursor.fetchall() == []


async def test_the_hash_of_a_secret_does_not_prove_a_holder(db: SeatDb, show: Show) -> None:
    """Whoever has read a dump of the database has hashes, and can do nothing with them."""
    hold = await db.reserve(show, seats=[1], holder="anna", secret=token("anna's"))
    stolen = (await db.reservation(hold))["token_hash"]
    assert stolen == sha256(token("anna's")).digest()

    assert (await db.release(hold, secret=stolen)).outcome == "RESERVATION_NOT_FOUND"
    assert (await db.extend(hold, secret=stolen)).outcome == "RESERVATION_NOT_FOUND"
    assert (await db.change(hold, add=[2], secret=stolen)).outcome == "RESERVATION_NOT_FOUND"
    cursor = await db.app.execute(
        "select * from rowlock.find_reservation(%s, %s, %s)", [show.show_id, hold.reservation_id, stolen]
    )
    assert await cursor.fetchall() == []
    assert (await db.release(hold, secret=token("anna's"))).outcome == "OK"


async def test_a_hold_is_found_by_its_secret_and_by_its_holder(db: SeatDb, show: Show) -> None:
    hold = await db.reserve(show, seats=[1, 2], holder="anna", secret=token("anna's"))

    async def found(*given: object) -> list[tuple[object, ...]]:
        statement = "select reservation_id, status, seat_ids from rowlock.find_reservation(%s, %s, %s, %s)"
        return await (await db.app.execute(statement, [show.show_id, *given])).fetchall()

    anna = [(hold.reservation_id, "active", [1, 2])]
    assert await found(hold.reservation_id, token("anna's"), None) == anna
    assert await found(hold.reservation_id, None, "anna") == anna
    assert await found(None, None, "anna") == anna
    assert await found(None, token("anna's"), None) == []
    assert await found(hold.reservation_id, token("mallory's"), "mallory") == []
    assert await found(hold.reservation_id, None, None) == []
    await db.age(hold, minutes=11)
    assert await found(None, None, "anna") == []
    assert await found(hold.reservation_id, None, "anna") == [(hold.reservation_id, "expired", [1, 2])]


async def test_the_office_writes_the_catalogue(db: SeatDb, show: Show, dsns: Dsns) -> None:
    async with await Connection.connect(dsns.office, autocommit=True) as office:
        await office.execute("update rowlock.shows set title = 'Swan Lake' where show_id = %s", [show.show_id])
        await office.execute("insert into rowlock.organizations (name, slug) values ('Moonlight', 'moonlight')")
        with pytest.raises(errors.InsufficientPrivilege):
            await office.execute("update rowlock.seats set label = 'mine'")
        with pytest.raises(errors.InsufficientPrivilege):
            await office.execute("update rowlock.show_prices set amount_minor = 0")
        with pytest.raises(errors.InsufficientPrivilege):
            await office.execute("delete from rowlock.shows")
