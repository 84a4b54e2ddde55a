"""pretix seating plans: what is read, what is kept as scenery, what is written."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.catalogue.plan_files.builders import (
    Json,
    findings,
    only,
    pretix_plan,
    pretix_row,
    pretix_seat,
    pretix_zone,
    read,
)

from rowlock.catalogue.model import Category, Row, Seat, SeatingPlan, Section, Shape
from rowlock.catalogue.plan_files import GivenStage, PlanError, pretix


def plan_with_area(**area: Any) -> Json:
    row = pretix_row("A", 50, (50, 75, 100, 125))
    return pretix_plan(pretix_zone("Hall", row, x=10, y=20, areas=[{"position": {"x": 100, "y": 200}} | area]))


def test_positions_of_zone_row_and_seat_add_up() -> None:
    row = {"row_number": "A", "position": {"x": 10, "y": 20}, "seats": [pretix_seat(1, 5, 7.25)]}

    (seat,) = read(pretix_plan(pretix_zone("Hall", row, x=100, y=200))).plan.seats

    assert (seat.x, seat.y) == (115.0, 227.25)


def test_a_row_without_a_position_starts_at_its_zone() -> None:
    row = {"row_number": "A", "seats": [pretix_seat(1, 5, 7)]}

    (seat,) = read(pretix_plan(pretix_zone("Hall", row, x=100, y=200))).plan.seats

    assert (seat.x, seat.y) == (105.0, 207.0)


def test_a_correct_plan_has_nothing_to_repair_or_to_warn_of() -> None:
    reading = read(pretix_plan(), given=GivenStage("top"))

    assert reading.plan.name == "Little hall"
    assert [seat.label for seat in reading.plan.seats] == [f"Row A, seat {number}" for number in (1, 2, 3, 4)]
    assert [seat.seat_id for seat in reading.plan.seats] == [1, 2, 3, 4]
    assert reading.plan.seats[0].source_id == "A-50-1"
    assert reading.plan.categories == (Category("Stalls", "#aa0000"),)
    assert (reading.report.repairs, reading.report.warnings) == (0, 0)


def test_labels_name_the_section_when_there_are_several() -> None:
    stalls = pretix_zone("Stalls", pretix_row("A", 50, (50, 75)))
    balcony = pretix_zone("Balcony", pretix_row("C", 150, (50, 75)))

    plan = read(pretix_plan(stalls, balcony)).plan

    assert plan.seats[3].label == "Balcony, row C, seat 2"


def test_row_and_seat_labels_of_the_file_are_used_in_texts() -> None:
    row = pretix_row("7", 50, (50, 75), row_label="Reihe %s", seat_label="Platz %s")

    plan = read(pretix_plan(pretix_zone("Parkett", row))).plan

    assert [seat.label for seat in plan.seats] == ["Reihe 7, Platz 1", "Reihe 7, Platz 2"]
    assert plan.rows[0].label == "7"


def test_the_extended_wheelchair_key_is_understood() -> None:
    row = pretix_row("A", 50, (50, 75))
    row["seats"][1]["wheelchair"] = True

    reading = read(pretix_plan(pretix_zone("Hall", row)), given=GivenStage("top"))

    assert [seat.kind for seat in reading.plan.seats] == ["standard", "wheelchair"]
    assert reading.report.warnings == 0


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (
            {"shape": "rectangle", "rectangle": {"width": 30, "height": 40}, "color": "#111111"},
            Shape("rectangle", ((110, 220), (140, 260)), "", "#111111"),
        ),
        (
            {"shape": "rectangle", "rectangle": {"width": 30, "height": 40}, "rotation": 90},
            Shape("polygon", ((110, 220), (110, 250), (70, 250), (70, 220))),
        ),
        (
            {"shape": "ellipse", "ellipse": {"radius": {"x": 30, "y": 10.5}}},
            Shape("ellipse", ((80, 209.5), (140, 230.5))),
        ),
        (
            {"shape": "circle", "circle": {"radius": 5.5}, "rotation": 45},
            Shape("ellipse", ((104.5, 214.5), (115.5, 225.5))),
        ),
        (
            {"shape": "polygon", "polygon": {"points": [{"x": 0, "y": 0}, {"x": 10, "y": 0}, {"x": 0, "y": 10}]}},
            Shape("polygon", ((110, 220), (120, 220), (110, 230))),
        ),
        (
            {"shape": "text", "text": {"text": "Bar", "position": {"x": 1, "y": 2}, "color": "#222222"}},
            Shape("text", ((111, 222),), "Bar", "#222222"),
        ),
        (
            {"width": 30, "height": 40, "text": "Old style", "color": "#333333"},
            Shape("rectangle", ((110, 220), (140, 260)), "Old style", "#333333"),
        ),
    ],
)
def test_areas_are_kept_as_scenery(area: Json, expected: Shape) -> None:
    reading = read(plan_with_area(**area), given=GivenStage("top"))

    assert reading.plan.shapes == (expected,)
    assert reading.report.warnings == 0


def test_a_turned_ellipse_becomes_a_polygon_of_the_same_extent() -> None:
    shape = read(plan_with_area(ellipse={"radius": {"x": 30, "y": 10}}, rotation=90)).plan.shapes[0]

    assert shape.kind == "polygon"
    assert max(x for x, _ in shape.points) == pytest.approx(120)
    assert max(y for _, y in shape.points) == pytest.approx(250)


@pytest.mark.parametrize(
    "area", [{"shape": "blob"}, {"polygon": {"points": []}}, {"circle": {"radius": 0}}, {"ellipse": {}}]
)
def test_an_area_without_an_outline_is_left_out_with_a_warning(area: Json) -> None:
    reading = read(plan_with_area(**area), given=GivenStage("top"))

    assert reading.plan.shapes == ()
    assert only(reading.report, "SHAPE_UNREADABLE").place == "zones[0].areas[0]"


def test_scenery_with_too_many_points_is_refused() -> None:
    points = [{"x": index, "y": index % 2} for index in range(30_000)]

    with pytest.raises(PlanError) as caught:
        read(plan_with_area(polygon={"points": points}))

    assert (caught.value.code, caught.value.place) == ("TOO_MANY_SHAPES", "zones[0].areas[0]")


def test_a_zone_of_scenery_alone_is_no_section_and_no_finding() -> None:
    scenery = pretix_zone("Decoration", areas=[{"circle": {"radius": 5}, "text": {"text": "Stage"}}])
    plan = pretix_plan(scenery, pretix_zone("Hall", pretix_row("A", 50, (50, 75))))

    reading = read(plan)

    assert [section.name for section in reading.plan.sections] == ["Hall"]
    assert len(reading.plan.shapes) == 1
    assert reading.report.repairs == 0


def test_a_size_in_fractions_is_rounded_up() -> None:
    reading = read(pretix_plan(size={"width": 700.2, "height": 500}))

    assert (reading.plan.width, reading.plan.height) == (701, 500)
    assert only(reading.report, "SIZE_NOT_WHOLE").severity == "repaired"


def test_a_missing_size_is_computed() -> None:
    plan = pretix_plan()
    del plan["size"]

    reading = read(plan)

    assert (reading.plan.width, reading.plan.height) == (150, 75)
    assert only(reading.report, "SIZE_MISSING").severity == "repaired"


# Writing ------------------------------------------------------------------------------------------


def hand_made_plan() -> SeatingPlan:
    """A plan with everything that the format cannot say directly."""
    seats = [
        Seat(1, 0, 0, 0, "1", "Stalls, row A, seat 1", 50, 50, 0, "a1", "wheelchair"),
        Seat(2, 0, 0, 1, "2", "Stalls, row A, seat 2", 75, 50.125, 0, "a2", "companion"),
        Seat(3, 0, 1, 2, "3", "Stalls, row A, seat 3", 150, 50, 0, "a3"),
        Seat(4, 1, 2, 0, "1", "Balcony, table T, seat 1", 50, 150, 1, "t1"),
        Seat(5, 1, 2, 1, "2", "Balcony, table T, seat 2", 75, 150, 2, "t2"),
    ]
    return SeatingPlan(
        name="Hand made",
        width=400.5,
        height=300,
        focal_point=(200, 0),
        categories=(
            Category("Good", "#111111"),
            Category("House", "#222222", for_sale=False),
            Category("Plain", "#333333"),
        ),
        sections=(Section("Stalls"), Section("Balcony")),
        rows=(Row(0, "A"), Row(1, "T")),
        seats=tuple(seats),
        shapes=(
            Shape("rectangle", ((0, 0), (100, 20)), "Stage"),
            Shape("rectangle", ((0, 0), (100.5, 20))),
            Shape("ellipse", ((10, 10), (30, 20)), "Bar"),
            Shape("polygon", ((1, 1), (2.5, 1), (1, 2)), "Sofa"),
            Shape("text", ((5, 5),), "Exit"),
        ),
    )


def test_a_written_plan_reads_back_with_the_same_seats_rows_and_runs() -> None:
    plan = hand_made_plan()

    again = read(pretix.write(plan)).plan

    assert (again.seats, again.rows, again.sections) == (plan.seats, plan.rows, plan.sections)
    assert [category.for_sale for category in again.categories] == [True, False, True]
    assert [shape.text for shape in again.shapes] == [shape.text for shape in plan.shapes]
    assert again.shapes[0] == plan.shapes[0]


def test_kinds_of_seats_and_what_is_not_for_sale_are_written_into_category_names() -> None:
    document = json.loads(pretix.write(hand_made_plan()))

    names = [category["name"] for category in document["categories"]]
    assert names == ["Good", "Good (wheelchair)", "Good (companion)", "House (not for sale)", "Plain"]


def test_a_written_plan_has_only_keys_and_types_of_the_strict_schema() -> None:
    document = json.loads(pretix.write(hand_made_plan()))

    assert document.keys() == {"name", "categories", "zones", "size"}
    assert document["size"] == {"width": 401, "height": 300}
    for zone in document["zones"]:
        assert zone.keys() <= {"name", "zone_id", "position", "rows", "areas"}
        for row in zone["rows"]:
            assert row.keys() <= {"row_number", "row_number_position", "row_label", "position", "seats"}
            for seat in row["seats"]:
                assert seat.keys() == {"seat_guid", "seat_number", "position", "category"}
        for area in zone["areas"]:
            sizes = area.get("rectangle", {}).values()
            assert all(isinstance(size, int) for size in sizes)


def test_the_texts_of_a_file_survive_reading_and_writing() -> None:
    row = pretix_row("7", 50, (50, 75), row_label="Reihe %s", seat_label="Platz %s")
    plan = read(pretix_plan(pretix_zone("Parkett", row), pretix_zone("Rang", pretix_row("1", 150, (50, 75))))).plan

    assert read(pretix.write(plan)).plan.seats == plan.seats


def test_a_plan_without_scenery_is_written_without_a_zone_for_it() -> None:
    document = json.loads(pretix.write(replace(hand_made_plan(), shapes=())))

    assert [zone["name"] for zone in document["zones"]] == ["Stalls", "Balcony"]


def test_empty_zones_of_the_file_do_not_move_seats_to_other_sections() -> None:
    plan = pretix_plan(pretix_zone("Nothing"), pretix_zone("Hall", pretix_row("A", 50, (50, 75))))

    reading = read(plan)

    assert reading.plan.sections == (Section("Hall"),)
    assert [finding.place for finding in findings(reading.report, "SECTION_EMPTY")] == ["zones[0]"]
