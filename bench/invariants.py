"""What has to be true after a run, whatever was measured: the auditor's checks, and the generators' own accounts.

The auditor is the one of `rowlock check`. The ledger adds what only the load generators know: how many reservations
were confirmed to somebody.
"""

import asyncio
from dataclasses import dataclass

import psycopg

from bench.wishes import SEATS_PER_RESERVATION
from rowlock.db.auditing import audit
from rowlock.db.pool import connect

_COUNTS = """
    select
        (select count(*) from rowlock.seat_reservation_audit_log where event = 'created'),
        (select count(*) from rowlock.seat_reservations),
        (select count(*) from rowlock.show_seats)
"""


class BrokenInvariantError(Exception):
    """Something that must always be true is not: whatever was measured is worth nothing."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a database holds: created events, reservations and claims."""

    created: int
    reservations: int
    claims: int


@dataclass(slots=True)
class Ledger:
    """What the load generators know about one database.

    confirmed  reservations that somebody was told to have.
    cut_off    requests that were under way when a generator stopped: they may have been served or not.
    in_pairs   every reservation has two seats that it still holds.
    before     what was there when the load began; None for an empty database.
    """

    confirmed: int = 0
    cut_off: int = 0
    in_pairs: bool = True
    before: Counts | None = None

    def add(self, confirmed: int, cut_off: int = 0) -> None:
        """Enter what one run of a generator came to."""
        self.confirmed += confirmed
        self.cut_off += cut_off


def count(owner_dsn: str) -> Counts:
    """What is in the database now."""
    with psycopg.connect(owner_dsn) as connection:
        row = connection.execute(_COUNTS).fetchone()
    assert row is not None, "a select without from answers with one row"
    return Counts(*row)


def differences(ledger: Ledger, before: Counts, after: Counts, *, audited: bool) -> list[str]:
    """What the generators' account and the database's disagree about, as sentences; empty when all is well."""
    reservations = after.reservations - before.reservations
    created = after.created - before.created
    claims = after.claims - before.claims
    found = []
    if not ledger.confirmed <= reservations <= ledger.confirmed + ledger.cut_off:
        found.append(
            f"{ledger.confirmed} reservations were confirmed and {ledger.cut_off} requests cut off, but the database "
            f"has {reservations} reservations"
        )
    if audited and created != reservations:
        found.append(f"there are {reservations} reservations, but {created} created events")
    if ledger.in_pairs and claims != SEATS_PER_RESERVATION * reservations:
        found.append(f"{reservations} reservations of two seats hold {claims} seats")
    return found


def check(owner_dsn: str, ledger: Ledger, *, audited: bool) -> None:
    """Hold the database against the ledger and every check of the auditor. Raises BrokenInvariantError."""
    found = differences(ledger, ledger.before or Counts(0, 0, 0), count(owner_dsn), audited=audited)
    if audited:
        found += asyncio.run(_violations(owner_dsn))
    if found:
        raise BrokenInvariantError("; ".join(found))


async def _violations(owner_dsn: str) -> list[str]:
    async with await connect(owner_dsn, application_name="rowlock bench") as connection:
        result = await audit(connection)
    return [
        f"{checked.check.code}: {checked.violations_total} times, first: {checked.violations[0]}"
        for checked in result.results
        if checked.violations
    ]
