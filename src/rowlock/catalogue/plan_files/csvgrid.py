"""Reads a seating plan from a grid in the form of the hall, the dialect of Audience1st.

A cell `res:A12` is seat A12 of category res, a trailing + makes it a wheelchair place, an empty cell or an X is no
seat. Letters at an end of a row of numbers are the row's label; any other letters are a text on the map, such as STAGE.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from rowlock.catalogue.plan_files.csvlines import PITCH, ROW_SPACING, STANDARD, Line
from rowlock.catalogue.plan_files.draft import (
    Draft,
    DraftCategory,
    DraftRow,
    DraftSeat,
    DraftSection,
    DraftShape,
    SeatCounter,
)
from rowlock.catalogue.plan_files.errors import PlanError, describe
from rowlock.catalogue.plan_files.fields import clean_text
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import whole_number

_CELL = re.compile(r"(?:([\w-]+)\s*:\s*)?(\w[\w-]*)\s*(\+)?")
_ROW_AND_NUMBER = re.compile(r"([^\W\d_]+)-?([0-9]+)")
_WORDS = re.compile(r"[^\W\d_]+(?:[ '’&/.-]+[^\W\d_]+)*")
_NO_SEAT = frozenset("xX×-–—_./*")
_LONGEST_LETTERS = 3
"""Row labels made of letters: A to Z, AA, AAA."""
_MOST_MARKS = 3
"""A grid that says only which seats are free has so many different cells at most, such as free, taken and blocked."""


@dataclass(slots=True)
class _Cell:
    """One cell that is not blank."""

    column: int
    text: str


@dataclass(slots=True)
class _Places:
    """What the cells of one line are."""

    label: str = ""
    seats: list[_Cell] = field(default_factory=list)
    texts: list[_Cell] = field(default_factory=list)


def read(lines: Iterable[Line], name: str, findings: Findings) -> Draft:
    """Return the draft of a grid: one line per row, one cell per place; a blank line is a cross-aisle."""
    counter = SeatCounter()
    section = DraftSection("", "line 1")
    cells_of = [(line, _cells(line, findings)) for line in lines]
    _refuse_marks(cells_of)
    # Where no cell has a digit, seats are called by letters, and a word is a seat.
    numbered = any(_has_digit(cell.text) for _, cells in cells_of for cell in cells)
    columns = [cell.column + 1 for _, cells in cells_of for cell in cells if _has_digit(cell.text)]
    middle = (min(columns) + max(columns)) / 2 if columns else 1.0
    for line, cells in cells_of:
        places = _places(cells, line, findings) if numbered else _Places(seats=cells)
        _add_texts(section, line, places, middle, counter, findings)
        if places.seats:
            counter.seats(len(places.seats), f"line {line.number}")
            counter.rows(1, f"line {line.number}")
            section.rows.append(_row(line, places))
    keys = dict.fromkeys(seat.category for seat in section.seats())
    categories = [DraftCategory(key, key, "", "") for key in keys]
    return Draft(name, format_has_size=False, categories=categories, sections=[section])


def _cells(line: Line, findings: Findings) -> list[_Cell]:
    texts = ((column, clean_text(cell, line.place(column), findings)) for column, cell in enumerate(line.cells))
    cells = []
    for column, text in texts:
        whole = whole_number(text)
        if whole != text:
            done = 'Read as whole numbers: "12.0" is "12".'
            findings.of_seats("SPREADSHEET_NUMBER", "repaired", line.place(column), "with a number like 12.0", done)
        if whole:
            cells.append(_Cell(column, whole))
    return cells


def _refuse_marks(cells_of: list[tuple[Line, list[_Cell]]]) -> None:
    """Refuse a grid whose cells say what state a seat is in: nobody could be told which of the seats "V" is theirs.

    Blocks beside each other may count alike, so up to two of three cells of a line may be called as others of it.
    """
    named = [[cell.text for cell in cells if cell.text not in _NO_SEAT] for _, cells in cells_of]
    names = sorted({name for line in named for name in line})
    total = sum(map(len, named))
    repeated = total - sum(len(set(line)) for line in named)
    if 0 < len(names) <= _MOST_MARKS and 3 * repeated > 2 * total:
        marks = ", ".join(describe(name) for name in names)
        raise PlanError(
            "WRONG_TYPE",
            f"line {cells_of[0][0].number}",
            f"the {total:,} cells of this grid are only {marks}. They may say which seats are free, but not what the "
            "seats are called. Write the number of each seat into its cell, and leave a cell empty where there is none",
        )


def _places(cells: list[_Cell], line: Line, findings: Findings) -> _Places:
    """Say what each cell of a line is: a seat, the row's label, a text, or nothing."""
    places = _Places()
    numbers_only = sum(cell.text.isdecimal() for cell in cells)
    for index, cell in enumerate(cells):
        at_end = index in {0, len(cells) - 1}
        words = _WORDS.fullmatch(cell.text) is not None
        if at_end and words and numbers_only and len(cell.text) <= _LONGEST_LETTERS:
            places.label = places.label or cell.text
        elif cell.text in _NO_SEAT:
            found = f'a cell "{cell.text}"'
            findings.info("CELL_NO_SEAT", line.place(cell.column), found, "Read as a place without a seat.")
        elif words:
            places.texts.append(cell)
        else:
            places.seats.append(cell)
    return places


def _add_texts(
    section: DraftSection, line: Line, places: _Places, middle: float, counter: SeatCounter, findings: Findings
) -> None:
    """Keep words as texts on the map; letters of a line without seats are one word, as in S T A G E.

    middle  the middle of the hall, in columns: where a word stands that has a line for itself, as joined cells
            are saved in their first column.
    """
    if not places.texts:
        return
    groups = [places.texts] if not places.seats else [[cell] for cell in places.texts]
    for group in groups:
        spelt = all(len(cell.text) == 1 for cell in group)
        text = ("" if spelt else " ").join(cell.text for cell in group)
        alone = len(group) == 1 and not places.seats
        x = (middle if alone else sum(cell.column + 1 for cell in group) / len(group)) * PITCH
        counter.shapes(1, line.place(group[0].column))
        section.shapes.append(DraftShape("text", [(x, line.number * ROW_SPACING)], text))
        findings.add(
            "CELL_NO_SEAT",
            "warning" if places.seats else "info",
            line.place(group[0].column),
            f'"{text[:40]}" has no number, so it is no seat',
            "Kept as a text on the map.",
        )


def _row(line: Line, places: _Places) -> DraftRow:
    """Return a row with the label in the line, or "A" if its seats are called A1, A2, …, or else the line's number."""
    seats = [_seat(line, cell) for cell in places.seats]
    parts = [_ROW_AND_NUMBER.fullmatch(seat.number) for seat in seats]
    letters = {part.group(1) for part in parts if part}
    row = DraftRow(places.label or str(line.number), f"line {line.number}", seats, counted=not places.label)
    if all(parts) and len(letters) == 1:
        row.label, row.counted = letters.pop(), False
        for seat, part in zip(seats, parts, strict=True):
            seat.number = part.group(2) if part else seat.number
    elif places.label:
        for seat in seats:
            seat.source_id = f"{places.label}{seat.number}" if seat.number.isdecimal() else seat.source_id
    return row


def _seat(line: Line, cell: _Cell) -> DraftSeat:
    place = line.place(cell.column)
    match = _CELL.fullmatch(cell.text)
    if match is None:
        raise PlanError(
            "WRONG_TYPE",
            place,
            f'expected "category:seat", such as res:A12, with a + at the end for a wheelchair place, '
            f"or an empty cell for an aisle; found {describe(cell.text)}. "
            "(A list instead of a grid needs a header line with the columns row and seat.)",
        )
    category, label, plus = match.groups()
    return DraftSeat(
        number=label,
        x=(cell.column + 1) * PITCH,
        y=line.number * ROW_SPACING,
        category=category or STANDARD,
        source_id=label,
        place=place,
        kind="wheelchair" if plus else "standard",
    )


def _has_digit(text: str) -> bool:
    return any(letter.isdecimal() for letter in text)
