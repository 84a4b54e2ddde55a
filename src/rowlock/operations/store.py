"""The SQL of operations: one query for each invariant, all on one snapshot, and the facts of server and schema.

An invariant's query returns one row for each violation: show_id, seat_id, reservation_id, order_id (each null where
it does not apply) and what is wrong.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from rowlock.database.connections import LIMITS, SETTINGS, UNREACHABLE, Connection, connect
from rowlock.database.pooler import Pooling, TransactionPoolerError, recognise
from rowlock.database.queries import query
from rowlock.database.schema.definitions import status
from rowlock.database.schema.role_settings import find_settings
from rowlock.database.schema.roles import inspect_roles
from rowlock.operations.facts import Address, Inspection, Readiness, SchemaFacts, ServerFacts
from rowlock.operations.model import (
    INVARIANTS,
    LISTED_PER_INVARIANT,
    Invariant,
    InvariantReport,
    InvariantResult,
    Violation,
)


@dataclass(frozen=True, slots=True)
class _Row:
    show_id: UUID | None
    seat_id: int | None
    reservation_id: UUID | None
    order_id: UUID | None
    what: str
    total: int


_UTC = ("UTC", "Etc/UTC", "GMT", "Etc/GMT")

_LISTED = "select v.*, count(*) over () as total from ({}) as v order by v.show_id, v.seat_id, v.what limit {}"


async def check_invariants(connection: Connection) -> InvariantReport:
    """Check every invariant on one snapshot, as the owner, while shows are on sale. Needs a connection in autocommit.

    It does not delay other transactions: it takes only the locks of a reader.
    """
    async with connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")
        cursor = await connection.execute("select clock_timestamp()")
        row = await cursor.fetchone()
        assert row is not None, "a clock always has a time"
        results = [await _run(connection, invariant) for invariant in INVARIANTS]
    return InvariantReport(row[0], tuple(results))


async def find_violations(connection: Connection) -> list[Violation]:
    """The violations that `check_invariants` lists, as one list; empty when every invariant holds."""
    found = await check_invariants(connection)
    return [violation for result in found.results for violation in result.violations]


async def _run(connection: Connection, invariant: Invariant) -> InvariantResult:
    statement = sql.SQL(_LISTED).format(
        sql.SQL("\n" + query(f"{invariant.file}.{invariant.code.lower()}") + "\n"), sql.Literal(LISTED_PER_INVARIANT)
    )
    async with connection.cursor(row_factory=class_row(_Row)) as cursor:
        await cursor.execute(statement)
        rows = await cursor.fetchall()
    violations = tuple(
        Violation(invariant.code, row.what, row.show_id, row.seat_id, row.reservation_id, row.order_id) for row in rows
    )
    return InvariantResult(invariant, rows[0].total if rows else 0, violations)


async def inspect(connection: Connection) -> Inspection:
    """Read the facts about the database of an owner's connection, without changing anything."""
    async with connection.cursor(row_factory=class_row(ServerFacts)) as cursor:
        await cursor.execute(query("operations.server_facts"))
        server = await cursor.fetchone()
    assert server is not None, "the query has one row"
    skew, round_trip = await _clock_skew(connection)
    definitions = await status(connection)
    migrated = all(file.state != "pending" for file in definitions if file.kind in ("migration", "view"))
    schema = None
    if migrated:
        async with connection.cursor(row_factory=class_row(SchemaFacts)) as schema_cursor:
            await schema_cursor.execute(query("operations.schema_facts"))
            schema = await schema_cursor.fetchone()
    roles, settings = await inspect_roles(connection), await find_settings(connection)
    return Inspection(server, roles, settings, tuple(definitions), skew, round_trip, schema)


async def _clock_skew(connection: Connection) -> tuple[float, float]:
    """The clock skew and the round trip, in seconds: of the shortest of five round trips, which is the most exact."""
    best = (0.0, float("inf"))
    for _ in range(5):
        sent_at = time.time()
        cursor = await connection.execute("select extract(epoch from clock_timestamp())::float8")
        row = await cursor.fetchone()
        received_at = time.time()
        assert row is not None, "a clock always has a time"
        if received_at - sent_at < best[1]:
            best = (row[0] - (sent_at + received_at) / 2, received_at - sent_at)
    return best


async def inspect_address(setting: str, dsn: str) -> Address:
    """Where the connection string of a setting leads, and how sessions differ that have no settings of their own."""
    try:
        async with await connect(dsn, application_name="rowlock doctor") as connection:
            pooling = await recognise(connection)
            differs = await _differing_settings(connection) if pooling is Pooling.TRANSACTION else ()
            cursor = await connection.execute("select quote_ident(current_user)")
            [(user,)] = await cursor.fetchall()
            return Address(setting, user, pooling, differs)
    except (*UNREACHABLE, TransactionPoolerError) as error:
        return Address(setting, error=str(error).strip() or type(error).__name__)


async def _differing_settings(connection: Connection) -> tuple[tuple[str, str, str], ...]:
    """The settings that are not as Rowlock makes them itself where it can: name, value here, Rowlock's value."""
    # Names in statements have their schema, so the search path does not matter.
    wanted = {name: value for name, value in (SETTINGS | LIMITS).items() if name != "search_path"}
    cursor = await connection.execute(
        "select name, current_setting(name) from unnest(%s::text[]) as name", [list(wanted)]
    )
    found: dict[str, str] = dict(await cursor.fetchall())
    if found["timezone"] in _UTC:
        del wanted["timezone"]
    return tuple((name, found[name], value) for name, value in wanted.items() if found[name] != value)


async def readiness(connection: Connection) -> Readiness:
    """What the readiness check asks. A connection that cannot write is closed: a new one may reach the primary."""
    async with connection.cursor(row_factory=class_row(Readiness)) as cursor:
        await cursor.execute(query("operations.readiness"))
        found = await cursor.fetchone()
    assert found is not None, "the query has one row"
    if found.is_read_only:
        await connection.close()
    return found
