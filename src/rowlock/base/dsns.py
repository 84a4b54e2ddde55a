"""The connection strings of a database, one for each database role."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dsns:
    """libpq connection strings of one Rowlock database, one for each role.

    owner   owns the schema and runs migrations; no request is ever served with it.
    app     may execute Rowlock's functions and has no grant on the seat tables.
    v1      the role of the version 1 fallback, which writes the tables directly.

    They contain passwords, so the repr has none of them.
    """

    owner: str = field(repr=False)
    app: str = field(repr=False)
    v1: str = field(repr=False)
