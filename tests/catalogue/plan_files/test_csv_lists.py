"""CSV as a list under a header, with a line for each seat."""

import pytest
from tests.catalogue.plan_files.builders import findings, only, read, read_csv, runs

from rowlock.catalogue.model import Category, Section
from rowlock.catalogue.plan_files import GivenStage, PlanError
from rowlock.catalogue.ranking import best_first


def refusal(text: str) -> PlanError:
    with pytest.raises(PlanError) as caught:
        read_csv(text)
    return caught.value


def test_a_list_is_laid_out_by_its_order() -> None:
    text = (
        "Section,Row,Seat,Category,Kind,Id\n"
        "Stalls,A,1,Good,wheelchair,s1\n"
        "Stalls,A,2,Good,companion,s2\n"
        "Stalls,B,1,Fair,,s3\n"
        "Balcony,A,1,Fair,standard,s4\n"
    )
    reading = read(text, "hall.csv", given=GivenStage("top"))
    plan = reading.plan

    assert plan.sections == (Section("Stalls"), Section("Balcony"))
    assert [seat.kind for seat in plan.seats] == ["wheelchair", "companion", "standard", "standard"]
    assert [seat.source_id for seat in plan.seats] == ["s1", "s2", "s3", "s4"]
    assert [(seat.x, seat.y) for seat in plan.seats] == [(25, 30), (50, 30), (37.5, 60), (37.5, 120)]
    assert (reading.report.repairs, reading.report.warnings) == (0, 0)


@pytest.mark.parametrize(
    ("left", "middle", "right"),
    [
        *(("Left", "Centre", "Right"), ("Stalls left", "Stalls centre", "Stalls right")),
        *(("Parkett links", "Parkett Mitte", "Parkett rechts"), ("Platea sinistra", "Platea centro", "Platea destra")),
    ],
)
def test_sections_left_and_right_of_each_other_stand_side_by_side(left: str, middle: str, right: str) -> None:
    rows = [f"{name},{row},{seat}" for name in (left, right, middle) for row in "AB" for seat in "12"]
    plan = read_csv("section,row,seat\n" + "\n".join(rows)).plan

    first_rows = {
        plan.sections[plan.rows[s.row].section].name: (s.x, s.y) for s in reversed(plan.seats) if s.number == "1"
    }
    assert first_rows == {left: (25, 30), middle: (125, 30), right: (225, 30)}
    best = best_first(plan)[0][0]
    assert (plan.sections[plan.rows[best.row].section].name, plan.rows[best.row].label) == (middle, "A")


def test_the_centre_is_in_the_middle_also_when_one_side_is_missing() -> None:
    lines = [f"{section},{row},{seat}" for section in ("Left", "Centre") for row in "AB" for seat in "12"]
    plan = read_csv("\n".join(["section,row,seat", *lines])).plan

    assert plan.focal_point == (137.5, 0)
    assert plan.seats[best_first(plan)[0][0].seat_id - 1].label == "Centre, row A, seat 1"


def test_sections_of_other_names_stand_behind_each_other() -> None:
    plan = read_csv("section,row,seat\nStalls left,A,1\nBalcony right,A,1\nStalls right,A,1\n").plan

    assert [(seat.x, seat.y) for seat in plan.seats] == [(25, 30), (62.5, 90), (100, 30)]


def test_a_line_without_a_seat_leaves_an_aisle() -> None:
    assert runs(read_csv("row,seat\nA,1\nA,2\nA,\nA,3\nA,4\n").plan) == [["1", "2"], ["3", "4"]]


def test_seats_are_neighbours_by_their_order_and_not_by_their_numbers() -> None:
    plan = read_csv("row,seat\nA,7\nA,5\nA,3\nA,1\nA,2\nA,4\nA,6\n").plan

    assert runs(plan) == [["7", "5", "3", "1", "2", "4", "6"]]


def test_coordinates_of_the_file_are_used() -> None:
    plan = read_csv("row,seat,x,y\nA,1,100,40\nA,2,75.5,40\n").plan

    assert [(seat.number, seat.x) for seat in plan.seats] == [("2", 75.5), ("1", 100)]


def test_semicolons_and_decimal_commas_are_understood() -> None:
    plan = read_csv("row;seat;x;y\nA;1;75,5;40\nA;2;100;40\n").plan

    assert plan.seats[0].x == 75.5


def test_quoted_cells_and_tabs_are_understood() -> None:
    plan = read_csv('row\tseat\tsection\nA\t1\t"Left, ""upper"""\n').plan

    assert plan.sections == (Section('Left, "upper"'),)


def test_a_list_without_a_category_column_is_all_standard() -> None:
    reading = read_csv("row,seat\nA,1\n")

    assert reading.plan.categories == (Category("Standard"),)
    assert reading.plan.seats[0].source_id == "A-1"
    assert reading.report.repairs == 0


def test_an_empty_category_in_a_list_with_categories_is_reported() -> None:
    reading = read_csv("row,seat,category\nA,1,Good\nA,2,\n")

    assert [category.name for category in reading.plan.categories] == ["Good", "Uncategorized"]
    assert only(reading.report, "CATEGORY_MISSING").place == "line 3"


def test_unknown_columns_are_a_warning() -> None:
    finding = only(read_csv("row,seat,Row rank,view\nA,1,,good\nA,2,,\nA,3,,bad\n").report, "UNKNOWN_KEY")

    assert (finding.severity, finding.place) == ("warning", "line 1, column 4")
    assert finding.found == '2 seats with a value in the column "view", which is not known: "good", "bad"'


def test_columns_that_mark_seats_are_used_or_named() -> None:
    reading = read_csv(
        "Row,Seat,Price,Accessible,Status\nA,1,25.00,yes,available\nA,2,25.00,no,sold\nA,3,25.00,no,killed\n"
    )

    assert [seat.kind for seat in reading.plan.seats] == ["wheelchair", "standard", "standard"]
    assert [reading.plan.categories[seat.category].for_sale for seat in reading.plan.seats] == [True, True, False]
    ignored = [finding.found for finding in findings(reading.report, "SEAT_MARK_IGNORED")]
    assert ignored == ["3 seats with a price", '1 seat with status "sold"']


@pytest.mark.parametrize("kind", ["Accessible", "ADA", "wheelchair  space"])
def test_other_words_for_a_kind_are_understood(kind: str) -> None:
    reading = read_csv(f"row,seat,kind\nA,1,{kind}\n")

    assert reading.plan.seats[0].kind == "wheelchair"
    assert only(reading.report, "KIND_FROM_MARK").found.startswith("1 seat")


@pytest.mark.parametrize(
    "above", ["", "\n", "Playhouse\n", "Playhouse,,\nSeason, spring,\n\n", "sep=,\n", '"sep=,"\r\n']
)
def test_a_header_is_found_below_titles_and_a_separator_line(above: str) -> None:
    reading = read_csv(above + "section,row,seat\nStalls,A,1\n")

    assert [seat.source_id for seat in reading.plan.seats] == ["Stalls-A-1"]
    assert reading.report.counts.get("LINE_IGNORED", 0) == ("Playhouse" in above)


def test_a_separator_line_says_what_parts_cells() -> None:
    assert read_csv("sep=|\nrow|seat\nA, left|1\n").plan.rows[0].label == "A, left"


@pytest.mark.parametrize(("text", "severity"), [("# balcony,,", "info"), ("Balcony,,", "warning")])
def test_a_line_without_row_and_seat_is_named_and_left_out(text: str, severity: str) -> None:
    reading = read_csv(f"section,row,seat\nStalls,A,1\n{text}\nStalls,A,2\n")

    assert len(reading.plan.seats) == 2
    finding = only(reading.report, "LINE_IGNORED")
    assert (finding.severity, finding.place) == (severity, "line 3")


def test_decimal_numbers_of_spreadsheets_are_whole() -> None:
    reading = read_csv("section,row,seat\n1.0,2.0,3.0\n1,2,4.00\n")

    assert [seat.source_id for seat in reading.plan.seats] == ["1-2-3", "1-2-4"]
    assert [finding.found for finding in findings(reading.report, "SPREADSHEET_NUMBER")] == [
        "1 seat with a row number like 12.0",
        "2 seats with a seat number like 12.0",
    ]


def test_names_that_differ_only_in_case_or_blanks_are_one() -> None:
    reading = read_csv(
        "section,row,seat,category\nStalls,A,1,Premium\nstalls,A,2,premium\nSTALLS ,A,3,Premi um\nS\u00fcd,A,1,Rear\n"
        "Su\u0308d,A,2,Rear\n"
    )

    assert [section.name for section in reading.plan.sections] == ["Stalls", "S\u00fcd"]
    assert [category.name for category in reading.plan.categories] == ["Premium", "Rear"]
    assert runs(reading.plan)[0] == ["1", "2", "3"]
    assert reading.report.counts["SPELLING_MERGED"] == 4


def test_ranges_are_a_seat_for_each_number() -> None:
    reading = read_csv("row,seat\nA,1-4\nA,\nA,5 – 6\nB,1..3\n")

    assert runs(reading.plan) == [["1", "2", "3", "4"], ["5", "6"], ["1", "2", "3"]]
    assert reading.plan.seats[4].source_id == "A-5"
    assert only(reading.report, "SEAT_RANGE").found.startswith("9 seats")


def test_among_ranges_a_row_may_count_down() -> None:
    reading = read_csv("row,seat\n1,1-3\n2,6-4\n12,12-1\n")

    assert runs(reading.plan) == [["1", "2", "3"], ["6", "5", "4"], ["12-1"]]


@pytest.mark.parametrize("rows", ["A,1-1\nA,1-2\nA,1-3\n", "A,1-4\nA,3\n", "A,4-1\n"])
def test_numbers_with_hyphens_that_cannot_be_ranges_stay_as_they_are(rows: str) -> None:
    reading = read_csv("row,seat\n" + rows)

    assert len(reading.plan.seats) == rows.count("\n")


def test_a_line_that_says_the_same_again_is_no_second_chair() -> None:
    reading = read_csv("row,seat\nA,1\nA,2\nA,2\nA,3\n")

    assert runs(reading.plan) == [["1", "2", "3"]]
    assert only(reading.report, "SEAT_LISTED_TWICE").place == "line 4"


def test_rows_whose_numbers_jump_are_warned_of() -> None:
    reading = read_csv("row,seat\n" + "".join(f"A,{number}\n" for number in (1, 3, 5, 2, 4, 6)) + "B,1\nB,2\n")

    finding = only(reading.report, "ORDER_DOUBTFUL")
    assert finding.found == '6 seats in 1 row with numbers that jump, first 5 beside 2 in row "A"'
    assert "ORDER_DOUBTFUL" not in read_csv("row,seat\nA,5\nA,3\nA,1\nA,2\nA,\nA,20\n").report.counts


def test_no_group_is_seated_together_across_a_jump_of_the_numbers() -> None:
    reading = read_csv("row,seat\nA,3\nA,4\nA,5\nA,23\nA,24\nB,10\nB,20\nB,30\n")

    assert runs(reading.plan) == [["3", "4", "5"], ["23", "24"], ["10", "20", "30"]]
    assert only(reading.report, "ORDER_DOUBTFUL").found.startswith("5 seats in 1 row")


def test_rows_and_seats_that_were_sorted_as_text_are_put_in_order() -> None:
    numbers = sorted(map(str, range(1, 12)))
    reading = read_csv("row,seat\n" + "".join(f"{row},{seat}\n" for row in numbers for seat in numbers))

    assert [row.label for row in reading.plan.rows] == [str(row) for row in range(1, 12)]
    assert runs(reading.plan) == [[str(seat) for seat in range(1, 12)]] * 11
    assert reading.report.counts == {"SORTED_AS_TEXT": 2, "FOCAL_POINT_GUESSED": 1}


@pytest.mark.parametrize(
    ("labels", "order"),
    [("A AA B BB T", "A B T AA BB"), ("A AA B C", "A AA B C"), ("01 02 10", "01 02 10"), ("1 2 10", "1 2 10")],
)
def test_rows_are_only_put_in_order_where_the_order_is_plain(labels: str, order: str) -> None:
    plan = read_csv("row,seat\n" + "".join(f"{row},1\n" for row in labels.split())).plan

    assert [row.label for row in plan.rows] == order.split()


def test_a_list_that_begins_too_far_below_is_refused_and_not_read_as_a_grid() -> None:
    error = refusal("Our hall\n" * 30 + "row,seat\nA,1\n")

    assert (error.code, error.place) == ("NOT_CSV", "line 31")


def test_a_third_coordinate_is_named_with_what_it_may_mean() -> None:
    finding = only(read_csv("row,seat,x,y,z\nA,1,0,2,30\nA,2,25,2,30\n").report, "UNKNOWN_KEY")

    assert "exchange the names" in finding.done


def test_a_range_of_too_many_seats_is_one_seat_and_named() -> None:
    reading = read_csv("row,seat\nA,1-99999\n")

    assert len(reading.plan.seats) == 1
    assert only(reading.report, "SEAT_RANGE").severity == "warning"


def test_the_seats_that_a_guess_would_sell_first_are_no_wheelchair_places() -> None:
    reading = read_csv("row,seat,kind\nA,1,wheelchair\nA,2,companion\nB,1,\nB,2,\n")

    assert "around Row B, seat" in only(reading.report, "FOCAL_POINT_GUESSED").done


def test_a_short_row_stands_in_the_middle_of_the_long_ones() -> None:
    plan = read_csv("row,seat\n" + "A,1\nA,2\n" + "".join(f"B,{number}\n" for number in range(1, 7))).plan

    assert [seat.x for seat in plan.seats] == [75, 100, 25, 50, 75, 100, 125, 150]


def test_numbers_that_fit_into_the_longest_row_say_where_a_short_row_stands() -> None:
    rows = [f"A,{number}" for number in (3, 4)] + [f"B,{number}" for number in (1, 2, 3, 4)]
    assert [seat.x for seat in read_csv("row,seat\n" + "\n".join(rows)).plan.seats] == [75, 100, 25, 50, 75, 100]

    # Numbers that run on from row to row say nothing of it.
    rows = [f"A,{number}" for number in (1, 2)] + [f"B,{number}" for number in (3, 4, 5, 6)]
    assert [seat.x for seat in read_csv("row,seat\n" + "\n".join(rows)).plan.seats] == [50, 75, 25, 50, 75, 100]


def test_blocks_beside_each_other_are_straight_towards_the_middle() -> None:
    short = [f"{section},A,1" for section in ("Left", "Centre", "Right")]
    long = [f"{section},B,{seat}" for section in ("Left", "Centre", "Right") for seat in (1, 2, 3)]
    plan = read_csv("section,row,seat\n" + "\n".join(short + long)).plan

    at = {seat.label: seat.x for seat in plan.seats}
    assert at["Left, row A, seat 1"] == at["Left, row B, seat 3"]
    assert at["Centre, row A, seat 1"] == at["Centre, row B, seat 2"]
    assert at["Right, row A, seat 1"] == at["Right, row B, seat 1"]


@pytest.mark.parametrize(
    "header",
    [
        "seat_row,seat_number,Sector",
        "Reihe;Platz;Bereich",
        "Fila,Butaca,Sección",
        "Row No.,Seat-No,block",
        "列,座位,AREA",
    ],
)
def test_a_list_may_name_its_columns_in_another_way(header: str) -> None:
    mark = ";" if ";" in header else ","
    reading = read_csv(f"{header}\nA,1,Stalls\nA,2,Stalls\nB,1,Balcony\n".replace(",", mark))

    assert [seat.label for seat in reading.plan.seats][::2] == ["Stalls, row A, seat 1", "Balcony, row B, seat 1"]
    assert reading.report.counts["COLUMN_RENAMED"] == 3
    assert "UNKNOWN_KEY" not in reading.report.counts


def test_a_column_with_the_right_name_counts_more_than_another_name_of_it() -> None:
    reading = read_csv("number,Reihe,row,seat\n9,i,A,1\n")

    assert reading.plan.seats[0].label == "Row A, seat 1"
    assert reading.report.counts["UNKNOWN_KEY"] == 2


def test_a_list_without_a_column_of_rows_is_not_read_as_a_grid() -> None:
    error = refusal("seat_id,status\nA1,free\nA2,free\n")

    assert error.code == "FIELD_MISSING"
    assert "columns row and seat" in error.message
    # A grid may have a word in its first line all the same.
    assert runs(read_csv("Number one hall\nA1,A2\n").plan) == [["1", "2"]]


def test_left_centre_and_right_stand_beside_each_other() -> None:
    rows = [f"{section},{row},{seat}" for section in ("Stalls right", "Stalls left") for row in "AB" for seat in (1, 2)]
    reading = read_csv("section,row,seat\n" + "\n".join(rows) + "\nBalcony,A,1\n")

    at = {seat.label: (seat.x, seat.y) for seat in reading.plan.seats}
    assert at["Stalls left, row A, seat 1"] == (25, 30)
    assert at["Stalls left, row B, seat 1"] == (25, 60)
    assert at["Stalls right, row A, seat 1"] == (125, 30)
    assert at["Balcony, row A, seat 1"] == (87.5, 120)
    assert only(reading.report, "SECTIONS_BESIDE").found.startswith("8 seats")


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("row,seat,x,y\nA,1,abc,2\n", "WRONG_TYPE", "line 2, column 3"),
        ("row,seat,x,y\nA,1,,2\n", "WRONG_TYPE", "line 2, column 3"),
        ("row,seat,x,y\nA,1,5\n", "WRONG_TYPE", "line 2, column 4"),
        ("row,seat,x,y\nA,1,nan,2\n", "WRONG_TYPE", "line 2, column 3"),
        ("row,seat,x,y\nA,1,1e300,2\n", "OUT_OF_RANGE", "line 2, column 3"),
        ("row,seat,kind\nA,1,throne\n", "WRONG_TYPE", "line 2, column 3"),
        ("row,seat,x\nA,1,5\n", "FIELD_MISSING", "line 1"),
        ("row,stool\nA,1\n", "FIELD_MISSING", "line 1"),
        ("seat_id,stool,status\nA1,1,free\n", "FIELD_MISSING", "line 1"),
        ("row,seat,row\nA,1,A\n", "NOT_CSV", "line 1, column 3"),
        ('row,seat\nA,"1\n', "TRUNCATED", "line 2"),
        ('row,seat\nA,"1"x\n', "NOT_CSV", "line 2"),
        ("row,seat\nA," + "1" * 300 + "\n", "TEXT_TOO_LONG", "line 2, column 2"),
        ("row,seat\n" + "," * 6_000 + "\n", "NOT_CSV", "line 2"),
        ("row,seat\n" + "\n" * 1_600_000, "FILE_TOO_LARGE", ""),
        ("row,seat\n", "NO_SEATS", ""),
        (",,\n,,\n", "NO_SEATS", ""),
        ("row,seat,category\n" + "".join(f"A,{n},c{n}\n" for n in range(300)), "TOO_MANY_CATEGORIES", ""),
    ],
)
def test_a_bad_list_is_refused_with_its_place(text: str, code: str, place: str) -> None:
    error = refusal(text)

    assert (error.code, error.place) == (code, place)


@pytest.mark.parametrize("header", ["座席番号　,x,y", "desk,x,y", "x,y,label"])
def test_a_list_of_positions_without_rows_is_no_grid(header: str) -> None:
    """Its lines were read as the rows of a grid, in which each seat had its own coordinates for neighbours."""
    with pytest.raises(PlanError) as caught:
        read_csv(f"{header}\n1,2,1\n2,3,1\n3,4,1\n")

    assert caught.value.code == "FIELD_MISSING"
    assert "there is no column" in caught.value.message
