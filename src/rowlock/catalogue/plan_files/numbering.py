"""The part of the plan doctor for numbers as spreadsheets and templates leave them: "12.0", "1-10", "Reihe %d"."""

import re
from collections import Counter

from rowlock.catalogue.plan_files.draft import Draft, DraftRow
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import looks_like_range, whole_number

_OTHER_TEMPLATE = re.compile(r"%(?:\([^)]*\)[a-z]|[a-rt-z](?![a-z]))|\{[^}]*\}|\$\{?\w+|<[^>]+>")


def repair(draft: Draft, findings: Findings) -> None:
    """Make decimal numbers whole, and warn of ranges in one seat and of templates that are not filled."""
    for section in draft.sections:
        section.name = whole_number(section.name)
        for row in section.rows:
            _make_whole(row, findings)
            _report_ranges(row, findings)
            _report_templates(row, findings)


def _make_whole(row: DraftRow, findings: Findings) -> None:
    done = 'Read as whole numbers: "12.0" is "12".'
    label = whole_number(row.label)
    if label != row.label:
        found, count = "with a row number like 12.0", len(row.seats)
        findings.of_seats("SPREADSHEET_NUMBER", "repaired", row.place, found, done, seats=count)
        row.label = label
    for seat in row.seats:
        number = whole_number(seat.number)
        if number != seat.number:
            findings.of_seats("SPREADSHEET_NUMBER", "repaired", seat.place, "with a seat number like 12.0", done)
            seat.number = number


def _report_ranges(row: DraftRow, findings: Findings) -> None:
    """Warn of seats called 1-10, unless the row's other seats show that 1-10 is a name: 1-1, 1-2, 1-3."""
    spans = [(seat, looks_like_range(seat.number)) for seat in row.seats if not seat.number.isalnum()]
    starts = Counter(seat.number.split("-")[0].strip() for seat in row.seats)
    for seat, span in spans:
        if span and starts[seat.number.split("-")[0].strip()] == 1:
            findings.of_seats(
                "SEAT_RANGE",
                "warning",
                seat.place,
                "called like a range, such as 1-10",
                "Each is sold as one seat. If it is several, list each in the file.",
            )


def _report_templates(row: DraftRow, findings: Findings) -> None:
    for text in (row.row_text, row.seat_text):
        if _OTHER_TEMPLATE.search(text):
            findings.of_seats(
                "TEMPLATE_UNKNOWN",
                "warning",
                row.place,
                f'with the text "{text[:40]}"',
                "Tickets will show it as it stands. Only %s is filled in, with the row or the number.",
                seats=len(row.seats),
            )
