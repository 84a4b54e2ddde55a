"""Names that people cannot tell apart are kept, and warned of."""

import pytest
from tests.catalogue.plan_files.builders import only, pretix_plan, pretix_row, pretix_zone, read

from rowlock.catalogue.plan_files.likeness import is_mixed, look


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A", "\u0410"),  # Cyrillic.
        ("B", "\u0392"),  # Greek.
        ("A", "\uff21"),  # Full width.
        ("1", "01"),
        ("Row 7", "row  007"),
        ("Loge", "loge"),
        ("بت", "ب\u200cت"),
    ],
)
def test_two_names_look_alike(one: str, other: str) -> None:
    assert look(one) == look(other)


@pytest.mark.parametrize(("one", "other"), [("A", "B"), ("10", "1"), ("O", "0"), ("I", "1"), ("100", "1"), ("Д", "D")])
def test_two_names_do_not(one: str, other: str) -> None:
    assert look(one) != look(other)


@pytest.mark.parametrize(
    ("name", "mixed"), [("\u0412lock", True), ("Блок A", False), ("Ряд 5А", False), ("Süd", False), ("座A", False)]
)
def test_a_word_in_two_scripts(name: str, mixed: bool) -> None:
    assert is_mixed(name) is mixed


def test_rows_that_look_alike_are_warned_of_with_their_seats() -> None:
    rows = [pretix_row(label, y, (50, 75, 100)) for label, y in (("A", 50), ("\u0410", 80), ("B", 110))]

    finding = only(read(pretix_plan(pretix_zone("Hall", *rows))).report, "LOOK_ALIKE")

    assert (finding.severity, finding.place) == ("warning", "zones[0].rows[1]")
    assert finding.found == 'the row "A" looks like "\u0410": 6 seats'


def test_seats_sections_and_categories_that_look_alike_are_warned_of() -> None:
    row = pretix_row("A", 50, (50, 75, 100))
    row["seats"][2] |= {"seat_number": "01", "category": "stalls"}
    zones = [pretix_zone("Box", row), pretix_zone("BOX", pretix_row("A", 200, (50, 75)))]

    report = read(pretix_plan(*zones, categories=[{"name": "Stalls"}, {"name": "stalls"}])).report

    assert [finding.found for finding in report.findings if finding.code == "LOOK_ALIKE"] == [
        'the category "Stalls" looks like "stalls": 5 seats',
        'the section "Box" looks like "BOX": 5 seats',
        'the seat "1" of row "A" of section "Box" looks like "01": 2 seats',
    ]


def test_a_name_in_two_scripts_is_warned_of() -> None:
    plan = pretix_plan(pretix_zone("\u0412lock", pretix_row("A", 50, (50, 75))))

    assert "letters of two scripts" in only(read(plan).report, "LOOK_ALIKE").found
