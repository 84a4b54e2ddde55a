"""Which database holds a show.

A cell is one PostgreSQL server with its standby; each show is in one cell. There is only one cell so far;
docs/adr/0015-cells.md says why services select the cell nevertheless.
"""

from uuid import UUID

from rowlock.database.access import Database


class Cells:
    """The cells of an installation. Each named query says which of these three it is for (`-- scope:`)."""

    def __init__(self, only: Database) -> None:
        self._only = only

    def of(self, show_id: UUID) -> Database:
        """The cell of a show, for everything about its seats."""
        return self._only

    @property
    def catalogue(self) -> Database:
        """Where organizations, venues, plans and lists of shows are read and written."""
        return self._only

    def each(self) -> tuple[Database, ...]:
        """Every cell, for work on the shows of all of them."""
        return (self._only,)
