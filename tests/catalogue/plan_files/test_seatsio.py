"""seats.io charts: sections, rows, tables, booths, floors, and what is only kept as scenery."""

from typing import Any

import pytest
from tests.catalogue.plan_files.builders import Json, chart, chart_row, findings, numbers, only, read, sub_chart

from rowlock.catalogue.model import Category, Section, Shape, Zone
from rowlock.catalogue.plan_files import GivenStage, PlanError
from rowlock.catalogue.plan_files.geometry import Point
from rowlock.catalogue.ranking import best_first, focal_point_of_sections


def section(label: str, *rows: Json, corner: Point = (0.0, 0.0), **changes: Any) -> Json:
    x, y = corner
    points = [{"x": x + dx, "y": y + dy} for dx, dy in ((0, 0), (200, 0), (200, 100), (0, 100))]
    parts = {"label": label, "points": points, "topLeft": {"x": x, "y": y}, "subChart": sub_chart(rows=list(rows))}
    return parts | changes


def test_rows_without_sections_become_seats() -> None:
    reading = read(chart())

    assert [seat.label for seat in reading.plan.seats] == ["Row A, seat 1", "Row A, seat 2", "Row A, seat 3"]
    assert [seat.source_id for seat in reading.plan.seats] == ["A-1", "A-2", "A-3"]
    assert reading.plan.categories == (Category("Floor", "#00aa00"),)
    assert reading.plan.focal_point == (60, 5)
    assert (reading.report.repairs, reading.report.warnings) == (0, 0)


def test_sections_place_their_rows_relative_to_their_corner() -> None:
    left = section("Left", chart_row("A", 20, (20, 40)))
    right = section("Right", chart_row("A", 20, (20, 40)), corner=(200.5, 10))

    plan = read(chart(subChart=sub_chart(sections=[left, right]))).plan

    assert plan.sections == (Section("Left"), Section("Right"))
    assert [(seat.x, seat.y) for seat in plan.seats] == [(20, 20), (40, 20), (220.5, 30), (240.5, 30)]
    assert plan.seats[3].source_id == "Right-A-2"
    assert plan.seats[3].label == "Right, row A, seat 2"
    assert [shape.text for shape in plan.shapes] == ["Left", "Right"]


def test_a_section_without_a_corner_starts_at_its_outline() -> None:
    only_points = section("Left", chart_row("A", 20, (20, 40)), corner=(30, 40), topLeft=None)

    plan = read(chart(subChart=sub_chart(sections=[only_points]))).plan

    assert (plan.seats[0].x, plan.seats[0].y) == (50, 60)


def test_seats_without_a_category_have_that_of_their_row_or_section() -> None:
    rows = [chart_row("A", 20, (20, 40), categoryKey=None), chart_row("B", 50, (20, 40), categoryKey="vip")]
    rows[1]["seats"][0]["categoryLabel"] = "Floor"
    categories = {"list": [{"key": 1, "label": "Floor"}, {"key": "vip", "label": "VIP"}, {"key": 3, "label": "Rear"}]}
    parts = sub_chart(sections=[section("Left", *rows, categoryKey=3)])

    plan = read(chart(subChart=parts, categories=categories)).plan

    names = [plan.categories[seat.category].name for seat in plan.seats]
    assert names == ["Rear", "Rear", "Floor", "VIP"]


def test_accessible_and_companion_flags_are_kept() -> None:
    row = chart_row("A", 40, (40, 60, 80, 100))
    row["seats"][0]["accessible"] = True
    row["seats"][1]["companionSeat"] = True
    row["seats"][2]["categoryAccessible"] = True

    plan = read(chart(subChart=sub_chart(rows=[row]))).plan

    assert [seat.kind for seat in plan.seats] == ["wheelchair", "companion", "wheelchair", "standard"]


def test_an_accessible_category_makes_wheelchair_places() -> None:
    categories = {"list": [{"key": 1, "label": "Ramp", "accessible": True}]}

    plan = read(chart(categories=categories)).plan

    assert {seat.kind for seat in plan.seats} == {"wheelchair"}


def test_displayed_labels_are_printed_and_real_labels_identify() -> None:
    row = chart_row("A", 40, (40, 60), displayLabel="AA")
    row["seats"][0]["displayLabel"] = "101"

    plan = read(chart(subChart=sub_chart(rows=[row]))).plan

    assert plan.seats[0].label == "Row AA, seat 101"
    assert plan.seats[0].source_id == "A-1"


def test_displayed_names_and_types_of_sections_and_rows_are_printed() -> None:
    circle = section("SEC-01", chart_row("R1", 20, (20, 40), displayLabel="1", displayObjectType="Box"))
    circle |= {"displayLabel": "Dress Circle"}
    block = section("SEC-02", chart_row("R1", 20, (20,)), corner=(300, 0), displayLabel="C", displayObjectType="Block")
    free = chart_row("R9", 200, (20,), sectionLabel="SEC-03", sectionDisplayedLabel="Gallery")
    of_circle = chart_row("R2", 250, (20,), sectionLabel="SEC-01")

    plan = read(chart(subChart=sub_chart(sections=[circle, block], rows=[free, of_circle]))).plan

    assert [(seat.label, seat.source_id) for seat in plan.seats] == [
        ("Dress Circle, Box 1, seat 1", "SEC-01-R1-1"),
        ("Dress Circle, Box 1, seat 2", "SEC-01-R1-2"),
        ("Dress Circle, row R2, seat 1", "SEC-01-R2-1"),
        ("Block C, row R1, seat 1", "SEC-02-R1-1"),
        ("Gallery, row R9, seat 1", "SEC-03-R9-1"),
    ]
    assert [shape.text for shape in plan.shapes] == ["Dress Circle", "Block C"]


def test_a_round_table_is_one_run_of_chairs_and_a_shape() -> None:
    chairs = [(70, 50), (60, 67), (40, 67), (30, 50), (40, 33), (60, 33)]
    seats = [{"x": x, "y": y, "label": str(index)} for index, (x, y) in enumerate(chairs, 1)]
    table = {
        "label": "T1",
        "type": "round",
        "center": {"x": 50, "y": 50},
        "radius": 12,
        "seats": seats,
        "categoryKey": 1,
    }

    plan = read(chart(subChart=sub_chart(tables=[table]))).plan

    assert {seat.run for seat in plan.seats} == {0}
    assert plan.seats[0].label.startswith("Table T1, seat ")
    assert plan.shapes == (Shape("ellipse", ((38, 38), (62, 62)), "T1"),)


def test_a_rectangular_table_keeps_its_turn() -> None:
    table = {
        "label": "T1",
        "center": {"x": 50, "y": 50},
        "width": 40,
        "height": 10,
        "rotationAngle": 90,
        "seats": [{"x": 50, "y": 80, "label": "1"}],
        "categoryKey": 1,
    }

    (shape,) = read(chart(subChart=sub_chart(tables=[table]))).plan.shapes

    assert shape.kind == "polygon"
    assert set(shape.points) == {(55, 30), (55, 70), (45, 70), (45, 30)}


def test_a_booth_is_one_place() -> None:
    booth = {"label": "7", "center": {"x": 50, "y": 50}, "width": 30, "height": 30, "categoryKey": 1}

    (seat,) = read(chart(subChart=sub_chart(booths=[booth]))).plan.seats

    assert (seat.label, seat.source_id, seat.x) == ("Booth 7, seat 1", "7", 50)


def test_general_admission_is_reported_and_kept_as_scenery() -> None:
    area = {
        "label": "Pit",
        "capacity": 300,
        "type": "circle",
        "center": {"x": 90, "y": 90},
        "radius1": 40,
        "radius2": 20,
    }
    parts = sub_chart(rows=[chart_row("A", 40, (40, 60))], generalAdmissionAreas=[area])

    reading = read(chart(subChart=parts))

    finding = only(reading.report, "GENERAL_ADMISSION")
    assert finding.severity == "warning"
    assert finding.place == "subChart.generalAdmissionAreas[0]"
    assert "300 persons" in finding.found
    assert reading.plan.shapes == (Shape("ellipse", ((50, 70), (130, 110)), "Pit"),)
    assert len(reading.plan.seats) == 2


def test_a_chart_of_general_admission_alone_is_refused() -> None:
    area = {"label": "Pit", "center": {"x": 90, "y": 90}, "radius": 40}

    with pytest.raises(PlanError) as caught:
        read(chart(subChart=sub_chart(generalAdmissionAreas=[area])))

    assert caught.value.code == "NO_SEATS"


def test_floors_are_stacked_and_named() -> None:
    floors = [
        sub_chart(sections=[section("S", chart_row("A", 20, (20, 40)))], floorDisplayName=f"Floor {number}")
        for number in (1, 2)
    ]
    content = chart(subChartFloors=floors)
    del content["subChart"]

    reading = read(content)

    assert reading.plan.sections == (Section("Floor 1, S"), Section("Floor 2, S"))
    assert [seat.y for seat in reading.plan.seats] == [20, 20, 420, 420]
    assert reading.plan.height == 700
    assert only(reading.report, "FLOORS_STACKED").severity == "info"


def test_a_row_outside_every_section_may_name_its_section() -> None:
    rows = [chart_row("A", 150, (20, 40), sectionLabel="Left"), chart_row("Z", 200, (20, 40), sectionLabel="Rear")]
    parts = sub_chart(rows=rows, sections=[section("Left", chart_row("B", 20, (20, 40)))])

    plan = read(chart(subChart=parts)).plan

    assert plan.sections == (Section("Left"), Section("Rear"))
    assert [plan.sections[row.section].name for row in plan.rows] == ["Left", "Left", "Rear"]
    assert plan.seats[2].source_id == "Left-A-1"


def test_texts_and_shapes_are_scenery() -> None:
    shapes = [{"type": "rectangle", "topLeft": {"x": 10, "y": 5}, "width": 60, "height": 10, "fillColor": "#123456"}]
    texts = [{"text": "Stage", "center": {"x": 40, "y": 10}, "textColor": "#000"}]
    parts = sub_chart(rows=[chart_row("A", 40, (40, 60))], shapes=[*shapes, {"type": "blob"}], texts=texts)

    reading = read(chart(subChart=parts))

    assert reading.plan.shapes == (
        Shape("rectangle", ((10, 5), (70, 15)), "", "#123456"),
        Shape("text", ((40, 10),), "Stage", "#000"),
    )
    assert only(reading.report, "SHAPE_UNREADABLE").place == "subChart.shapes[1]"
    assert reading.plan.focal_point == (40, 10)


def test_without_a_focal_point_of_the_chart_that_of_a_zone_is_used() -> None:
    parts = sub_chart(rows=[chart_row("A", 40, (40, 60))], focalPoint=None)
    zones = {"list": [{"key": "a", "label": "A"}, {"key": "b", "label": "B", "focalPoint": {"x": 3, "y": 4}}]}

    assert read(chart(subChart=parts, zones=zones)).plan.focal_point == (3, 4)


def test_zones_keep_their_names_and_their_own_focal_points() -> None:
    west = section("West", chart_row("A", 20, (20, 40)), zone="w")
    east = section("East", chart_row("A", 20, (20, 40)), topLeft={"x": 900, "y": 100}, zone="e")
    aside = section("Aside", chart_row("A", 20, (20, 40)), topLeft={"x": 900, "y": 400}, zone="?")
    points = {"w": {"x": 30, "y": 300}, "e": {"x": 930, "y": 0}}
    zones = {"list": [{"key": key, "label": f"Side {key}", "focalPoint": point} for key, point in points.items()]}

    plan = read(chart(subChart=sub_chart(sections=[west, east, aside], focalPoint=None), zones=zones)).plan

    assert plan.zones == (Zone("Side w", (30, 300), (0,)), Zone("Side e", (930, 0), (1,)))
    assert plan.focal_point == (30, 300)
    assert focal_point_of_sections(plan) == [(30, 300), (930, 0), (30, 300)]


def test_a_stage_that_the_operator_gives_counts_for_every_zone() -> None:
    parts = sub_chart(sections=[section("West", chart_row("A", 20, (20, 40)), zone="w")])
    zones = {"list": [{"key": "w", "label": "West", "focalPoint": {"x": 30, "y": 300}}]}

    plan = read(chart(subChart=parts, zones=zones), given=GivenStage(focal_point=(7, 8))).plan

    assert (plan.focal_point, plan.zones) == ((7, 8), (Zone("West", None, (0,)),))


def test_a_focal_point_in_the_corner_was_never_placed() -> None:
    parts = sub_chart(rows=[chart_row("B", 40, (40, 60)), chart_row("A", 70, (40, 60))], focalPoint={"x": 0, "y": 0})

    reading = read(chart(subChart=parts))

    assert reading.plan.focal_point == (50, 300)
    assert only(reading.report, "FIELD_IGNORED").place == "subChart.focalPoint"


@pytest.mark.parametrize(
    "stage",
    [
        {"focalPoint": {"x": 60, "y": 290}},
        {"texts": [{"text": "Stage", "center": {"x": 60, "y": 290}}]},
        {},
    ],
)
def test_floors_are_stacked_away_from_the_stage(stage: Json) -> None:
    rows = [chart_row("B", 100, (40, 60)), chart_row("A", 200, (40, 60))]
    floors = [sub_chart(rows=rows, floorName=name, **stage) for name in ("Stalls", "Circle", "Gallery")]
    content = chart(subChartFloors=floors)
    del content["subChart"]

    plan = read(content).plan

    sold = [plan.seats[bench[0].seat_id - 1].label for bench in best_first(plan)]
    assert [label.partition(", seat")[0] for label in sold] == [
        f"{floor}, row {row}" for floor in ("Stalls", "Circle", "Gallery") for row in "AB"
    ]
    assert plan.seats[0].label == "Stalls, row B, seat 1"


def test_fields_that_are_not_imported_are_reported() -> None:
    row = chart_row("A", 40, (40, 60))
    row["seats"][1]["restrictedView"] = True

    report = read(chart(subChart=sub_chart(rows=[row]), sectionScaleFactor=50)).report

    places = [(finding.place, finding.severity) for finding in findings(report, "FIELD_IGNORED")]
    assert places == [("sectionScaleFactor", "warning"), ("subChart.rows[0].seats[1].restrictedView", "warning")]


def test_two_categories_with_one_name_stay_two_prices() -> None:
    categories = {"list": [{"key": 1, "label": "Floor"}, {"key": 2, "label": "Floor"}]}
    rows = [chart_row("A", 40, (40, 60)), chart_row("B", 70, (40, 60), categoryKey=2)]

    reading = read(chart(subChart=sub_chart(rows=rows), categories=categories))

    assert [category.name for category in reading.plan.categories] == ["Floor", "Floor (2)"]
    assert [seat.category for seat in reading.plan.seats] == [0, 0, 1, 1]
    assert only(reading.report, "CATEGORY_DUPLICATE").severity == "repaired"


def test_unknown_keys_of_a_newer_version_are_a_warning() -> None:
    report = read(chart(hologram=True)).report

    assert only(report, "UNKNOWN_KEY").place == "hologram"


def test_a_seat_without_coordinates_names_its_path() -> None:
    row = chart_row("A", 40, (40, 60))
    del row["seats"][1]["y"]

    with pytest.raises(PlanError) as caught:
        read(chart(subChart=sub_chart(rows=[row])))

    assert (caught.value.code, caught.value.place) == ("FIELD_MISSING", "subChart.rows[0].seats[1].y")


def test_an_empty_list_of_floors_is_refused() -> None:
    content = chart(subChartFloors=[])
    del content["subChart"]

    with pytest.raises(PlanError, match="expected the chart"):
        read(content)


def test_a_nested_section_is_a_section_of_its_own() -> None:
    inner = section("Box", chart_row("A", 10, (10, 30)), corner=(50, 50))
    outer = section("Left", chart_row("A", 20, (20, 40)), corner=(100, 100))
    outer["subChart"]["sections"] = [inner]

    plan = read(chart(subChart=sub_chart(sections=[outer]))).plan

    boxes = [index for index, name in enumerate(plan.sections) if name == Section("Left, Box")]
    (row,) = [index for index, row in enumerate(plan.rows) if row.section in boxes]
    assert numbers(plan, row) == ["1", "2"]
    assert [(seat.x, seat.y) for seat in plan.seats if seat.row == row] == [(160, 160), (180, 160)]
