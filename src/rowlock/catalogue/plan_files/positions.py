"""The part of the plan doctor for positions: overlapping sections and seats outside the plan's size.

A section that overlaps others is moved as a whole, because its seats are placed correctly relative to each other.
A single seat is never moved, because only the author of the file knows where it belongs. Where the audience looks is
known before: the sections nearest to it stay, and the others give way outwards.
"""

import math
from collections import Counter

from rowlock.catalogue.plan_files import limits
from rowlock.catalogue.plan_files.draft import Draft, DraftSeat, DraftSection, to_unit
from rowlock.catalogue.plan_files.errors import PlanError
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.floors import move, move_zone
from rowlock.catalogue.plan_files.geometry import OVERLAP_FACTOR, Point, SeatGrid, bounding_box
from rowlock.catalogue.plan_files.labels import count_of

MOVE_SHARE = 0.1
"""A section is moved when more than this share of its seats overlap other sections; fewer are only reported."""

_MAX_ATTEMPTS = 8
_Box = tuple[float, float, float, float]


def repair(draft: Draft, pitch: float, findings: Findings) -> None:
    """Separate sections, report seats that still overlap others, and make the plan's size include every seat.

    pitch  the typical distance between neighbouring seats in this plan. Raises PlanError for a plan that is too large.
    """
    # Counted before anything is moved: the report is about the file, not about the repaired plan.
    seats_outside = _count_outside(draft)
    if overlaps := _find_overlaps(draft, pitch):
        if len(draft.sections) > 1:
            _Separator(draft, pitch, findings).run()
            overlaps = _find_overlaps(draft, pitch)
        _report_overlaps(overlaps, findings)
    _repair_bounds(draft, pitch, seats_outside, findings)


class _Separator:
    """Places the sections one by one, each where it is or, if it overlaps earlier ones, beside them.

    The order is that of the file or, when it is known where the audience looks, from there outwards: so the blocks in
    the middle of a stand stay across from the court, and those at its ends make room for them.
    """

    def __init__(self, draft: Draft, pitch: float, findings: Findings) -> None:
        self._sections = sections = draft.sections
        self._focal_point = draft.focal_point
        self._pitch = pitch
        self._findings = findings
        self._seats_in_file = SeatGrid(pitch * OVERLAP_FACTOR)
        self._seats_placed = SeatGrid(pitch * OVERLAP_FACTOR)
        self._boxes_in_file = [bounding_box((seat.x, seat.y) for seat in section.seats()) for section in sections]
        self._boxes_placed: dict[int, _Box] = {}

    def run(self) -> None:
        """Place every section."""
        right = -math.inf
        for index in self._order():
            section = self._sections[index]
            points = [(seat.x, seat.y) for seat in section.seats()]
            box = self._boxes_in_file[index]
            overlaps = _count_overlaps(self._seats_placed, points, (0.0, 0.0))
            offset = None
            if overlaps.total() > len(points) * MOVE_SHARE:
                offset = self._free_offset(index, points, right)
            if offset is not None:
                move((section,), (), offset)
                self._report(section, points, overlaps, offset)
                box = box[0] + offset[0], box[1] + offset[1], box[2] + offset[0], box[3] + offset[1]
            self._boxes_placed[index] = box
            right = max(right, box[2])
            _add(self._seats_in_file, points, index)
            _add(self._seats_placed, [(seat.x, seat.y) for seat in section.seats()], index)

    def _order(self) -> list[int]:
        """Return the order in which sections get their places; of equally near ones the first in the file."""
        order = list(range(len(self._sections)))
        if self._focal_point is None:
            return order
        x, y = self._focal_point
        middles = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in self._boxes_in_file]
        return sorted(order, key=lambda index: round(math.hypot(middles[index][0] - x, middles[index][1] - y), 3))

    def _free_offset(self, index: int, points: list[Point], right: float) -> Point | None:
        """Return an offset with which the section overlaps no other.

        Each attempt puts the section beside the one that most of its seats overlap, on the side where its middle is in
        the file. If it still overlaps a section after 8 attempts, it is put right of all sections placed so far; or
        stays where it is (None) when it is known where the audience looks, and it would be moved away from there.
        """
        box = self._boxes_in_file[index]
        x = y = 0.0
        for _ in range(_MAX_ATTEMPTS):
            overlaps = _count_overlaps(self._seats_placed, points, (x, y))
            if not overlaps:
                return x, y
            other = overlaps.most_common(1)[0][0]
            across, down = _from_middle_to_middle(self._boxes_in_file[other], box)
            other_box, gap = self._boxes_placed[other], 2 * self._pitch
            if abs(across) >= abs(down):
                x = other_box[2] - box[0] + gap if across >= 0 else other_box[0] - box[2] - gap
            else:
                y = other_box[3] - box[1] + gap if down >= 0 else other_box[1] - box[3] - gap
            x, y = to_unit(x), to_unit(y)
        return (to_unit(right - box[0] + 2 * self._pitch), 0.0) if self._focal_point is None else None

    def _report(self, section: DraftSection, points: list[Point], overlaps: Counter[int], offset: Point) -> None:
        in_file = _count_overlaps(self._seats_in_file, points, (0.0, 0.0))
        others = [f'"{self._sections[index].name}"' for index, _ in (in_file or overlaps).most_common(3)]
        names = ", ".join(others)
        if in_file:
            found = f'{in_file.total():,} of the {count_of(len(points))} of section "{section.name}" overlap {names}'
        else:
            verb = "was" if len(others) == 1 else "were"
            found = f'section "{section.name}" overlaps {names}, which {verb} moved there'
        done = f"The whole section was moved by ({offset[0]:g}, {offset[1]:g})."
        self._findings.repaired("SECTIONS_OVERLAP", section.place, found, done)


def _count_overlaps(grid: SeatGrid, points: list[Point], offset: Point) -> Counter[int]:
    """Count, for each section in the grid, how many of these seats overlap its seats."""
    sections = (grid.find_overlap(x + offset[0], y + offset[1]) for x, y in points)
    return Counter(index for index in sections if index is not None)


def _add(grid: SeatGrid, points: list[Point], index: int) -> None:
    """Add the seats of the section with this index.

    Seats that overlap one in the grid are left out: with thousands of seats on one spot, each search would compare
    with all of them.
    """
    for x, y in points:
        if grid.find_overlap(x, y) is None:
            grid.add(x, y, index)


def _find_overlaps(draft: Draft, pitch: float) -> list[tuple[DraftSeat, DraftSeat]]:
    """Return each seat that overlaps an earlier one, with that one."""
    grid = SeatGrid(pitch * OVERLAP_FACTOR)
    seats = list(draft.seats())
    overlaps = []
    for index, seat in enumerate(seats):
        other = grid.find_overlap(seat.x, seat.y)
        if other is None:
            grid.add(seat.x, seat.y, index)
        else:
            overlaps.append((seat, seats[other]))
    return overlaps


def _report_overlaps(overlaps: list[tuple[DraftSeat, DraftSeat]], findings: Findings) -> None:
    for seat, other in overlaps:
        findings.warn(
            "SEATS_OVERLAP",
            seat.place,
            f"the seat overlaps the seat at {other.place}",
            "Both are kept where they are: only the author of the file knows where the seat belongs.",
        )


def _count_outside(draft: Draft) -> int:
    """Count the seats outside the plan's size, 0 when it has none."""
    if draft.size is None:
        return 0
    width, height = draft.size
    return sum(not (0 <= seat.x <= width and 0 <= seat.y <= height) for seat in draft.seats())


def _repair_bounds(draft: Draft, pitch: float, seats_outside: int, findings: Findings) -> None:
    """Give the plan a size that includes all its seats; move everything when some have negative coordinates."""
    left, top, right, bottom = bounding_box((seat.x, seat.y) for seat in draft.seats())
    width, height = draft.size or (0.0, 0.0)
    if draft.size is not None and not _count_outside(draft):
        return
    shift_x = float(math.ceil(pitch - left)) if left < 0 else 0.0
    shift_y = float(math.ceil(pitch - top)) if top < 0 else 0.0
    if shift_x or shift_y:
        _shift(draft, shift_x, shift_y)
    new_width = max(width + shift_x, float(math.ceil(right + shift_x + pitch)))
    new_height = max(height + shift_y, float(math.ceil(bottom + shift_y + pitch)))
    if max(new_width, new_height) > limits.MAX_COORDINATE:
        raise PlanError(
            "OUT_OF_RANGE",
            "",
            f"the plan would be {new_width:,.0f} × {new_height:,.0f} units large; at most "
            f"{limits.MAX_COORDINATE:,.0f} are allowed. Scale the plan, so that neighbouring seats are about 25 units "
            "apart",
        )
    done = f"The size is now {new_width:g} × {new_height:g}"
    if shift_x or shift_y:
        done += f", and everything moved by ({shift_x:g}, {shift_y:g})"
    if draft.size is None and draft.format_has_size:
        findings.repaired("SIZE_MISSING", "", "the plan gives no usable size", f"{done}.")
    elif draft.format_has_size:
        size = f"the plan's size of {width:g} × {height:g}"
        found = (
            f"{count_of(seats_outside)} outside {size}" if seats_outside else f"moved sections need more than {size}"
        )
        findings.repaired("OUTSIDE_BOUNDS", "", found, f"{done}.")
    draft.size = new_width, new_height


def _shift(draft: Draft, dx: float, dy: float) -> None:
    move(draft.sections, draft.shapes, (dx, dy))
    if draft.focal_point is not None:
        draft.focal_point = to_unit(draft.focal_point[0] + dx), to_unit(draft.focal_point[1] + dy)
    for zone in draft.zones:
        move_zone(zone, (dx, dy))


def _from_middle_to_middle(start: _Box, end: _Box) -> Point:
    return (end[0] + end[2] - start[0] - start[2]) / 2, (end[1] + end[3] - start[1] - start[3]) / 2
