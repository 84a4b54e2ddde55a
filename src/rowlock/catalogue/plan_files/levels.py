"""Gives each level of a hall a focal point of its own when the levels are drawn as separate floor plans.

The stalls at the top of the drawing, the gallery at its foot, and every front row towards the foot: one point cannot be
in front of them all. So each level looks at a point before its own first row, farther away by the depth of those below.
"""

from itertools import pairwise

from rowlock.catalogue.plan_files.draft import Draft, DraftSection, DraftZone, to_unit
from rowlock.catalogue.plan_files.front_rows import Side
from rowlock.catalogue.plan_files.geometry import Point, bounding_box
from rowlock.catalogue.plan_files.tiers import tier_of

# How far a stage is from the first row.
_DISTANCE = 30.0


def part(draft: Draft, side: Side) -> bool:
    """Make a zone of each level if a higher one is nearer to the stage's side than a lower; say whether it was done.

    The names of the sections tell the levels: nothing is done unless each of them does.
    """
    if draft.zones or draft.floors or side == "middle":
        return False
    by_tier: dict[float, list[DraftSection]] = {}
    for section in draft.sections:
        tier = tier_of(section.name)
        if tier is None:
            return False
        by_tier.setdefault(tier, []).append(section)
    levels = [by_tier[tier] for tier in sorted(by_tier)]
    spans = [_span(level, side) for level in levels]
    if all(lower[1] <= higher[0] for lower, higher in pairwise(spans)):
        return False
    below = 0.0
    for level, (near, far) in zip(levels, spans, strict=True):
        draft.zones.append(DraftZone(level[0].name, _point(level, side, below), level))
        below += far - near + _DISTANCE
    draft.focal_point = draft.zones[0].focal_point
    return True


def _span(level: list[DraftSection], side: Side) -> tuple[float, float]:
    """Return where a level begins and ends, measured from the side of the stage backwards."""
    left, top, right, bottom = _box(level)
    if side in {"top", "bottom"}:
        return (top, bottom) if side == "top" else (-bottom, -top)
    return (left, right) if side == "left" else (-right, -left)


def _point(level: list[DraftSection], side: Side, below: float) -> Point:
    left, top, right, bottom = _box(level)
    x, y, away = (left + right) / 2, (top + bottom) / 2, below + _DISTANCE
    match side:
        case "top":
            y = top - away
        case "bottom":
            y = bottom + away
        case "left":
            x = left - away
        case _:
            x = right + away
    return to_unit(x), to_unit(y)


def _box(level: list[DraftSection]) -> tuple[float, float, float, float]:
    return bounding_box((seat.x, seat.y) for section in level for seat in section.seats())
