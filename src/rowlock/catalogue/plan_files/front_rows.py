"""Where the stage must be when nobody drew it: what row labels, seat numbers and section names say about the front.

Rows are counted from the stage backwards in nearly every hall: 1, 2, 3 or A, B, C. Looks at a draft and changes
nothing; `stage` decides what to make of it.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rowlock.catalogue.plan_files.draft import Draft, DraftRow, DraftSeat, DraftSection
from rowlock.catalogue.plan_files.geometry import Point, bounding_box
from rowlock.catalogue.plan_files.tiers import tier_of

Side = Literal["top", "bottom", "left", "right", "middle"]
_Ranks = Callable[[Sequence[DraftRow]], list[float | None]]

ROW_LABELS = "the row labels"
"""The reason that is good enough to doubt what the file or the map says."""

# How well ranks and places must agree (Pearson's coefficient along the steepest direction): a few odd rows are allowed.
_AGREEMENT = 0.6
# The share of the seats whose rows must point to the same side, and of those that must face the middle.
_SAME_SIDE = 0.5
_FACING = 0.75
# Above this, the mean of the directions is so long that they count as one; and the share of a fan that must look ahead.
_PARALLEL = 0.97
_AHEAD = 0.9
_MIDDLE_WEIGHT = 1e-6
# Rows whose middles are nearer together than this many seat pitches lie around one point.
_SAME_SPOT = 0.3

_ROMAN = re.compile(r"(?=[IVX])X{0,3}(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}
_RANK = re.compile(r"([0-9]+)[^0-9]*|(?:.*[^\w])?([^\W\d_]{1,2})")


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that count in one direction: where it points to, and the seats of the rows that are in front.

    `towards` is a vector of length 1. `weight` is the number of seats.
    """

    centre: Point
    towards: Point
    weight: int
    front: tuple[DraftSeat, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """On which side the stage must be, what says so, and the blocks that do."""

    side: Side
    reason: str
    blocks: tuple[Block, ...]


def find(draft: Draft) -> Evidence | None:
    """Return what labels, numbers and names say about the stage, or None when they say nothing or contradict."""
    sections = [section for section in draft.sections if any(row.seats for row in section.rows)]
    witnesses: tuple[tuple[str, Callable[[], list[Block]]], ...] = (
        (ROW_LABELS, lambda: _by_rows(sections, _label_ranks)),
        ("the seat numbers, which run on from row to row,", lambda: _by_rows(sections, _number_ranks)),
        ("the names of the sections", lambda: _by_names(sections)),
    )
    for reason, look in witnesses:
        if (blocks := look()) and (side := _side(blocks)) is not None:
            return Evidence(side, reason, tuple(blocks))
    return None


def front_point(blocks: Sequence[Block]) -> Point:
    """Return the point at which the blocks look: the one nearest to all lines straight ahead of their front rows.

    Of parallel lines, as from two stands that face each other, it is the middle of what the front rows surround.
    """
    points = [_centre(block.front) for block in blocks]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    # Least squares of the distances from the lines, relative to the middle, which counts only where the lines leave the
    # point open.
    weight = math.fsum(block.weight for block in blocks)
    sxx = syy = weight * _MIDDLE_WEIGHT
    sxy = sx = sy = 0.0
    for block, (px, py) in zip(blocks, points, strict=True):
        dx, dy = block.towards
        across = (px - x) * -dy + (py - y) * dx
        sxx += block.weight * dy * dy
        syy += block.weight * dx * dx
        sxy -= block.weight * dx * dy
        sx -= block.weight * across * dy
        sy += block.weight * across * dx
    determinant = sxx * syy - sxy * sxy
    return x + (sx * syy - sy * sxy) / determinant, y + (sy * sxx - sx * sxy) / determinant


def common_point(blocks: Sequence[Block]) -> Point | None:
    """Return the point at which the blocks of a fan look, or None when they look in one direction.

    It must be in front of them: blocks that look apart from each other have none.
    """
    weight = sum(block.weight for block in blocks)
    if not blocks or _resultant(blocks) > _PARALLEL:
        return None
    x, y = front_point(blocks)
    ahead = 0
    for block in blocks:
        fx, fy = _centre(block.front)
        if (x - fx) * block.towards[0] + (y - fy) * block.towards[1] > 0:
            ahead += block.weight
    return (x, y) if ahead >= _AHEAD * weight else None


def _by_rows(sections: Sequence[DraftSection], ranks_of: _Ranks) -> list[Block]:
    found: list[Block] = []
    for section in sections:
        rows = [row for row in section.rows if row.seats]
        block = _block(rows, ranks_of(rows))
        found += _quarters(rows, ranks_of(rows)) if block is None else [block]
    if not found:
        # Each row may be a section of its own.
        rows = [row for section in sections for row in section.rows if row.seats]
        found = [block for block in [_block(rows, ranks_of(rows))] if block is not None]
    return found


def _quarters(rows: Sequence[DraftRow], ranks: Sequence[float | None]) -> list[Block]:
    """Return a block for each quarter of rows that go around something: as a whole they have no front."""
    middle = _mean([(seat.x, seat.y) for row in rows for seat in row.seats])
    found: list[Block | None] = []
    for right in (False, True):
        for low in (False, True):
            parts = [
                (
                    DraftRow("", "", [s for s in row.seats if (s.x > middle[0]) == right and (s.y > middle[1]) == low]),
                    rank,
                )
                for row, rank in zip(rows, ranks, strict=True)
            ]
            parts = [(part, rank) for part, rank in parts if part.seats]
            found.append(_block([part for part, _ in parts], [rank for _, rank in parts]))
    blocks = [block for block in found if block is not None]
    return blocks if len(blocks) == len(found) and _is_faced(blocks, sum(block.weight for block in blocks)) else []


def _by_names(sections: Sequence[DraftSection]) -> list[Block]:
    """Return one block of all sections whose names say how near to the stage they are: stalls, circle, gallery."""
    rows = [
        (DraftRow("", "", list(section.seats())), tier)
        for section in sections
        if (tier := tier_of(section.name)) is not None
    ]
    block = _block([row for row, _ in rows], [tier for _, tier in rows])
    return [] if block is None else [block]


def _block(rows: Sequence[DraftRow], ranks: Sequence[float | None]) -> Block | None:
    ranked = [(rank, _centre(row.seats), row) for row, rank in zip(rows, ranks, strict=True) if rank is not None]
    if len({rank for rank, _, _ in ranked}) < 2:
        return None
    mean_rank = math.fsum(rank for rank, _, _ in ranked) / len(ranked)
    centre = _mean([point for _, point, _ in ranked])
    across = math.fsum((rank - mean_rank) * (x - centre[0]) for rank, (x, _), _ in ranked)
    down = math.fsum((rank - mean_rank) * (y - centre[1]) for rank, (_, y), _ in ranked)
    normal = _normal([row for _, _, row in ranked])
    if normal is not None:
        # Rows that begin on one line and grow longer drift sideways; people look straight ahead all the same.
        ahead = across * normal[0] + down * normal[1]
        across, down = ahead * normal[0], ahead * normal[1]
    length = math.hypot(across, down)
    if length < 1e-6:
        return None
    # Ranks grow backwards, so the front is against the slope.
    towards = -across / length, -down / length
    spread = math.fsum((rank - mean_rank) ** 2 for rank, _, _ in ranked)
    along = math.fsum(((x - centre[0]) * towards[0] + (y - centre[1]) * towards[1]) ** 2 for _, (x, y), _ in ranked)
    if length < _AGREEMENT * math.sqrt(spread * along) or math.sqrt(along / len(ranked)) < _SAME_SPOT * _pitch(ranked):
        return None
    first = min(rank for rank, _, _ in ranked)
    front = tuple(seat for rank, _, row in ranked if rank == first for seat in row.seats)
    return Block(centre, towards, sum(len(row.seats) for _, _, row in ranked), front)


def _pitch(ranked: Sequence[tuple[float, Point, DraftRow]]) -> float:
    """Return the typical distance between neighbours, roughly: the length of the rows over their seats."""
    boxes = [(bounding_box((seat.x, seat.y) for seat in row.seats), len(row.seats)) for _, _, row in ranked]
    length = math.fsum(math.hypot(right - left, bottom - top) for (left, top, right, bottom), _ in boxes)
    return length / max(1, sum(seats - 1 for _, seats in boxes))


def _normal(rows: Sequence[DraftRow]) -> Point | None:
    """Return the direction at right angles to the rows, or None when they have no common one."""
    cosine = sine = total = 0.0
    for row in rows:
        x, y = row.seats[0].x, row.seats[0].y
        far = max(row.seats, key=lambda seat: math.hypot(seat.x - x, seat.y - y))
        length, angle = math.hypot(far.x - x, far.y - y), math.atan2(far.y - y, far.x - x)
        # Twice the angle, so that a row and the same row backwards add up.
        cosine += length * math.cos(2 * angle)
        sine += length * math.sin(2 * angle)
        total += length
    if not total or math.hypot(cosine, sine) < _SAME_SIDE * total:
        return None
    angle = math.atan2(sine, cosine) / 2
    return -math.sin(angle), math.cos(angle)


def _side(blocks: Sequence[Block]) -> Side | None:
    if _is_faced(blocks, sum(block.weight for block in blocks)):
        return "middle"
    x, y = _mean_direction(blocks)
    if math.hypot(x, y) < _SAME_SIDE:
        return None
    if abs(x) > abs(y):
        return "right" if x > 0 else "left"
    return "bottom" if y > 0 else "top"


def _mean_direction(blocks: Sequence[Block]) -> Point:
    weight = sum(block.weight for block in blocks)
    return (
        math.fsum(block.towards[0] * block.weight for block in blocks) / weight,
        math.fsum(block.towards[1] * block.weight for block in blocks) / weight,
    )


def _resultant(blocks: Sequence[Block]) -> float:
    """Return how long the mean direction is: 1 when all look the same way, 0 when they look at each other."""
    return math.hypot(*_mean_direction(blocks))


def _is_faced(blocks: Sequence[Block], weight: int) -> bool:
    """Say whether there are blocks on opposite sides of the middle, and nearly all rows point to it."""
    middle = front_point(blocks)
    # By eighths of a turn, so that the work does not grow with the square of the blocks.
    directions = {(round(block.towards[0]), round(block.towards[1])) for block in blocks}
    facing = opposed = 0
    for block in blocks:
        to_middle = middle[0] - block.centre[0], middle[1] - block.centre[1]
        if block.towards[0] * to_middle[0] + block.towards[1] * to_middle[1] > 0:
            facing += block.weight
        if any(block.towards[0] * x + block.towards[1] * y < -_SAME_SIDE for x, y in directions):
            opposed += block.weight
    return facing >= _FACING * weight and opposed >= _SAME_SIDE * weight


def _label_ranks(rows: Sequence[DraftRow]) -> list[float | None]:
    """Return the rank of each row by its label; None for a row without a label of its own."""
    labels = [row.label if row.word == "row" and not row.counted else "" for row in rows]
    given = [label.strip().upper() for label in labels if label]
    # I, II, III: more than single letters, or it would be the letters I, V and X.
    if any(len(label) > 1 for label in given) and all(_ROMAN.fullmatch(label) for label in given):
        return [float(_roman(label.strip().upper())) if label else None for label in labels]
    return [_label_rank(label) for label in labels]


def _label_rank(label: str) -> float | None:
    """Return 12 for "Row 12", 3 for "C", 27 for "AA"; None for a name, such as "Royal box"."""
    match = _RANK.fullmatch(label.strip()) or re.fullmatch(r".*?([0-9]+)(?:[^0-9]*)()", label.strip())
    if match is None:
        return None
    digits, letters = match.groups()
    if digits:
        return float(int(digits[:6]))
    if not letters.isascii():
        # Alphabets are coded in their order; 一, 二, 三 are numbers.
        return unicodedata.numeric(letters, float(ord(letters))) if len(letters) == 1 else None
    rank = 0
    for letter in letters.upper():
        rank = 26 * rank + ord(letter) - ord("A") + 1
    # "BB" is the second row after Z, as "AB" is.
    return float(26 + rank // 27) if len(letters) == 2 and letters[0] == letters[1] else float(rank)


def _roman(text: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in text]
    return sum(-v if v < max(values[i + 1 :], default=0) else v for i, v in enumerate(values))


def _number_ranks(rows: Sequence[DraftRow]) -> list[float | None]:
    """Return the lowest number of each row, if the numbers run on from row to row: 1 to 20, then 21 to 40."""
    spans = list(_spans(rows))
    ordered = sorted(spans)
    if len(spans) < len(rows) or any(high >= low for (_, high), (low, _) in pairwise(ordered)):
        return [None] * len(rows)
    return [float(low) for low, _ in spans]


def _spans(rows: Sequence[DraftRow]) -> Iterator[tuple[int, int]]:
    for row in rows:
        numbers = [int(seat.number[:9]) for seat in row.seats if seat.number.isascii() and seat.number.isdecimal()]
        if row.seats and len(numbers) == len(row.seats):
            yield min(numbers), max(numbers)


def _centre(seats: Sequence[DraftSeat]) -> Point:
    return _mean([(seat.x, seat.y) for seat in seats])


def _mean(points: Sequence[Point]) -> Point:
    return math.fsum(x for x, _ in points) / len(points), math.fsum(y for _, y in points) / len(points)
