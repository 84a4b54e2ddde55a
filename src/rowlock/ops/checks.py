"""The invariant auditor for operators: runs every check on a live database and tells what it found.

The checks themselves are SQL in sql/queries/checks, listed in `db.auditing`.
"""

from typing import Any

from rowlock.db.auditing import LISTED_PER_CHECK, Audit, audit
from rowlock.db.pool import connect


async def run_checks(owner_dsn: str) -> Audit:
    """Check every invariant of the database on one snapshot, while sales go on."""
    async with await connect(owner_dsn, application_name="rowlock check") as connection:
        return await audit(connection)


def as_json(found: Audit) -> dict[str, Any]:
    """The audit for programs: `ok`, `violations_total`, and each check with its violations."""
    return {
        "ok": found.violations_total == 0,
        "checked_at": found.checked_at.isoformat(),
        "violations_total": found.violations_total,
        "checks": [
            {
                "code": result.check.code,
                "sentence": result.check.sentence,
                "violations_total": result.violations_total,
                "violations": [
                    {
                        "show_id": violation.show_id,
                        "seat_id": violation.seat_id,
                        "reservation_id": violation.reservation_id,
                        "order_id": violation.order_id,
                        "what": violation.what,
                    }
                    for violation in result.violations
                ],
            }
            for result in found.results
        ],
    }


def as_text(found: Audit) -> str:
    """The audit for people: violations first, by check, and a sentence at the end."""
    lines: list[str] = []
    for result in found.results:
        if not result.violations:
            continue
        lines.append(f"{result.check.code}: {result.violations_total} times not so: {result.check.sentence}")
        lines += [f"  {violation}" for violation in result.violations]
        if result.violations_total > LISTED_PER_CHECK:
            lines.append(f"  … and {result.violations_total - LISTED_PER_CHECK} more.")
    total = found.violations_total
    checks = f"{len(found.results)} checks at {found.checked_at:%Y-%m-%d %H:%M:%S %Z}"
    if total == 0:
        lines.append(f"{checks}: every invariant holds.")
    else:
        noun = "violation" if total == 1 else "violations"
        lines.append(f"{checks}: {total} {noun}. docs/runbooks/invariant-violated.md says what to do.")
    return "\n".join(lines)
