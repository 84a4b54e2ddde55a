"""Numbers and texts as spreadsheets and templates leave them."""

import pytest
from tests.catalogue.plan_files.builders import findings, only, pretix_plan, pretix_row, pretix_seat, pretix_zone, read

from rowlock.catalogue.plan_files import GivenStage


def test_decimal_numbers_are_whole_in_json_too() -> None:
    row = pretix_row("2.0", 50, (), seats=[pretix_seat("1.0", 50), pretix_seat("2.50", 75)])

    reading = read(pretix_plan(pretix_zone("Hall", row)))

    assert [seat.label for seat in reading.plan.seats] == ["Row 2, seat 1", "Row 2, seat 2.50"]
    assert [finding.found for finding in findings(reading.report, "SPREADSHEET_NUMBER")] == [
        "2 seats with a row number like 12.0",
        "1 seat with a seat number like 12.0",
    ]


def test_a_seat_that_is_called_like_a_range_is_warned_of() -> None:
    row = pretix_row("A", 50, (), seats=[pretix_seat("1-10", 50), pretix_seat("11-20", 75), pretix_seat("21", 100)])

    finding = only(read(pretix_plan(pretix_zone("Hall", row))).report, "SEAT_RANGE")

    assert (finding.severity, finding.found) == ("warning", "2 seats called like a range, such as 1-10")


def test_names_with_a_hyphen_are_none() -> None:
    row = pretix_row("A", 50, (), seats=[pretix_seat(f"1-{number}", 25 * number) for number in range(1, 5)])

    assert read(pretix_plan(pretix_zone("Hall", row)), given=GivenStage("top")).report.warnings == 0


@pytest.mark.parametrize("text", ["Reihe %d", "%(n)s", "Row {row}", "Row ${row}", "Row <b>"])
def test_a_template_that_is_not_filled_is_warned_of(text: str) -> None:
    plan = pretix_plan(pretix_zone("Hall", pretix_row("A", 50, (50, 75), row_label=text)))

    assert only(read(plan).report, "TEMPLATE_UNKNOWN").found == f'2 seats with the text "{text}"'


@pytest.mark.parametrize("text", ["Reihe %s", "Loge", "100% %s"])
def test_other_texts_are_not(text: str) -> None:
    plan = pretix_plan(pretix_zone("Hall", pretix_row("A", 50, (50, 75), row_label=text)))

    assert read(plan, given=GivenStage("top")).report.warnings == 0


def test_a_text_in_several_languages_is_read_in_one() -> None:
    reading = read(pretix_plan(name={"de": "Saal", "en": "Hall"}))

    assert reading.plan.name == "Hall"
    assert only(reading.report, "TEXT_TRANSLATED").found == "a text in 2 languages (de, en)"
    assert read(pretix_plan(name={"de-informal": "Saal"})).report.repairs == 0
