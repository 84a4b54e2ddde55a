"""The invariant auditor's questions to the database: one query a check, all asked of one snapshot.

A query returns one row for each violation: show_id, seat_id, reservation_id, order_id (each null where it does
not apply) and what is wrong. What to do about it, and how it is told, is left to `ops.checks`.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row

from rowlock.db.queries import query

LISTED_PER_CHECK = 100
"""Violations listed for one check; the rest are counted. A broken database repeats itself."""


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant: a stable code, and the sentence that has to be true. Its query is checks/<code in lower case>."""

    code: str
    sentence: str


CHECKS: tuple[Check, ...] = (
    Check("GUARD_MISSING", "The indexes and constraints that make a double sale impossible are in force."),
    Check("SEAT_CLAIMED_TWICE", "No seat of a show is claimed twice."),
    Check("SEAT_NOT_IN_PLAN", "Every claimed seat exists in the plan of its show."),
    Check(
        "CLAIM_WITHOUT_RESERVATION",
        "Every reserved seat belongs to an active reservation of its show that lists it, with the same holder and "
        "deadline.",
    ),
    Check("RESERVATION_WITHOUT_CLAIM", "Every live reservation has all of its seats."),
    Check("HOLDER_HOLDS_TWICE", "Nobody has two active reservations in one show."),
    Check("LIMIT_EXCEEDED", "Active reservations keep the limits of their show: seats, extensions, time."),
    Check("BLOCKED_WITHOUT_REASON", "Every blocked seat has a reason."),
    Check("SOLD_WITHOUT_ORDER", "Every sold seat has a paid order that contains it."),
    Check("SOLD_WITHOUT_TICKET", "Every sold seat has exactly one live ticket."),
    Check("ORDER_WITHOUT_SEAT", "Every seat of a paid order is sold to it."),
    Check("TICKET_WITHOUT_SEAT", "Every live ticket's seat is sold to the ticket's order."),
    Check("AUDIT_LOG_DISAGREES", "The audit log, read from its beginning, leads to the claims that there are."),
    Check(
        "RESERVATION_EVENT_MISSING",
        "Every reservation was created once in the audit log and, once it has ended, ended once.",
    ),
    Check("AUDIT_ID_REPEATED", "Every id of the audit log is there once."),
    Check("AUDIT_LOG_CHANGEABLE", "Nobody has the right to change or delete what was logged."),
    Check("PLAN_CHANGED", "Published plans are as they were published."),
    Check("SEAT_COUNT_WRONG", "Plans and shows know how many seats they have, numbered without a gap."),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that contradicts an invariant. Ids that do not apply are None."""

    code: str
    what: str
    show_id: UUID | None
    seat_id: int | None
    reservation_id: UUID | None
    order_id: UUID | None

    def __str__(self) -> str:
        """The violation as one line for people."""
        named = (("show", self.show_id), ("seat", self.seat_id), ("reservation", self.reservation_id))
        where = ", ".join(f"{noun} {id_}" for noun, id_ in (*named, ("order", self.order_id)) if id_ is not None)
        return f"{where}: {self.what}" if where else self.what


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found: how many violations in all, and the first of them."""

    check: Check
    violations_total: int
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """The results of every check for the database as it was at `checked_at`."""

    checked_at: datetime
    results: tuple[CheckResult, ...]

    @property
    def violations_total(self) -> int:
        """How many violations there are in all."""
        return sum(result.violations_total for result in self.results)


@dataclass(frozen=True, slots=True)
class _Row:
    show_id: UUID | None
    seat_id: int | None
    reservation_id: UUID | None
    order_id: UUID | None
    what: str
    total: int


_LISTED = "select v.*, count(*) over () as total from ({}) as v order by v.show_id, v.seat_id, v.what limit {}"


async def audit(connection: AsyncConnection) -> Audit:
    """Check every invariant on one snapshot, as the owner, while sales go on. Needs a connection in autocommit.

    Nobody waits for it: it takes no lock but those of a reader.
    """
    async with connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")
        cursor = await connection.execute("select clock_timestamp()")
        row = await cursor.fetchone()
        assert row is not None, "a clock always has a time"
        results = [await _run(connection, check) for check in CHECKS]
    return Audit(row[0], tuple(results))


async def find_violations(connection: AsyncConnection) -> list[Violation]:
    """What `audit` lists, as one list; empty when all is well."""
    found = await audit(connection)
    return [violation for result in found.results for violation in result.violations]


async def _run(connection: AsyncConnection, check: Check) -> CheckResult:
    statement = sql.SQL(_LISTED).format(
        sql.SQL("\n" + query(f"checks/{check.code.lower()}") + "\n"), sql.Literal(LISTED_PER_CHECK)
    )
    async with connection.cursor(row_factory=class_row(_Row)) as cursor:
        await cursor.execute(statement)
        rows = await cursor.fetchall()
    violations = tuple(
        Violation(check.code, row.what, row.show_id, row.seat_id, row.reservation_id, row.order_id) for row in rows
    )
    return CheckResult(check, rows[0].total if rows else 0, violations)
