"""Reads what a database server is and how it is set up, for the doctor, who decides what is good or bad of it."""

import time
from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from rowlock.db.definitions import ObjectStatus, status
from rowlock.db.queries import query
from rowlock.db.roles import RoleReport, inspect_roles


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server and the session we have there, as they are.

    connections_free         of max_connections less those kept for superusers, how many nobody uses now.
    knows_time_zones         whether the server has the IANA time zone data.
    """

    server_version: int
    user_name: str
    in_recovery: bool
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    autovacuum: str
    server_encoding: str
    default_transaction_isolation: str
    default_transaction_read_only: str
    lock_timeout: str
    statement_timeout: str
    max_connections: int
    connections_free: int
    knows_time_zones: bool


@dataclass(frozen=True, slots=True)
class SchemaFacts:
    """The state of Rowlock's own tables.

    missing_partitions       months, as YYYY_MM, that the audit log has no partition for: this one and the next.
    rows_in_default          whether the audit log's default partition holds rows.
    last_cleanup_at          when the last cleanup run that succeeded had finished; None for never.
    last_cleanup_error       the error of the newest run, None when it succeeded or there was none.
    lapsed                   holds that have run out and wait for cleanup.
    oldest_lapsed_at         since when the oldest of them waits.
    """

    missing_partitions: list[str]
    rows_in_default: bool
    last_cleanup_at: datetime | None
    last_cleanup_error: str | None
    lapsed: int
    oldest_lapsed_at: datetime | None
    server_time: datetime


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything the doctor wants to know of a database; `schema` is None before the first migration.

    clock_skew_seconds  the server's clock less ours, give or take half of `round_trip_seconds`.
    """

    server: ServerFacts
    roles: RoleReport
    definitions: tuple[ObjectStatus, ...]
    clock_skew_seconds: float
    round_trip_seconds: float
    schema: SchemaFacts | None


async def inspect(connection: AsyncConnection) -> Inspection:
    """Look at the database of an owner's connection without changing anything."""
    async with connection.cursor(row_factory=class_row(ServerFacts)) as cursor:
        await cursor.execute(query("upkeep/server_facts"))
        server = await cursor.fetchone()
    assert server is not None, "the query has one row"
    skew, round_trip = await _clock_skew(connection)
    definitions = await status(connection)
    migrated = all(file.state != "pending" for file in definitions if file.kind in ("migration", "view"))
    schema = None
    if migrated:
        async with connection.cursor(row_factory=class_row(SchemaFacts)) as schema_cursor:
            await schema_cursor.execute(query("upkeep/schema_facts"))
            schema = await schema_cursor.fetchone()
    return Inspection(server, await inspect_roles(connection), tuple(definitions), skew, round_trip, schema)


async def _clock_skew(connection: AsyncConnection) -> tuple[float, float]:
    """The smallest of a few round trips tells the most."""
    best = (0.0, float("inf"))
    for _ in range(5):
        before = time.time()
        cursor = await connection.execute("select extract(epoch from clock_timestamp())::float8")
        row = await cursor.fetchone()
        after = time.time()
        assert row is not None, "a clock always has a time"
        if after - before < best[1]:
            best = (row[0] - (before + after) / 2, after - before)
    return best
