"""Stacks the floors of a plan whose file gives them all the same coordinates: the first one next to the stage.

A reader places floors below each other. Where the stage is at the foot of the first floor, they have to be stacked the
other way round, or the last row of the floor above would be the nearest to it.
"""

from collections.abc import Iterable

from rowlock.catalogue.plan_files.draft import Draft, DraftSection, DraftShape, DraftZone, to_unit
from rowlock.catalogue.plan_files.geometry import Point

FLOOR_GAP = 100.0


def stack_upwards(draft: Draft) -> None:
    """Place each floor above the one before, if they are below each other; everything on them moves along."""
    if len(draft.floors) < 2:
        return
    top = 0.0
    for floor in reversed(draft.floors):
        shift = top - floor.top
        move(floor.sections, floor.shapes, (0.0, shift))
        for zone in floor.zones:
            move_zone(zone, (0.0, shift))
        if draft.focal_point is not None and floor is draft.floors[0]:
            draft.focal_point = draft.focal_point[0], to_unit(draft.focal_point[1] + shift)
        floor.top = top
        top += floor.height + FLOOR_GAP


def stage_is_at_the_foot(draft: Draft) -> bool:
    """Say whether the focal point is in the lower half of the first floor, or below it and above the second."""
    if len(draft.floors) < 2 or draft.focal_point is None:
        return False
    first, second = draft.floors[:2]
    return first.top + first.height / 2 < draft.focal_point[1] < second.top


def move(sections: Iterable[DraftSection], shapes: Iterable[DraftShape], offset: Point) -> None:
    """Move sections with their scenery, and other scenery."""
    of_sections: list[DraftShape] = []
    for section in sections:
        of_sections += section.shapes
        for seat in section.seats():
            seat.x, seat.y = to_unit(seat.x + offset[0]), to_unit(seat.y + offset[1])
    for shape in (*of_sections, *shapes):
        shape.points = [(to_unit(x + offset[0]), to_unit(y + offset[1])) for x, y in shape.points]


def move_zone(zone: DraftZone, offset: Point) -> None:
    """Move the point at which a zone looks."""
    if zone.focal_point is not None:
        zone.focal_point = to_unit(zone.focal_point[0] + offset[0]), to_unit(zone.focal_point[1] + offset[1])
