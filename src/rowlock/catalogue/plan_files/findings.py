"""The findings about a plan file, the report that lists them, and the report as text.

Readers and the plan doctor add findings, only for what they have found or changed.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args

Severity = Literal["info", "warning", "repaired", "error"]

FindingCode = Literal[
    "UNKNOWN_KEY",
    "FIELD_IGNORED",
    "NUMBER_AS_TEXT",
    "TEXT_AS_NUMBER",
    "TEXT_CLEANED",
    "COLOR_UNREADABLE",
    "SHAPE_UNREADABLE",
    "GENERAL_ADMISSION",
    "FLOORS_STACKED",
    "SIZE_MISSING",
    "SIZE_NOT_WHOLE",
    "OUTSIDE_BOUNDS",
    "SECTION_EMPTY",
    "SECTION_NAME_MISSING",
    "SECTION_NAME_DUPLICATE",
    "SECTIONS_OVERLAP",
    "ROW_EMPTY",
    "ROW_LABEL_MISSING",
    "ROW_SPLIT",
    "ROW_NOT_A_LINE",
    "NUMBERING_DESCENDING",
    "SEAT_NUMBER_MISSING",
    "SEAT_ID_MISSING",
    "SEAT_ID_DUPLICATE",
    "LABEL_DUPLICATE",
    "SEATS_OVERLAP",
    "CATEGORY_MISSING",
    "CATEGORY_UNDECLARED",
    "CATEGORY_DUPLICATE",
    "CATEGORY_UNUSED",
    "CATEGORY_NOT_FOR_SALE",
    "KIND_FROM_CATEGORY",
    "STAGE_FOUND",
    "FOCAL_POINT_GIVEN",
    "BLOCKS_UNNAMED",
    "BLOCKS_NAMED",
    "SALE_DOUBTFUL",
    "TABLE_AS_A_WHOLE",
    "SEATS_NOT_FOR_SALE",
    "SEAT_MARK_IGNORED",
    "ACCESSIBILITY_UNUSED",
    "KIND_FROM_MARK",
    "SPELLING_MERGED",
    "TEXT_TRANSLATED",
    "TEMPLATE_UNKNOWN",
    "LOOK_ALIKE",
    "BAY_JOINED",
    "BAY_APART",
    "COLUMN_RENAMED",
    "LINE_IGNORED",
    "CELL_NO_SEAT",
    "SPREADSHEET_NUMBER",
    "SEAT_LISTED_TWICE",
    "SEAT_RANGE",
    "ORDER_DOUBTFUL",
    "SORTED_AS_TEXT",
    "SECTIONS_BESIDE",
    "FOCAL_POINT_GUESSED",
]

LISTED_PER_CODE = 20
"""How many findings of one code and severity a report lists; the rest are counted. A faulty export often repeats one
fault, and must not hide another."""

_MAX_KEY_PATTERNS = 500
_SEVERITY_ORDER: dict[Severity, int] = {"error": 0, "repaired": 1, "warning": 2, "info": 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found in a file.

    code      a FindingCode; for severity "error" the code of the PlanError.
    severity  "repaired" if and only if the plan differs from the file because of it.
    place     a JSON path, or "line 4, column 7"; "" for the whole file.
    found     what is in the file.
    done      what was done about it.
    """

    code: str
    severity: Severity
    place: str
    found: str
    done: str


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """Everything found in one file. Plain data: `dataclasses.asdict` makes JSON of it.

    findings  in the order they were found, at most LISTED_PER_CODE of each code and severity.
    counts    code → how often it was found, also beyond the listed ones.
    repairs   how many findings changed something, listed or not.
    """

    name: str
    format: str
    sections: int
    rows: int
    seats: int
    repairs: int
    warnings: int
    counts: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class Findings:
    """Collects findings while a file is read and repaired."""

    def __init__(self) -> None:
        self._listed: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._severities: Counter[Severity] = Counter()
        self._of_severity: Counter[tuple[str, Severity]] = Counter()
        self._unknown: dict[str, tuple[str, int, int | None]] = {}
        self._of_seats: dict[tuple[FindingCode, Severity, str, str], tuple[str, int]] = {}

    def add(self, code: FindingCode, severity: Severity, place: str, found: str, done: str) -> None:
        """Record one finding."""
        self._counts[code] += 1
        self._severities[severity] += 1
        self._of_severity[code, severity] += 1
        if self._of_severity[code, severity] <= LISTED_PER_CODE:
            self._listed.append(Finding(code, severity, place, found, done))

    def repaired(self, code: FindingCode, place: str, found: str, done: str) -> None:
        """Record that the plan will differ from the file."""
        self.add(code, "repaired", place, found, done)

    def warn(self, code: FindingCode, place: str, found: str, done: str) -> None:
        """Record something that a person should check; the plan was not changed."""
        self.add(code, "warning", place, found, done)

    def info(self, code: FindingCode, place: str, found: str, done: str) -> None:
        """Record a fact about the file that needs no action."""
        self.add(code, "info", place, found, done)

    def of_seats(
        self, code: FindingCode, severity: Severity, place: str, found: str, done: str, *, seats: int = 1
    ) -> None:
        """Record a fact about seats; the same fact about many seats is one finding with their number.

        found  what the seats have in common, to follow "3 seats": `with the mark "restrictedView"`.
        place  where the first of them is.
        """
        key = code, severity, found, done
        if key not in self._of_seats and len(self._of_seats) >= _MAX_KEY_PATTERNS:
            key = code, severity, "with further such marks", "They are not named one by one."
        first, count = self._of_seats.get(key, (place, 0))
        self._of_seats[key] = (first, count + seats)

    def unknown_key(self, path: str, key: str, seats: int | None = None) -> None:
        """Record a key that the format does not have; the same key in many objects is one finding.

        seats  how many seats the object has, or is; None for an object that is not about seats.
        """
        place = f"{path}.{key}" if path else key
        pattern = re.sub(r"\[\d+\]", "[]", place)
        if pattern not in self._unknown and len(self._unknown) >= _MAX_KEY_PATTERNS:
            pattern = "(further keys)"
        first, times, concerned = self._unknown.get(pattern, (place, 0, None))
        both = (concerned or 0) + (seats or 0)
        self._unknown[pattern] = (first, times + 1, None if concerned is None and seats is None else both)

    def report(self, *, name: str, plan_format: str, sections: int, rows: int, seats: int) -> DoctorReport:
        """Close the collection and return the report."""
        for (code, severity, found, done), (first, count) in self._of_seats.items():
            self.add(code, severity, first, f"{_plural(count, 'seat')} {found}", done)
        self._of_seats.clear()
        for pattern, (first, times, concerned) in self._unknown.items():
            of = "" if concerned is None else f", concerning {_plural(concerned, 'seat')}"
            self.warn("UNKNOWN_KEY", first, f'unknown key "{pattern}", {_times(times)}{of}', "Ignored.")
        self._unknown.clear()
        return DoctorReport(
            name=name,
            format=plan_format,
            sections=sections,
            rows=rows,
            seats=seats,
            repairs=self._severities["repaired"],
            warnings=self._severities["warning"],
            counts=dict(sorted(self._counts.items())),
            findings=tuple(self._listed),
        )


def render(report: DoctorReport) -> str:
    """Return the report as plain text for a terminal or a mail, repairs first."""
    extent = f"{_plural(report.seats, 'seat')}, {_plural(report.rows, 'row')}, {_plural(report.sections, 'section')}"
    lines = [
        f"{report.name} ({report.format}): {extent}.",
        f"{_plural(report.repairs, 'repair')}, {_plural(report.warnings, 'warning')}.",
    ]
    findings = sorted(report.findings, key=lambda finding: _SEVERITY_ORDER[finding.severity])
    groups = list(dict.fromkeys((finding.code, finding.severity) for finding in findings))
    for code, severity in groups:
        listed = [finding for finding in findings if (finding.code, finding.severity) == (code, severity)]
        elsewhere = sum(finding.code == code and finding.severity != severity for finding in findings)
        total = report.counts[code] - elsewhere if len(listed) == LISTED_PER_CODE else len(listed)
        lines += ["", f"{severity.upper()} {code}, {_times(total)}"]
        lines += [f"  {_sentence(finding)}" for finding in listed]
        if total > len(listed):
            lines.append(f"  … and {total - len(listed)} more.")
    return "\n".join(lines) + "\n"


def all_codes() -> tuple[str, ...]:
    """Return every code a finding can have, for the documentation's test."""
    return get_args(FindingCode)


def _sentence(finding: Finding) -> str:
    place = f"{finding.place}: " if finding.place else ""
    return f"{place}{finding.found}. {finding.done}"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
