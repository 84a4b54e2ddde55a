"""The facts about a database that the doctor and the readiness check judge."""

from dataclasses import dataclass
from datetime import datetime

from rowlock.database.pooler import Pooling
from rowlock.database.schema.definitions import ObjectStatus
from rowlock.database.schema.role_settings import RoleSetting
from rowlock.database.schema.roles import RoleReport


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The settings and state of a server and of the session on it.

    connections_free         max_connections less those reserved for superusers and those in use now.
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
    last_cleanup_at          when the last successful cleanup run finished; None for never.
    last_cleanup_error       the error of the newest run, None when it succeeded or there was none.
    cleanup_paused_since     when the cleanup was paused; None when it is not.
    lapsed                   holds that have run out and wait for cleanup.
    oldest_lapsed_at         the deadline of the oldest of them.
    sessions                 how many sessions have made holds within an hour.
    busiest_address          the address that most of them came from; None without any.
    busiest_sessions         how many came from there.
    open_disputes            chargebacks that no bank has decided.
    respond_until               until when the first of them may be answered; None without one.
    failed_refunds           refunds that failed within the last 30 days and were not tried again.
    late_refunds             refunds that are not settled after three days.
    """

    missing_partitions: list[str]
    rows_in_default: bool
    last_cleanup_at: datetime | None
    last_cleanup_error: str | None
    cleanup_paused_since: datetime | None
    lapsed: int
    oldest_lapsed_at: datetime | None
    sessions: int
    busiest_address: str | None
    busiest_sessions: int
    open_disputes: int
    respond_until: datetime | None
    failed_refunds: int
    late_refunds: int
    server_time: datetime


@dataclass(frozen=True, slots=True)
class Inspection:
    """All facts about a database; `schema` is None before the first migration.

    clock_skew_seconds  the server's clock minus this machine's, within half of `round_trip_seconds`.
    """

    server: ServerFacts
    roles: RoleReport
    settings: tuple[RoleSetting, ...]
    definitions: tuple[ObjectStatus, ...]
    clock_skew_seconds: float
    round_trip_seconds: float
    schema: SchemaFacts | None


@dataclass(frozen=True, slots=True)
class Address:
    """A connection string and where it leads.

    setting   the setting that holds it, such as DATABASE_URL.
    user      the role that it logs in as.
    pooling   what is between; None when it cannot be reached, for the reason in `error`.
    differs   settings that sessions there do not have as Rowlock's own do: name, value there, Rowlock's value.
    """

    setting: str
    user: str = ""
    pooling: Pooling | None = None
    differs: tuple[tuple[str, str, str], ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """Where this installation is paid.

    providers   the names of the providers that have an account.
    public_url  the address of the site for buyers; None when there is none.
    error       why the accounts cannot be used; empty when they can.
    """

    providers: frozenset[str]
    public_url: str | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a connection that serves requests finds: the stored functions, and whether it can write at all."""

    has_functions: bool
    is_read_only: bool
    is_standby: bool

    @property
    def obstacle(self) -> str | None:
        """Why nothing can be sold through this connection, in a sentence; None when it can."""
        if self.is_standby:
            return "The database server is a read-only standby. Let the connection string lead to the primary."
        if self.is_read_only:
            return "The database is read-only. Switch off default_transaction_read_only, or name another server."
        if not self.has_functions:
            return "The database functions are not installed. Run `rowlock migrate`."
        return None
