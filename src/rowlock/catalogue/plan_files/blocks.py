"""The part of the plan doctor for blocks that repeat each other's row labels: a left and a right block of one hall.

"Row A, seat 1 (2)" stands on no chair. Which block a ticket means only a section name can tell, so the doctor asks for
names and offers what it can see: where the blocks stand. With `choices.name_blocks` it makes sections of them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise

from rowlock.catalogue.plan_files.draft import Draft, DraftRow, DraftSection
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import Names, count_of

_ACROSS: dict[int, tuple[str, ...]] = {2: ("Left", "Right"), 3: ("Left", "Centre", "Right")}
_DOWN: dict[int, tuple[str, ...]] = {2: ("Upper", "Lower"), 3: ("Upper", "Middle", "Lower")}
_LISTED = 3
_Extent = Callable[[DraftRow], tuple[float, float]]


def repair(draft: Draft, findings: Findings, *, name_blocks: bool) -> None:
    """Ask for names of blocks that repeat row labels, or make sections of them when the operator said so."""
    names = Names({section.name for section in draft.sections})
    alone = len(draft.sections) == 1
    sections: list[DraftSection] = []
    for section in draft.sections:
        repeated = _repeated(section.rows)
        seats = _seats_with_a_namesake(repeated)
        if not seats:
            sections.append(section)
            continue
        blocks = _by_place(section.rows, repeated)
        labels = ", ".join(f'"{rows[0].label}"' for rows in repeated[:_LISTED])
        more = " and others" if len(repeated) > _LISTED else ""
        found = (
            f'{count_of(seats)} of section "{section.name}", in rows {labels}{more}, share row and number with another'
        )
        if not blocks or not name_blocks:
            findings.warn("BLOCKS_UNNAMED", section.place, found, _advice(blocks))
            sections.append(section)
            continue
        parts = _part(section, blocks, names, alone=alone)
        said = ", ".join(f'"{part.name}"' for part in parts)
        findings.repaired("BLOCKS_NAMED", section.place, found, f"As you said, its blocks are sections: {said}.")
        sections += parts
        for zone in draft.zones:
            zone.sections = [part for old in zone.sections for part in (parts if old is section else [old])]
        draft.shapes += section.shapes  # They belong to no block alone.
    draft.sections = sections


def _repeated(rows: Sequence[DraftRow]) -> list[list[DraftRow]]:
    """Return the rows of each label that several rows have, with seats of the same number."""
    by_label: defaultdict[tuple[str, str], list[DraftRow]] = defaultdict(list)
    for row in rows:
        by_label[row.word, row.label].append(row)
    return [rows for rows in by_label.values() if len(rows) > 1 and _seats_with_a_namesake([rows])]


def _seats_with_a_namesake(repeated: Sequence[Sequence[DraftRow]]) -> int:
    """Count the seats that share row label and number with one in another row of the section."""
    total = 0
    for rows in repeated:
        numbers = Counter(number for row in rows for number in {seat.number for seat in row.seats})
        total += sum(numbers[seat.number] > 1 for row in rows for seat in row.seats)
    return total


def _by_place(rows: Sequence[DraftRow], repeated: Sequence[Sequence[DraftRow]]) -> dict[str, list[DraftRow]]:
    """Return the blocks by the name of their place; empty when the rows do not stand in two or three clear blocks."""
    for extent, words in ((_across, _ACROSS), (_down, _DOWN)):
        spans = _spans(repeated, extent)
        if spans is None or len(spans) not in words:
            continue
        blocks: dict[str, list[DraftRow]] = {word: [] for word in words[len(spans)]}
        for row in rows:
            start, end = extent(row)
            middle = (start + end) / 2
            inside = [index for index, (low, high) in enumerate(spans) if low <= middle <= high]
            nearest = min(range(len(spans)), key=lambda index: abs(sum(spans[index]) / 2 - middle))
            blocks[words[len(spans)][inside[0] if inside else nearest]].append(row)
        return blocks
    return {}


def _spans(repeated: Sequence[Sequence[DraftRow]], extent: _Extent) -> list[tuple[float, float]] | None:
    """Return from where to where each block reaches in one direction, None when blocks would reach into each other."""
    count = max(len(rows) for rows in repeated)
    spans = [(float("inf"), float("-inf"))] * count
    for rows in repeated:
        if len(rows) != count:
            continue
        for index, (start, end) in enumerate(sorted(extent(row) for row in rows)):
            spans[index] = min(spans[index][0], start), max(spans[index][1], end)
    if any(left[1] >= right[0] for left, right in pairwise(spans)):
        return None
    return spans


def _across(row: DraftRow) -> tuple[float, float]:
    return min(seat.x for seat in row.seats), max(seat.x for seat in row.seats)


def _down(row: DraftRow) -> tuple[float, float]:
    return min(seat.y for seat in row.seats), max(seat.y for seat in row.seats)


def _advice(blocks: dict[str, list[DraftRow]]) -> str:
    ask = 'Tickets tell them apart by "(2)", which stands on no chair. Give each block a section name in the file'
    if not blocks:
        return f"{ask}."
    *first, last = (f'"{name}"' for name in blocks)
    return f"{ask}, or import with --name-blocks, which calls them {', '.join(first)} and {last}."


def _part(section: DraftSection, blocks: dict[str, list[DraftRow]], names: Names, *, alone: bool) -> list[DraftSection]:
    """Return a section for each block."""
    return [
        DraftSection(names.take(name if alone else f"{section.name} {name}"), section.place, rows)
        for name, rows in blocks.items()
    ]
