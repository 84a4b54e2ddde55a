"""Invariant reports of several cells as one: violations are added for each invariant, and the oldest time is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from rowlock.operations.model import (
    INVARIANTS,
    LISTED_PER_INVARIANT,
    InvariantReport,
    InvariantResult,
    Violation,
    together,
)

CHECKED_AT = datetime(2027, 6, 12, 19, 30, tzinfo=UTC)


def violation(code: str, seat_id: int) -> Violation:
    return Violation(code, "it is wrong", UUID(int=1), seat_id, None, None)


def report(seats: dict[str, list[int]], *, seconds_later: int = 0) -> InvariantReport:
    """A report with a violation for each of these seats, by the code of its invariant."""
    results = tuple(
        InvariantResult(
            invariant,
            len(seats.get(invariant.code, [])),
            tuple(violation(invariant.code, seat) for seat in seats.get(invariant.code, [])),
        )
        for invariant in INVARIANTS
    )
    return InvariantReport(CHECKED_AT + timedelta(seconds=seconds_later), results)


def test_violations_are_added_for_each_invariant() -> None:
    one = report({"SEAT_NOT_IN_PLAN": [41, 42], "PLAN_CHANGED": [1]})
    other = report({"SEAT_NOT_IN_PLAN": [43], "SOLD_WITHOUT_TICKET": [7]})

    found = together([one, other])

    assert [result.invariant for result in found.results] == list(INVARIANTS)
    assert {result.invariant.code: result.violations for result in found.results if result.violations} == {
        "SEAT_NOT_IN_PLAN": tuple(violation("SEAT_NOT_IN_PLAN", seat) for seat in (41, 42, 43)),
        "SOLD_WITHOUT_TICKET": (violation("SOLD_WITHOUT_TICKET", 7),),
        "PLAN_CHANGED": (violation("PLAN_CHANGED", 1),),
    }
    assert found.violations_total == 5


def test_violations_that_are_not_listed_are_counted() -> None:
    many = report({"SEAT_NOT_IN_PLAN": list(range(LISTED_PER_INVARIANT))})
    many = replace(
        many, results=tuple(replace(each, violations_total=each.violations_total * 9) for each in many.results)
    )

    assert together([many, report({})]).violations_total == LISTED_PER_INVARIANT * 9


def test_the_report_is_as_old_as_the_oldest() -> None:
    reports = [report({}, seconds_later=seconds) for seconds in (2, 0, 1)]

    assert together(reports).checked_at == CHECKED_AT


def test_reports_on_different_invariants_are_not_mixed() -> None:
    fewer = report({})

    with pytest.raises(ValueError, match="shorter"):
        together([report({}), replace(fewer, results=fewer.results[1:])])


def test_the_report_of_one_cell_is_returned_unchanged() -> None:
    one = report({"PLAN_CHANGED": [1]})

    assert together([one]) is one
