"""Places the seats of a list without coordinates, in the order of its lines."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from rowlock.catalogue.plan_files.csvlines import PITCH, ROW_SPACING
from rowlock.catalogue.plan_files.draft import DraftRow, DraftSeat, DraftSection, to_unit
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import count_of
from rowlock.catalogue.plan_files.tiers import side_of

__all__ = ["PITCH", "part_at_jumps", "place", "undo_text_order"]

_AISLE = 2 * PITCH
_LATE_LETTER = "T"
_STEP = 2
"""Neighbours' numbers differ by 1, or by 2 where odd and even seats are numbered apart."""


def undo_text_order(sections: Sequence[DraftSection], findings: Findings) -> None:
    """Bring rows and seats that were sorted as text, 1, 10, 11, 2, into the order of their numbers or letters.

    No hall stands so, but databases and spreadsheets do sort so. Rows with an aisle are left as they are.
    """
    for section in sections:
        labels = [row.label for row in section.rows]
        if _sorted_as_text(labels, _by_number) if all(map(_is_number, labels)) else _letters_sorted_as_text(labels):
            section.rows.sort(key=lambda row: (len(row.label.lstrip("0")), row.label.lstrip("0")))
            count = sum(len(row.seats) for row in section.rows)
            _report_text_order(section.place, "in rows that are", count, findings)
        for row in section.rows:
            has_aisle = any(seat.x != place * PITCH for place, seat in enumerate(row.seats))
            numbers = [seat.number for seat in row.seats]
            if not has_aisle and all(map(_is_number, numbers)) and _sorted_as_text(numbers, _by_number):
                places = [seat.x for seat in row.seats]
                row.seats.sort(key=lambda seat: int(seat.number))
                for seat, x in zip(row.seats, places, strict=True):
                    seat.x = x
                _report_text_order(row.place, "that are", len(row.seats), findings)


def _sorted_as_text(labels: Sequence[str], order: Callable[[str], tuple[int, str]]) -> bool:
    keys = [order(label) for label in labels]
    if len(set(keys)) < len(keys):
        return False
    return list(labels) == sorted(labels) and list(labels) != sorted(labels, key=order)


def _by_number(label: str) -> tuple[int, str]:
    return int(label), ""


def _letters_sorted_as_text(labels: Sequence[str]) -> bool:
    """Say so of A, AA, B, …, Z. Where the single letters end early, a row AA may well stand before row A."""
    if not all(label.isascii() and label.isalpha() and label.isupper() for label in labels):
        return False
    late = any(len(label) == 1 and label >= _LATE_LETTER for label in labels)
    return late and _sorted_as_text(labels, lambda label: (len(label), label))


def _report_text_order(place: str, which: str, seats: int, findings: Findings) -> None:
    found, done = f"{which} sorted as text: 1, 10, 2 or A, AA, B", "Placed in the order of numbers and letters."
    findings.of_seats("SORTED_AS_TEXT", "repaired", place, found, done, seats=seats)


def part_at_jumps(sections: Sequence[DraftSection], findings: Findings) -> None:
    """Leave a gap where a row's numbers jump, and warn: the lines may be sorted, and not as the chairs stand.

    A pair that is sold as neighbours and sits apart is worse than a pair that is sold elsewhere.
    """
    seats = rows = 0
    first = ""
    for section in sections:
        for row in section.rows:
            jumps = [place for place in range(1, len(row.seats)) if _jumps(row.seats[place - 1], row.seats[place])]
            # Rows that are numbered 10, 20, 30 jump everywhere, and mean nothing by it.
            if not jumps or 2 * len(jumps) >= len(row.seats):
                continue
            left, right = row.seats[jumps[0] - 1], row.seats[jumps[0]]
            first = first or f'{left.number} beside {right.number} in row "{row.label}"'
            rows += 1
            seats += len(row.seats)
            for place in jumps:
                for seat in row.seats[place:]:
                    seat.x += PITCH
    if rows:
        findings.warn(
            "ORDER_DOUBTFUL",
            "",
            f"{count_of(seats)} in {rows} row{'' if rows == 1 else 's'} with numbers that jump, first {first}",
            "Without x and y, the order of the lines is the order of the chairs. A gap was left at each jump, so "
            "that nobody is seated together across it. Sort the lines as the chairs stand, or put a line without a "
            "seat where an aisle is.",
        )


def _jumps(left: DraftSeat, right: DraftSeat) -> bool:
    beside = right.x - left.x == PITCH
    if not (beside and _is_number(left.number) and _is_number(right.number)):
        return False
    return abs(int(left.number) - int(right.number)) > _STEP


def place(sections: Sequence[DraftSection], findings: Findings) -> None:
    """Place rows below each other in the order of the file, with an empty row between sections.

    Sections that are called left, centre and right stand beside each other. Everything else stands in the middle of the
    hall: short rows among longer ones, and narrow sections below wide ones.
    """
    groups = _groups(sections)
    widths = [[_width(section) for section in group] for group in groups]
    widest = max((_total(parts) for parts in widths), default=0.0)
    y = 0.0
    for group, parts in zip(groups, widths, strict=True):
        labels = dict.fromkeys((row.word, row.label) for section in group for row in section.rows)
        depth = {label: index for index, label in enumerate(labels)}
        x = (widest - _total(parts)) / 2
        for section, width in zip(group, parts, strict=True):
            # Of sections beside each other the outer ones are straight towards the middle of the hall.
            side = side_of(section.name) if len(group) > 1 else None
            share = 0.5 if side is None else 1 - side[1] / 2
            for row, shift in zip(section.rows, _shifts(section, width, share), strict=True):
                for seat in row.seats:
                    seat.x = to_unit(x + shift + seat.x + PITCH)
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


def _width(section: DraftSection) -> float:
    return max((seat.x for row in section.rows for seat in row.seats), default=0.0)


def _total(widths: Sequence[float]) -> float:
    return sum(widths) + (len(widths) - 1) * (PITCH + _AISLE)


def _shifts(section: DraftSection, width: float, share: float) -> list[float]:
    """Return how far each row of a section begins to the right of the section's left end.

    Where all numbers fit into the width of the section, they say it: 9 to 12 is below the end of 1 to 12. Else a row
    leaves `share` of what it is shorter on its left.
    """
    firsts = [_first_of_series(row) for row in section.rows]
    numbered = [first for first in firsts if first is not None]
    if len(numbered) == len(firsts) and len(set(numbered)) > 1:
        shifts = [(first - min(numbered)) * PITCH for first in numbered]
        if all(shift + _end(row) <= width for shift, row in zip(shifts, section.rows, strict=True)):
            return shifts
    return [(width - _end(row)) * share for row in section.rows]


def _end(row: DraftRow) -> float:
    return max((seat.x for seat in row.seats), default=0.0)


def _first_of_series(row: DraftRow) -> int | None:
    """Return the first number of a row that counts up by one from seat to seat, also across aisles; else None."""
    numbers = [int(seat.number) if _is_number(seat.number) else None for seat in row.seats]
    first = numbers[0] if numbers else None
    if first is None or numbers != list(range(first, first + len(numbers))):
        return None
    return first


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
