"""The connection strings of a database, one for each database role."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, field


@dataclass(frozen=True, slots=True)
class Dsns:
    """libpq connection strings of one Rowlock database, one for each role.

    owner   owns the schema and runs migrations; no request is ever served with it.
    app     what buyers do: reads the catalogue and calls the functions of holds.
    office  what staff do: writes the catalogue, blocks seats, reads reports.
    worker  money, jobs and cleanup.
    v1      the role of the version 1 fallback, which writes the tables directly.

    They contain passwords, so the repr has none of them.
    """

    owner: str = field(repr=False)
    app: str = field(repr=False)
    office: str = field(repr=False)
    worker: str = field(repr=False)
    v1: str = field(repr=False)

    @classmethod
    def same(cls, dsn: str) -> "Dsns":
        """One connection string for all roles."""
        return cls(dsn, dsn, dsn, dsn, dsn)

    def each(self, change: Callable[[str], str]) -> "Dsns":
        """Each connection string, changed."""
        return Dsns(*(change(dsn) for dsn in astuple(self)))
