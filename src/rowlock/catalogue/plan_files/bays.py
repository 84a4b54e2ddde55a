"""The part of the plan doctor for wheelchair bays: places in a gap of a row that the file keeps apart from it.

A wheelchair user and a friend sit side by side, so a bay has to be in the row in whose gap, or at whose end, it stands:
with the row's other seats it makes the runs from which seats are chosen.
"""

import math
from collections import defaultdict
from collections.abc import Iterator

from rowlock.catalogue.plan_files import geometry
from rowlock.catalogue.plan_files.draft import Draft, DraftRow, DraftSeat, DraftSection
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import count_of
from rowlock.catalogue.ranking import AISLE_FACTOR

_NEAR = AISLE_FACTOR * geometry.WIDE_SEAT_FACTOR
"""A bay is beside a row when one of its places is at most so many pitches from one of the row's seats."""

_LISTED_PER_CELL = 8
_Host = tuple[DraftSection, DraftRow]


def repair(draft: Draft, findings: Findings) -> None:
    """Move each bay to the row beside which it stands, and warn of those that have another label than that row."""
    bays = [(section, row) for section in draft.sections for row in section.rows if _is_bay(row)]
    if not bays:
        return
    hosts = _Hosts(draft)
    for bay, row in bays:
        for section, host in hosts.beside(row):
            if (section is bay and host.label == row.label) or not _in_line(row, host.seats):
                continue
            if row.label in {"", host.label} and _moved(bay, row, section, host, findings):
                break
            if row.label != host.label:
                _warn(bay, row, section, host, findings)
                break
    for section in draft.sections:
        if not section.rows:
            draft.shapes += section.shapes
    draft.sections = [section for section in draft.sections if section.rows]


def _is_bay(row: DraftRow) -> bool:
    return row.word == "row" and all(seat.kind != "standard" for seat in row.seats)


class _Hosts:
    """Finds the rows with ordinary seats that stand beside a bay."""

    def __init__(self, draft: Draft) -> None:
        rows = [(section, row) for section in draft.sections for row in section.rows if row.word == "row"]
        gaps = (gap for _, row in rows for gap in geometry.steps(_points(row.seats), range(len(row.seats))))
        self._reach = (geometry.typical_pitch(gaps) or geometry.DEFAULT_PITCH) * _NEAR
        self._cells: defaultdict[tuple[int, int], list[tuple[DraftSeat, _Host]]] = defaultdict(list)
        for section, row in rows:
            for seat in row.seats if not _is_bay(row) else ():
                cell = self._cells[self._cell(seat.x, seat.y)]
                if len(cell) < _LISTED_PER_CELL:
                    cell.append((seat, (section, row)))

    def beside(self, bay: DraftRow) -> Iterator[_Host]:
        """Yield each row with a seat beside one of the bay's places, the nearest first."""
        near: dict[int, tuple[float, _Host]] = {}
        for place in bay.seats:
            column, line = self._cell(place.x, place.y)
            for cell in ((column + across, line + down) for across in (-1, 0, 1) for down in (-1, 0, 1)):
                for seat, host in self._cells.get(cell, ()):
                    distance = math.hypot(seat.x - place.x, seat.y - place.y)
                    if distance <= min(self._reach, near.get(id(host[1]), (math.inf, host))[0]):
                        near[id(host[1])] = distance, host
        return (host for _, host in sorted(near.values(), key=lambda found: found[0]))

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        return math.floor(x / self._reach), math.floor(y / self._reach)


def _in_line(bay: DraftRow, seats: list[DraftSeat]) -> bool:
    """Say whether a bay and a row are one line, and not one behind the other."""
    points = _points(seats)
    return (len(points) > 1 or len(bay.seats) > 1) and geometry.is_one_line([*points, *_points(bay.seats)])


def _moved(bay: DraftSection, row: DraftRow, section: DraftSection, host: DraftRow, findings: Findings) -> bool:
    """Move a bay's row behind the row objects of the host's label, if no number is twice then; say whether it was."""
    pieces = [other for other in section.rows if other.label == host.label and other.word == "row"]
    numbers = [seat.number for piece in (*pieces, row) for seat in piece.seats if seat.number]
    if len(set(numbers)) < len(numbers):
        return False
    bay.rows = [other for other in bay.rows if other is not row]
    row.label = host.label
    position = next(index for index, other in enumerate(section.rows) if other is pieces[-1])
    section.rows.insert(position + 1, row)
    findings.repaired(
        "BAY_JOINED",
        row.place,
        f'{count_of(len(row.seats))} of "{bay.name}" stand in row "{host.label}" of section "{section.name}"',
        f'Put into that row: tickets name "{section.name}".',
    )
    return True


def _warn(bay: DraftSection, row: DraftRow, section: DraftSection, host: DraftRow, findings: Findings) -> None:
    findings.warn(
        "BAY_APART",
        row.place,
        f'{count_of(len(row.seats))} of row "{row.label}" of "{bay.name}" stand in row "{host.label}" of section '
        f'"{section.name}"',
        "Kept as a row of their own, so a wheelchair user and a friend are not seated side by side across the two. "
        "Give them that row's label in the file.",
    )


def _points(seats: list[DraftSeat]) -> list[geometry.Point]:
    return [(seat.x, seat.y) for seat in seats]
