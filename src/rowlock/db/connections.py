"""What the floors above need to name of the driver: the type of a connection, and what a lost database raises.

Only `db` knows the driver; whoever is handed a connection annotates it with these names, and whoever puts
connection strings together does it here.
"""

from psycopg import AsyncConnection, Error, InterfaceError, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout

Connection = AsyncConnection

UNREACHABLE = (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)
"""The database cannot be reached, does not answer in time, or has just gone away."""

DATABASE_ERRORS = (Error, *UNREACHABLE)
"""Everything that a call of the database can raise."""


def with_role(dsn: str, role: str) -> str:
    """The connection string of the same login, with every session in `role` from its first moment on."""
    options = str(conninfo_to_dict(dsn).get("options") or "")
    return make_conninfo(dsn, options=f"{options} -c role={role}".strip())


def without_secrets(dsn: str) -> str:
    """Where a connection string leads, for messages: host, port, database and user only."""
    named = conninfo_to_dict(dsn)
    return " ".join(f"{key}={named[key]}" for key in ("host", "port", "dbname", "user") if key in named)
