"""The rules of best available without any optimization, to compare choices with: it tries every place in turn."""

from rowlock.reservations.best_available import Chooser
from rowlock.reservations.hall import Hall


class Reference:
    """The same rules without any optimization. It finds the seats of a group that need not be split."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.free = set(hall.place)

    def eligible(self, category: int | None, *, accessible: bool) -> set[int]:
        return {
            seat
            for number, bench in enumerate(self.hall.benches)
            if category in (None, bench.category)
            for bit, seat in enumerate(bench.seats)
            if seat in self.free and (accessible or self.is_standard(number, bit))
        }

    def is_standard(self, number: int, bit: int) -> bool:
        return bool(self.hall.benches[number].standard >> bit & 1)

    def is_wheelchair(self, seat: int) -> bool:
        number, bit = self.hall.place[seat]
        return bool(self.hall.benches[number].wheelchair >> bit & 1)

    def windows(self, quantity: int, seats: set[int]) -> list[tuple[int, int]]:
        """Every bench and place on it where so many of `seats` are together."""
        return [
            (number, start)
            for number, bench in enumerate(self.hall.benches)
            for start in range(len(bench.seats) if bench.around else len(bench.seats) - quantity + 1)
            if quantity <= len(bench.seats) and seats.issuperset(self.window(number, start, quantity))
        ]

    def window(self, number: int, start: int, quantity: int) -> list[int]:
        bench = self.hall.benches[number].seats
        return [bench[place % len(bench)] for place in range(start, start + quantity)]

    def is_clean(self, number: int, start: int, quantity: int, seats: set[int]) -> bool:
        bench, around = self.hall.benches[number].seats, self.hall.benches[number].around
        left = seats.difference(self.window(number, start, quantity))
        if around:
            beside = [{bench[place - 1], bench[(place + 1) % around]} for place in range(around)]
            nearby = {bench[start - 1], bench[(start + quantity) % around]} & left
            return all(beside[bench.index(seat)] & left for seat in nearby)

        def has(place: int) -> bool:
            return 0 <= place < len(bench) and bench[place] in seats

        end = start + quantity
        return not (has(start - 1) and not has(start - 2)) and not (has(end) and not has(end + 1))

    def standard(self, quantity: int, category: int | None) -> tuple[int, ...] | None:
        """Where a standard group sits together, or None."""
        seats = self.eligible(category, accessible=False)

        def merit(window: tuple[int, int]) -> tuple[bool, int, float, int]:
            number, start = window
            away = abs(start + (quantity - 1) / 2 - self.hall.benches[number].middle)
            return not self.is_clean(number, start, quantity, seats), number, away, start

        best = min(self.windows(quantity, seats), key=merit, default=None)
        return None if best is None else tuple(self.window(*best, quantity))


def check(reference: Reference, made: Chooser, quantity: int, category: int | None, *, accessible: bool) -> None:
    """One choice follows the rules."""
    seats = reference.eligible(category, accessible=accessible)
    chosen = made.choose(quantity, category=category, accessible=accessible)
    wheelchairs = {seat for seat in seats if reference.is_wheelchair(seat)}
    if len(seats) < quantity or (accessible and not wheelchairs):
        assert chosen is None
        return
    assert chosen is not None, "refused while enough seats are free"
    assert len(chosen) == quantity
    assert list(chosen) == sorted(set(chosen))
    assert seats.issuperset(chosen)
    if not accessible:
        together = reference.standard(quantity, category)
        assert together is None or chosen == tuple(sorted(together))
        return
    assert wheelchairs.intersection(chosen)
    together_with_one = [
        set(reference.window(number, start, quantity))
        for number, start in reference.windows(quantity, seats)
        if wheelchairs.intersection(reference.window(number, start, quantity))
    ]
    if together_with_one:
        assert set(chosen) in together_with_one
        assert len(wheelchairs.intersection(chosen)) == min(len(wheelchairs & seats) for seats in together_with_one)
