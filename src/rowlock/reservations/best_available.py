"""Chooses the best free seats of a hall for a group; docs/explanation/best-available.md describes how and why.

Each bench (adjacent seats) has an integer with a bit for each free seat, so that a search for neighbours is a few
integer operations. Without I/O: it proposes seats, and the database decides.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from rowlock.catalogue.ranking import Point, distance
from rowlock.reservations.hall import Area, Bench, Hall
from rowlock.reservations.model import SeatsLeft

# For a group that must be split: how many anchors are tried, and how many benches are searched for them.
SPLIT_ANCHORS = 6
SPLIT_BENCHES = 64


class _Search:
    """Finds the best bench with a placement of one kind, and skips benches without one until they change.

    So a bench is examined once, and once more after each change, however many requests there are.
    """

    __slots__ = ("_again", "_next", "_order", "_queued")

    def __init__(self, order: Sequence[int]) -> None:
        self._order = order
        self._next = 0
        # Benches before the next one that have changed since they were examined: a heap, and the set of its items.
        self._again: list[int] = []
        self._queued: set[int] = set()

    def changed(self, number: int) -> None:
        """Examine a bench of this order again: its free seats have changed."""
        passed = self._next == len(self._order) or number < self._order[self._next]
        if passed and number not in self._queued:
            heappush(self._again, number)
            self._queued.add(number)

    def first(self, placements: Callable[[int], int]) -> tuple[int, int] | None:
        """The best bench for which `placements` is not 0, with that result; None when there is no such bench."""
        while self._again or self._next < len(self._order):
            number = self._again[0] if self._again else self._order[self._next]
            if found := placements(number):
                return number, found
            if self._again:
                self._queued.discard(heappop(self._again))
            else:
                self._next += 1
        return None


@dataclass(frozen=True, slots=True)
class _Part:
    """Seats of one bench for a group or a part of it: those of the bits from `start`.

    Around a table they may go on from the last seat to the first: start + length is then more than the table has.
    """

    number: int
    start: int
    length: int


class Chooser:
    """The free seats of one show, and the choice among them."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._free = [(1 << len(bench.seats)) - 1 for bench in hall.benches]
        # Free seats by area: standard ones, and places for wheelchairs and companions.
        self._standard_left: dict[Area, int] = defaultdict(int)
        self._special_left: dict[Area, int] = defaultdict(int)
        for bench in hall.benches:
            for area in bench.areas:
                self._standard_left[area] += bench.standard.bit_count()
                self._special_left[area] += len(bench.seats) - bench.standard.bit_count()
        self._accessible = [number for number, bench in enumerate(hall.benches) if bench.wheelchair]
        self._searches: dict[Area, dict[tuple[int, bool], _Search]] = {}

    def set_free(self, seat_id: int, free: bool) -> None:
        """Record whether a seat is free. Seats that are never for sale are ignored."""
        place = self._hall.place.get(seat_id)
        if place is None:
            return
        number, bit = place
        if (self._free[number] >> bit & 1) == free:
            return
        self._free[number] ^= 1 << bit
        bench = self._hall.benches[number]
        is_standard = bench.standard >> bit & 1
        left = self._standard_left if is_standard else self._special_left
        for area in bench.areas:
            left[area] += 1 if free else -1
            if is_standard and (searches := self._searches.get(area)) is not None:
                for search in searches.values():
                    search.changed(number)

    def seats_left(self, area: Area, *, accessible: bool) -> SeatsLeft:
        """How many seats there are for a wish: in the plan, and of them free now."""
        benches = [(number, self._hall.benches[number]) for number in self._hall.order(area)]
        return SeatsLeft(
            in_plan=sum(len(bench.seats) if accessible else bench.standard.bit_count() for _, bench in benches),
            free=self._left(area, accessible),
            wheelchair_in_plan=sum(bench.wheelchair.bit_count() for _, bench in benches),
            wheelchair_free=sum((bench.wheelchair & self._any(number)).bit_count() for number, bench in benches),
        )

    def choose(
        self, quantity: int, *, category: int | None = None, section: int | None = None, accessible: bool = False
    ) -> tuple[int, ...] | None:
        """The ids of the best `quantity` free seats, in order, or None when there are not enough.

        They are together in the best row that has them and leaves no single seat alone; if there is none, together
        even so; if that is not possible either, split over rows near each other. Wheelchair and companion places are
        only for `accessible` requests. These get at least one wheelchair place, as few more as possible, and the
        seats beside it; None when no wheelchair place is left.
        """
        area = (category, section)
        if self._left(area, accessible) < quantity:
            return None
        if accessible:
            parts = self._accessible_together(quantity, area) or self._accessible_split(quantity, area)
        else:
            parts = self._together(quantity, area) or self._split(quantity, area)
        benches = self._hall.benches
        return tuple(sorted(seat for p in parts for seat in benches[p.number].part(p.start, p.length))) or None

    def _left(self, area: Area, accessible: bool) -> int:
        counts = (self._standard_left, self._special_left) if accessible else (self._standard_left,)
        return sum(count[area] for count in counts)

    def _standard(self, number: int) -> int:
        """The free standard seats of a bench. Every search reads a bench through this method or `_any`."""
        return self._free[number] & self._hall.benches[number].standard

    def _any(self, number: int) -> int:
        """The free seats of a bench, whatever their kind."""
        return self._free[number]

    # Standard groups.

    def _together(self, quantity: int, area: Area) -> list[_Part]:
        for clean in (True, False):
            if (found := self._first(quantity, area, clean=clean)) is not None:
                number, starts = found
                target = self._hall.benches[number].middle - (quantity - 1) / 2
                return [_Part(number, _nearest_bit(starts, target), quantity)]
        return []

    def _first(self, length: int, area: Area, *, clean: bool) -> tuple[int, int] | None:
        if length > self._hall.longest:
            return None
        searches = self._searches.setdefault(area, {})
        search = searches.get((length, clean))
        if search is None:
            search = searches[length, clean] = _Search(self._hall.order(area))
        find = _clean_starts if clean else _starts
        benches = self._hall.benches
        return search.first(lambda number: find(self._standard(number), length, benches[number].around))

    def _split(self, quantity: int, area: Area) -> list[_Part]:
        """Split a group: an anchor in one of the best benches with the longest free run, the rest nearby."""
        length = min(quantity - 1, self._hall.longest)
        while (found := self._first(length, area, clean=False)) is None:
            length -= 1
        order = self._hall.order(area)
        first = bisect_left(order, found[0])
        anchors = []
        for number in order[first : first + SPLIT_BENCHES]:
            if starts := _starts(self._standard(number), length, self._hall.benches[number].around):
                anchors.append((number, _nearest_bit(starts, self._hall.benches[number].middle - (length - 1) / 2)))
                if len(anchors) == SPLIT_ANCHORS:
                    break
        groups = []
        for number, start in anchors:
            taken, offset = _share(length, quantity, _middle_of(length))
            anchor = _Part(number, start + offset, taken)
            groups.append(self._gather([anchor], quantity - taken, area, self._standard))
        return min(groups, key=self._cost)

    # Groups that need an accessible place.

    def _accessible_together(self, quantity: int, area: Area) -> list[_Part]:
        best: tuple[tuple[float, ...], _Part] | None = None
        for number in self._accessible:
            bench, free = self._hall.benches[number], self._any(number)
            if area not in bench.areas:
                continue
            starts = _starts(free, quantity, bench.around) & _begins(bench.wheelchair, quantity, bench.around)
            for start in _bits(starts):
                window = self._bits_of(_Part(number, start, quantity))
                away = abs(start + (quantity - 1) / 2 - bench.middle)
                score = (*_accessible_cost(bench, free, window), number, away)
                if best is None or score < best[0]:
                    best = score, _Part(number, start, quantity)
        return [] if best is None else [best[1]]

    def _accessible_split(self, quantity: int, area: Area) -> list[_Part]:
        """A wheelchair place with as many seats beside it as possible, and the others nearby."""
        groups = []
        for number in self._accessible:
            bench, free = self._hall.benches[number], self._any(number)
            if area not in bench.areas or not free & bench.wheelchair:
                continue
            windows = [
                _Part(number, start, length)
                for length in range(1, min(quantity, len(bench.seats)) + 1)
                for start in _bits(
                    _starts(free, length, bench.around) & _begins(bench.wheelchair, length, bench.around)
                )
            ]
            anchor = min(windows, key=lambda part: (self._wheelchairs([part]), -part.length))
            rest = quantity - anchor.length
            standard = self._gather([anchor], rest, area, self._standard)
            groups.append(standard or self._gather([anchor], rest, area, self._any))
        return min(groups, key=lambda group: (self._wheelchairs(group), self._cost(group)), default=[])

    def _wheelchairs(self, group: Sequence[_Part]) -> int:
        benches = self._hall.benches
        return sum((self._bits_of(part) & benches[part.number].wheelchair).bit_count() for part in group)

    def _bits_of(self, part: _Part) -> int:
        return _up((1 << part.length) - 1, part.start, self._hall.benches[part.number].around)

    # Splitting.

    def _gather(self, group: list[_Part], quantity: int, area: Area, free_of: Callable[[int], int]) -> list[_Part]:
        """The group with `quantity` more seats, in few parts near the first; empty when there are not enough."""
        home = self._hall.benches[group[0].number].centre(group[0].start, group[0].length)
        for numbers in (self._hall.near(group[0].number), self._hall.order(area)):
            gathered, wanted = list(group), quantity
            pieces = list(self._pieces(numbers, group[0], area, free_of))
            away = {piece: distance(home, self._centre(piece)) for piece in pieces}
            while wanted and pieces:
                # The nearest piece with enough seats for the rest; else the largest.
                piece = min(pieces, key=lambda p: (-min(p.length, wanted), away[p]))
                pieces.remove(piece)
                taken, offset = _share(piece.length, wanted, self._nearest_start(piece, home))
                gathered.append(_Part(piece.number, piece.start + offset, taken))
                wanted -= taken
                if taken < piece.length and wanted:
                    pieces += _leftovers(piece, offset, taken)
                    away |= {rest: distance(home, self._centre(rest)) for rest in pieces if rest not in away}
            if not wanted:
                return gathered
        return []

    def _pieces(
        self, numbers: Sequence[int], anchor: _Part, area: Area, free_of: Callable[[int], int]
    ) -> Iterator[_Part]:
        """The free runs of some benches, without the seats of the anchor."""
        for number in numbers:
            if area in self._hall.benches[number].areas:
                free = free_of(number)
                if number == anchor.number:
                    free &= ~self._bits_of(anchor)
                yield from _runs(number, free, self._hall.benches[number].around)

    def _centre(self, part: _Part) -> Point:
        return self._hall.benches[part.number].centre(part.start, part.length)

    def _nearest_start(self, piece: _Part, home: Point) -> Callable[[int, int], float]:
        points = self._hall.benches[piece.number].points

        def away(offset: int, length: int) -> float:
            first = points[(piece.start + offset) % len(points)]
            last = points[(piece.start + offset + length - 1) % len(points)]
            return distance(home, ((first[0] + last[0]) / 2, (first[1] + last[1]) / 2))

        return away

    def _cost(self, group: Sequence[_Part]) -> tuple[float, ...]:
        """What to minimize, the most important first: parts, persons alone, distances, rank of the first bench."""
        home = self._centre(group[0])
        return (
            len(group),
            sum(part.length == 1 for part in group),
            sum(distance(home, self._centre(part)) for part in group),
            group[0].number,
        )


def _accessible_cost(bench: Bench, free: int, window: int) -> tuple[float, ...]:
    """The cost of assigning `window` to an accessible group: less is better, and the first part decides.

    Wheelchair places used; wheelchair places that lose their last free companion place; standard seats left single;
    less the companion places that the group gets.
    """
    around = bench.around
    after = free & ~window
    before_pairs = _beside(free & bench.wheelchair, free & bench.companion, around)
    after_pairs = _beside(after & bench.wheelchair, after & bench.companion, around)
    stranded = (before_pairs & after & ~after_pairs).bit_count()
    singles = (_single(after, around) & ~_single(free, around) & bench.standard).bit_count()
    return (window & bench.wheelchair).bit_count(), stranded, singles, -(window & bench.companion).bit_count()


# Bits moved along a bench. `around` is that of the bench: what leaves at one end of a table comes in at the other.


def _down(bits: int, by: int, around: int) -> int:
    """Bit i is the bit i + by of `bits`."""
    if not around:
        return bits >> by
    by %= around
    return (bits >> by | bits << around - by) & (1 << around) - 1


def _up(bits: int, by: int, around: int) -> int:
    """Bit i is the bit i - by of `bits`."""
    return _down(bits, -by, around) if around else bits << by


def _beside(bits: int, others: int, around: int) -> int:
    """Those of `bits` that have one of `others` next to them."""
    return bits & (_up(others, 1, around) | _down(others, 1, around))


def _single(free: int, around: int) -> int:
    """The free seats without a free neighbour."""
    return free & ~_up(free, 1, around) & ~_down(free, 1, around)


def _starts(mask: int, quantity: int, around: int) -> int:
    """Bits where `quantity` free seats begin: bit i is set when bits i to i + quantity - 1 of `mask` are."""
    if around and quantity > around:
        return 0
    length = 1
    while length < quantity and mask:
        step = min(length, quantity - length)
        mask &= _down(mask, step, around)
        length += step
    return mask


def _begins(bits: int, quantity: int, around: int) -> int:
    """The bits where `quantity` seats can begin so that one of `bits` is among them."""
    begins = 0
    for back in range(quantity):
        begins |= _down(bits, back, around)
    return begins


def _clean_starts(mask: int, quantity: int, around: int) -> int:
    """As `_starts`, without those that leave a single free seat alone on either side."""
    starts = _starts(mask, quantity, around)
    if not starts:
        return 0
    if quantity == around - 1 and mask.bit_count() == around:
        return 0  # The one seat that is left is beside the group on both sides.
    left_alone = _up(mask, 1, around) & ~_up(mask, 2, around)
    right_alone = _down(mask, quantity, around) & ~_down(mask, quantity + 1, around)
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


def _bits(mask: int) -> Iterator[int]:
    """The numbers of the set bits, in order."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _runs(number: int, mask: int, around: int) -> Iterator[_Part]:
    """The runs of set bits, in order; around a table from after a seat that is taken."""
    start = 0
    if around and mask.bit_count() < around:
        start = (~mask & mask + 1).bit_length() - 1
        mask = _down(mask, start, around)
    while mask:
        gap = (mask & -mask).bit_length() - 1
        mask >>= gap
        length = (~mask & mask + 1).bit_length() - 1
        yield _Part(number, start + gap, length)
        mask >>= length
        start += gap + length


def _share(run: int, wanted: int, away: Callable[[int, int], float]) -> tuple[int, int]:
    """How many of a group of `wanted` to place on a free run, and the offset of the first of them.

    First no person alone, here or in the rest; then no seat left single; then as many as possible, where `away` (of an
    offset and a length) is least.
    """

    def cost(taken: int, offset: int) -> tuple[bool, bool, int, float]:
        person_alone = wanted > 1 and (taken == 1 or wanted - taken == 1)
        seat_alone = offset == 1 or run - offset - taken == 1
        return person_alone, seat_alone, -taken, away(offset, taken)

    return min(
        ((taken, offset) for taken in range(1, min(run, wanted) + 1) for offset in range(run - taken + 1)),
        key=lambda share: cost(*share),
    )


def _middle_of(run: int) -> Callable[[int, int], float]:
    return lambda offset, length: abs(offset + length / 2 - run / 2)


def _leftovers(piece: _Part, offset: int, taken: int) -> list[_Part]:
    """The free runs of a piece that remain when `taken` seats from `offset` on are taken."""
    left = _Part(piece.number, piece.start, offset)
    after = offset + taken
    right = _Part(piece.number, piece.start + after, piece.length - after)
    return [part for part in (left, right) if part.length]
