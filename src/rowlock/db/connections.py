"""What the floors above need to name of the driver: the type of a connection, and what a lost database raises.

Only `db` knows the driver; whoever is handed a connection annotates it with these names.
"""

from psycopg import AsyncConnection, Error, InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

Connection = AsyncConnection

UNREACHABLE = (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)
"""The database cannot be reached, does not answer in time, or has just gone away."""

DATABASE_ERRORS = (Error, *UNREACHABLE)
"""Everything that a call of the database can raise."""
