"""Chooses the best free seats of a hall for a party; docs/explanation/best-available.md tells how and why.

A row of seats that can be taken together is a number with a bit for each free seat, so that looking for neighbours is
a few operations on integers. Pure: it proposes, and the database decides.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import hypot

from rowlock.domain.plan import Seat, SeatingPlan

# How many places a party that must be split is tried at. Each costs a sort of the places nearby.
SPLIT_ANCHORS = 12


@dataclass(frozen=True, slots=True)
class Bench:
    """Seats of one category that sit shoulder to shoulder, left to right. Bit i stands for seats[i].

    standard  the bits of seats that are neither wheelchair nor companion places.
    middle    the place, counted in seats, that is nearest to the middle of the hall.
    """

    seats: tuple[int, ...]
    category: int
    standard: int
    middle: float
    x: float
    y: float


class Hall:
    """What choosing needs to know of a plan version, worked out once: its benches, the best first."""

    def __init__(self, plan: SeatingPlan) -> None:
        self._categories = {category.name: index for index, category in enumerate(plan.categories)}
        self.benches: list[Bench] = []
        self.place: dict[int, tuple[int, int]] = {}
        for seats in _best_first(plan):
            number = len(self.benches)
            self.benches.append(_bench(seats, plan.focal_point))
            for bit, seat in enumerate(seats):
                self.place[seat.seat_id] = (number, bit)

    def category(self, name: str) -> int | None:
        """The index of a category by its name, or None."""
        return self._categories.get(name)


def _best_first(plan: SeatingPlan) -> list[list[Seat]]:
    """The benches for sale: rows by their distance from the stage, within a row from the middle outwards."""
    focus_x, focus_y = plan.focal_point
    by_row: dict[int, list[Seat]] = defaultdict(list)
    for seat in plan.seats:
        by_row[seat.row].append(seat)
    ranked = []
    for row, seats in by_row.items():
        distance = min(hypot(seat.x - focus_x, seat.y - focus_y) for seat in seats)
        seats.sort(key=lambda seat: seat.position)
        for (_, category), group in groupby(seats, key=lambda seat: (seat.run, seat.category)):
            if plan.categories[category].for_sale:
                bench = list(group)
                aside = min(abs(seat.x - focus_x) for seat in bench)
                ranked.append(((distance, row, aside), bench))
    ranked.sort(key=lambda entry: entry[0])
    return [bench for _, bench in ranked]


def _bench(seats: list[Seat], focal_point: tuple[float, float]) -> Bench:
    nearest = min(range(len(seats)), key=lambda bit: abs(seats[bit].x - focal_point[0]))
    standard = sum(1 << bit for bit, seat in enumerate(seats) if seat.kind == "standard")
    middle = (len(seats) - 1) / 2
    # A bench across the middle of the hall is filled around that middle, one at the side from its inner end.
    return Bench(
        tuple(seat.seat_id for seat in seats),
        seats[0].category,
        standard,
        nearest if abs(nearest - middle) > 0.5 else middle,
        sum(seat.x for seat in seats) / len(seats),
        sum(seat.y for seat in seats) / len(seats),
    )


@dataclass(slots=True)
class _Cursor:
    """Benches before these (numbers in `order`) have nothing for one kind of wish, until they change."""

    order: list[int]
    rank: dict[int, int]
    clean: int = 0
    any: int = 0


class Chooser:
    """The free seats of one show, and the choice among them."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._free = [(1 << len(bench.seats)) - 1 for bench in hall.benches]
        self._orders: dict[int | None, tuple[list[int], dict[int, int]]] = {}
        self._cursors: dict[tuple[int, int | None, bool], _Cursor] = {}

    def set_free(self, seat_id: int, free: bool) -> None:
        """Say whether a seat is free. Seats that are never for sale are not asked for."""
        place = self._hall.place.get(seat_id)
        if place is None:
            return
        number, bit = place
        mask = self._free[number]
        changed = mask | 1 << bit if free else mask & ~(1 << bit)
        if changed != mask:
            self._free[number] = changed
            for cursor in self._cursors.values():
                rank = cursor.rank.get(number)
                if rank is not None:
                    cursor.clean = min(cursor.clean, rank)
                    cursor.any = min(cursor.any, rank)

    def choose(self, quantity: int, *, category: int | None = None, accessible: bool = False) -> tuple[int, ...] | None:
        """The best `quantity` free seats, or None when there are not so many.

        Together in the best row that has them and leaves no single seat alone; if that cannot be, together all the
        same; if that cannot be either, split over rows near each other. Wheelchair and companion places are left
        for those who ask (`accessible`). Seat ids come in order.
        """
        cursor = self._cursor(quantity, category, accessible)
        return (
            self._together(cursor, quantity, accessible, clean=True)
            or self._together(cursor, quantity, accessible, clean=False)
            or self._split(cursor.order, quantity, accessible)
        )

    def _cursor(self, quantity: int, category: int | None, accessible: bool) -> _Cursor:
        wish = (quantity, category, accessible)
        cursor = self._cursors.get(wish)
        if cursor is None:
            if category not in self._orders:
                order = [
                    number
                    for number, bench in enumerate(self._hall.benches)
                    if category is None or bench.category == category
                ]
                self._orders[category] = (order, {number: rank for rank, number in enumerate(order)})
            cursor = self._cursors[wish] = _Cursor(*self._orders[category])
        return cursor

    def _together(self, cursor: _Cursor, quantity: int, accessible: bool, *, clean: bool) -> tuple[int, ...] | None:
        find: Callable[[int, int], int] = _clean_starts if clean else _starts
        rank = cursor.clean if clean else cursor.any
        benches, free, order = self._hall.benches, self._free, cursor.order
        chosen: tuple[int, ...] | None = None
        while rank < len(order):
            bench = benches[order[rank]]
            mask = free[order[rank]] if accessible else free[order[rank]] & bench.standard
            if starts := find(mask, quantity):
                start = _nearest_bit(starts, bench.middle - (quantity - 1) / 2)
                chosen = tuple(sorted(bench.seats[start : start + quantity]))
                break
            rank += 1
        if clean:
            cursor.clean = rank
        else:
            cursor.any = rank
        return chosen

    def _split(self, order: Sequence[int], quantity: int, accessible: bool) -> tuple[int, ...] | None:
        """Few parts first, then rows near to each other, then the better rows."""
        pieces = []
        for rank, number in enumerate(order):
            bench = self._hall.benches[number]
            mask = self._free[number] if accessible else self._free[number] & bench.standard
            pieces += [(seats, rank, bench) for seats in _segments(bench, mask)]
        if sum(len(seats) for seats, _, _ in pieces) < quantity:
            return None
        best: tuple[tuple[int, float, int], list[int]] | None = None
        anchors = sorted(pieces, key=lambda piece: (-len(piece[0]), piece[1]))[:SPLIT_ANCHORS]
        for anchor in anchors:
            party = _gather(anchor, pieces, quantity)
            if best is None or party[0] < best[0]:
                best = party
        return None if best is None else tuple(sorted(best[1]))


_Piece = tuple[tuple[int, ...], int, Bench]


def _gather(anchor: _Piece, pieces: list[_Piece], quantity: int) -> tuple[tuple[int, float, int], list[int]]:
    """The anchor's seats and the nearest others, as many as wanted; scored by parts, spread and merit."""
    home = anchor[2]

    def distance(piece: _Piece) -> float:
        return hypot(piece[2].x - home.x, piece[2].y - home.y)

    chosen = list(anchor[0][:quantity])
    parts, spread, merit = 1, 0.0, anchor[1]
    for piece in sorted((other for other in pieces if other is not anchor), key=distance):
        if len(chosen) == quantity:
            break
        chosen += piece[0][: quantity - len(chosen)]
        parts += 1
        spread += distance(piece)
        merit += piece[1]
    return (parts, spread, merit), chosen


def _starts(mask: int, quantity: int) -> int:
    """Bits where `quantity` free seats begin: bit i is set when bits i to i + quantity - 1 of `mask` are."""
    length = 1
    while length < quantity and mask:
        step = min(length, quantity - length)
        mask &= mask >> step
        length += step
    return mask


def _clean_starts(mask: int, quantity: int) -> int:
    """As `_starts`, without those that leave a single free seat alone on either side."""
    starts = _starts(mask, quantity)
    if not starts:
        return 0
    left_alone = mask << 1 & ~(mask << 2)
    right_alone = mask >> quantity & ~(mask >> quantity + 1)
    return starts & ~left_alone & ~right_alone


def _nearest_bit(bits: int, target: float) -> int:
    """The set bit nearest to `target`, the lower one of two that are equally near."""
    pivot = max(0, int(target))
    below = (bits & ((1 << pivot + 1) - 1)).bit_length() - 1
    above_bits = bits >> pivot + 1
    above = pivot + 1 + (above_bits & -above_bits).bit_length() - 1 if above_bits else -1
    if above < 0 or (below >= 0 and target - below <= above - target):
        return below
    return above


def _segments(bench: Bench, mask: int) -> Iterable[tuple[int, ...]]:
    for free, group in groupby(range(len(bench.seats)), key=lambda bit: mask >> bit & 1):
        if free:
            yield tuple(bench.seats[bit] for bit in group)
