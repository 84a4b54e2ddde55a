"""Reads a seating plan from a list: a header line, then one line per seat.

The columns are Rowlock's own: section, row, seat, category, x, y, kind, id; `csvcolumns` knows other names of them.
Columns that mark seats (`marks`) are read too, every other column is named. `csvlayout` places seats when the file has
no coordinates.
"""

from collections.abc import Iterable
from dataclasses import replace

from rowlock.catalogue.model import SeatKind
from rowlock.catalogue.plan_files import csvcolumns, csvlayout, marks
from rowlock.catalogue.plan_files.csvlines import STANDARD, Line
from rowlock.catalogue.plan_files.draft import (
    Draft,
    DraftCategory,
    DraftRow,
    DraftSeat,
    DraftSection,
    SeatCounter,
    to_unit,
)
from rowlock.catalogue.plan_files.errors import PlanError, wrong_type
from rowlock.catalogue.plan_files.fields import clean_text, in_range, parse_number
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import count_of, range_of, spelling, whole_number

_KINDS: dict[str, SeatKind] = {
    "": "standard",
    "standard": "standard",
    "wheelchair": "wheelchair",
    "companion": "companion",
}
_OTHER_KINDS: dict[str, SeatKind] = {
    "seat": "standard",
    "normal": "standard",
    "regular": "standard",
    "accessible": "wheelchair",
    "ada": "wheelchair",
    "wheelchair space": "wheelchair",
    "wheelchair place": "wheelchair",
    "rollstuhl": "wheelchair",
    "rollstuhlplatz": "wheelchair",
    "companion seat": "companion",
    "carer": "companion",
    "begleitperson": "companion",
}
_VALUES_NAMED = 4
_Z_IS_NOT_READ = (
    "Not read: a plan is seen from above. If y is the height of the seats and z the distance from the stage, exchange "
    "the names of these columns."
)


def titles(line: Line) -> list[str]:
    """Return the names of the columns, as they are compared."""
    return [" ".join(cell.split()).casefold() for cell in line.cells]


def read(header: Line, lines: Iterable[Line], delimiter: str, name: str, findings: Findings) -> Draft:
    """Return the draft of the lines below the header. Raises PlanError."""
    return _ListReader(header, delimiter, findings).read(name, lines)


class _ListReader:
    def __init__(self, first: Line, delimiter: str, findings: Findings) -> None:
        self._first = first
        self._header = titles(first)
        known = csvcolumns.columns_of(self._header)
        others = {
            title: column
            for column, title in reversed(list(enumerate(self._header)))
            if title and column not in known.values() and title not in known
        }
        self._columns = known | others
        self._marks = [title for title in reversed(others) if marks.knows(title)]
        self._unknown = [(title, column) for title, column in reversed(others.items()) if not marks.knows(title)]
        self._delimiter = delimiter
        self._findings = findings
        self._counter = SeatCounter()
        self._sections: dict[str, DraftSection] = {}
        self._rows: dict[tuple[str, str], DraftRow] = {}
        self._next_place: dict[tuple[str, str], int] = {}
        self._spellings: dict[tuple[str, str], str] = {}
        self._lines_seen: set[tuple[str, ...]] = set()
        self._unread: dict[str, tuple[int, dict[str, None]]] = {}

    def read(self, name: str, lines: Iterable[Line]) -> Draft:
        """Return the draft of the lines below the header."""
        self._check_header()
        positioned = "x" in self._columns
        for line in lines:
            self._read_line(line, positioned)
        self._report_unread()
        sections = list(self._sections.values())
        if not positioned:
            if "id" not in self._columns:
                self._expand_ranges()
            csvlayout.undo_text_order(sections, self._findings)
            csvlayout.part_at_jumps(sections, self._findings)
            csvlayout.place(sections, self._findings)
        draft = Draft(name, format_has_size=False, sections=sections)
        keys = dict.fromkeys(seat.category for seat in draft.seats())
        draft.categories = [DraftCategory(key, key, "", "") for key in keys if key]
        return draft

    def _check_header(self) -> None:
        line = self._first
        for column, title in enumerate(self._header):
            clean_text(title, line.place(column), self._findings)
            if title and self._header.index(title) != column:
                raise PlanError("NOT_CSV", line.place(column), f'the column "{title}" occurs twice')
        for title, column in self._columns.items():
            if title in csvcolumns.COLUMNS and self._header[column] != title:
                found = f'the column "{self._header[column][:40]}"'
                self._findings.info("COLUMN_RENAMED", line.place(column), found, f"Read as the column {title}.")
        missing_columns = [title for title in ("row", "seat") if title not in self._columns]
        if ("x" in self._columns) != ("y" in self._columns):
            missing_columns.append("y" if "x" in self._columns else "x")
        if missing_columns:
            raise PlanError(
                "FIELD_MISSING",
                f"line {line.number}",
                f'there is no column "{missing_columns[0]}". A list needs the columns row and seat; it may have '
                "section, category, kind, id, and x together with y. Name them so in the first line",
            )

    def _read_line(self, line: Line, positioned: bool) -> None:
        row_label, number = self._label(line, "row"), self._label(line, "seat")
        if not row_label and not number:
            self._ignore(line)
            return
        section = self._name(line, "section", whole_number(self._text(line, "section")), counted=bool(number))
        key = section, row_label
        row = self._row(key, line)
        place = self._next_place.get(key, 0)
        if not number and not positioned:
            self._next_place[key] = place + 1
            return  # A line without a seat is an aisle as wide as a seat.
        self._counter.seats(1, f"line {line.number}")
        if self._is_repeated(line):
            return
        self._next_place[key] = place + 1
        x, y = self._xy(line) if positioned else (place * csvlayout.PITCH, 0.0)
        category = self._text(line, "category") if "category" in self._columns else STANDARD
        seat = DraftSeat(
            number=number,
            x=x,
            y=y,
            category=self._name(line, "category", category),
            source_id=self._source_id(line, section, row_label, number),
            place=f"line {line.number}",
            kind=self._kind(line),
        )
        self._read_marks(line, seat)
        row.seats.append(seat)

    def _ignore(self, line: Line) -> None:
        """Name a line with neither row nor seat: a comment, or a heading within the list."""
        text = " ".join(cell.strip() for cell in line.cells if cell.strip())
        self._findings.add(
            "LINE_IGNORED",
            "info" if text.startswith(("#", "//")) else "warning",
            f"line {line.number}",
            f'the line has neither row nor seat: "{clean_text(text[:40], "", Findings())}"',
            "Left out.",
        )

    def _is_repeated(self, line: Line) -> bool:
        """Say whether a line says the same as one before, and name it: one chair is one seat."""
        cells = tuple(cell.strip() for cell in line.cells)
        if cells not in self._lines_seen:
            self._lines_seen.add(cells)
            return False
        found = "listed again, by a line that is the same in every cell"
        self._findings.of_seats("SEAT_LISTED_TWICE", "repaired", f"line {line.number}", found, "Read once.")
        return True

    def _read_marks(self, line: Line, seat: DraftSeat) -> None:
        for title in self._marks:
            if value := self._cell(line, title).strip():
                marks.use(title, value, [seat], self._place(line, title), self._findings)
        for title, column in self._unknown:
            value = line.cells[column].strip() if column < len(line.cells) else ""
            if value:
                count, values = self._unread.get(title, (0, {}))
                if len(values) <= _VALUES_NAMED:
                    values[value[:40]] = None
                self._unread[title] = (count + 1, values)

    def _report_unread(self) -> None:
        for title, (count, values) in self._unread.items():
            named = ", ".join(f'"{clean_text(value, "", Findings())}"' for value in list(values)[:_VALUES_NAMED])
            more = ", …" if len(values) > _VALUES_NAMED else ""
            self._findings.warn(
                "UNKNOWN_KEY",
                self._first.place(self._columns[title]),
                f'{count_of(count)} with a value in the column "{title[:40]}", which is not known: {named}{more}',
                _Z_IS_NOT_READ if title == "z" and "y" in self._columns else "Not read.",
            )

    def _source_id(self, line: Line, section: str, row: str, number: str) -> str:
        """Return the id in the file, or one made of the labels when the file has no ids."""
        if "id" in self._columns:
            return self._text(line, "id")
        return _made_id(section, row, number)

    def _row(self, key: tuple[str, str], line: Line) -> DraftRow:
        if key not in self._rows:
            section, label = key
            place = f"line {line.number}"
            self._counter.rows(1, place)
            self._counter.sections(section not in self._sections, place)
            row = self._rows[key] = DraftRow(label, place)
            self._sections.setdefault(section, DraftSection(section, place)).rows.append(row)
        return self._rows[key]

    def _cell(self, line: Line, title: str) -> str:
        column = self._columns.get(title)
        return line.cells[column] if column is not None and column < len(line.cells) else ""

    def _place(self, line: Line, title: str) -> str:
        return line.place(self._columns[title]) if title in self._columns else f"line {line.number}"

    def _text(self, line: Line, title: str) -> str:
        return clean_text(self._cell(line, title), self._place(line, title), self._findings)

    def _label(self, line: Line, title: str) -> str:
        """Return a row's label or a seat's number, whole where a spreadsheet made a decimal number of it."""
        text = self._text(line, title)
        whole = whole_number(text)
        if whole != text:
            found, done = f"with a {title} number like 12.0", 'Read as whole numbers: "12.0" is "12".'
            self._findings.of_seats("SPREADSHEET_NUMBER", "repaired", self._place(line, title), found, done)
        return whole

    def _name(self, line: Line, title: str, name: str, *, counted: bool = True) -> str:
        """Return the first spelling of a section's or category's name that differs only in case or blanks."""
        first = self._spellings.setdefault((title, spelling(name)), name)
        if first != name and counted:
            found, done = f'with the {title} "{name}"', f'Read as "{first}", which differs only in spelling.'
            self._findings.of_seats("SPELLING_MERGED", "repaired", self._place(line, title), found, done)
        return first

    def _xy(self, line: Line) -> tuple[float, float]:
        return self._number(line, "x"), self._number(line, "y")

    def _number(self, line: Line, title: str) -> float:
        cell = self._cell(line, title).strip()
        # If the comma does not separate cells, it can be a decimal mark.
        number = parse_number(cell if self._delimiter == "," else cell.replace(",", "."))
        if number is None:
            raise wrong_type(self._place(line, title), "a number", cell or None)
        return to_unit(in_range(number, self._place(line, title)))

    def _kind(self, line: Line) -> SeatKind:
        cell = " ".join(self._cell(line, "kind").split()).casefold()
        if cell in _OTHER_KINDS:
            kind = _OTHER_KINDS[cell]
            found, done = f'with the kind "{cell}"', f"Read as {kind}."
            self._findings.of_seats("KIND_FROM_MARK", "info", self._place(line, "kind"), found, done)
            return kind
        if cell not in _KINDS:
            raise wrong_type(self._place(line, "kind"), "standard, wheelchair or companion", cell)
        return _KINDS[cell]

    def _expand_ranges(self) -> None:
        """Make seats of "1-10", in rows where no number is there twice then; other ranges are names of one seat."""
        spans_of = {key: [_span(key[1], seat.number) for seat in row.seats] for key, row in self._rows.items()}
        # "10-1" alone may be a name; among "1-10" and "11-20" it is a row that counts down.
        has_ranges = any(span.step > 0 and len(span) > 0 for spans in spans_of.values() for span in spans)
        for (section, label), row in self._rows.items():
            spans = [span if span.step > 0 or has_ranges else range(0) for span in spans_of[section, label]]
            numbers = [number for span in spans for number in span]
            numbers += [int(seat.number) for seat in row.seats if len(seat.number) < 9 and seat.number.isdecimal()]
            if not any(spans) or len(set(numbers)) < len(numbers):
                continue
            seats: list[DraftSeat] = []
            shift = 0.0
            for seat, span in zip(row.seats, spans, strict=True):
                self._counter.seats(max(len(span) - 1, 0), seat.place)
                seat.x += shift
                if not span:
                    seats.append(seat)
                    continue
                for index, number in enumerate(span):
                    made = _made_id(section, label, str(number))
                    x = seat.x + index * csvlayout.PITCH
                    seats.append(replace(seat, number=str(number), source_id=made, x=x))
                shift += (len(span) - 1) * csvlayout.PITCH
                found, done = "listed as ranges, as in 1-10", "Each number of a range is a seat of its own."
                self._findings.of_seats("SEAT_RANGE", "repaired", seat.place, found, done, seats=len(span))
            row.seats = seats


def _span(row: str, number: str) -> range:
    """Return the numbers of a range; "12-1" in row 12 is the name of one seat."""
    span = range_of(number) or range(0)
    return span if span.step > 0 or str(span.start) != row else range(0)


def _made_id(section: str, row: str, number: str) -> str:
    return "-".join(part for part in (section, row, number) if part) if number else ""
