"""Labels are made and parsed, and names are never given twice."""

import pytest

from rowlock.catalogue.plan_files.labels import DEFAULT_SEAT_TEXT, Names, count_of, seat_label, section_text, texts_of


@pytest.mark.parametrize(
    ("parts", "label"),
    [
        (("Balcony", "row %s", "C", "seat %s", "12"), "Balcony, row C, seat 12"),
        (("", "row %s", "C", "seat %s", "12"), "Row C, seat 12"),
        (("", "Reihe 7", "C", "Platz %s", "12"), "Reihe 7, Platz 12"),
        (("Bar", "table %s", "3", "seat %s", "1"), "Bar, table 3, seat 1"),
    ],
)
def test_labels_are_made_of_their_parts(parts: tuple[str, str, str, str, str], label: str) -> None:
    assert seat_label(*parts) == label


@pytest.mark.parametrize("section", ["", "Balcony"])
@pytest.mark.parametrize("row_text", ["row %s", "table %s", "booth %s", "Reihe %s", "the very last row"])
@pytest.mark.parametrize("seat_text", [DEFAULT_SEAT_TEXT, "Platz %s"])
@pytest.mark.parametrize("suffix", ["", " (2)"])
def test_texts_are_recovered_from_a_label(section: str, row_text: str, seat_text: str, suffix: str) -> None:
    label = seat_label(section, row_text, "C", seat_text, "12")

    recovered = texts_of(label + suffix, section, "C", "12")

    assert seat_label(section, recovered[0], "C", recovered[1], "12") == label


def test_a_plan_with_one_section_does_not_name_it() -> None:
    assert section_text("Hall", 1) == ""
    assert section_text("Hall", 2) == "Hall"


def test_names_are_never_given_twice() -> None:
    names = Names({"A", "A (2)"})

    assert [names.take(name) for name in ("A", "B", "A", "B", "A (3)")] == ["A (3)", "B", "A (4)", "B (2)", "A (3) (2)"]


def test_a_number_of_seats_is_written_in_singular_or_plural() -> None:
    assert (count_of(1), count_of(1252)) == ("1 seat", "1,252 seats")
