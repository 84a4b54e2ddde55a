"""A private PostgreSQL server for installations that have no DATABASE_URL.

This package finds PostgreSQL's programs, runs one server on its own data folder, and creates Rowlock's roles and its
empty database there. `rowlock.database.schema` creates tables, functions and grants.
"""

from rowlock.embedded.binaries import Binaries, PostgresVersion, find_binaries, version_of
from rowlock.embedded.errors import AlreadyRunningError, BinariesNotFoundError, EmbeddedError, StartError
from rowlock.embedded.server import EmbeddedServer, running

__all__ = [
    "AlreadyRunningError",
    "Binaries",
    "BinariesNotFoundError",
    "EmbeddedError",
    "EmbeddedServer",
    "PostgresVersion",
    "StartError",
    "find_binaries",
    "running",
    "version_of",
]
