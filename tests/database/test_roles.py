"""What each database role cannot do, tried one statement at a time. What it can do is covered by all other tests."""

from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from rowlock.base.dsns import Dsns
from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

Connection = psycopg.AsyncConnection

GUARDED = (
    "show_seats",
    "seat_reservations",
    "seat_reservation_audit_log",
    "seat_reservation_audit_log_default",
    "ticket_orders",
    "ticket_order_items",
    "payment_intents",
    "refunds",
    "tickets",
    "outbox_messages",
)
VIEWS = ("seat_states", "show_listing")
WRITES = {
    "insert": "insert into rowlock.{table} default values",
    "update": "update rowlock.{table} set {column} = {column}",
    "delete": "delete from rowlock.{table}",
    "truncate": "truncate rowlock.{table}",
    "merge": "merge into rowlock.{table} as t using (select 1) as s on true when matched then delete",
    "copy in": "copy rowlock.{table} from stdin",
    "lock rows": "select 1 from rowlock.{table} for update",
    "share rows": "select 1 from rowlock.{table} for key share",
    "lock": "lock table rowlock.{table} in access exclusive mode",
    "trigger": "create trigger t after insert on rowlock.{table} execute function rowlock.release_seats_atomic()",
    "rule": "create rule r as on insert to rowlock.{table} do instead nothing",
    "index": "create index on rowlock.{table} ({column})",
    "drop constraints": "alter table rowlock.{table} drop column {column} cascade",
    "drop": "drop table rowlock.{table}",
}
READS = {"read": "select 1 from rowlock.{table}", "copy out": "copy rowlock.{table} to stdout"}


async def refused(connection: Connection, statement: str, *kinds: type[psycopg.Error]) -> None:
    with pytest.raises(kinds or (errors.InsufficientPrivilege,)):
        async with connection.transaction():  # Some statements are allowed in a transaction only.
            await connection.execute(statement.encode())


@pytest.mark.parametrize("table", GUARDED)
async def test_the_application_cannot_touch_a_table_of_seats_orders_or_history(app: Connection, table: str) -> None:
    for statement in (WRITES | READS).values():
        await refused(app, statement.format(table=table, column="show_id"))


@pytest.mark.parametrize("view", VIEWS)
async def test_the_application_reads_through_views_and_cannot_write_or_lock_through_them(
    db: SeatDb, show: Show, app: Connection, owner: Connection, view: str
) -> None:
    await db.reserve(show, seats=[1, 2], holder="anna")
    before = await db.audit(show)
    [(column,)] = await (
        await owner.execute(
            "select attname from pg_attribute where attrelid = ('rowlock.' || %s)::regclass and attnum = 2", [view]
        )
    ).fetchall()

    for name in ("insert", "update", "delete", "truncate", "merge", "copy in", "lock rows", "lock"):
        # A view over an aggregate or a join is refused as such, before privileges are checked.
        kinds = (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState, errors.FeatureNotSupported)
        await refused(app, WRITES[name].format(table=view, column=column), *kinds, errors.WrongObjectType)

    assert await db.claims(show) == {1: "anna", 2: "anna"}
    assert await db.audit(show) == before
    await app.execute(f"select * from rowlock.{view}".encode())


async def test_the_application_cannot_take_another_role(app: Connection) -> None:
    for role in ("rowlock_owner", "rowlock_v1", "postgres"):
        await refused(app, f"set role {role}")
        await refused(app, f"set session authorization {role}")
        await refused(app, f"grant {role} to rowlock_app")
    await refused(app, "alter role rowlock_app superuser")


async def test_the_application_cannot_make_anything_in_any_schema(app: Connection) -> None:
    for schema in ("rowlock", "public"):
        await refused(app, f"create table {schema}.t ()")
        await refused(app, f"create view {schema}.v as select 1")
        await refused(app, f"create function {schema}.f() returns integer language sql as 'select 1'")
        await refused(app, f"create type {schema}.t as enum ('a')")
        await refused(app, f"create sequence {schema}.s")
    await refused(app, "create schema mine")
    await refused(app, "create temporary table t ()")


async def test_the_application_cannot_change_a_function(app: Connection) -> None:
    for change in ("security invoker", "reset search_path", "owner to rowlock_app", "rename to gone"):
        await refused(app, f"alter function rowlock.release_seats_atomic {change}")
    await refused(app, "drop function rowlock.release_seats_atomic")
    await refused(app, "do $$ begin execute 'delete from rowlock.show_seats'; end $$")


@pytest.fixture
async def attacker(owner: Connection, app: Connection) -> Connection:
    """The application, with more rights than it has: temporary tables and a schema of its own."""
    await owner.execute(f"grant temporary on database {owner.info.dbname} to rowlock_app".encode())
    await owner.execute("create schema attack")
    await owner.execute("grant all on schema attack to rowlock_app")
    return app


@pytest.fixture
def attacked(dsns: Dsns, owner: Connection, attacker: Connection) -> SeatDb:
    """The seat core as the attacker's session sees it."""
    return SeatDb(dsns, attacker, owner)


async def test_temporary_tables_and_foreign_functions_are_never_used_in_place_of_ours(
    attacked: SeatDb, show: Show, owner: Connection, attacker: Connection
) -> None:
    db = attacked
    shadowed = ("show_seats", "seat_reservations", "seat_reservation_audit_log", "shows")
    for table in shadowed:
        cursor = await owner.execute(
            "select string_agg(quote_ident(attname) || ' ' || format_type(atttypid, null), ', ' order by attnum) "
            "from pg_attribute where attrelid = ('rowlock.' || %s)::regclass and attnum > 0",
            [table],
        )
        [(columns,)] = await cursor.fetchall()
        await attacker.execute(f"create temporary table {table} ({columns})".encode())
        await attacker.execute(f"create table attack.{table} ({columns})".encode())
    for signature in (
        "clock_timestamp() returns timestamptz",
        "gen_random_uuid() returns uuid",
        "cardinality(anyarray) returns integer",
        "unnest(anyarray) returns setof anyelement",
        (
            "reserve_seats_batch(uuid,uuid[],bytea[],bytea[],int[],int[],text[],text[],inet[],text[],bool[],inet[],int[])"
            " returns text"
        ),
    ):
        body = "language plpgsql as $$ begin raise exception 'hijacked'; end $$"
        await attacker.execute(f"create function attack.{signature} {body}".encode())
    await attacker.execute("set search_path = attack, pg_temp, pg_catalog, rowlock")

    answer = await db.reserve(show, seats=[1, 2], holder="anna")

    assert answer.outcome == "OK"
    assert await db.claims(show) == {1: "anna", 2: "anna"}
    assert [row.event for row in await db.audit(show)] == ["created"]
    for table in shadowed:
        for schema in ("attack", "pg_temp"):
            cursor = await attacker.execute(f"select count(*) from {schema}.{table}".encode())
            assert await cursor.fetchone() == (0,), f"{schema}.{table} was used in place of ours"
    assert (await db.release(answer)).outcome == "OK"
    assert await db.claims(show) == {}


async def test_the_attack_works_on_a_function_without_a_search_path(
    attacked: SeatDb, show: Show, owner: Connection, attacker: Connection
) -> None:
    """The negative control: if the fixed search_path is the protection, the attack succeeds without it."""
    for name in ("release_seats_atomic", "release_seats_batch"):
        await owner.execute(f"alter function rowlock.{name} reset search_path".encode())
    hold = await attacked.reserve(show, seats=[1], holder="anna")
    await attacker.execute(
        "create temporary table seat_reservations as select null::bytea as token_hash, ''::text as reserved_by, "
        "'released'::text as status, '{1}'::integer[] as seat_ids, gen_random_uuid() as show_id, "
        "gen_random_uuid() as reservation_id, ''::text as session_id, clock_timestamp() as created_at limit 0"
    )
    await attacker.execute("grant all on pg_temp.seat_reservations to public")
    await attacker.execute("set search_path = pg_temp, rowlock")

    assert (await attacked.release(hold)).outcome == "RESERVATION_NOT_FOUND", "the function read the attacker's table"


async def test_not_even_the_owner_can_claim_a_seat_twice(db: SeatDb, show: Show, owner: Connection) -> None:
    await db.reserve(show, seats=[1], holder="anna")
    await db.block(show, seats=[2])
    sale = await db.reserve(show, seats=[3], holder="ben")
    await db.complete(show, await db.order(sale))
    reserved = f"'{show.show_id}', {{seat}}, 'reserved', 'carla', now() + interval '1 hour'"
    claims = (
        f"(show_id, seat_id, status, reserved_by, reserved_until) values ({reserved})",
        f"(show_id, seat_id, status, order_id) values ('{show.show_id}', {{seat}}, 'sold', '{uuid4()}')",
        f"(show_id, seat_id, status, block_reason) values ('{show.show_id}', {{seat}}, 'blocked', 'mine')",
    )
    for seat in (1, 2, 3):
        for claim in claims:
            with pytest.raises(errors.UniqueViolation, match="idx_show_seats_no_double_booking"):
                await owner.execute(f"insert into rowlock.show_seats {claim.format(seat=seat)}".encode())
    with pytest.raises(errors.UniqueViolation, match="idx_show_seats_no_double_booking"):
        await owner.execute("update rowlock.show_seats set seat_id = 1 where seat_id = 2")
    with pytest.raises(errors.UniqueViolation, match="idx_show_seats_no_double_booking"):
        async with (
            owner.cursor() as cursor,
            cursor.copy("copy rowlock.show_seats (show_id, seat_id, status, block_reason) from stdin") as copy,
        ):
            await copy.write_row((show.show_id, 1, "blocked", "mine"))

    assert await db.claims(show) == {1: "anna", 2: "blocked", 3: "sold"}


async def test_not_even_the_owner_can_change_or_delete_what_was_logged(
    db: SeatDb, show: Show, owner: Connection
) -> None:
    await db.reserve(show, seats=[1], holder="anna")
    before = await db.audit(show)
    cursor = await owner.execute(
        "select relid::regclass::text from pg_partition_tree('rowlock.seat_reservation_audit_log')"
    )
    tables = [row[0] for row in await cursor.fetchall()]
    assert len(tables) >= 5, "the log itself, its default partition and some months"

    for table in tables:
        await refused(owner, f"update rowlock.{table} set event = 'released'")
        await refused(owner, f"update only rowlock.{table} set event = 'released'")
        await refused(owner, f"delete from rowlock.{table}")
        await refused(owner, f"delete from only rowlock.{table}")
        await refused(owner, f"truncate rowlock.{table}")
        await refused(owner, f"select 1 from rowlock.{table} for update")
        await refused(owner, f"merge into rowlock.{table} as l using (select 1) as s on true when matched then delete")
        await refused(
            owner,
            f"insert into rowlock.{table} (show_id, event) values (gen_random_uuid(), 'x') "
            "on conflict (id, at, event) do update set event = 'y'",
        )

    assert await db.audit(show) == before


async def test_the_version_1_role_writes_seats_and_nothing_else(
    dsns: Dsns, db: SeatDb, show: Show, owner: Connection
) -> None:
    async with await Connection.connect(dsns.v1, autocommit=True) as v1:
        for table in ("ticket_order_items", "refunds", "tickets"):
            for statement in (WRITES | READS).values():
                await refused(v1, statement.format(table=table, column="show_id"))
        # Of an order it may see whether it is being paid, and end it: it reads, locks rows, and writes the status. It
        # begins payments.
        for table, allowed in (("ticket_orders", set()), ("payment_intents", {"insert"})):
            for name in WRITES.keys() - {"lock rows", "share rows"} - allowed:
                await refused(v1, WRITES[name].format(table=table, column="show_id"))
            await v1.execute(f"update rowlock.{table} set status = status".encode())
        await refused(v1, "update rowlock.ticket_orders set total_minor = 0")
        await refused(v1, "select customer_email from rowlock.ticket_orders")
        await refused(v1, "update rowlock.payment_intents set amount_minor = 0")
        for name in ("update", "delete", "truncate", "merge", "lock rows", "drop"):
            await refused(v1, WRITES[name].format(table="seat_reservation_audit_log", column="show_id"))
        for name in ("truncate", "trigger", "rule", "index", "drop constraints", "drop"):
            await refused(v1, WRITES[name].format(table="show_seats", column="show_id"))
        await refused(v1, "update rowlock.shows set seats_total = 1")
        await refused(v1, "select * from rowlock.cleanup_expired_seat_reservations()")
        await refused(v1, "set role rowlock_owner")
        await refused(v1, "create table rowlock.t ()")


async def test_a_database_role_without_grants_can_do_nothing(server: TestServer, dsns: Dsns) -> None:
    dbname = psycopg.conninfo.conninfo_to_dict(dsns.owner)["dbname"]
    async with await Connection.connect(server.superuser_dsn(str(dbname)), autocommit=True) as other:
        await other.execute("set role pg_monitor")
        await refused(other, "select * from rowlock.show_listing")
        await refused(other, "select * from rowlock.cleanup_expired_seat_reservations()")
        await refused(other, "create table rowlock.t ()")
