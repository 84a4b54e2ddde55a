"""Where the stage is: as the operator or the file says, as the map shows it, or as rows, numbers and names suggest."""

import math
from collections.abc import Sequence
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
    pretix_seat,
    pretix_zone,
    read,
    read_csv,
    sub_chart,
)

from rowlock.catalogue.plan_files import GivenStage, PlanReading, Side, pretix, read_point
from rowlock.catalogue.ranking import best_first

FOUR = (100.0, 125.0, 150.0, 175.0)


def area(text: str, x: float = 100, y: float = 350, width: float = 100, height: float = 40) -> Json:
    words = {"text": text, "position": {"x": 0, "y": 0}}
    return {"position": {"x": x, "y": y}, "rectangle": {"width": width, "height": height}, "text": words}


def label(text: str, x: float, y: float) -> Json:
    return {"position": {"x": x, "y": y}, "text": {"text": text, "position": {"x": 0, "y": 0}}}


def rows(labels: Sequence[str], first_y: float = 50, step: float = 50) -> list[Json]:
    return [pretix_row(name, first_y + step * index, FOUR) for index, name in enumerate(labels)]


def hall(*areas: Json, labels: Sequence[str] = ("3", "2", "1")) -> Json:
    """Three rows above each other, the first one lowest; a stage belongs below them."""
    zone = pretix_zone("Hall", *rows(labels), areas=list(areas))
    return pretix_plan(zone, size={"width": 400, "height": 400})


def bank(name: str, x: float, y: float, labels: Sequence[int], **changes: Any) -> Json:
    """Rows of ten seats below each other; seat ids say the bank."""
    made = [pretix_row(str(row), 40 * index, [25 * seat for seat in range(10)]) for index, row in enumerate(labels)]
    for row in made:
        for seat in row["seats"]:
            seat["seat_guid"] = f"{name}-{row['row_number']}-{seat['seat_number']}"
    return pretix_zone(name, *made, x=x, y=y, **changes)


def sold_first(reading: PlanReading) -> list[str]:
    """The rows in the order in which best available sells them, each once."""
    plan = reading.plan
    several = len(plan.sections) > 1
    names = [
        f"{plan.sections[row.section].name} {row.label}" if several else row.label
        for row in (plan.rows[bench[0].row] for bench in best_first(plan))
    ]
    return list(dict.fromkeys(names))


# What is drawn.


@pytest.mark.parametrize(
    "text",
    ["STAGE", "S T A G E", "Stage:", "Bühne/Stage", "Panggung", "LAPANGAN", "Spielfeld", "Scena", "СЦЕНА", "舞台"],
)
def test_rows_are_sold_from_the_stage_backwards_whatever_it_is_called(text: str) -> None:
    reading = read(hall(area(text)))

    assert reading.plan.focal_point == (150, 370)
    assert sold_first(reading) == ["1", "2", "3"]
    assert only(reading.report, "STAGE_FOUND").severity == "info"
    assert reading.report.warnings == 0


@pytest.mark.parametrize("way", ["to the stage door", "Stage door", "Palco 3"])
def test_a_way_to_the_stage_and_a_box_are_no_stage(way: str) -> None:
    reading = read(hall(label(way, 30, 10), area("STAGE")))

    assert reading.plan.focal_point == (150, 370)
    assert sold_first(reading)[0] == "1"


def test_a_portuguese_palco_is_the_stage_of_a_portuguese_plan() -> None:
    zone = pretix_zone("Plateia", *rows("CBA"), areas=[area("PALCO")])

    assert read(pretix_plan(zone)).plan.focal_point == (150, 370)


def test_an_area_comes_before_a_phrase_that_is_only_written_there() -> None:
    assert read(hall(label("Stage Royal Hall", 30, 10), area("Stage 12 x 8 m"))).plan.focal_point == (150, 370)
    assert only(read(hall(label("Stage Royal Hall", 30, 10))).report, "FOCAL_POINT_GUESSED").severity == "warning"


def test_letters_that_are_drawn_one_by_one_are_one_word() -> None:
    letters = [label(letter, 100 + 20 * index, 380) for index, letter in enumerate("STAGE")]

    assert read(hall(*letters)).plan.focal_point == (140, 380)


def test_a_stage_comes_before_the_court_it_stands_on() -> None:
    assert read(hall(area("Court", y=200, height=100), area("Stage"))).plan.focal_point == (150, 370)


def test_an_area_with_seats_on_it_is_not_what_they_look_at() -> None:
    floor = area("Court", x=0, y=0, width=300, height=200)

    reading = read(hall(floor))

    assert "STAGE_FOUND" not in reading.report.counts
    assert sold_first(reading)[0] == "1"


def test_two_stages_at_different_places_are_a_warning() -> None:
    reading = read(hall(area("Main stage", width=200), area("Stage 2", x=900)))

    finding = only(reading.report, "FOCAL_POINT_GUESSED")
    assert (finding.severity, reading.plan.focal_point) == ("warning", (200, 370))
    assert '"Main stage", "Stage 2"' in finding.found


def test_a_stage_behind_the_last_row_is_a_warning() -> None:
    finding = only(read(hall(area("Stage"), labels=("1", "2", "3"))).report, "FOCAL_POINT_GUESSED")

    assert 'most rows have their backs to the middle of "Stage"' in finding.found
    assert "around Row 3, seat" in finding.done


# What rows, numbers and names suggest.


@pytest.mark.parametrize(
    "labels",
    [
        *(("3", "2", "1"), ("C", "B", "A"), ("AB", "AA", "Z"), ("BB", "AA", "Z"), ("III", "II", "I"), ("В", "Б", "А")),
        *(("Row 12", "Row 11", "Row 10"), ("Reihe C", "Reihe B", "Reihe A"), ("三", "二", "一")),
    ],
)
def test_the_row_that_is_counted_first_is_in_front(labels: Sequence[str]) -> None:
    reading = read(hall(labels=labels))

    assert reading.plan.focal_point == (137.5, 400)
    assert sold_first(reading)[0] == labels[-1]


def test_a_guess_is_a_warning_that_names_the_first_seats_and_what_to_do() -> None:
    finding = only(read(hall()).report, "FOCAL_POINT_GUESSED")

    assert finding.severity == "warning"
    assert "By the row labels it is at the lower edge" in finding.done
    assert "around Row 1, seat 2; then Row 2, seat 2; then Row 3, seat 2." in finding.done
    assert "--stage top, bottom, left, right or middle, or with --focal-point X,Y" in finding.done


def test_rows_that_stand_upright_have_their_stage_at_the_side() -> None:
    def upright(name: str, x: float) -> Json:
        seats = [pretix_seat(index, 0, 25 * index, seat_guid=f"{name}-{index}") for index in range(1, 5)]
        return {"row_number": name, "position": {"x": x, "y": 50}, "seats": seats}

    plan = pretix_plan(pretix_zone("Hall", upright("C", 100), upright("B", 130), upright("A", 160)))

    assert read(plan).plan.focal_point == (1000, 112.5)


def test_rows_that_grow_longer_do_not_turn_the_hall() -> None:
    grown = [pretix_row(str(9 - row), 40 * row, [25 * seat for seat in range(30 - 3 * row)]) for row in range(9)]

    reading = read(pretix_plan(pretix_zone("Hall", *grown)))

    assert reading.plan.focal_point == (362.5, 1000)


def test_labels_that_the_doctor_made_up_prove_nothing() -> None:
    finding = only(read(hall(labels=("", "", ""))).report, "FOCAL_POINT_GUESSED")

    assert "for want of any sign" in finding.done


def test_seat_numbers_that_run_on_from_row_to_row_begin_in_front() -> None:
    def row(first: int, y: float) -> Json:
        seats = [pretix_seat(first + index, x, seat_guid=f"s{first + index}") for index, x in enumerate(FOUR)]
        return {"row_number": "", "position": {"x": 0, "y": y}, "seats": seats}

    reading = read(pretix_plan(pretix_zone("Hall", row(9, 50), row(5, 100), row(1, 150))))

    assert reading.plan.focal_point == (137.5, 1000)
    assert "By the seat numbers" in only(reading.report, "FOCAL_POINT_GUESSED").done


@pytest.mark.parametrize(
    "names", [("Balcony", "Stalls"), ("2. Rang", "Parkett"), ("Floor 3", "Floor 1"), ("Балкон", "Партер")]
)
def test_the_stalls_are_nearer_to_the_stage_than_the_balcony(names: tuple[str, str]) -> None:
    upper, lower = names
    plan = pretix_plan(pretix_zone(upper, pretix_row("", 50, FOUR)), pretix_zone(lower, pretix_row("", 200, FOUR)))

    reading = read(plan)

    assert reading.plan.focal_point == (137.5, 1000)
    assert "By the names of the sections" in only(reading.report, "FOCAL_POINT_GUESSED").done


@pytest.mark.parametrize("order", [("Floor 1", "Floor 2", "Floor 3"), ("Floor 3", "Floor 1", "Floor 2")])
def test_levels_that_are_drawn_as_separate_plans_are_sold_from_the_lowest(order: Sequence[str]) -> None:
    zones = [pretix_zone(name, *rows("CBA", 300 * at)) for at, name in enumerate(order)]

    reading = read(pretix_plan(*zones))

    assert sold_first(reading) == [f"Floor {floor} {row}" for floor in (1, 2, 3) for row in "ABC"]
    assert "of each level by itself" in only(reading.report, "FOCAL_POINT_GUESSED").done


def test_levels_that_are_drawn_behind_each_other_need_no_points_of_their_own() -> None:
    zones = [pretix_zone(name, *rows("CBA", 300 * at)) for at, name in enumerate(("Gallery", "Circle", "Stalls"))]

    reading = read(pretix_plan(*zones))

    assert reading.plan.zones == ()
    assert sold_first(reading)[:4] == ["Stalls A", "Stalls B", "Stalls C", "Circle A"]


def test_a_list_from_the_last_row_to_the_first_is_sold_from_the_first() -> None:
    assert sold_first(read_csv("row,seat\nC,1\nC,2\nB,1\nB,2\nA,1\nA,2\n")) == ["A", "B", "C"]


# A court between stands.


def test_stands_that_face_each_other_have_the_court_between_them() -> None:
    plan = pretix_plan(bank("North", 50, 0, (3, 2, 1)), bank("South", 50, 300, (1, 2, 3)))

    reading = read(plan)

    assert (reading.plan.focal_point, reading.plan.in_the_round) == ((162.5, 190), True)
    assert sold_first(reading) == ["North 1", "South 1", "North 2", "South 2", "North 3", "South 3"]
    assert "in the middle of the hall" in only(reading.report, "FOCAL_POINT_GUESSED").done


def test_a_drawn_court_is_looked_at_from_all_sides() -> None:
    court = area("LAPANGAN", x=100, y=100, width=150, height=180)
    plan = pretix_plan(bank("North", 50, 0, (3, 2, 1), areas=[court]), bank("South", 50, 300, (1, 2, 3)))

    reading = read(plan)

    assert (reading.plan.focal_point, reading.plan.in_the_round) == ((225, 190), True)
    assert reading.report.warnings == 0


def test_a_stage_in_front_is_not_looked_at_from_all_sides() -> None:
    assert not read(hall(area("Stage"))).plan.in_the_round
    assert read(hall(area("Court"))).plan.in_the_round


def arc(label: str, radius: float, first: int, last: int) -> Json:
    """A row around (500, 500), from one angle to another in degrees, clockwise from the right."""
    angles = [math.radians(angle) for angle in range(first, last, 5)]
    seats = [
        pretix_seat(at, 500 + radius * math.cos(a), 500 + radius * math.sin(a), seat_guid=f"{first}-{label}-{at}")
        for at, a in enumerate(angles, 1)
    ]
    return {"row_number": label, "position": {"x": 0, "y": 0}, "seats": seats}


def stand(first: int, last: int) -> Json:
    return pretix_zone(f"Block {first}", *(arc(str(row), 200 + 30 * row, first, last) for row in (3, 2, 1)))


@pytest.mark.parametrize(
    ("stands", "in_the_round"),
    [
        (((0, 360),), True),  # A ring.
        (((0, 80), (90, 170), (180, 260), (270, 350)), True),  # An arena.
        (((-50, -20), (-20, 20), (20, 50)), False),  # A fan.
        (((60, 120), (150, 210)), False),  # Two stands at a right angle.
    ],
)
def test_rows_that_lie_around_a_point_look_at_it(stands: Sequence[tuple[int, int]], in_the_round: bool) -> None:
    reading = read(pretix_plan(*(stand(first, last) for first, last in stands)))

    assert math.dist(reading.plan.focal_point, (500, 500)) < 25
    assert reading.plan.in_the_round == in_the_round
    assert reading.plan.rows[best_first(reading.plan)[0][0].row].label == "1"


def test_a_thrust_stage_is_between_the_stands_on_three_sides() -> None:
    sides = [upright_bank("West", 100, 400, (3, 2, 1)), upright_bank("East", 600, 400, (1, 2, 3))]

    reading = read(pretix_plan(*sides, bank("South", 277.5, 720, (1, 2, 3))))

    assert math.dist(reading.plan.focal_point, (390, 512.5)) < 1
    assert {name.split()[1] for name in sold_first(reading)[:3]} == {"1"}


def upright_bank(name: str, x: float, y: float, labels: Sequence[int]) -> Json:
    made = []
    for at, row in enumerate(labels):
        seats = [pretix_seat(seat, 0, 25 * seat, seat_guid=f"{name}-{row}-{seat}") for seat in range(10)]
        made.append({"row_number": str(row), "position": {"x": 40 * at, "y": 0}, "seats": seats})
    return pretix_zone(name, *made, x=x, y=y)


# What the operator says.


@pytest.mark.parametrize(
    ("side", "point"),
    [
        ("top", (137.5, 0)),
        ("bottom", (137.5, 400)),
        ("left", (0, 100)),
        ("right", (400, 100)),
        ("middle", (137.5, 100)),
    ],
)
def test_the_operator_says_on_which_side_the_stage_is(side: Side, point: tuple[float, float]) -> None:
    reading = read(hall(area("Stage", y=0)), given=GivenStage(side))

    assert reading.plan.focal_point == point
    assert reading.plan.in_the_round == (side == "middle")
    assert only(reading.report, "FOCAL_POINT_GIVEN").severity == "info"
    assert reading.report.warnings == 0


def test_a_stage_in_the_middle_is_in_the_middle_of_sections_that_look_one_way() -> None:
    plan = pretix_plan(bank("Left", 50, 100, (1, 2, 3)), bank("Right", 450, 100, (1, 2, 3)))

    assert read(plan, given=GivenStage("middle")).plan.focal_point == (362.5, 140)


def test_the_operator_says_the_point_and_it_moves_with_the_plan() -> None:
    moved = pretix_plan(pretix_zone("Hall", pretix_row("A", 50, (-60, -35, -10))))

    assert read(hall(), given=GivenStage(focal_point=(10, 20.5))).plan.focal_point == (10, 20.5)
    assert read(moved, given=GivenStage(focal_point=(-35, 20))).plan.focal_point == (50, 20)


def test_stands_given_as_in_the_middle_keep_the_court_between_their_front_rows() -> None:
    plan = pretix_plan(bank("North", 50, 0, (3, 2, 1)), bank("South", 50, 300, (1, 2, 3, 4, 5, 6)))

    assert read(plan, given=GivenStage("middle")).plan.focal_point == (162.5, 190)


@pytest.mark.parametrize(("text", "point"), [("525,460", (525, 460)), (" -10.5 , 0 ", (-10.5, 0))])
def test_a_point_is_read(text: str, point: tuple[float, float]) -> None:
    assert read_point(text) == point


@pytest.mark.parametrize("text", ["", "5", "1,2,3", "a,b", "1;2", "nan,1", "1e9,0"])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a point|is beyond"):
        read_point(text)


def test_a_stage_that_was_written_is_found_again() -> None:
    reading = read(hall(area("Stage / Bühne")))

    assert read(pretix.write(reading.plan)).plan.focal_point == reading.plan.focal_point


def test_a_focal_point_of_the_file_counts_more_than_what_is_drawn() -> None:
    texts = [{"text": "Stage", "center": {"x": 40, "y": 200}}]
    parts = sub_chart(rows=[chart_row("A", 40, (40, 60))], texts=texts, focalPoint={"x": 60, "y": 5})

    reading = read(chart(subChart=parts))

    assert reading.plan.focal_point == (60, 5)
    assert not findings(reading.report, "STAGE_FOUND")
