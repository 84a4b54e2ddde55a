"""Places the seats of a list without coordinates, in the order of its lines."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from rowlock.catalogue.plan_files.csvlines import PITCH, ROW_SPACING
from rowlock.catalogue.plan_files.draft import DraftSection, to_unit
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import count_of
from rowlock.catalogue.plan_files.tiers import side_of

__all__ = ["PITCH", "place", "report_order"]

_AISLE = 2 * PITCH
_STEP = 2
"""Neighbours' numbers differ by 1, or by 2 where odd and even seats are numbered apart."""


def report_order(sections: Sequence[DraftSection], findings: Findings) -> None:
    """Warn of rows whose numbers jump between neighbours: the lines may be sorted, and not as the chairs stand."""
    seats = rows = 0
    first = ""
    for section in sections:
        for row in section.rows:
            jump = next(
                (
                    f'{left.number} beside {right.number} in row "{row.label}"'
                    for left, right in pairwise(row.seats)
                    if right.x - left.x == PITCH
                    and _is_number(left.number)
                    and _is_number(right.number)
                    and abs(int(left.number) - int(right.number)) > _STEP
                ),
                "",
            )
            first = first or jump
            rows += bool(jump)
            seats += len(row.seats) if jump else 0
    if rows:
        findings.warn(
            "ORDER_DOUBTFUL",
            "",
            f"{count_of(seats)} in {rows} row{'' if rows == 1 else 's'} with numbers that jump, first {first}",
            "Without x and y, the order of the lines is the order of the chairs. Sort the lines as the chairs stand, "
            "or put a line without a seat where the aisle is.",
        )


def place(sections: Sequence[DraftSection], findings: Findings) -> None:
    """Place rows below each other in the order of the file, with an empty row between sections.

    Sections that are called left, centre and right stand beside each other.
    """
    y = 0.0
    for group in _groups(sections):
        labels = dict.fromkeys((row.word, row.label) for section in group for row in section.rows)
        depth = {label: index for index, label in enumerate(labels)}
        x = 0.0
        for section in group:
            width = 0.0
            for row in section.rows:
                for seat in row.seats:
                    width = max(width, seat.x)
                    seat.x = to_unit(x + seat.x + PITCH)
                    seat.y = to_unit(y + (depth[row.word, row.label] + 1) * ROW_SPACING)
            x += width + PITCH + _AISLE
        y += (len(labels) + 1) * ROW_SPACING
        if len(group) > 1:
            names = ", ".join(f'"{section.name}"' for section in group)
            count = sum(len(row.seats) for section in group for row in section.rows)
            findings.info(
                "SECTIONS_BESIDE",
                group[0].place,
                f"{count_of(count)} in the sections {names}, without coordinates",
                "Placed beside each other, as their names say.",
            )


def _groups(sections: Sequence[DraftSection]) -> list[list[DraftSection]]:
    """Return the sections that stand beside each other, from left to right; most stand alone."""
    sides = {id(section): side_of(section.name) for section in sections}
    by_base: defaultdict[str, dict[int, DraftSection]] = defaultdict(dict)
    for section in sections:
        if (named := sides[id(section)]) is not None:
            by_base[named[0]].setdefault(named[1], section)
    groups: list[list[DraftSection]] = []
    grouped: set[int] = set()
    for section in sections:
        if id(section) in grouped:
            continue
        named = sides[id(section)]
        beside = by_base[named[0]] if named is not None else {}
        alone = len(beside) < 2 or named is None or beside[named[1]] is not section
        group = [section] if alone else [beside[number] for number in sorted(beside)]
        grouped.update(id(member) for member in group)
        groups.append(group)
    return groups


def _is_number(text: str) -> bool:
    return len(text) < 9 and text.isascii() and text.isdecimal()
