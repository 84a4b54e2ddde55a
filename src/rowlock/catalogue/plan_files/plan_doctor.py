"""The plan doctor: finds, repairs and reports common faults of plan files.

Works on a draft, in place and in a fixed order: categories, empty parts, numbers, a look for the stage, names, bays,
rows, blocks, ids, runs, overlaps, bounds, labels, focal point. Most of these have modules of their own, the arithmetic
is in `geometry`, and `assemble` makes the plan. docs/explanation/plan-doctor.md gives the reason for each rule.
"""

from collections import defaultdict
from itertools import pairwise

from rowlock.catalogue.plan_files import (
    bays,
    blocks,
    categories,
    geometry,
    labels,
    likeness,
    numbering,
    positions,
    stage,
)
from rowlock.catalogue.plan_files.choices import NO_CHOICES, Choices
from rowlock.catalogue.plan_files.draft import Draft, DraftRow, DraftSection
from rowlock.catalogue.plan_files.errors import PlanError
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import Names, count_of

DEFAULT_SECTION = "Hall"
NOT_GIVEN = stage.GivenStage()

_MAX_PIECES = 12
"""More row objects with one label are joined all together or not at all."""


def repair(
    draft: Draft, findings: Findings, given: stage.GivenStage = NOT_GIVEN, choices: Choices = NO_CHOICES
) -> stage.Look:
    """Repair the draft in place and record every finding.

    Raises PlanError for a plan without seats, and for choices that do not fit it. Returns what was found of the stage:
    a doubt about it is told with the seats that it puts first, which only the plan can tell.
    """
    categories.repair(draft, choices, findings)
    _drop_empty_parts(draft, findings)
    numbering.repair(draft, findings)
    seen = stage.look(draft, given, findings)
    _name_sections(draft, findings)
    bays.repair(draft, findings)
    for section in draft.sections:
        _repair_rows(section, findings)
    blocks.repair(draft, findings, name_blocks=choices.name_blocks)
    likeness.report(draft, findings)
    _repair_source_ids(draft, findings)
    positions.repair(draft, _set_runs(draft), findings)
    _set_labels(draft, findings)
    stage.settle(draft, seen)
    return seen


def _drop_empty_parts(draft: Draft, findings: Findings) -> None:
    sections_kept: list[DraftSection] = []
    for section in draft.sections:
        for row in section.rows:
            if not row.seats:
                findings.repaired("ROW_EMPTY", row.place, f'row "{row.label}" has no seats', "Left out.")
        section.rows = [row for row in section.rows if row.seats]
        if section.rows:
            sections_kept.append(section)
            continue
        draft.shapes += section.shapes
        if not section.shapes:
            findings.repaired("SECTION_EMPTY", section.place, f'section "{section.name}" has no seats', "Left out.")
    if not sections_kept:
        raise PlanError(
            "NO_SEATS", "", "the plan has no seats. Rowlock sells numbered seats, so a plan needs at least one"
        )
    draft.sections = sections_kept


def _name_sections(draft: Draft, findings: Findings) -> None:
    names = Names()
    for section in draft.sections:
        name = names.take(section.name or DEFAULT_SECTION)
        if not section.name and len(draft.sections) > 1:
            findings.repaired("SECTION_NAME_MISSING", section.place, "the section has no name", f'Named "{name}".')
        elif section.name and name != section.name:
            findings.repaired(
                "SECTION_NAME_DUPLICATE",
                section.place,
                f'another section is called "{section.name}" too',
                f'Renamed to "{name}".',
            )
        section.name = name


def _repair_rows(section: DraftSection, findings: Findings) -> None:
    _name_rows(section, findings)
    section.rows = _join_split_rows(section, findings)
    for row in section.rows:
        points = [(seat.x, seat.y) for seat in row.seats]
        order = geometry.order_along_row(points)
        if row.word == "row" and geometry.sharpest_turn(points, order) < 0:
            findings.warn(
                "ROW_NOT_A_LINE",
                row.place,
                f'the seats of row "{row.label}" are not in one line',
                "Kept as one row. If it is several rows, give each its own in the file.",
            )
        row.seats = [row.seats[index] for index in order]
        _number_seats(row, findings)
        _report_descending(row, findings)


def _name_rows(section: DraftSection, findings: Findings) -> None:
    names = Names({row.label for row in section.rows})
    for ordinal, row in enumerate(section.rows, 1):
        if not row.label:
            row.label = names.take(str(ordinal))
            findings.repaired(
                "ROW_LABEL_MISSING", row.place, "the row has no label", f'Labelled "{row.label}" by its order.'
            )


def _join_split_rows(section: DraftSection, findings: Findings) -> list[DraftRow]:
    """Join row objects that are one physical row; each takes the place of its first piece."""
    by_label: defaultdict[tuple[str, str], list[DraftRow]] = defaultdict(list)
    for row in section.rows:
        by_label[row.word, row.label].append(row)
    absorbed_ids: set[int] = set()
    for pieces in by_label.values():
        if len(pieces) > 1:
            _join_pieces(pieces, absorbed_ids, findings)
    return [row for row in section.rows if id(row) not in absorbed_ids]


def _join_pieces(pieces: list[DraftRow], absorbed_ids: set[int], findings: Findings) -> None:
    """Join all pieces if together they form one line, else each piece to the first group that it continues."""
    if _is_one_row(pieces):
        groups = [pieces]
    elif len(pieces) <= _MAX_PIECES:
        groups = []
        for piece in pieces:
            group = next((group for group in groups if _is_one_row([*group, piece])), None)
            if group is None:
                groups.append([piece])
            else:
                group.append(piece)
    else:
        return
    for group in groups:
        first, *others = group
        if not others:
            continue
        for other in others:
            first.seats.extend(other.seats)
            absorbed_ids.add(id(other))
        findings.repaired(
            "ROW_SPLIT",
            first.place,
            f'row "{first.label}" is split over {len(group)} row objects (also {others[0].place})',
            f"Joined to one row of {count_of(len(first.seats))}.",
        )


def _is_one_row(pieces: list[DraftRow]) -> bool:
    """Say whether row objects with the same label are one line, with no number twice."""
    numbers = [seat.number for piece in pieces for seat in piece.seats if seat.number]
    if len(set(numbers)) < len(numbers):
        return False
    return geometry.is_one_line([(seat.x, seat.y) for piece in pieces for seat in piece.seats])


def _number_seats(row: DraftRow, findings: Findings) -> None:
    names = Names({seat.number for seat in row.seats})
    for position, seat in enumerate(row.seats, 1):
        if not seat.number:
            seat.number = names.take(str(position))
            findings.repaired(
                "SEAT_NUMBER_MISSING",
                seat.place,
                "the seat has no number",
                f'Numbered "{seat.number}" by its place in row "{row.label}".',
            )


def _report_descending(row: DraftRow, findings: Findings) -> None:
    if len(row.seats) < 3 or not all(seat.number.isdecimal() for seat in row.seats):
        return
    numbers = [int(seat.number) for seat in row.seats]
    if all(left > right for left, right in pairwise(numbers)):
        findings.info(
            "NUMBERING_DESCENDING",
            row.place,
            f'row "{row.label}" counts down from {numbers[0]} to {numbers[-1]}, left to right',
            "The numbers are kept; neighbours follow the coordinates.",
        )


def _repair_source_ids(draft: Draft, findings: Findings) -> None:
    """Give every seat a unique id; of several seats with the same id the first in reading order keeps it."""
    ids = Names({seat.source_id for seat in draft.seats()}, "{}~{}")
    ids_seen: set[str] = set()
    for section in draft.sections:
        for row in section.rows:
            for seat in row.seats:
                given_id = seat.source_id
                if not given_id:
                    seat.source_id = ids.take(f"{section.name}-{row.label}-{seat.number}")
                    findings.repaired(
                        "SEAT_ID_MISSING", seat.place, "the seat has no id", f'It gets the id "{seat.source_id}".'
                    )
                elif given_id in ids_seen:
                    seat.source_id = ids.take(given_id)
                    findings.repaired(
                        "SEAT_ID_DUPLICATE",
                        seat.place,
                        f'the id "{given_id}" belongs to another seat too',
                        f'The seat gets the id "{seat.source_id}".',
                    )
                ids_seen.add(given_id)


def _set_runs(draft: Draft) -> float:
    """Set the run of every seat, dense from 0; return the typical pitch of the plan."""
    gaps = [
        [geometry.steps([(seat.x, seat.y) for seat in row.seats], range(len(row.seats))) for row in section.rows]
        for section in draft.sections
    ]
    every_gap = (gap for rows in gaps for row_gaps in rows for gap in row_gaps)
    plan_pitch = geometry.typical_pitch(every_gap) or geometry.DEFAULT_PITCH
    run = 0
    for section, section_gaps in zip(draft.sections, gaps, strict=True):
        section_pitch = geometry.typical_pitch(gap for row_gaps in section_gaps for gap in row_gaps)
        for row, row_gaps in zip(section.rows, section_gaps, strict=True):
            breaks = geometry.run_breaks(row_gaps, section_pitch or plan_pitch)
            row.seats[0].run = run
            for seat, starts_run in zip(row.seats[1:], breaks, strict=True):
                run += starts_run
                seat.run = run
            run += 1
    return plan_pitch


def _set_labels(draft: Draft, findings: Findings) -> None:
    names = Names()
    for section in draft.sections:
        section_text = labels.section_text(section.name, len(draft.sections))
        for row in section.rows:
            row_text = row.row_text or labels.default_row_text(row.word)
            seat_text = row.seat_text or labels.DEFAULT_SEAT_TEXT
            for seat in row.seats:
                wanted_label = labels.seat_label(section_text, row_text, row.label, seat_text, seat.number)
                seat.label = names.take(wanted_label)
                if seat.label != wanted_label:
                    findings.repaired(
                        "LABEL_DUPLICATE",
                        seat.place,
                        f'another seat is called "{wanted_label}" too',
                        f'Called "{seat.label}", which stands on no chair. '
                        "Give one of them another number or section in the file.",
                    )
