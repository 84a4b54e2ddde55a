"""Marks on seats that no format defines: each is used, or named with the number of seats."""

from typing import Any

import pytest
from tests.catalogue.plan_files.builders import (
    Json,
    chart,
    chart_row,
    findings,
    only,
    pretix_plan,
    pretix_row,
    pretix_zone,
    read,
    sub_chart,
)

from rowlock.catalogue.plan_files import GivenStage, PlanReading, pretix, read_plan


def marked(**marks: Any) -> PlanReading:
    """Read a row of four seats, of which the second and the third have these members."""
    row = pretix_row("A", 50, (50, 75, 100, 125))
    for seat in row["seats"][1:3]:
        seat |= marks
    return read(pretix_plan(pretix_zone("Hall", row)), given=GivenStage("top"))


def names(reading: PlanReading) -> list[str]:
    return [reading.plan.categories[seat.category].name for seat in reading.plan.seats]


@pytest.mark.parametrize(
    "marks", [{"status": "blocked"}, {"Status": "KILLED"}, {"blocked": True}, {"published": False}, {"for_sale": "no"}]
)
def test_seats_that_the_file_never_sells_are_not_for_sale(marks: Json) -> None:
    reading = marked(**marks)

    assert names(reading) == ["Stalls", "Stalls (not for sale)", "Stalls (not for sale)", "Stalls"]
    assert [category.for_sale for category in reading.plan.categories] == [True, False]
    finding = only(reading.report, "SEATS_NOT_FOR_SALE")
    assert (finding.severity, finding.found[:7]) == ("repaired", "2 seats")
    assert reading.report.warnings == 0
    again = read_plan(pretix.write(reading.plan), name="hall.json").plan
    assert (again.seats, again.categories) == (reading.plan.seats, reading.plan.categories)


@pytest.mark.parametrize("marks", [{"status": "sold"}, {"status": "Reserved"}, {"sold": True}, {"held": "yes"}])
def test_seats_that_are_taken_in_one_show_are_named_and_stay_for_sale(marks: Json) -> None:
    reading = marked(**marks)

    assert set(names(reading)) == {"Stalls"}
    finding = only(reading.report, "SEAT_MARK_IGNORED")
    assert (finding.severity, finding.found[:7]) == ("warning", "2 seats")
    assert "Block them in the show" in finding.done


@pytest.mark.parametrize(
    "marks",
    [{"status": "available"}, {"sold": False}, {"blocked": 0}, {"published": True}, {"price": ""}, {"ada": None}],
)
def test_marks_that_say_nothing_are_no_finding(marks: Json) -> None:
    reading = marked(**marks)

    assert (reading.report.repairs, reading.report.warnings) == (0, 0)


@pytest.mark.parametrize(
    ("marks", "kind"),
    [({"accessible": True}, "wheelchair"), ({"ada": "Y"}, "wheelchair"), ({"companion": 1}, "companion")],
)
def test_accessible_places_are_read(marks: Json, kind: str) -> None:
    reading = marked(**marks)

    assert [seat.kind for seat in reading.plan.seats] == ["standard", kind, kind, "standard"]
    assert only(reading.report, "KIND_FROM_MARK").found.startswith("2 seats")


@pytest.mark.parametrize("marks", [{"status": "purple"}, {"accessible": "perhaps"}, {"blocked": [1]}, {"price": 12.5}])
def test_what_is_not_understood_is_named(marks: Json) -> None:
    finding = only(marked(**marks).report, "SEAT_MARK_IGNORED")

    assert finding.severity == "warning"
    assert finding.found.startswith("2 seats with")


def test_an_unknown_key_is_named_with_the_seats_that_it_concerns() -> None:
    assert "2 times, concerning 2 seats" in only(marked(seat_label="Sessel %s").report, "UNKNOWN_KEY").found


def test_a_mark_on_a_row_or_a_zone_is_about_all_its_seats() -> None:
    blocked = pretix_row("B", 80, (50, 75, 100), status="blocked")
    zone = pretix_zone("Box", pretix_row("A", 120, (50, 75)), accessible=True)

    reading = read(pretix_plan(pretix_zone("Hall", pretix_row("A", 50, (50, 75)), blocked), zone))

    assert names(reading).count("Stalls (not for sale)") == 3
    assert [seat.kind for seat in reading.plan.seats].count("wheelchair") == 2


def test_unpublished_distanced_and_restricted_seats_of_a_chart_are_used_or_named() -> None:
    row = chart_row("A", 40, (40, 60, 80, 100), entrance="West")
    row["seats"][1] |= {"disabledBySocialDistancingRules": True}
    row["seats"][2] |= {"published": False}
    row["seats"][3] |= {"restrictedView": True, "entrance": "North"}

    reading = read(chart(subChart=sub_chart(rows=[row], tables=[])))

    assert names(reading) == ["Floor", "Floor", "Floor (not for sale)", "Floor"]
    assert {finding.found: finding.severity for finding in findings(reading.report, "FIELD_IGNORED")} == {
        "1 seat with the mark disabledBySocialDistancingRules": "warning",
        "1 seat with the mark restrictedView": "warning",
        "1 seat with the mark entrance": "info",
        "4 seats with the mark entrance of their row": "info",
    }


def test_a_table_that_is_booked_as_a_whole_is_named_with_its_chairs() -> None:
    chairs = [{"x": 40 + 20 * index, "y": 20, "label": str(index)} for index in range(3)]
    tables = [
        {"label": label, "seats": [chair | {"y": y} for chair in chairs], "categoryKey": 1, "bookAsAWhole": whole}
        | {"center": {"x": 60, "y": y + 20}, "radius": 10}
        for label, y, whole in (("T1", 20, True), ("T2", 90, False), ("T3", 160, True))
    ]

    finding = only(read(chart(subChart=sub_chart(tables=tables))).report, "TABLE_AS_A_WHOLE")

    assert (finding.severity, finding.place) == ("warning", "subChart.tables[0]")
    assert finding.found == "6 seats at tables that are booked as a whole"
