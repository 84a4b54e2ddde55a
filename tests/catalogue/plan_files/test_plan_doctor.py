"""Each finding of the plan doctor about parts, rows, ids and labels: what is found, what is done."""

import math
from typing import Any

from tests.catalogue.plan_files.builders import (
    Json,
    findings,
    numbers,
    only,
    pretix_plan,
    pretix_row,
    pretix_seat,
    pretix_zone,
    read,
    runs,
)

from rowlock.catalogue.model import Row, Section


def hall(*rows: Json, **changes: Any) -> Json:
    return pretix_plan(pretix_zone("Hall", *rows), **changes)


def seats_at(y: float, *places: tuple[int | str, float]) -> list[Json]:
    """A row's seats, each given as number and x."""
    return [pretix_seat(number, x, 0, seat_guid=f"{y}-{index}") for index, (number, x) in enumerate(places)]


def test_empty_rows_and_sections_are_left_out() -> None:
    plan = pretix_plan(
        pretix_zone("Hall", pretix_row("A", 50, (50, 75)), pretix_row("B", 80, ())),
        pretix_zone("Empty", pretix_row("A", 50, ())),
    )

    reading = read(plan)

    assert reading.plan.sections == (Section("Hall"),)
    assert reading.plan.rows == (Row(0, "A"),)
    assert [finding.place for finding in findings(reading.report, "ROW_EMPTY")] == [
        "zones[0].rows[1]",
        "zones[1].rows[0]",
    ]
    assert only(reading.report, "SECTION_EMPTY").place == "zones[1]"
    assert reading.report.repairs == 3


def test_sections_without_a_name_get_one() -> None:
    plan = pretix_plan(pretix_zone("", pretix_row("A", 50, (50, 75))), pretix_zone("", pretix_row("A", 150, (50, 75))))

    reading = read(plan)

    assert reading.plan.sections == (Section("Hall"), Section("Hall (2)"))
    assert reading.report.counts["SECTION_NAME_MISSING"] == 2


def test_two_sections_of_one_name_are_told_apart() -> None:
    plan = pretix_plan(
        pretix_zone("Box", pretix_row("A", 50, (50, 75))), pretix_zone("Box", pretix_row("A", 150, (50, 75)))
    )

    reading = read(plan)

    assert [seat.label for seat in reading.plan.seats][1:3] == ["Box, row A, seat 2", "Box (2), row A, seat 1"]
    assert only(reading.report, "SECTION_NAME_DUPLICATE").place == "zones[1]"


def test_a_row_without_a_label_is_counted() -> None:
    reading = read(hall(pretix_row("2", 50, (50, 75)), pretix_row("", 80, (50, 75)), pretix_row("", 110, (50, 75))))

    assert [row.label for row in reading.plan.rows] == ["2", "2 (2)", "3"]
    assert reading.report.counts["ROW_LABEL_MISSING"] == 2


def test_one_physical_row_split_over_three_objects_is_joined() -> None:
    pieces = [
        {"row_number": "C", "seats": seats_at(0, (1, 50), (2, 75))},
        {"row_number": "C", "seats": seats_at(1, (5, 200), (6, 225))},
        {"row_number": "C", "seats": seats_at(2, (3, 100), (4, 125))},
    ]

    reading = read(hall(*pieces, pretix_row("D", 40, (50, 75))))

    assert [row.label for row in reading.plan.rows] == ["C", "D"]
    assert numbers(reading.plan) == ["1", "2", "3", "4", "5", "6"]
    assert runs(reading.plan)[:2] == [["1", "2", "3", "4"], ["5", "6"]]
    finding = only(reading.report, "ROW_SPLIT")
    assert (finding.severity, finding.place) == ("repaired", "zones[0].rows[0]")
    assert "3 row objects" in finding.found


def test_a_curved_row_split_at_its_aisles_is_joined() -> None:
    pieces = []
    for piece, angles in enumerate(((120, 112, 104), (96, 90, 84), (76, 68, 60))):
        points = [(500 + 400 * math.cos(math.radians(angle)), 400 * math.sin(math.radians(angle))) for angle in angles]
        seats = [pretix_seat(3 * piece + index + 1, x, y) for index, (x, y) in enumerate(points)]
        pieces.append({"row_number": "C", "seats": seats})

    reading = read(hall(*pieces))

    assert numbers(reading.plan) == [str(number) for number in range(1, 10)]
    assert reading.report.counts["ROW_SPLIT"] == 1


def test_rows_of_one_label_behind_each_other_stay_two_rows() -> None:
    first = {"row_number": "A", "seats": seats_at(0, (1, 50), (2, 75), (3, 100))}
    second = {"row_number": "A", "position": {"x": 0, "y": 40}, "seats": seats_at(1, (4, 50), (5, 75), (6, 100))}

    reading = read(hall(first, second))

    assert len(reading.plan.rows) == 2
    assert "ROW_SPLIT" not in reading.report.counts


def test_rows_of_one_label_with_the_same_numbers_stay_two_rows() -> None:
    left = {"row_number": "A", "seats": seats_at(0, (1, 50), (2, 75))}
    right = {"row_number": "A", "seats": seats_at(1, (1, 200), (2, 225))}

    reading = read(hall(left, right))

    assert len(reading.plan.rows) == 2
    assert [seat.label for seat in reading.plan.seats] == [
        "Row A, seat 1",
        "Row A, seat 2",
        "Row A, seat 1 (2)",
        "Row A, seat 2 (2)",
    ]


def test_some_pieces_of_a_row_are_joined_when_others_do_not_fit() -> None:
    pieces: list[Json] = [
        {"row_number": "A", "seats": seats_at(0, (1, 50), (2, 75))},
        {"row_number": "A", "position": {"x": 0, "y": 200}, "seats": seats_at(1, (5, 50), (6, 75))},
        {"row_number": "A", "seats": seats_at(2, (3, 100), (4, 125))},
    ]

    plan = read(hall(*pieces)).plan

    assert [numbers(plan, row) for row in (0, 1)] == [["1", "2", "3", "4"], ["5", "6"]]


def test_a_block_in_one_row_object_is_a_warning() -> None:
    seats = [pretix_seat(f"{y}{x}", 25 * x, 30 * y) for y in range(3) for x in range(5)]

    reading = read(hall({"row_number": "A", "seats": seats}))

    finding = only(reading.report, "ROW_NOT_A_LINE")
    assert (finding.severity, finding.place) == ("warning", "zones[0].rows[0]")
    assert len(reading.plan.rows) == 1


def test_descending_numbers_are_kept_and_reported() -> None:
    reading = read(hall({"row_number": "A", "seats": seats_at(0, (3, 50), (2, 75), (1, 100))}))

    assert numbers(reading.plan) == ["3", "2", "1"]
    assert [seat.position for seat in reading.plan.seats] == [0, 1, 2]
    finding = only(reading.report, "NUMBERING_DESCENDING")
    assert (finding.severity, finding.found) == ("info", 'row "A" counts down from 3 to 1, left to right')
    assert reading.report.repairs == 0


def test_seats_without_a_number_are_numbered_by_their_place() -> None:
    seats = seats_at(0, ("", 50), ("1", 75), ("", 100))

    reading = read(hall({"row_number": "A", "seats": seats}))

    assert numbers(reading.plan) == ["1 (2)", "1", "3"]
    assert reading.report.counts["SEAT_NUMBER_MISSING"] == 2


def test_missing_ids_are_made_of_the_labels() -> None:
    row = pretix_row("A", 50, (50, 75))
    del row["seats"][0]["seat_guid"]
    row["seats"][1]["seat_guid"] = "Hall-A-1"

    reading = read(hall(row))

    assert [seat.source_id for seat in reading.plan.seats] == ["Hall-A-1~2", "Hall-A-1"]
    assert only(reading.report, "SEAT_ID_MISSING").place == "zones[0].rows[0].seats[0]"


def test_of_seats_with_one_id_the_first_in_reading_order_keeps_it() -> None:
    row = pretix_row("A", 50, (50, 75, 100))
    for seat in row["seats"]:
        seat["seat_guid"] = "same"
    other = pretix_row("B", 80, (50,))
    other["seats"][0]["seat_guid"] = "same~2"

    reading = read(hall(row, other))

    assert [seat.source_id for seat in reading.plan.seats] == ["same", "same~3", "same~4", "same~2"]
    places = [finding.place for finding in findings(reading.report, "SEAT_ID_DUPLICATE")]
    assert places == ["zones[0].rows[0].seats[1]", "zones[0].rows[0].seats[2]"]
    assert reading.report.repairs == 2


def test_seats_of_one_label_are_told_apart() -> None:
    reading = read(hall({"row_number": "A", "seats": seats_at(0, (1, 50), (1, 75), (1, 100))}))

    assert [seat.label for seat in reading.plan.seats] == ["Row A, seat 1", "Row A, seat 1 (2)", "Row A, seat 1 (3)"]
    assert reading.report.counts["LABEL_DUPLICATE"] == 2


def test_a_label_that_is_already_taken_by_its_own_name_is_not_given_twice() -> None:
    reading = read(hall({"row_number": "A", "seats": seats_at(0, ("1", 50), ("1 (2)", 75), ("1", 100))}))

    labels = [seat.label for seat in reading.plan.seats]
    assert len(set(labels)) == 3


def test_seat_ids_and_runs_are_dense_in_reading_order() -> None:
    plan = read(
        pretix_plan(
            pretix_zone("Stalls", pretix_row("A", 50, (75, 50, 200)), pretix_row("B", 80, (50, 75))),
            pretix_zone("Balcony", pretix_row("A", 300, (50, 75))),
        )
    ).plan

    assert [seat.seat_id for seat in plan.seats] == list(range(1, 8))
    assert [seat.run for seat in plan.seats] == [0, 0, 1, 2, 2, 3, 3]
    assert [seat.x for seat in plan.seats[:3]] == [50, 75, 200]
    assert [seat.position for seat in plan.seats[:3]] == [0, 1, 2]
