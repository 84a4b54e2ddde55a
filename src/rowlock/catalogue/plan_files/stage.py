"""Decides where the audience of a plan looks: what the operator or the file says, the map shows, or the rows suggest.

`look` comes before the plan doctor names rows and moves sections, because made-up labels prove nothing and sections
must not be moved away from a court; `settle` comes after it, because the edges of the plan are known then.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from rowlock.catalogue.plan_files import floors, front_rows, levels, limits, stage_words
from rowlock.catalogue.plan_files.draft import Draft, DraftFloor, DraftShape, to_unit
from rowlock.catalogue.plan_files.fields import parse_number
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.front_rows import Block, Side
from rowlock.catalogue.plan_files.geometry import Point, bounding_box
from rowlock.catalogue.plan_files.tiers import side_of

# An area that holds more than this share of the seats is the floor they stand on, not what they look at.
_FLOOR_SHARE = 0.05
# How many areas that are called a stage are tried, and how many corners of one are looked at.
_MOST_TRIED = 20
_MOST_CORNERS = 500
# How many seats, evenly among all, are asked whether they stand on an area.
_MOST_ASKED = 2_000
# The audience is around the focal point if each half of the plane through it has at least this share of the seats.
_AROUND_SHARE = 0.1
_DIRECTIONS = 16
_SIGHTS: tuple[stage_words.Sight, ...] = ("stage", "court", "screen")
_EDGES: dict[Side, str] = {
    "top": "the upper edge",
    "bottom": "the lower edge",
    "left": "the left edge",
    "right": "the right edge",
    "middle": "the middle of the hall",
}


@dataclass(frozen=True, slots=True)
class GivenStage:
    """What the operator says about the stage: a side of the plan, or a point in the units of the file, or nothing."""

    side: Side | None = None
    focal_point: Point | None = None


def read_point(text: str) -> Point:
    """Return the point in "X,Y". Raises ValueError, with what was found."""
    numbers = [parse_number(part) for part in text.split(",")]
    given = [number for number in numbers if number is not None]
    if len(numbers) != 2 or len(given) != 2:
        raise ValueError(f'"{text[:40]}" is not a point')
    if max(map(abs, given)) > limits.MAX_COORDINATE:
        raise ValueError(f'"{text[:40]}" is beyond {limits.MAX_COORDINATE:,.0f} units')
    return given[0], given[1]


@dataclass(frozen=True, slots=True)
class Look:
    """Where the audience looks, as far as it is known before sections are moved.

    side    the side of the plan where the stage is; None when the draft's focal point says it.
    blocks  what rows say about the front, for the middle that they face.
    court   whether a court or field was found, or the stage is in the middle.
    doubt   what was found, when a person should look at it; "" when the place of the stage is known.
    done    what was made of it.
    """

    side: Side | None = None
    blocks: tuple[Block, ...] = ()
    court: bool = False
    doubt: str = ""
    done: str = ""


def look(draft: Draft, given: GivenStage, findings: Findings) -> Look:
    """Find the stage; sets the draft's focal point if it is known, or as good as known for moving sections."""
    seen = _look(draft, given, findings)
    if seen.side == "bottom" or (seen.side is None and floors.stage_is_at_the_foot(draft)):
        floors.stack_upwards(draft)
    return seen


def _look(draft: Draft, given: GivenStage, findings: Findings) -> Look:
    evidence = front_rows.find(draft)
    blocks = () if evidence is None else evidence.blocks
    if given.side is not None or given.focal_point is not None:
        # Sections that look one way say nothing about a stage that is said to be in the middle.
        facing = blocks if evidence is not None and evidence.side == "middle" else ()
        return _as_given(draft, given, facing, findings)
    if draft.focal_point is not None:
        return _doubted(draft, Look(blocks=blocks), evidence, "the file's focal point")
    if (drawn := _drawn(draft)) is not None:
        return _doubted(draft, _as_drawn(draft, drawn, blocks, findings), evidence, f'the middle of "{drawn.text}"')
    said = "the file does not say where the audience looks, and no stage, court or screen is drawn"
    if evidence is None:
        return Look("top", doubt=said, done="The middle of the upper edge was taken, for want of any sign.")
    if evidence.side == "middle":
        draft.focal_point = _to_units(front_rows.front_point(blocks))
    elif (point := front_rows.common_point(blocks)) is not None:
        draft.focal_point = _to_units(point)
        done = f"By {evidence.reason} all sections look at ({point[0]:.0f}, {point[1]:.0f}), and that was taken."
        return Look(None, blocks, doubt=said, done=done)
    done = f"By {evidence.reason} it is at {_EDGES[evidence.side]}".replace(" at the middle", " in the middle")
    if levels.part(draft, evidence.side):
        # Their focal points are known; an edge of the plan is none of them.
        return Look(None, blocks, doubt=said, done=f"{done}, of each level by itself, and that was taken.")
    return Look(evidence.side, blocks, evidence.side == "middle", said, f"{done}, and that was taken.")


def settle(draft: Draft, seen: Look) -> None:
    """Set the focal point from the side where the stage is, and whether the audience sits around it."""
    if draft.size is None:
        return
    if seen.side is not None:
        draft.focal_point = _to_units(_point_of(seen.side, draft, seen.blocks))
    draft.in_the_round = seen.court or _is_around(draft)


def _as_given(draft: Draft, given: GivenStage, blocks: tuple[Block, ...], findings: Findings) -> Look:
    for zone in draft.zones:
        zone.focal_point = None
    if given.focal_point is not None:
        draft.focal_point = _to_units(given.focal_point)
        x, y = draft.focal_point
        findings.info("FOCAL_POINT_GIVEN", "", "you said where the audience looks", f"({x:g}, {y:g}) was taken.")
        return Look(blocks=blocks)
    assert given.side is not None, "without a point a side is given"
    findings.info(
        "FOCAL_POINT_GIVEN", "", "you said where the stage is", f"{_EDGES[given.side].capitalize()} was taken."
    )
    draft.focal_point = None
    if given.side == "middle":
        draft.focal_point = _to_units(_point_of("middle", draft, blocks))
    return Look(given.side, blocks, given.side == "middle")


def _point_of(side: Side, draft: Draft, blocks: Sequence[Block]) -> Point:
    """Return the middle of an edge, across from the middle of the seats; or the middle that the front rows face.

    The middle of the seats is in the sections that are called centre, if there are any: one side may be missing.
    """
    left, top, right, bottom = bounding_box((seat.x, seat.y) for seat in draft.seats())
    width, height = draft.size or (right, bottom)
    named = [(section, side_of(section.name)) for section in draft.sections]
    central = [section for section, found in named if found is not None and found[1] == 1] or draft.sections
    first_x, first_y, last_x, last_y = bounding_box((seat.x, seat.y) for section in central for seat in section.seats())
    x, y = (first_x + last_x) / 2, (first_y + last_y) / 2
    match side:
        case "top":
            return x, min(0.0, top)
        case "bottom":
            return x, max(height, bottom)
        case "left":
            return min(0.0, left), y
        case "right":
            return max(width, right), y
        case "middle":
            # Seats that move take their blocks along: a block refers to the seats of its front row.
            return front_rows.front_point(blocks) if len(blocks) > 1 else (x, y)


def _is_around(draft: Draft) -> bool:
    """Say whether seats are on all sides of where they look."""
    if draft.focal_point is None:
        return False
    points = {id(section): zone.focal_point for zone in draft.zones for section in zone.sections}
    views = []
    for section in draft.sections:
        x, y = points.get(id(section)) or draft.focal_point
        views += [(seat.x - x, seat.y - y) for seat in section.seats()]
    for step in range(_DIRECTIONS):
        angle = 2 * math.pi * step / _DIRECTIONS
        cosine, sine = math.cos(angle), math.sin(angle)
        if sum(x * cosine + y * sine > 1e-6 for x, y in views) < _AROUND_SHARE * len(views):
            return False
    return True


def _doubted(draft: Draft, seen: Look, evidence: front_rows.Evidence | None, what: str) -> Look:
    """Doubt a focal point that the rows have their backs to."""
    if seen.doubt or evidence is None or draft.focal_point is None or evidence.reason != front_rows.ROW_LABELS:
        return seen
    points = {id(section): zone.focal_point for zone in draft.zones for section in zone.sections}
    if any(point is not None for point in points.values()):
        return seen
    weight = sum(block.weight for block in evidence.blocks)
    backs = sum(block.weight for block in evidence.blocks if _has_its_back_to(block, draft.focal_point))
    if backs * 2 <= weight:
        return seen
    x, y = draft.focal_point
    return Look(
        blocks=seen.blocks,
        court=seen.court,
        doubt=f"by the row labels, most rows have their backs to {what}, ({x:g}, {y:g})",
        done="It was taken all the same.",
    )


def _has_its_back_to(block: Block, focal_point: Point) -> bool:
    away = focal_point[0] - block.centre[0], focal_point[1] - block.centre[1]
    return block.towards[0] * away[0] + block.towards[1] * away[1] < 0


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A shape that shows what the audience looks at. `others` are the texts of shapes elsewhere that do so as well."""

    text: str
    sight: stage_words.Sight
    box: tuple[float, float, float, float]
    others: tuple[str, ...] = ()

    @property
    def middle(self) -> Point:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


def _as_drawn(draft: Draft, drawn: _Drawn, blocks: tuple[Block, ...], findings: Findings) -> Look:
    draft.focal_point = _to_units(drawn.middle)
    court = drawn.sight == "court"
    done = f'The middle of "{drawn.text}" was taken.'
    if drawn.others:
        names = ", ".join(f'"{text}"' for text in dict.fromkeys((drawn.text, *drawn.others)))
        return Look(None, blocks, court, f"the map shows more than one stage: {names}, at different places", done)
    findings.info("STAGE_FOUND", "", f'the map shows the {drawn.sight} "{drawn.text}"', done)
    return Look(None, blocks, court)


def _drawn(draft: Draft) -> _Drawn | None:
    """Return what is drawn as the stage: a court, field or screen only where there is no stage.

    A text that says nothing else comes before a phrase, which counts only on an area.
    """
    shapes = list(_shapes(draft))
    names = [section.name for section in draft.sections]
    beside = {word for text in (*names, *(shape.text for shape in shapes)) for word in stage_words.tokens(text)}
    candidates = []
    for shape in shapes:
        reading = stage_words.read(shape.text, beside) if shape.text and shape.points else None
        if reading is None or not (reading.alone or _size(shape)):
            continue
        order = not reading.alone, _SIGHTS.index(reading.sight), not _size(shape), -_size(shape)
        candidates.append((order, reading.sight, shape))
    candidates.sort(key=lambda candidate: candidate[0])
    tried = candidates[:_MOST_TRIED]
    free = [(order, sight, shape) for order, sight, shape in tried if not _holds_seats(shape, draft)]
    if not free:
        return None
    order, sight, shape = free[0]
    best = _Drawn(shape.text, sight, bounding_box(shape.points))
    # Each floor may be drawn with the same stage.
    upstairs = {id(other) for floor in draft.floors[1:] for other in _shapes_of(floor)}
    others = (o for o_order, _, o in free[1:] if o_order[:2] == order[:2] and id(o) not in upstairs)
    return _Drawn(best.text, sight, best.box, tuple(other.text for other in others if _is_elsewhere(other, best)))


def _is_elsewhere(shape: DraftShape, best: _Drawn) -> bool:
    """Say whether the middle of the shape is outside the best one, by more than half of its size."""
    other = _Drawn("", best.sight, bounding_box(shape.points)).middle
    left, top, right, bottom = best.box
    margin = max(right - left, bottom - top, 50.0) / 2
    return not (left - margin <= other[0] <= right + margin and top - margin <= other[1] <= bottom + margin)


def _shapes(draft: Draft) -> Iterator[DraftShape]:
    """Yield the scenery, with letters that are texts of their own as one word."""
    for is_letter, run in groupby(draft.all_shapes(), key=lambda shape: len(shape.text) == 1):
        shapes = list(run)
        yield from shapes
        if is_letter and len(shapes) > 2:
            points = [point for shape in shapes for point in shape.points]
            yield DraftShape("text", points, "".join(shape.text for shape in shapes))


def _shapes_of(floor: DraftFloor) -> Iterator[DraftShape]:
    yield from floor.shapes
    for section in floor.sections:
        yield from section.shapes


def _size(shape: DraftShape) -> float:
    """Return the area of a shape's box, 0 for a text."""
    if shape.kind == "text":
        return 0.0
    left, top, right, bottom = bounding_box(shape.points)
    return (right - left) * (bottom - top)


def _holds_seats(shape: DraftShape, draft: Draft) -> bool:
    if shape.kind == "text":
        return False
    left, top, right, bottom = bounding_box(shape.points)
    corners = shape.points if shape.kind == "polygon" and len(shape.points) <= _MOST_CORNERS else []
    seats = inside = 0
    total = sum(len(row.seats) for section in draft.sections for row in section.rows)
    for seat in islice(draft.seats(), None, None, 1 + total // _MOST_ASKED):
        seats += 1
        in_box = left < seat.x < right and top < seat.y < bottom
        inside += in_box and (not corners or _is_inside(seat.x, seat.y, corners))
    return inside > _FLOOR_SHARE * seats


def _is_inside(x: float, y: float, corners: Sequence[Point]) -> bool:
    """Say whether a point is in a polygon: a ray from it crosses the outline an odd number of times."""
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _to_units(point: Point) -> Point:
    return to_unit(point[0]), to_unit(point[1])
