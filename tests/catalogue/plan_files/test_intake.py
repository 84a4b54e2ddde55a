"""Which files are refused before they are parsed as plans, and with which message."""

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from tests.catalogue.plan_files.builders import Json, chart, pretix_plan, read

from rowlock.catalogue.plan_files import (
    MAX_BYTES,
    MAX_SEATS,
    PlanError,
    PlanFormat,
    detect_format,
    read_plan,
    read_plan_file,
)
from rowlock.catalogue.plan_files.limits import MAX_CONTAINERS, MAX_ROWS


def refusal(content: Json | str | bytes, name: str = "hall.json", **options: Any) -> PlanError:
    with pytest.raises(PlanError) as caught:
        read(content, name, **options)
    return caught.value


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_an_empty_file_is_refused(content: Json | str | bytes) -> None:
    error = refusal(content)

    assert error.code == "FILE_EMPTY"
    assert "pretix" in error.message


def test_a_file_cut_between_values_names_where_it_ends() -> None:
    text = json.dumps(pretix_plan(), indent=1)
    cut = text[: text.index('"position"')].rstrip()

    error = refusal(cut)

    assert error.code == "TRUNCATED"
    assert error.place == f"line {cut.count(chr(10)) + 1}, column {len(cut.splitlines()[-1]) + 1}"


def test_a_file_cut_in_a_text_names_where_the_text_begins() -> None:
    error = refusal('{"zones": [\n  {"name": "Bal')

    assert (error.code, error.place) == ("TRUNCATED", "line 2, column 12")


def test_broken_json_names_its_place() -> None:
    error = refusal('{"zones": [\n  {"name" "Balcony"}]}')

    assert (error.code, error.place) == ("NOT_JSON", "line 2, column 11")


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"zones":['])
def test_deep_nesting_is_refused_where_it_passes_the_limit(opening: str) -> None:
    brackets = sum(opening.count(bracket) for bracket in "[{")
    levels = 10_000 // brackets
    text = "\n".join(opening for _ in range(levels))

    error = refusal(text)

    # Level 65 is opened on this line, and lines begin with their opening bracket.
    assert error.code == "TOO_DEEP"
    assert error.place.startswith(f"line {65 if brackets == 1 else 33}, column 1")
    assert "64" in error.message


def test_nesting_that_python_could_read_is_refused_too() -> None:
    closed = "[" * 70 + "]" * 70

    error = refusal('{"name": "[[[[",\n"zones": ' + closed + "}")

    assert (error.code, error.place) == ("TOO_DEEP", "line 2, column 73")


def test_a_bracket_in_a_text_is_no_nesting() -> None:
    reading = read(pretix_plan(name='Hall \\" [[[[' * 15))

    assert len(reading.plan.seats) == 4


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_are_refused_with_their_place(constant: str) -> None:
    text = json.dumps(pretix_plan(name="NaN")).replace('"x": 75', f'\n"x": {constant}')

    error = refusal(text)

    assert (error.code, error.place) == ("NOT_FINITE", "line 2, column 6")
    assert constant in error.message


def test_a_number_beyond_every_float_is_refused_with_its_path() -> None:
    text = json.dumps(pretix_plan()).replace('"x": 75', '"x": 1e999')

    error = refusal(text)

    assert (error.code, error.place) == ("OUT_OF_RANGE", "zones[0].rows[0].seats[1].position.x")


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    text = json.dumps(pretix_plan()).replace('"x": 75', '\n"x": ' + "7" * 5000)

    error = refusal(text)

    assert (error.code, error.place) == ("OUT_OF_RANGE", "line 2, column 6")


def test_the_error_about_a_file_that_is_not_utf8_names_the_line_and_what_to_do() -> None:
    error = refusal('{\n"name": "Bühne"}'.encode("latin-1"))

    assert (error.code, error.place) == ("NOT_UTF8", "line 2, byte 11")
    assert "CSV UTF-8" in error.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_refused_with_and_without_its_mark(encoding: str) -> None:
    error = refusal("row,seat\nA,1\n".encode(encoding))

    assert error.code == "NOT_UTF8"
    assert "CSV UTF-8" in error.message


def test_a_member_that_is_twice_in_one_object_is_refused_because_only_one_would_be_read() -> None:
    error = refusal('{"zones": [{"rows": []}], "zones": []}')

    assert error.code == "NOT_JSON"
    assert '"zones" more than once' in error.message


def test_a_byte_order_mark_is_ignored() -> None:
    data = b"\xef\xbb\xbf" + json.dumps(pretix_plan()).encode()

    assert len(read_plan(data, name="hall.json").plan.seats) == 4


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"PK\x03\x04rest", "Excel"),
        (b"PK\x05\x06rest", "Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"<svg></svg>", "XML"),
        (b'{"rows": []}', "neither"),
        (b"[1, 2]", "a list of 2"),
        (b"just some words", "neither JSON nor CSV"),
    ],
)
def test_the_error_about_an_unknown_format_says_what_the_file_seems_to_be(
    content: Json | str | bytes, word: str
) -> None:
    error = refusal(content)

    assert error.code == "UNKNOWN_FORMAT"
    assert word in error.message
    assert "pretix" in error.message


@pytest.mark.parametrize(
    ("content", "chosen", "found"),
    [(pretix_plan(), "seatsio", "pretix"), (chart(), "pretix", "seatsio"), ("row,seat\nA,1\n", "pretix", "csv")],
)
def test_a_wrongly_chosen_format_is_refused_with_the_right_one(
    content: Json | str | bytes, chosen: PlanFormat, found: str
) -> None:
    error = refusal(content, "hall.csv", format=chosen)

    assert error.code == "WRONG_FORMAT"
    assert f'"{found}"' in error.message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", json.dumps(pretix_plan()), "pretix"),
        ("a.csv", json.dumps(chart()), "seatsio"),
        ("a.csv", "row,seat\nA,1\n", "csv"),
        ("upload", "res:A1,res:A2\n", "csv"),
        ("single.csv", "A1\n", "csv"),
    ],
)
def test_the_format_is_detected_from_the_contents(name: str, content: str, expected: str) -> None:
    assert detect_format(name, content.encode()) == expected


def test_a_file_beyond_the_size_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES * 100)  # A sparse file: reading it would take all the memory of this machine.

    with pytest.raises(PlanError) as caught:
        read_plan_file(path)

    assert caught.value.code == "FILE_TOO_LARGE"
    assert f"{MAX_BYTES:,}" in caught.value.message


def test_data_beyond_the_size_limit_is_refused_before_it_is_parsed() -> None:
    assert refusal(b"[" * (MAX_BYTES + 1)).code == "FILE_TOO_LARGE"


def test_too_many_seats_are_refused_at_the_seat_that_is_too_many() -> None:
    seat = '{"seat_guid":"","seat_number":"","position":{"x":0,"y":0}},'
    row = '{"row_number":"A","seats":[' + (seat * 100_000)[:-1] + "]}"
    data = ('{"zones":[{"rows":[' + ",".join([row] * 4) + "]}]}").encode()
    assert len(data) < MAX_BYTES

    started = time.monotonic()
    error = refusal(data)

    assert (error.code, error.place) == ("TOO_MANY_SEATS", "zones[0].rows[2].seats")
    assert f"{MAX_SEATS:,}" in error.message
    assert time.monotonic() - started < 60


def test_a_million_lines_of_csv_are_refused_at_the_seat_that_is_too_many() -> None:
    error = refusal("row,seat\n" + "A,1\n" * 1_000_000, "hall.csv")

    assert (error.code, error.place) == ("TOO_MANY_SEATS", f"line {MAX_SEATS + 2}")


def test_millions_of_tiny_objects_are_refused_before_they_are_built() -> None:
    assert refusal(b'{"zones":[' + b"{}," * 3_000_000 + b"{}]}").code == "FILE_TOO_LARGE"


@pytest.mark.parametrize(
    ("opening", "closing", "code"),
    [
        ('{"zones":[', "]}", "TOO_MANY_SECTIONS"),
        ('{"zones":[{"rows":[', "]}]}", "TOO_MANY_ROWS"),
        ('{"zones":[{"areas":[', "]}]}", "TOO_MANY_SHAPES"),
        ('{"zones":[],"categories":[', "]}", "TOO_MANY_CATEGORIES"),
        ('{"subChart":{"sections":[', "]}}", "TOO_MANY_SECTIONS"),
        ('{"subChart":{"tables":[', "]}}", "TOO_MANY_ROWS"),
        ('{"subChart":{"texts":[', "]}}", "TOO_MANY_SHAPES"),
    ],
)
def test_as_many_tiny_objects_as_the_parser_takes_are_refused_before_they_are_read(
    opening: str, closing: str, code: str
) -> None:
    # Half of what the parser takes is at least ten times what is allowed; for one list it is all.
    objects = MAX_CONTAINERS - 10 if code == "TOO_MANY_CATEGORIES" else 500_000
    data = (opening + "{}," * objects + "{}" + closing).encode()

    tracemalloc.start()
    started = time.process_time()
    error = refusal(data)
    used = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    print(f"{objects:,} times {{}} in {opening[:30]}: {used:.2f} s of CPU, {peak / 10**6:.0f} MB")
    # Reading a million one by one took 25 to 64 seconds and up to 866 MB.
    assert error.code == code
    assert used < 20 * objects / MAX_CONTAINERS
    assert peak < 200_000_000 * objects / MAX_CONTAINERS


def test_a_list_with_more_rows_than_any_hall_is_refused() -> None:
    text = "row,seat\n" + "".join(f"r{number},1\n" for number in range(MAX_ROWS + 1))

    error = refusal(text, "hall.csv")

    assert (error.code, error.place) == ("TOO_MANY_ROWS", f"line {MAX_ROWS + 2}")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(PlanError) as caught:
            read_plan_file(path)
        assert caught.value.code == "FILE_UNREADABLE"


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "Big hall.csv"
    path.write_text("row,seat\nA,1\nA,2\n")

    reading = read_plan_file(path)

    assert reading.plan.name == "Big hall"
    assert reading.report.format == "csv"


def test_an_error_can_be_shown_as_a_finding() -> None:
    finding = refusal("{").finding()

    assert (finding.code, finding.severity) == ("TRUNCATED", "error")
    assert finding.place == "line 1, column 2"
