"""The invariants of `rowlock check`, the diagnoses of `rowlock doctor`, and both as JSON and text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Verdict = Literal["ok", "warning", "problem"]

LISTED_PER_INVARIANT = 100
"""Violations listed for one invariant; the rest are counted. One defect often causes many violations."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A stable code, and the sentence that must be true.

    Its query is named as the code, in lower case, in sql/queries/`file`.sql.
    """

    code: str
    sentence: str
    file: str = "invariants"


INVARIANTS: tuple[Invariant, ...] = (
    Invariant("GUARD_MISSING", "The indexes and constraints that make a double sale impossible must be in force."),
    Invariant("SEAT_CLAIMED_TWICE", "A seat of a show must not be claimed twice."),
    Invariant("SEAT_NOT_IN_PLAN", "Every claimed seat must exist in its show's plan."),
    Invariant(
        "CLAIM_WITHOUT_RESERVATION",
        "Every reserved seat must belong to an active reservation of its show that lists it, with the same holder and "
        "deadline.",
    ),
    Invariant("RESERVATION_WITHOUT_CLAIM", "Every live reservation must have all of its seats."),
    Invariant("HOLDER_HOLDS_TWICE", "A holder must not have two active reservations in one show."),
    Invariant(
        "LIMIT_EXCEEDED",
        "Active reservations must keep the bounds of every show, and be extended as often and as long as was logged.",
    ),
    Invariant("BLOCKED_WITHOUT_REASON", "Every blocked seat must have a reason."),
    Invariant("SOLD_WITHOUT_ORDER", "Every sold seat must have a confirmed or paid order that contains it."),
    Invariant("SOLD_WITHOUT_TICKET", "Every sold seat must have exactly one live ticket."),
    Invariant(
        "ORDER_WITHOUT_SEAT", "Every seat of a confirmed or paid order must be sold to it, unless it was refunded."
    ),
    Invariant("TICKET_WITHOUT_SEAT", "The seat of every live ticket must be sold to the ticket's order."),
    Invariant(
        "ORDER_TOTAL_WRONG", "The total of an order must be the sum of its items and its fee.", "money_invariants"
    ),
    Invariant("CURRENCY_DIFFERS", "Orders and payments must be in the currency of their show.", "money_invariants"),
    Invariant(
        "ORDER_WITHOUT_MONEY",
        "A confirmed order must have a payment that can be captured, and a paid one money that was.",
        "money_invariants",
    ),
    Invariant(
        "MONEY_WITHOUT_ORDER",
        "Money that was captured for an order that has ended must be refunded, or its refund be open.",
        "money_invariants",
    ),
    Invariant(
        "REFUND_EXCEEDS_PAYMENT", "The refunds of a payment must not exceed what was captured.", "money_invariants"
    ),
    Invariant(
        "ORDER_WITHOUT_TICKET", "Every seat of an order that was confirmed must have one ticket.", "money_invariants"
    ),
    Invariant(
        "REFUNDED_SEAT_SOLD", "A seat that a refund gave back must not be sold to its order.", "money_invariants"
    ),
    Invariant(
        "PRICE_MISSING",
        "Every category that is for sale must have a price for adults, and so must every seat that is held.",
        "money_invariants",
    ),
    Invariant("PRICE_WRONG", "Every price must contain its fee, and a tax rate from 0 to 100 %.", "money_invariants"),
    Invariant(
        "RECEIPT_GAP",
        "The receipts and credit notes of an organization and year must have every number up to the last.",
        "money_invariants",
    ),
    Invariant(
        "LEDGER_UNBALANCED",
        "The entries of each movement in the ledger must sum to zero, in the currency of its order.",
        "money_invariants",
    ),
    Invariant(
        "LEDGER_CAPTURED_WRONG",
        "What the ledger has as captured must be what was captured, payment by payment.",
        "money_invariants",
    ),
    Invariant(
        "LEDGER_REFUNDED_WRONG",
        "What the ledger has as refunded must be the refunds that succeeded, one by one.",
        "money_invariants",
    ),
    Invariant(
        "LEDGER_DISPUTED_WRONG",
        "What the ledger has as disputed must be what banks have withdrawn and returned, dispute by dispute.",
        "money_invariants",
    ),
    Invariant(
        "EXCHANGE_BROKEN",
        "What is credited for tickets given up must be a payment of the new order; no exchange may be left half done.",
        "money_invariants",
    ),
    Invariant("AUDIT_LOG_DISAGREES", "The audit log, read from its beginning, must result in the current claims."),
    Invariant(
        "RESERVATION_EVENT_MISSING",
        "Every reservation must be created once in the audit log and, once it has ended, ended once.",
    ),
    Invariant("AUDIT_ID_REPEATED", "Every id of the audit log must occur once."),
    Invariant("AUDIT_LOG_CHANGEABLE", "No role may have the right to change or delete what was logged."),
    Invariant("PLAN_CHANGED", "Published plans must be unchanged."),
    Invariant(
        "SEAT_COUNT_WRONG", "The seat counts of plans and shows must be right, and seats numbered without a gap."
    ),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of an invariant. Ids that do not apply are None."""

    code: str
    what: str
    show_id: UUID | None
    seat_id: int | None
    reservation_id: UUID | None
    order_id: UUID | None

    def __str__(self) -> str:
        """The violation as one line of text."""
        named = (("show", self.show_id), ("seat", self.seat_id), ("reservation", self.reservation_id))
        where = ", ".join(f"{noun} {id_}" for noun, id_ in (*named, ("order", self.order_id)) if id_ is not None)
        return f"{where}: {self.what}" if where else self.what


@dataclass(frozen=True, slots=True)
class InvariantResult:
    """The result for one invariant: the number of violations, and the first of them."""

    invariant: Invariant
    violations_total: int
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class InvariantReport:
    """The results for all invariants, in the database as of `checked_at`."""

    checked_at: datetime
    results: tuple[InvariantResult, ...]

    @property
    def violations_total(self) -> int:
        """The number of violations of all invariants."""
        return sum(result.violations_total for result in self.results)


def together(reports: Sequence[InvariantReport]) -> InvariantReport:
    """The reports on several cells as one, with the earliest `checked_at`."""
    if len(reports) == 1:
        return reports[0]
    results = tuple(
        InvariantResult(
            of_cells[0].invariant,
            sum(result.violations_total for result in of_cells),
            tuple(violation for result in of_cells for violation in result.violations)[:LISTED_PER_INVARIANT],
        )
        for of_cells in zip(*(report.results for report in reports), strict=True)
    )
    return InvariantReport(min(report.checked_at for report in reports), results)


def report_as_json(found: InvariantReport) -> dict[str, Any]:
    """The report as JSON: `ok`, `violations_total`, and each invariant with its violations."""
    return {
        "ok": found.violations_total == 0,
        "checked_at": found.checked_at.isoformat(),
        "violations_total": found.violations_total,
        "checks": [
            {
                "code": result.invariant.code,
                "sentence": result.invariant.sentence,
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


def report_as_text(found: InvariantReport) -> str:
    """The report as text: violations by invariant, then a summary."""
    lines: list[str] = []
    for result in found.results:
        if not result.violations:
            continue
        found_here = _count(result.violations_total, "violation")
        lines.append(f"{result.invariant.code}: {found_here}. {result.invariant.sentence}")
        lines += [f"  {violation}" for violation in result.violations]
        if result.violations_total > LISTED_PER_INVARIANT:
            lines.append(f"  … and {result.violations_total - LISTED_PER_INVARIANT} more.")
    summary = f"{len(found.results)} invariants checked at {found.checked_at:%Y-%m-%d %H:%M:%S %Z}"
    if found.violations_total == 0:
        lines.append(f"{summary}: every invariant holds.")
    else:
        total = _count(found.violations_total, "violation")
        lines.append(f"{summary}: {total}. docs/runbooks/invariant-violated.md says what to do.")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result for one examined item: what was found, and advice unless the verdict is ok."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def worst(diagnoses: list[Diagnosis]) -> Verdict:
    """The worst verdict of all diagnoses."""
    verdicts = {diagnosis.verdict for diagnosis in diagnoses}
    return "problem" if "problem" in verdicts else "warning" if "warning" in verdicts else "ok"


def diagnoses_as_json(diagnoses: list[Diagnosis]) -> dict[str, Any]:
    """The diagnoses as JSON."""
    return {"verdict": worst(diagnoses), "diagnoses": [asdict(diagnosis) for diagnosis in diagnoses]}


def diagnoses_as_text(diagnoses: list[Diagnosis]) -> str:
    """The diagnoses as text, one per line, each with its advice below."""
    lines = []
    for diagnosis in diagnoses:
        lines.append(f"{diagnosis.verdict:8} {diagnosis.name}: {diagnosis.found}")
        if diagnosis.advice:
            lines.append(f"{'':9}→ {diagnosis.advice}")
    return "\n".join(lines)
