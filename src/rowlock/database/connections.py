"""Connections: the type, the errors, the session settings of every connection, and connection strings."""

from collections.abc import Mapping
from typing import Any, Self

from psycopg import AsyncConnection, Error, InterfaceError, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from rowlock.database.contract import stamped
from rowlock.database.pooler import adapt, refuses_options, without_options

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
LIMITS = {
    "lock_timeout": "3s",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
}
"""The settings of connections of a server process, beside SETTINGS."""

# A database or a login may have defaults of its own; as options of the connection these take precedence over them.
# With another isolation level concurrent reserves fail instead of waiting, and in read-only sessions all of them do.
SETTINGS = {
    "search_path": "rowlock,public",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
}
"""The settings of every connection."""


class Session(AsyncConnection[TupleRow]):
    """A connection that has its settings also behind a pooler, and prepares nothing where that cannot work."""

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect; raises TransactionPoolerError where a role in the options would not last."""
        try:
            session = await super().connect(conninfo, **kwargs)
        except OperationalError as error:
            if not refuses_options(error):
                raise
            session = await super().connect(without_options(conninfo), **kwargs)
        try:
            await adapt(session, conninfo)
        except BaseException:
            await session.close()
            raise
        return session


def connection_string(dsn: str, *, application_name: str, role: str | None = None) -> str:
    """`dsn` with the session settings of a server process, and optionally a role that each session sets.

    The sessions are called `application_name`, followed by version and contract.
    """
    return _conninfo(dsn, SETTINGS | LIMITS, application_name=application_name, role=role)


async def connect(dsn: str, *, application_name: str = "rowlock", role: str | None = None) -> Connection:
    """One connection outside the pools, in autocommit, for commands and migrations. Named as by connection_string."""
    conninfo = _conninfo(dsn, SETTINGS, application_name=application_name, role=role)
    return await Session.connect(conninfo, autocommit=True)


def _conninfo(dsn: str, settings: Mapping[str, str], *, application_name: str, role: str | None) -> str:
    """`dsn` with the settings as options, after the options that it has itself."""
    given = str(conninfo_to_dict(dsn).get("options") or "")
    # A blank within a value is escaped, because blanks separate options.
    ours = ["-c " + f"{name}={value}".replace(" ", r"\ ") for name, value in settings.items()]
    options = filter(None, (given, *ours, f"-c role={role}" if role else ""))
    return make_conninfo(dsn, application_name=stamped(application_name), options=" ".join(options), connect_timeout=5)


def with_role(dsn: str, role: str) -> str:
    """The connection string of the same login, with sessions that start in `role`."""
    options = str(conninfo_to_dict(dsn).get("options") or "")
    return make_conninfo(dsn, options=f"{options} -c role={role}".strip())


def without_secrets(dsn: str) -> str:
    """The target of a connection string, for messages: host, port, database and user only."""
    parameters = conninfo_to_dict(dsn)
    return " ".join(f"{key}={parameters[key]}" for key in ("host", "port", "dbname", "user") if key in parameters)
