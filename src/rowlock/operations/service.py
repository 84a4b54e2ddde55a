"""Checks for operators and probes: the invariants, the doctor's diagnoses, and readiness."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from rowlock.database.access import Database
from rowlock.database.calls import BusyError, OutcomeUnknownError, call
from rowlock.database.cells import Cells
from rowlock.database.connections import DATABASE_ERRORS
from rowlock.database.pooler import require_session
from rowlock.database.refusals import resource_refusals
from rowlock.operations import doctor, store
from rowlock.operations.facts import PaymentFacts
from rowlock.operations.model import Diagnosis, InvariantReport, together

READINESS_SECONDS = 2.0
"""How long a probe waits for the database. Whoever probes has limits of its own, of a few seconds."""


class Operations:
    """The checks. They read only."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def check_invariants(self) -> InvariantReport:
        """Check every invariant, each cell on one snapshot, as the owner, while shows are on sale."""
        return together([await self._check(cell) for cell in self._cells.each()])

    @staticmethod
    async def _check(cell: Database) -> InvariantReport:
        async with cell.owner() as connection:
            # It would keep one of the few sessions that the pooler shares out, for as long as it takes.
            await require_session(connection)
            return await store.check_invariants(connection)

    @staticmethod
    def examine_machine(data_dir: Path) -> list[Diagnosis]:
        """Examine Python, PostgreSQL's programs, time zone data, open files and the disk of the data folder."""
        return doctor.examine_machine(data_dir)

    async def examine_database(self, where: str, *, pool_size: int) -> list[Diagnosis]:
        """Examine each cell as its owner. `where` names the database, without secrets."""
        diagnoses: list[Diagnosis] = []
        for cell in self._cells.each():
            try:
                async with cell.owner() as connection:
                    diagnoses += doctor.examine(where, await store.inspect(connection), pool_size=pool_size)
            except DATABASE_ERRORS as error:
                diagnoses.append(doctor.unreachable(where, error))
        return diagnoses

    @staticmethod
    async def examine_addresses(addresses: Mapping[str, str]) -> list[Diagnosis]:
        """Examine what is between this machine and the server, for each setting that is a connection string."""
        found = [await store.inspect_address(setting, dsn) for setting, dsn in addresses.items()]
        return doctor.examine_addresses(found)

    @staticmethod
    def examine_payments(facts: PaymentFacts) -> list[Diagnosis]:
        """Examine where this installation is paid."""
        return [doctor.examine_payments(facts)]

    async def why_not_ready(self) -> str | None:
        """The reason why this process cannot serve requests now, or None when it can. Asks every pool that serves."""
        if (refusal := resource_refusals.recent()) is not None:
            return f"The database refuses to write: {refusal}."
        try:
            async with asyncio.timeout(READINESS_SECONDS):
                return await self._obstacle()
        except TimeoutError:
            return f"The database did not answer within {READINESS_SECONDS:g} seconds."

    async def _obstacle(self) -> str | None:
        for cell in self._cells.each():
            for connections in cell.serving():
                try:
                    found = await call(
                        connections,
                        store.readiness,
                        repeatable=False,
                        reads=True,
                        limit_seconds=READINESS_SECONDS / 2,
                    )
                except (BusyError, OutcomeUnknownError):
                    return "The database does not answer."
                if found.obstacle is not None:
                    return found.obstacle
        return None
