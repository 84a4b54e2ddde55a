"""What the doctor reads of a database: the facts, without a verdict."""

from dataclasses import dataclass
from datetime import datetime

from rowlock.database.schema.definitions import ObjectStatus
from rowlock.database.schema.roles import RoleReport


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
