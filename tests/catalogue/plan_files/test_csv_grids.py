"""CSV as a grid, with a cell for each place in the hall."""

import pytest
from tests.catalogue.plan_files.builders import numbers, only, read_csv, runs

from rowlock.catalogue.model import Category, Row
from rowlock.catalogue.plan_files import PlanError


def refusal(text: str) -> PlanError:
    with pytest.raises(PlanError) as caught:
        read_csv(text)
    return caught.value


def test_a_grid_cell_is_category_and_seat() -> None:
    plan = read_csv("prem:A1,prem:A2,res:A3\nres:B1,res:B2,res:B3\n").plan

    assert plan.rows == (Row(0, "A"), Row(0, "B"))
    assert [category.name for category in plan.categories] == ["prem", "res"]
    assert [seat.category for seat in plan.seats] == [0, 0, 1, 1, 1, 1]
    assert plan.seats[5].label == "Row B, seat 3"
    assert plan.seats[5].source_id == "B3"


def test_a_plus_makes_a_wheelchair_place() -> None:
    plan = read_csv("res:A1+,res:A2, res:A3 + \n").plan

    assert [seat.kind for seat in plan.seats] == ["wheelchair", "standard", "wheelchair"]


def test_an_empty_cell_is_an_aisle_even_between_lone_seats() -> None:
    assert runs(read_csv("res:A1,,res:A2\nres:B1,res:B2,res:B3\n").plan) == [["1"], ["2"], ["1", "2", "3"]]


def test_an_indented_line_starts_further_right() -> None:
    plan = read_csv("res:A1,res:A2\n,res:B1\n").plan

    assert plan.seats[2].x == plan.seats[1].x


def test_seats_that_do_not_share_a_letter_keep_their_names_and_rows_are_counted_by_line() -> None:
    plan = read_csv("res:A1,res:B1\n\nres:A2,res:B2\n").plan

    assert [row.label for row in plan.rows] == ["1", "3"]
    assert numbers(plan) == ["A1", "B1"]
    assert plan.seats[2].y - plan.seats[0].y == 60


def test_cells_without_a_category_are_standard() -> None:
    assert read_csv("A1,A2\n").plan.categories == (Category("Standard"),)


@pytest.mark.parametrize("cell", ["res:", ":A1", "res:A1++", "res:A 1", "res:A1:B", "<b>"])
def test_a_cell_that_is_no_seat_names_its_place_and_what_is_allowed(cell: str) -> None:
    error = refusal(f"res:A1,res:A2\n,,{cell}\n")

    assert (error.code, error.place) == ("WRONG_TYPE", "line 2, column 3")
    assert "res:A12" in error.message


def test_a_duplicate_seat_in_a_grid_is_told_apart() -> None:
    reading = read_csv("res:A1,res:A1\n")

    assert [seat.source_id for seat in reading.plan.seats] == ["A1", "A1~2"]
    assert only(reading.report, "SEAT_ID_DUPLICATE").place == "line 1, column 2"


@pytest.mark.parametrize(
    "grid", ["A,1,2,,3\nB,1,2,,3\n", "1,2,,3,A\n1,2,,3,B\n", "A,1.0,2.0,,3.0,A\nB,1.0,2.0,,3.0,B\n"]
)
def test_letters_at_the_end_of_a_row_of_numbers_are_its_label(grid: str) -> None:
    plan = read_csv(grid).plan

    assert [row.label for row in plan.rows] == ["A", "B"]
    assert [seat.source_id for seat in plan.seats] == ["A1", "A2", "A3", "B1", "B2", "B3"]
    assert runs(plan) == [["1", "2"], ["3"], ["1", "2"], ["3"]]


@pytest.mark.parametrize(
    ("line", "text", "x"),
    [("STAGE,,,", "STAGE", 62.5), ("S,T,A,G,E", "STAGE", 75), (",Orchestra pit,,", "Orchestra pit", 62.5)],
)
def test_words_in_a_grid_are_texts_and_no_seats(line: str, text: str, x: float) -> None:
    reading = read_csv(f"{line}\nA1,A2,,A3\n")

    assert [seat.source_id for seat in reading.plan.seats] == ["A1", "A2", "A3"]
    assert [(shape.kind, shape.text, shape.points) for shape in reading.plan.shapes] == [("text", text, ((x, 30),))]
    assert only(reading.report, "CELL_NO_SEAT").severity == "info"


def test_a_word_among_seats_is_a_warning() -> None:
    finding = only(read_csv("A1,A2,Door,A3\n").report, "CELL_NO_SEAT")

    assert (finding.severity, finding.place) == ("warning", "line 1, column 3")


@pytest.mark.parametrize("mark", ["X", "x", "-", "_"])
def test_a_cell_that_is_crossed_out_holds_no_seat(mark: str) -> None:
    reading = read_csv(f"A1,A2,{mark},A3\n")

    assert runs(reading.plan) == [["1", "2"], ["3"]]
    assert only(reading.report, "CELL_NO_SEAT").place == "line 1, column 3"


def test_row_x_has_seats() -> None:
    assert read_csv("W,1,2\nX,1,2\n").plan.rows == (Row(0, "W"), Row(0, "X"))


def test_where_no_seat_has_a_number_words_are_seats() -> None:
    assert len(read_csv("Anna,Ben,,Carl\n").plan.seats) == 3


@pytest.mark.parametrize("words", ["STAGE,,", "S,T,A,G,E", ",Bühne,"])
def test_the_stage_that_is_written_below_a_grid_is_where_the_audience_looks(words: str) -> None:
    reading = read_csv(f"B,1,2,3,4\nA,1,2,3,4\n{words}\n")

    assert only(reading.report, "STAGE_FOUND").severity == "info"
    assert reading.plan.focal_point[1] == 90
    assert reading.report.warnings == 0


@pytest.mark.parametrize(
    "line", ["V,V,V,V,V,V", "1,0,1,1,0,0,1,0", "V,X,V,V,V", "res:free" + 6 * ",res:free" + ",res:taken"]
)
def test_a_grid_that_says_only_which_seats_are_free_is_refused(line: str) -> None:
    error = refusal(f"{line}\n" * 5)

    assert (error.code, error.place) == ("WRONG_TYPE", "line 1")
    assert "Write the number of each seat into its cell" in error.message


@pytest.mark.parametrize("line", ["1,2,3,,1,2,3,,1,2,3", "1,2,,1,2", "1,2", "A1,A2,A3", "1", ",,,1,2,,,,"])
def test_small_blocks_that_count_alike_are_no_marks(line: str) -> None:
    assert len(read_csv(f"{line}\n" * 4).plan.seats) == 4 * sum(cell != "" for cell in line.split(","))


def test_places_without_a_seat_are_no_marks() -> None:
    assert len(read_csv("X,X,X,X,X,X,1,2\n" * 4).plan.seats) == 8
