"""Connections: the type, the errors, the session settings of every connection, and connection strings."""

from psycopg import AsyncConnection, Error, InterfaceError, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout

from rowlock.database.contract import stamped

Connection = AsyncConnection

APP_ROLE = "rowlock_app"
OFFICE_ROLE = "rowlock_office"
WORKER_ROLE = "rowlock_worker"
V1_ROLE = "rowlock_v1"
ROLES = (APP_ROLE, OFFICE_ROLE, WORKER_ROLE, V1_ROLE)
"""The roles that processes connect as, beside the owner of the schema."""

UNREACHABLE = (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)
"""The database cannot be reached, does not answer in time, or closed the connection."""

DATABASE_ERRORS = (Error, *UNREACHABLE)
"""Everything that a call of the database can raise."""

# Buyers do not wait longer than this. The limits also bound how long one stuck transaction can delay others.
LOCK_TIMEOUT = "3s"
STATEMENT_TIMEOUT = "10s"
IDLE_IN_TRANSACTION_TIMEOUT = "10s"


# A database or a login may have defaults of its own; as options of the connection these take precedence over them.
# With another isolation level concurrent reserves fail instead of waiting, and in read-only sessions all of them do.
# A blank within a value is escaped, because blanks separate options.
_OPTIONS = (
    "-c search_path=rowlock,public",
    "-c timezone=UTC",
    r"-c default_transaction_isolation=read\ committed",
    "-c default_transaction_read_only=off",
    "-c default_transaction_deferrable=off",
)


def connection_string(dsn: str, *, application_name: str, role: str | None = None) -> str:
    """`dsn` with the session settings of a server process, and optionally a role that each session sets.

    The sessions are called `application_name`, followed by version and contract.
    """
    limits = (
        f"-c lock_timeout={LOCK_TIMEOUT}",
        f"-c statement_timeout={STATEMENT_TIMEOUT}",
        f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT}",
    )
    return _conninfo(dsn, *limits, application_name=application_name, role=role)


async def connect(dsn: str, *, application_name: str = "rowlock", role: str | None = None) -> Connection:
    """One connection outside the pools, in autocommit, for commands and migrations. Named as by connection_string."""
    conninfo = _conninfo(dsn, application_name=application_name, role=role)
    return await AsyncConnection.connect(conninfo, autocommit=True)


def _conninfo(dsn: str, *limits: str, application_name: str, role: str | None) -> str:
    """`dsn` with the session settings of every connection, after the options that it has itself."""
    given = str(conninfo_to_dict(dsn).get("options") or "")
    options = filter(None, (given, *_OPTIONS, *limits, f"-c role={role}" if role else ""))
    return make_conninfo(dsn, application_name=stamped(application_name), options=" ".join(options), connect_timeout=5)


def with_role(dsn: str, role: str) -> str:
    """The connection string of the same login, with sessions that start in `role`."""
    options = str(conninfo_to_dict(dsn).get("options") or "")
    return make_conninfo(dsn, options=f"{options} -c role={role}".strip())


def without_secrets(dsn: str) -> str:
    """The target of a connection string, for messages: host, port, database and user only."""
    parameters = conninfo_to_dict(dsn)
    return " ".join(f"{key}={parameters[key]}" for key in ("host", "port", "dbname", "user") if key in parameters)
