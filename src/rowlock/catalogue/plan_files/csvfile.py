"""Opens a CSV file: finds its delimiter, its lines and its header, and passes it to the reader of its dialect.

A list has a header line and a line for each seat (`csvlist`); a grid has the form of the hall (`csvgrid`).
docs/reference/plan-formats.md describes both.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from rowlock.catalogue.plan_files import csvcolumns, csvgrid, csvlist, limits
from rowlock.catalogue.plan_files.csvlines import Line
from rowlock.catalogue.plan_files.draft import Draft
from rowlock.catalogue.plan_files.errors import PlanError
from rowlock.catalogue.plan_files.fields import clean
from rowlock.catalogue.plan_files.findings import Findings

_DELIMITERS = ",;\t"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?(?=[\r\n])', re.IGNORECASE)
"""What Excel writes above a file to tell itself the delimiter."""

_TITLE_LINES = 20
"""A header is looked for below at most so many lines of titles and notes."""


@dataclass(frozen=True, slots=True)
class _Header:
    """Where a list begins: the header line, the lines above it, and the lines below."""

    line: Line
    above: list[Line]


def read(text: str, name: str, findings: Findings) -> Draft:
    """Return the draft of a file's text; `name` is the plan's name. Raises PlanError."""
    declared = _SEPARATOR_LINE.match(text)
    if declared:
        text = text[declared.end() :]
    delimiter = declared.group(1) if declared else _delimiter(text)
    lines = _lines(text, delimiter)
    start = list(islice(lines, _TITLE_LINES))
    if not start:
        return Draft(name, format_has_size=False)
    header = _header(start)
    if header is None:
        return csvgrid.read(_without_header(chain(start, lines)), name, findings)
    if header.above:
        titles = " / ".join(clean(" ".join(line.cells))[:40] for line in header.above[:3])
        found = f'{len(header.above)} line{"" if len(header.above) == 1 else "s"} above the header: "{titles}"'
        findings.info("LINE_IGNORED", f"line {header.above[0].number}", found, "Left out.")
    below = start[len(header.above) + 1 :]
    return csvlist.read(header.line, chain(below, lines), delimiter, name, findings)


def _header(start: list[Line]) -> _Header | None:
    """Return the header, the first line or the first with every required column; None for a grid."""
    for index, line in enumerate(start):
        titles = csvlist.titles(line)
        if csvcolumns.is_header(titles) or (index == 0 and csvcolumns.looks_like_header(titles)):
            return _Header(line, start[:index])
    return None


def _without_header(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the lines of a grid; refuse a list that begins too far below for its header to be found."""
    for line in lines:
        if csvcolumns.is_header(csvlist.titles(line)):
            raise PlanError(
                "NOT_CSV",
                f"line {line.number}",
                f"here a list begins, but only {_TITLE_LINES} lines may be above its header. Delete the lines above",
            )
        yield line


def _delimiter(text: str) -> str:
    """Return the delimiter of the header line, or else the most frequent one of the first line that has any."""
    matches = (match.group().strip("\r\n") for match in _LINE.finditer(text))
    lines = list(islice((line for line in matches if line.strip()), _TITLE_LINES))
    for line in lines:
        for delimiter in _DELIMITERS:
            if csvcolumns.is_header(csvlist.titles(Line(0, line.split(delimiter)))):
                return delimiter
    first_line = next((line for line in lines if any(mark in line for mark in _DELIMITERS)), "")
    return max(_DELIMITERS, key=first_line.count)


def _lines(text: str, delimiter: str) -> Iterator[Line]:
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
                yield Line(reader.line_num, cells)
    except csv.Error as error:
        place = f"line {reader.line_num}"
        if "unexpected end of data" in str(error):
            raise PlanError("TRUNCATED", place, "a quoted cell is never closed: the file ends in it") from None
        raise PlanError("NOT_CSV", place, f"this is not CSV: {error}") from None
