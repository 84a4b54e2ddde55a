"""Categories: unique, declared, and marked when they are not for sale."""

from collections.abc import Sequence

import pytest
from tests.catalogue.plan_files.builders import Json, findings, only, pretix_plan, pretix_row, pretix_zone, read

from rowlock.catalogue.plan_files import GivenStage
from rowlock.catalogue.plan_files.categories import base_name, is_for_sale, kind_of


def plan_of(*categories: str, used: Sequence[str | None]) -> Json:
    """A row whose seats have these categories."""
    row = pretix_row("A", 50, [50 + 25 * index for index in range(len(used))])
    for seat, category in zip(row["seats"], used, strict=True):
        seat["category"] = category
    declared = [{"name": category} for category in categories]
    return pretix_plan(pretix_zone("Hall", row), categories=declared)


@pytest.mark.parametrize(
    ("name", "sold"), [("Box (not for sale)", False), ("Box (NOT FOR SALE)", False), ("Box", True)]
)
def test_only_the_ending_in_brackets_takes_a_category_off_sale(name: str, sold: bool) -> None:
    assert is_for_sale(name) is sold


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Stalls (wheelchair)", "wheelchair"),
        ("Stalls (Companion)", "companion"),
        ("Rollstuhlplätze", None),
        ("Wheelchair", None),
        ("Begleitung", None),
    ],
)
def test_only_the_ending_in_brackets_makes_a_kind_of_seat(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def test_the_name_of_a_category_without_the_kind_in_brackets() -> None:
    assert base_name("Stalls (wheelchair)") == "Stalls"
    assert base_name("Wheelchair") == "Wheelchair"
    assert base_name(" (wheelchair)") == " (wheelchair)"


def test_a_category_with_the_ending_not_for_sale_is_marked() -> None:
    plan = plan_of("Stalls", "Box (not for sale)", used=["Stalls", "Box (not for sale)", "Box (not for sale)"])
    reading = read(plan, given=GivenStage("top"))

    assert [category.for_sale for category in reading.plan.categories] == [True, False]
    finding = only(reading.report, "CATEGORY_NOT_FOR_SALE")
    assert (finding.severity, finding.place) == ("info", "categories[1]")
    assert "2 seats" in finding.found
    assert reading.report.warnings == 0


def test_a_category_that_is_used_but_not_declared_is_declared() -> None:
    reading = read(plan_of("Stalls", used=["Stalls", "Box", "Box"]))

    assert [category.name for category in reading.plan.categories] == ["Stalls", "Box"]
    assert [seat.category for seat in reading.plan.seats] == [0, 1, 1]
    finding = only(reading.report, "CATEGORY_UNDECLARED")
    assert finding.place == "zones[0].rows[0].seats[1]"
    assert "2 seats" in finding.found


def test_seats_without_a_category_get_the_category_uncategorized() -> None:
    reading = read(plan_of("Stalls", used=["Stalls", None, ""]))

    assert [category.name for category in reading.plan.categories] == ["Stalls", "Uncategorized"]
    assert "2 seats" in only(reading.report, "CATEGORY_MISSING").found


def test_a_category_declared_twice_is_one() -> None:
    reading = read(plan_of("Stalls", "Box", "Stalls", used=["Stalls", "Box"]))

    assert [category.name for category in reading.plan.categories] == ["Stalls", "Box"]
    assert only(reading.report, "CATEGORY_DUPLICATE").place == "categories[2]"


def test_a_category_without_a_name_gets_one() -> None:
    reading = read(plan_of("", used=[""]))

    assert reading.plan.categories[0].name == "Uncategorized"
    assert only(reading.report, "CATEGORY_MISSING").place == "categories[0]"


def test_an_unused_category_is_kept_and_reported() -> None:
    reading = read(plan_of("Stalls", "Box", used=["Stalls"]))

    assert len(reading.plan.categories) == 2
    finding = only(reading.report, "CATEGORY_UNUSED")
    assert (finding.severity, finding.place) == ("info", "categories[1]")


def test_seats_of_an_undeclared_category_that_differs_in_spelling_are_put_into_the_declared_one() -> None:
    reading = read(plan_of("Stalls Süd", used=["Stalls Süd", "stalls  süd", "StallsSüd"]))

    assert [category.name for category in reading.plan.categories] == ["Stalls Süd"]
    merged = findings(reading.report, "SPELLING_MERGED")
    assert [finding.place for finding in merged] == ["zones[0].rows[0].seats[1]", "zones[0].rows[0].seats[2]"]
    assert "1 seat" in merged[0].found


def test_a_category_with_a_kind_in_brackets_is_read_as_the_category_and_the_kind() -> None:
    used = ["Stalls", "Stalls (wheelchair)", "Stalls (companion)"]

    reading = read(plan_of(*used, used=used))

    assert [category.name for category in reading.plan.categories] == ["Stalls"]
    assert [seat.kind for seat in reading.plan.seats] == ["standard", "wheelchair", "companion"]
    assert {finding.severity for finding in findings(reading.report, "KIND_FROM_CATEGORY")} == {"info"}
    assert reading.report.repairs == 0
