"""Text of a plan file: compared in NFC, without what nobody can see, with the joiners that languages need."""

import pytest
from tests.catalogue.plan_files.builders import findings, only, pretix_plan, pretix_row, pretix_zone, read, read_csv

from rowlock.catalogue.plan_files import GivenStage
from rowlock.catalogue.plan_files.fields import clean


@pytest.mark.parametrize(
    "text",
    [
        "صندلی\u200cهای ویژه",  # Persian: the plural is not joined to its noun.
        "क्\u200dष सीट",  # Hindi: a half letter.
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 Family",
    ],
)
def test_joiners_stay_where_a_script_needs_them(text: str) -> None:
    reading = read(pretix_plan(pretix_zone(text, pretix_row("A", 50, (50, 75)))))

    assert reading.plan.sections[0].name == text
    assert reading.report.repairs == 0


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Stal\u200cls", "Stalls"),
        ("\u200dA\u200c", "A"),
        ("ب\u200c\u200dت", "بت"),
        ("\u3164", ""),
        ("A\u2800\u034f", "A"),
        ("Front\u2028left", "Front left"),
        ("Front  left", "Front left"),
    ],
)
def test_invisible_letters_are_removed(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_an_invisible_label_is_reported_and_replaced() -> None:
    reading = read(pretix_plan(pretix_zone("Hall", pretix_row("\u3164", 50, (50, 75)))))

    assert reading.plan.rows[0].label == "1"
    assert findings(reading.report, "TEXT_CLEANED")[0].place == "zones[0].rows[0].row_number"
    assert only(reading.report, "ROW_LABEL_MISSING").severity == "repaired"


def test_two_spellings_of_one_letter_are_one_category() -> None:
    row = pretix_row("A", 50, (50, 75))
    for seat in row["seats"]:
        seat["category"] = "Su\u0308d"

    plan = pretix_plan(pretix_zone("Hall", row), categories=[{"name": "S\u00fcd"}])
    reading = read(plan, given=GivenStage("top"))

    assert [category.name for category in reading.plan.categories] == ["S\u00fcd"]
    assert (reading.report.repairs, reading.report.warnings) == (0, 0)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_lines_end_at_cr_and_lf_only(separator: str) -> None:
    reading = read_csv(f"section,row,seat\r\nBalcony{separator}left,A,1\rBalcony{separator}left,A,2\n")

    assert len(reading.plan.seats) == 2
    assert len(reading.plan.sections) == 1
    assert [finding.place for finding in reading.report.findings if finding.code == "TEXT_CLEANED"] == [
        "line 2, column 1",
        "line 3, column 1",
    ]
