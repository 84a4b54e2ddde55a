"""Reads seating plans from CSV, in two dialects: a list with a header line, and a grid in the form of the hall.

The list is Rowlock's own (columns section, row, seat, category, x, y, kind, id). The grid is the one of
Audience1st: a cell `res:A12` is seat A12 of category res, a trailing + makes it a wheelchair place, an empty
cell is an aisle. docs/reference/plan-formats.md describes both.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from rowlock.catalogue.model import SeatKind
from rowlock.catalogue.plan_files import limits
from rowlock.catalogue.plan_files.draft import (
    Draft,
    DraftCategory,
    DraftRow,
    DraftSeat,
    DraftSection,
    SeatCounter,
    to_unit,
)
from rowlock.catalogue.plan_files.errors import PlanError, describe, wrong_type
from rowlock.catalogue.plan_files.fields import clean_text, in_range, parse_number
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.geometry import DEFAULT_PITCH
from rowlock.catalogue.plan_files.tiers import side_of

PITCH = DEFAULT_PITCH
ROW_SPACING = 30.0
STANDARD = "Standard"

_COLUMNS = frozenset({"section", "row", "seat", "category", "x", "y", "kind", "id"})
_REQUIRED = ("row", "seat")
_KINDS: dict[str, SeatKind] = {
    "": "standard",
    "standard": "standard",
    "wheelchair": "wheelchair",
    "companion": "companion",
}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_DELIMITERS = ",;\t"
_GRID_CELL = re.compile(r"(?:([\w-]+)\s*:\s*)?(\w[\w-]*)\s*(\+)?")
_ROW_AND_NUMBER = re.compile(r"([^\W\d_]+)-?([0-9]+)")


@dataclass(slots=True)
class _Line:
    """One line of the file that is not blank, with its number counted from 1."""

    number: int
    cells: list[str]

    def place(self, column: int) -> str:
        """Return the place of a cell, by its index from 0."""
        return f"line {self.number}, column {column + 1}"


def read(text: str, name: str, findings: Findings) -> Draft:
    """Return the draft of a file's text; `name` is the plan's name. Raises PlanError."""
    delimiter = _delimiter(text)
    lines = _lines(text, delimiter)
    first = next(lines, None)
    if first is None:
        return Draft(name, format_has_size=False)
    header = [cell.strip().casefold() for cell in first.cells]
    if set(header) & set(_REQUIRED):
        return _ListReader(first, header, delimiter, findings).read(name, lines)
    return _read_grid(chain([first], lines), name, findings)


def _delimiter(text: str) -> str:
    first_line = text.lstrip("\r\n").split("\n", 1)[0]
    return max(_DELIMITERS, key=first_line.count)


def _lines(text: str, delimiter: str) -> Iterator[_Line]:
    """Yield the lines with at least one cell that is not blank."""
    if text.count("\n") > limits.MAX_LINES or text.count("\r") > limits.MAX_LINES:
        raise PlanError(
            "FILE_TOO_LARGE",
            "",
            f"the file has more than {limits.MAX_LINES:,} lines; a plan of at most {limits.MAX_SEATS:,} seats needs "
            "one per seat",
        )
    # Not splitlines(), which also parts texts at the line separators of Unicode.
    rows = _LINE.findall(text)
    for number, row in enumerate(rows, 1):
        if row.count(delimiter) >= limits.MAX_COLUMNS:
            raise PlanError(
                "NOT_CSV",
                f"line {number}",
                f"the line has {row.count(delimiter) + 1:,} cells; at most {limits.MAX_COLUMNS:,} are allowed",
            )
    reader = csv.reader(rows, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _Line(reader.line_num, cells)
    except csv.Error as error:
        place = f"line {reader.line_num}"
        if "unexpected end of data" in str(error):
            raise PlanError("TRUNCATED", place, "a quoted cell is never closed: the file ends in it") from None
        raise PlanError("NOT_CSV", place, f"this is not CSV: {error}") from None


class _ListReader:
    """Reads the list dialect: a header line, then one line per seat."""

    def __init__(self, first: _Line, header: list[str], delimiter: str, findings: Findings) -> None:
        self._first = first
        self._header = header
        self._delimiter = delimiter
        self._findings = findings
        self._counter = SeatCounter()
        self._sections: dict[str, DraftSection] = {}
        self._rows: dict[tuple[str, str], DraftRow] = {}
        self._next_x: dict[tuple[str, str], float] = {}

    def read(self, name: str, lines: Iterator[_Line]) -> Draft:
        """Return the draft of the lines below the header."""
        self._check_header()
        positioned = "x" in self._header
        for line in lines:
            self._read_line(line, positioned)
        if not positioned:
            self._stack_rows()
        draft = Draft(name, format_has_size=False, sections=list(self._sections.values()))
        keys = dict.fromkeys(seat.category for seat in draft.seats())
        draft.categories = [DraftCategory(key, key, "", "") for key in keys if key]
        return draft

    def _check_header(self) -> None:
        line = self._first
        for column, title in enumerate(self._header):
            if title and self._header.index(title) != column:
                raise PlanError("NOT_CSV", line.place(column), f'the column "{title}" occurs twice')
            if title not in _COLUMNS:
                self._findings.unknown_key(f"line {line.number}", clean_text(title, line.place(column), self._findings))
        missing_columns = [title for title in _REQUIRED if title not in self._header]
        if ("x" in self._header) != ("y" in self._header):
            missing_columns.append("y" if "x" in self._header else "x")
        if missing_columns:
            raise PlanError(
                "FIELD_MISSING",
                f"line {line.number}",
                f'there is no column "{missing_columns[0]}". A list needs the columns row and seat; it may have '
                "section, category, kind, id, and x together with y",
            )

    def _read_line(self, line: _Line, positioned: bool) -> None:
        section = self._text(line, "section")
        row_label = self._text(line, "row")
        number = self._text(line, "seat")
        key = section, row_label
        row = self._row(key, line)
        x, y = self._xy(line) if positioned else (self._next_x.get(key, 0.0), 0.0)
        self._next_x[key] = x + PITCH
        if not number and not positioned:
            return  # A line without a seat is an aisle as wide as a seat.
        self._counter.seats(1, f"line {line.number}")
        row.seats.append(
            DraftSeat(
                number=number,
                x=x,
                y=y,
                category=self._text(line, "category") if "category" in self._header else STANDARD,
                source_id=self._source_id(line, section, row_label, number),
                place=f"line {line.number}",
                kind=self._kind(line),
            )
        )

    def _source_id(self, line: _Line, section: str, row: str, number: str) -> str:
        """Return the id in the file, or one made of the labels when the file has no ids."""
        if "id" in self._header:
            return self._text(line, "id")
        return "-".join(part for part in (section, row, number) if part) if number else ""

    def _row(self, key: tuple[str, str], line: _Line) -> DraftRow:
        if key not in self._rows:
            section, label = key
            place = f"line {line.number}"
            self._counter.rows(1, place)
            self._counter.sections(section not in self._sections, place)
            row = self._rows[key] = DraftRow(label, place)
            self._sections.setdefault(section, DraftSection(section, place)).rows.append(row)
        return self._rows[key]

    def _cell(self, line: _Line, title: str) -> str:
        if title not in self._header:
            return ""
        column = self._header.index(title)
        return line.cells[column] if column < len(line.cells) else ""

    def _place(self, line: _Line, title: str) -> str:
        return line.place(self._header.index(title)) if title in self._header else f"line {line.number}"

    def _text(self, line: _Line, title: str) -> str:
        return clean_text(self._cell(line, title), self._place(line, title), self._findings)

    def _xy(self, line: _Line) -> tuple[float, float]:
        return self._number(line, "x"), self._number(line, "y")

    def _number(self, line: _Line, title: str) -> float:
        cell = self._cell(line, title).strip()
        # If the comma does not separate cells, it can be a decimal mark.
        number = parse_number(cell if self._delimiter == "," else cell.replace(",", "."))
        if number is None:
            raise wrong_type(self._place(line, title), "a number", cell or None)
        return to_unit(in_range(number, self._place(line, title)))

    def _kind(self, line: _Line) -> SeatKind:
        cell = self._cell(line, "kind").strip().casefold()
        if cell not in _KINDS:
            raise wrong_type(self._place(line, "kind"), "standard, wheelchair or companion", cell)
        return _KINDS[cell]

    def _stack_rows(self) -> None:
        """Place rows below each other in the order of the file, with an empty row between sections.

        Sections whose names differ only in left, middle and right stand side by side, their first rows in one line.
        """
        y = 0.0
        for beside in _side_by_side(list(self._sections.values())):
            x = depth = 0.0
            for section in beside:
                for index, row in enumerate(section.rows):
                    for seat in row.seats:
                        seat.x, seat.y = to_unit(seat.x + x + PITCH), to_unit(y + (index + 1) * ROW_SPACING)
                x = max((seat.x for seat in section.seats()), default=x) + PITCH
                depth = max(depth, len(section.rows) * ROW_SPACING)
            y += depth + ROW_SPACING


def _side_by_side(sections: list[DraftSection]) -> list[list[DraftSection]]:
    """Group the sections that stand side by side, each group from left to right, in the order of the file."""
    groups: dict[str, list[tuple[int, DraftSection]]] = {}
    for index, section in enumerate(sections):
        named = side_of(section.name)
        # The key of a section that names no side is its own: a blank cannot begin a word.
        base, side = named if named is not None else (f" {index}", 0)
        groups.setdefault(base, []).append((side, section))
    return [[section for _, section in sorted(group, key=lambda one: one[0])] for group in groups.values()]


def _read_grid(lines: Iterable[_Line], name: str, findings: Findings) -> Draft:
    """Read the grid dialect: one line per row, one cell per place; a blank line is a cross-aisle."""
    counter = SeatCounter()
    section = DraftSection("", "line 1")
    for line in lines:
        seats = list(_grid_seats(line, findings))
        counter.seats(len(seats), f"line {line.number}")
        counter.rows(1, f"line {line.number}")
        section.rows.append(_grid_row(line, seats))
    keys = dict.fromkeys(seat.category for seat in section.seats())
    categories = [DraftCategory(key, key, "", "") for key in keys]
    return Draft(name, format_has_size=False, categories=categories, sections=[section])


def _grid_seats(line: _Line, findings: Findings) -> Iterator[DraftSeat]:
    for column, cell in enumerate(line.cells):
        text = clean_text(cell, line.place(column), findings)
        if not text:
            continue
        match = _GRID_CELL.fullmatch(text)
        if match is None:
            raise PlanError(
                "WRONG_TYPE",
                line.place(column),
                f'expected "category:seat", such as res:A12, with a + at the end for a wheelchair place, '
                f"or an empty cell for an aisle; found {describe(text)}. "
                "(A list instead of a grid needs a header line with the columns row and seat.)",
            )
        category, label, plus = match.groups()
        yield DraftSeat(
            number=label,
            x=(column + 1) * PITCH,
            y=line.number * ROW_SPACING,
            category=category or STANDARD,
            source_id=label,
            place=line.place(column),
            kind="wheelchair" if plus else "standard",
        )


def _grid_row(line: _Line, seats: list[DraftSeat]) -> DraftRow:
    """Return a row with the label "A" if its seats are called A1, A2, …; otherwise its label is the line number."""
    parts = [_ROW_AND_NUMBER.fullmatch(seat.number) for seat in seats]
    letters = {part.group(1) for part in parts if part}
    if not all(parts) or len(letters) != 1:
        return DraftRow(str(line.number), f"line {line.number}", seats, counted=True)
    for seat, part in zip(seats, parts, strict=True):
        seat.number = part.group(2) if part else seat.number
    return DraftRow(letters.pop(), f"line {line.number}", seats)
