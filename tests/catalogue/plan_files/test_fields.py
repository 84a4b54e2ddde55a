"""Typed access: wrong types name their JSON path, harmless deviations are read and reported."""

import json

import pytest
from tests.catalogue.plan_files.builders import Json, only, pretix_plan, pretix_row, pretix_seat, pretix_zone, read

from rowlock.catalogue.plan_files import PlanError
from rowlock.catalogue.plan_files.fields import clean, parse_number, safe_color

SEATS = "zones[0].rows[3].seats[2]"


def plan_with(seat: Json) -> Json:
    rows = [pretix_row(label, 50 + 30 * index, (50, 75)) for index, label in enumerate("ABCD")]
    rows[3]["seats"].append(seat)
    return pretix_plan(pretix_zone("Hall", *rows))


@pytest.mark.parametrize(
    ("seat", "place", "message"),
    [
        ({"position": {"x": "abc", "y": 0}}, "position.x", 'expected a number, found text "abc"'),
        ({"position": {"x": True, "y": 0}}, "position.x", "expected a number, found true"),
        ({"position": {"x": [], "y": 0}}, "position.x", "expected a number, found a list of 0"),
        ({"position": {"x": 1}}, "position.y", "expected a number, found nothing"),
        ({"position": {"x": "NaN", "y": 0}}, "position.x", 'expected a number, found text "NaN"'),
        ({"position": [1, 2]}, "position", "expected an object, found a list of 2"),
        ({"position": None}, "position", "expected the seat's x and y, found nothing"),
        ({"seat_number": {}}, "seat_number", "expected text, found an object"),
        ({"seat_number": False}, "seat_number", "expected text, found false"),
        ({"wheelchair": "yes"}, "wheelchair", 'expected true or false, found text "yes"'),
        ({"seat_guid": "x" * 201}, "seat_guid", "expected at most 200 characters, found 201. Shorten the text"),
    ],
)
def test_a_wrong_type_names_its_path_and_what_was_found(seat: Json, place: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        read(plan_with(pretix_seat(3, 100) | seat))

    assert caught.value.place == f"{SEATS}.{place}"
    assert caught.value.message == message
    assert str(caught.value) == f"{SEATS}.{place}: {message}"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"zones": {}}, "zones"),
        ({"zones": [1]}, "zones[0]"),
        ({"zones": [{"rows": "none"}]}, "zones[0].rows"),
        ({"categories": "A"}, "categories"),
        ({"size": 100}, "size"),
        ({"name": []}, "name"),
    ],
)
def test_a_wrong_container_names_its_path(changes: Json, place: str) -> None:
    with pytest.raises(PlanError) as caught:
        read(pretix_plan(**changes))

    assert (caught.value.code, caught.value.place) == ("WRONG_TYPE", place)


def test_a_number_written_as_text_is_read_and_reported() -> None:
    reading = read(plan_with(pretix_seat(3, 100) | {"position": {"x": " 112.5 ", "y": 0}}))

    assert reading.plan.seats[8].x == 112.5
    finding = only(reading.report, "NUMBER_AS_TEXT")
    assert (finding.severity, finding.place) == ("repaired", f"{SEATS}.position.x")


def test_a_text_written_as_number_is_read_and_reported() -> None:
    reading = read(plan_with(pretix_seat(3, 100) | {"seat_number": 3.0}))

    assert reading.plan.seats[8].number == "3"
    assert only(reading.report, "TEXT_AS_NUMBER").place == f"{SEATS}.seat_number"


def test_text_that_no_database_can_store_is_cleaned_and_reported() -> None:
    text = json.dumps(plan_with(pretix_seat(3, 100))).replace('"seat_number": "3"', r'"seat_number": "\u00003\ud800\n"')

    reading = read(text)

    assert reading.plan.seats[8].number == "3"
    assert only(reading.report, "TEXT_CLEANED").severity == "repaired"


def test_unknown_keys_are_one_warning_for_each_key_with_how_often_it_came() -> None:
    plan = plan_with(pretix_seat(3, 100) | {"sparkle": 1})
    for row in plan["zones"][0]["rows"]:
        row["segment_breaks"] = [2]

    report = read(plan).report

    found = {finding.place: finding.found for finding in report.findings if finding.code == "UNKNOWN_KEY"}
    assert found == {
        "zones[0].rows[0].segment_breaks": 'unknown key "zones[].rows[].segment_breaks", 4 times, concerning 9 seats',
        f"{SEATS}.sparkle": 'unknown key "zones[].rows[].seats[].sparkle", once, concerning 1 seat',
    }
    assert report.counts["UNKNOWN_KEY"] == 2
    assert report.repairs == 0


def test_thousands_of_different_unknown_keys_stay_a_short_report() -> None:
    plan = pretix_plan() | {f"key{index}": 1 for index in range(5_000)}

    report = read(plan).report

    assert len(report.findings) < 50
    assert report.counts["UNKNOWN_KEY"] == 501  # 500 keys of their own, and one for all further ones.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#abc", "#abc"),
        ("#A1B2C3", "#A1B2C3"),
        ("#A1B2C3D4", "#A1B2C3D4"),
        ("teal", "teal"),
        ("rgb(255, 0, 300)", "#ff00ff"),
        ("rgba(1, 2, 3, 0.5)", "#010203"),
        ("url(javascript:alert(1))", ""),
        ("red; background: url(x)", ""),
        ("#12345", ""),
    ],
)
def test_only_plain_colors_pass(text: str, expected: str) -> None:
    assert safe_color(text) == expected


def test_an_unreadable_color_is_replaced_and_reported() -> None:
    reading = read(pretix_plan(categories=[{"name": "Stalls", "color": '"><script>'}]))

    assert reading.plan.categories[0].color == "#64748b"
    assert only(reading.report, "COLOR_UNREADABLE").place == "categories[0].color"


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12.0), ("-1.5e2", -150.0), (".5", 0.5), ("1_000", None), ("٣", None), ("inf", None), ("1e9999", None)],
)
def test_numbers_are_spelled_in_plain_digits(text: str, number: float | None) -> None:
    assert parse_number(text) == number


def test_cleaning_keeps_letters_of_every_script() -> None:
    assert clean(" Größe\u200b\n 座席 ") == "Größe 座席"
