"""Rules that the whole schema keeps, checked in PostgreSQL's system catalogs.

Each is a query for what breaks it, with an example that does: a rule that does not find its example fails.
Most of them say "a show is the unit of scale": every show must be able to live on a node of its own (the rules of
Citus for distributed tables) with everything about it found by show_id.
"""

from dataclasses import dataclass

import psycopg
import pytest

Connection = psycopg.AsyncConnection

# Tables of which every node may hold a copy. All other tables with a show_id belong to one show.
CATALOGUE = ("organizations", "venues", "seating_plans", "seats", "shows", "show_prices", "show_price_lists")

# What payment providers keep with us: they stand for systems outside, which know nothing of nodes.
OUTSIDE = ("sandbox_payments", "sandbox_refunds", "sandbox_events", "manual_payments", "manual_refunds")

# Keys that are not by show, and why.
KEYS_WITHOUT_SHOW = {
    "seat_reservation_audit_log_pkey": "a log of one node, in its order; `at` decides the partition",
    "outbox_messages_pkey": "work of one node, taken in its order",
    "webhook_events_pkey": "a provider gives its events ids of its own, before their show is known",
    "disputes_reference_unique": "a provider tells a chargeback by its own reference",
    "mails_pkey": "a mail is known by its Message-ID, and some are about no show",
    "receipts_pkey": "receipts are numbered by organization and year",
    "idx_payment_intents_provider_reference": "a provider's event names its own reference before it names a show",
}

# Functions that are not about one show, and why.
FUNCTIONS_WITHOUT_SHOW = {
    "cleanup_expired_seat_reservations": "retires the oldest holds of a node, whichever show they are of",
    "ensure_audit_log_partitions": "the log's partitions are months, not shows",
    "expire_orders_atomic": "ends the oldest orders of a node, whichever show they are of",
    "take_outbox_messages": "work of one node, taken in its order",
    "finish_outbox_message": "work of one node",
    "find_integrator_key": "a key is of an organization",
}

# Functions that catch errors, and why: each block is a subtransaction, which a hot path must not pay for.
FUNCTIONS_THAT_CATCH = {
    "cleanup_expired_seat_reservations": "a failed run is recorded, never raised",
    "complete_order_atomic": "claims of a refused order are undone as a whole, and a newer hold is locked first",
}

OURS = "'rowlock'::regnamespace"
TABLES = rf"""
    select c.oid, c.relname::text as name
    from pg_class as c
    where c.relnamespace = {OURS} and c.relkind in ('r', 'p') and c.relname !~ '_\d{{4}}_\d{{2}}(_failed|_kept)?$'
        and c.relname <> all(array{list(OUTSIDE)})
"""
SHOW_TABLES = f"""
    select t.oid, t.name
    from ({TABLES}) as t
    where t.name <> all(array{list(CATALOGUE)}) and exists (
        select from pg_attribute as a where a.attrelid = t.oid and a.attname = 'show_id' and not a.attisdropped
    ) and not exists (select from pg_inherits as i where i.inhrelid = t.oid)
"""
FUNCTIONS = f"select p.*, p.proname::text as name from pg_proc as p where p.pronamespace = {OURS}"
CODE = f"select f.oid, f.name, regexp_replace(f.prosrc, '--[^\\n]*', '', 'g') as code from ({FUNCTIONS}) as f"


@dataclass(frozen=True)
class Rule:
    name: str
    broken: str  # A query for the names of what breaks the rule.
    example: str  # Statements after which that query finds something.


RULES = [
    Rule(
        "every key and unique index of a show's tables starts with show_id",
        f"""
        select i.indexrelid::regclass
        from ({SHOW_TABLES}) as t
        join pg_index as i on i.indrelid = t.oid and i.indisunique
        join pg_class as x on x.oid = i.indexrelid
        where x.relname <> all(array{list(KEYS_WITHOUT_SHOW)})
            and pg_get_indexdef(i.indexrelid, 1, true) <> 'show_id'
        """,
        "create unique index on show_seats (order_id, show_id)",
    ),
    Rule(
        "a show's tables refer only to rows of the same show, or to the catalogue",
        f"""
        select t.name || '.' || k.conname
        from ({TABLES}) as t
        join pg_constraint as k on k.conrelid = t.oid and k.contype = 'f'
        join pg_class as r on r.oid = k.confrelid
        where r.relname <> all(array{[*CATALOGUE, "receipt_counters"]}) and (
            t.name = any(array{list(CATALOGUE)})
            or not exists (
                select from pg_attribute as a, pg_attribute as b
                where a.attrelid = k.conrelid and a.attnum = k.conkey[1] and a.attname = 'show_id'
                    and b.attrelid = k.confrelid and b.attnum = k.confkey[1] and b.attname = 'show_id'
            )
        )
        """,
        "create unique index u on refunds (refund_id); alter table refunds add unique using index u; "
        "alter table tickets add foreign key (ticket_id) references refunds (refund_id)",
    ),
    Rule(
        "claims and holds refer to no other table: the lock on the row they refer to would be shared by all buyers",
        f"""
        select conname from pg_constraint
        where contype = 'f' and conrelid in (
            select t.oid from ({TABLES}) as t
            where t.name in ('show_seats', 'seat_reservations', 'seat_reservation_audit_log')
        )
        """,
        "alter table show_seats add foreign key (show_id) references shows",
    ),
    Rule(
        "changes of a claim's status or deadline touch no index",
        """
        select i.indexrelid::regclass
        from pg_index as i
        where i.indrelid = 'show_seats'::regclass
            and pg_get_indexdef(i.indexrelid) ~ 'status|reserved_until|reserved_by|order_id'
        """,
        "create index on show_seats (show_id) where status = 'sold'",
    ),
    Rule(
        "there are no triggers and no rules",
        f"""
        select g.tgname::text from pg_trigger as g join pg_class as c on c.oid = g.tgrelid
        where c.relnamespace = {OURS} and not g.tgisinternal
        union all
        select r.rulename::text from pg_rewrite as r join pg_class as c on c.oid = r.ev_class
        where c.relnamespace = {OURS} and c.relkind <> 'v'
        """,
        "create rule discard as on insert to show_seats do instead nothing",
    ),
    Rule(
        "no extension is needed: columns and arguments have built-in types",
        f"""
        select t.name || '.' || a.attname
        from ({TABLES}) as t
        join pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
        join pg_type as y on y.oid = a.atttypid
        where y.typnamespace <> 'pg_catalog'::regnamespace
        union all
        select f.name
        from ({FUNCTIONS}) as f, unnest(coalesce(f.proallargtypes, f.proargtypes::oid[])) as u
        join pg_type as y on y.oid = u
        where y.typnamespace <> 'pg_catalog'::regnamespace
        """,
        "create type mood as enum ('good'); alter table shows add mood mood",
    ),
    Rule(
        "every table has a primary key",
        f"""
        select t.name from ({TABLES}) as t
        where not exists (select from pg_index as i where i.indrelid = t.oid and i.indisprimary)
        """,
        "create table keyless (n integer)",
    ),
    Rule(
        "every table and view says what it is",
        f"""
        select t.name from ({TABLES}) as t where obj_description(t.oid, 'pg_class') is null
        union all
        select c.relname from pg_class as c
        where c.relnamespace = {OURS} and c.relkind = 'v' and obj_description(c.oid, 'pg_class') is null
        """,
        "create view without_comment as select 1 as n",
    ),
    Rule(
        "no two indexes of a table are the same",
        f"""
        select a.indexrelid::regclass
        from pg_index as a
        join pg_index as b on b.indrelid = a.indrelid and b.indexrelid < a.indexrelid
        where a.indrelid in (select t.oid from ({TABLES}) as t)
            and a.indkey = b.indkey and a.indclass = b.indclass and a.indoption = b.indoption
            and pg_get_expr(a.indpred, a.indrelid) is not distinct from pg_get_expr(b.indpred, b.indrelid)
            and pg_get_expr(a.indexprs, a.indrelid) is not distinct from pg_get_expr(b.indexprs, b.indrelid)
        """,
        "create index on shows (starts_at)",
    ),
    Rule(
        "numbers that count up without end are bigint",
        f"""
        select c.relname from pg_class as c join pg_sequence as s on s.seqrelid = c.oid
        where c.relnamespace = {OURS} and s.seqtypid <> 'bigint'::regtype
        """,
        "create table few (n integer generated always as identity primary key)",
    ),
    Rule(
        "instants are timestamptz and called *_at or *_until, texts are text, money is bigint and called *_minor",
        f"""
        select t.name || '.' || a.attname
        from ({TABLES}) as t
        join pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
        where a.atttypid in ('timestamp'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'money'::regtype)
            or ((a.attname ~ '(_at|_until)$') <> (a.atttypid = 'timestamptz'::regtype) and a.attname <> 'at')
            or (a.attname ~ '_minor$' and a.atttypid <> 'bigint'::regtype)
        """,
        "alter table shows add doors_open timestamptz",
    ),
    Rule(
        "every status is one of a list that is checked",
        f"""
        select t.name
        from ({TABLES}) as t
        join pg_attribute as a on a.attrelid = t.oid and a.attname = 'status'
        where not exists (
            select from pg_constraint as k
            where k.conrelid = t.oid and k.contype = 'c' and pg_get_constraintdef(k.oid) ~ '\\(status = ANY \\(ARRAY'
        )
        """,
        "alter table shows drop constraint chk_show_status",
    ),
    Rule(
        "every function runs with the owner's rights, in our schema only, and temporary objects come last",
        f"""
        select f.name from ({FUNCTIONS}) as f
        where not f.prosecdef or f.proconfig is null
            or not ('search_path=rowlock, pg_temp' = any(f.proconfig))
        """,
        "alter function block_seats_atomic set search_path = pg_temp, rowlock",
    ),
    Rule(
        "public may not execute any function",
        f"""
        select f.name from ({FUNCTIONS}) as f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) as x
        where x.grantee = 0
        """,
        "grant execute on function block_seats_atomic to public",
    ),
    Rule(
        "public has no right to any table, view or the schema",
        f"""
        select c.relname::text from pg_class as c, aclexplode(c.relacl) as x
        where c.relnamespace = {OURS} and x.grantee = 0
        union all
        select n.nspname from pg_namespace as n, aclexplode(n.nspacl) as x where n.oid = {OURS} and x.grantee = 0
        """,
        "grant select on show_listing to public",
    ),
    Rule(
        "every function says what it is for",
        f"select f.name from ({FUNCTIONS}) as f where obj_description(f.oid, 'pg_proc') is null",
        "comment on function block_seats_atomic is null",
    ),
    Rule(
        "every function that is about a show takes p_show_id first, so that its node can be found",
        f"""
        select f.name from ({FUNCTIONS}) as f
        where f.name <> all(array{list(FUNCTIONS_WITHOUT_SHOW)})
            and (f.proargnames[1] is distinct from 'p_show_id' or f.proargtypes[0] <> 'uuid'::regtype)
        """,
        "create function f(p_seat_id integer) returns integer language sql as 'select 1'",
    ),
    Rule(
        "no two functions have the same name",
        f"select f.name from ({FUNCTIONS}) as f group by f.name having count(*) > 1",
        "create function block_seats_atomic(p_show_id uuid) returns integer language sql as 'select 1'",
    ),
    Rule(
        "functions are PL/pgSQL, which keeps its plans; language sql is planned on each call",
        f"""
        select f.name from ({FUNCTIONS}) as f join pg_language as l on l.oid = f.prolang
        where l.lanname <> 'plpgsql'
        """,
        "create function f() returns integer language sql as 'select 1'",
    ),
    Rule(
        "nothing decides by the time at which its transaction began",
        f"""
        select c.name from ({CODE}) as c
        where c.code ~* '\\m(now\\s*\\(|current_(timestamp|date|time)|localtime|(transaction|statement)_timestamp)'
        union all
        select v.relname from pg_class as v
        where v.relnamespace = {OURS} and v.relkind = 'v'
            and pg_get_viewdef(v.oid) ~* '\\m(now\\(|current_timestamp|localtimestamp|current_date)'
        union all
        select d.adrelid::regclass::text from pg_attrdef as d
        where d.adrelid in (select t.oid from ({TABLES}) as t)
            and pg_get_expr(d.adbin, d.adrelid) ~* '\\m(now\\(|current_timestamp)'
        """,
        "create view v as select now() as at",
    ),
    Rule(
        "nothing notifies: NOTIFY takes a lock of the whole server at commit",
        f"select c.name from ({CODE}) as c where c.code ~* '\\m(pg_)?notify\\M'",
        "create function f() returns void language plpgsql as $$ begin notify seats; end $$",
    ),
    Rule(
        "no function catches errors but those with a reason in FUNCTIONS_THAT_CATCH",
        f"""
        select c.name from ({CODE}) as c
        where c.code ~* '\\mexception\\s+when\\M' and c.name <> all(array{list(FUNCTIONS_THAT_CATCH)})
        """,
        "create function f() returns void language plpgsql as $$ begin exception when others then null; end $$",
    ),
    Rule(
        "functions with SQL in strings quote every name in it",
        f"select c.name from ({CODE}) as c where c.code ~* '\\mexecute\\M' and c.code !~* '\\mexecute format\\('",
        "create function f() returns void language plpgsql as $$ begin execute 'select 1'; end $$",
    ),
]


async def broken_by(connection: Connection, rule: Rule) -> list[str]:
    cursor = await connection.execute(rule.broken.encode())
    return [str(row[0]) for row in await cursor.fetchall()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
async def test_the_schema_keeps_the_rule(owner: Connection, rule: Rule) -> None:
    assert await broken_by(owner, rule) == []

    await owner.execute(rule.example.encode())
    assert await broken_by(owner, rule) != [], "the rule does not find its own example"


async def test_the_only_extension_is_the_one_that_every_database_has(owner: Connection) -> None:
    cursor = await owner.execute("select extname::text from pg_extension")

    assert await cursor.fetchall() == [("plpgsql",)]


async def test_exceptions_to_the_rules_are_about_things_that_exist(owner: Connection) -> None:
    cursor = await owner.execute(
        "select relname::text from pg_class where relnamespace = 'rowlock'::regnamespace "
        "union all select proname::text from pg_proc where pronamespace = 'rowlock'::regnamespace"
    )
    names = {row[0] for row in await cursor.fetchall()}

    assert names.issuperset({*CATALOGUE, *KEYS_WITHOUT_SHOW, *FUNCTIONS_WITHOUT_SHOW, *FUNCTIONS_THAT_CATCH})
