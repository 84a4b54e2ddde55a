"""Chooses the best free seats of a hall for a party; docs/explanation/best-available.md tells how and why.

Pure: it proposes, and the database decides.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import hypot

from rowlock.domain.plan import Seat, SeatingPlan


@dataclass(frozen=True, slots=True)
class _Block:
    """Seats that sit shoulder to shoulder, left to right, and how good the row they stand in is (lower is better)."""

    row: int
    seats: tuple[int, ...]


class Hall:
    """What choosing needs to know of a plan version, worked out once: runs, and the merit of rows and seats."""

    def __init__(self, plan: SeatingPlan) -> None:
        self.seats: dict[int, Seat] = {seat.seat_id: seat for seat in plan.seats}
        self._categories = {category.name: index for index, category in enumerate(plan.categories)}
        self._for_sale = [category.for_sale for category in plan.categories]
        focus_x, focus_y = plan.focal_point
        by_row: dict[int, list[Seat]] = defaultdict(list)
        for seat in plan.seats:
            by_row[seat.row].append(seat)
        # A row is as good as its middle is near to the stage; a seat, as it is near to the middle of the hall.
        self._row_merit: dict[int, float] = {}
        self._distance: dict[int, float] = {}
        for row, seats in by_row.items():
            nearest = min(hypot(seat.x - focus_x, seat.y - focus_y) for seat in seats)
            self._row_merit[row] = nearest
            for seat in seats:
                self._distance[seat.seat_id] = abs(seat.x - focus_x)
        self._rows = sorted(by_row, key=lambda row: (self._row_merit[row], row))
        self._row_seats = {row: sorted(seats, key=lambda seat: seat.position) for row, seats in by_row.items()}

    def category(self, name: str) -> int | None:
        """The index of a category by its name, or None."""
        return self._categories.get(name)

    def choose(
        self, quantity: int, taken: Iterable[int], *, category: int | None = None, accessible: bool = False
    ) -> tuple[int, ...] | None:
        """The best `quantity` free seats: together in the best row that has them, else split over adjacent rows.

        Wheelchair and companion places are left for those who ask for them (`accessible`). Returns seat ids in
        order, or None when there are not so many free seats.
        """
        unavailable = set(taken)
        blocks = list(self._blocks(unavailable, category, accessible))
        together = self._together(blocks, quantity)
        if together is not None:
            return together
        return self._split(blocks, quantity)

    def _blocks(self, unavailable: set[int], category: int | None, accessible: bool) -> Iterable[_Block]:
        for row in self._rows:
            for (free, _run, _category), group in groupby(
                self._row_seats[row],
                key=lambda seat: (self._free(seat, unavailable, category, accessible), seat.run, seat.category),
            ):
                if free:
                    yield _Block(row, tuple(seat.seat_id for seat in group))

    def _free(self, seat: Seat, unavailable: set[int], category: int | None, accessible: bool) -> bool:
        return (
            seat.seat_id not in unavailable
            and self._for_sale[seat.category]
            and (category is None or seat.category == category)
            and (accessible or seat.kind == "standard")
        )

    def _together(self, blocks: Sequence[_Block], quantity: int) -> tuple[int, ...] | None:
        """The best window of `quantity` neighbours: best row first, then no orphan left, then the centre."""
        best: tuple[tuple[float, bool, float], tuple[int, ...]] | None = None
        for block in blocks:
            merit = self._row_merit[block.row]
            if best is not None and merit > best[0][0] and not best[0][1]:
                break
            for start in range(len(block.seats) - quantity + 1):
                left, right = start, len(block.seats) - start - quantity
                window = block.seats[start : start + quantity]
                orphans = left == 1 or right == 1
                score = (merit, orphans, sum(self._distance[seat] for seat in window))
                if best is None or self._rank(score) < self._rank(best[0]):
                    best = (score, window)
        return None if best is None else tuple(sorted(best[1]))

    @staticmethod
    def _rank(score: tuple[float, bool, float]) -> tuple[bool, float, float]:
        merit, orphans, distance = score
        return orphans, merit, distance

    def _split(self, blocks: Sequence[_Block], quantity: int) -> tuple[int, ...] | None:
        """Largest parts first, in rows as near to each other as can be, when nobody can sit in one row."""
        if sum(len(block.seats) for block in blocks) < quantity:
            return None
        best: tuple[tuple[int, float], list[int]] | None = None
        order = {row: index for index, row in enumerate(self._rows)}
        for anchor in blocks:
            near = sorted(blocks, key=lambda block: (abs(order[block.row] - order[anchor.row]), -len(block.seats)))
            chosen: list[int] = []
            parts = 0
            for block in (anchor, *(other for other in near if other is not anchor)):
                chosen.extend(block.seats[: quantity - len(chosen)])
                parts += 1
                if len(chosen) == quantity:
                    break
            score = (parts, sum(self._row_merit[self.seats[seat].row] for seat in chosen))
            if best is None or score < best[0]:
                best = (score, chosen)
        return None if best is None else tuple(sorted(best[1]))
