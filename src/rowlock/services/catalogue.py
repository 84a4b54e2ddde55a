"""What buyers may know of shows: the listing, prices, the seat map and the status of every seat.

Plan versions never change, so they are read once and kept.
"""

from dataclasses import dataclass
from uuid import UUID

from rowlock.db import shows
from rowlock.db.calls import call
from rowlock.db.connections import Connection
from rowlock.db.pool import Database
from rowlock.domain.hall import Hall
from rowlock.domain.plan import SeatingPlan


@dataclass(frozen=True, slots=True)
class PublishedPlan:
    """A plan version in memory."""

    version: shows.PlanVersion
    plan: SeatingPlan
    hall: Hall


class Catalogue:
    """Reads for buyers. Every method raises db.calls.BusyError when the database cannot answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._plans: dict[UUID, PublishedPlan] = {}
        self._plan_of_show: dict[UUID, UUID] = {}

    async def list_shows(self) -> list[shows.ShowListing]:
        """Every show that is not a draft."""
        return await call(self._database.app, shows.list_shows, repeatable=True, reads=True)

    async def find_show(self, show_id: UUID) -> tuple[shows.ShowListing, list[shows.Price]] | None:
        """One show with its prices, or None."""

        async def operation(connection: Connection) -> tuple[shows.ShowListing, list[shows.Price]] | None:
            found = await shows.list_shows(connection, show_id)
            return (found[0], await shows.prices(connection, show_id)) if found else None

        return await call(self._database.app, operation, repeatable=True, reads=True)

    async def plan_of(self, show_id: UUID) -> PublishedPlan | None:
        """The plan version of a show, or None when there is no such show."""
        if (plan_id := self._plan_of_show.get(show_id)) is not None:
            return self._plans[plan_id]

        async def operation(connection: Connection) -> PublishedPlan | None:
            version = await shows.plan_version(connection, show_id)
            if version is None:
                return None
            if version.plan_id in self._plans:
                return self._plans[version.plan_id]
            plan = await shows.load_plan(connection, version.plan_id)
            return PublishedPlan(version, plan, Hall(plan))

        published = await call(self._database.app, operation, repeatable=True, reads=True)
        if published is not None:
            self._plans[published.version.plan_id] = published
            self._plan_of_show[show_id] = published.version.plan_id
        return published
