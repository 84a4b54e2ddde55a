"""How well best available fills a hall: seats sold when the doors close, and single seats left alone on the way.

Nothing is timed and no server runs: the product's own chooser seats one party after the other. Two kinds of seasons:
in a steady one everybody pays; in a restless one a fifth of the holds run out, and their seats come back.
"""

from collections import deque
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any

from bench.context import Bench
from bench.parties import arrivals
from bench.report import Row
from rowlock.domain.best_available import Chooser
from rowlock.domain.hall import Hall
from rowlock.domain.plan import SeatingPlan
from rowlock.plans.showcase import stadium, theatre

_LOOKS = (50, 75, 90, 95, 98)
"""At which percentages of the seats taken the single seats are counted; at the close they are counted too."""
_CLOSE = 100
_RESTLESS_SHARE = 0.2
_HOLD_LASTS = 0.05
"""How long a hold lasts before it runs out: until so many more seats, as a share of the hall, have been asked for."""


@dataclass(frozen=True, slots=True)
class Season:
    """One hall from the first party to the last.

    sold      seats sold when paying parties had asked for as many as there are.
    capacity  seats for sale to everybody: wheelchair and companion places wait for those who need them.
    orphans   by percentage of seats taken: free seats with no free neighbour.
    parties   that came; `refused` of them got nothing, `split` of them got seats that are not all side by side.
    """

    sold: int
    capacity: int
    orphans: dict[int, int]
    parties: int
    refused: int
    split: int


class _House:
    """A hall while it sells."""

    def __init__(self, plan: SeatingPlan) -> None:
        self.hall = Hall(plan)
        self._chooser = Chooser(self.hall)
        self.standard = {s.seat_id for s in plan.seats if s.kind == "standard" and s.seat_id in self.hall.place}
        self.free = set(self.standard)

    def seat(self, size: int) -> tuple[int, ...] | None:
        """Seat a party, or None when there is no room."""
        chosen = self._chooser.choose(size)
        if chosen is not None:
            self._mark(chosen, free=False)
            self.free.difference_update(chosen)
        return chosen

    def give_back(self, seat_ids: tuple[int, ...]) -> None:
        """A hold has run out."""
        self._mark(seat_ids, free=True)
        self.free.update(seat_ids)

    def _mark(self, seat_ids: tuple[int, ...], *, free: bool) -> None:
        for seat_id in seat_ids:
            self._chooser.set_free(seat_id, free=free)


def measure(bench: Bench) -> list[Row]:
    """best_available_quality and best_available_orphans, at the close. The worse hall and kind of season counts."""
    scale = bench.scale
    halls = {"theatre": (theatre(), scale.theatre_seasons), "stadium": (stadium(), scale.stadium_seasons)}
    sold, orphans, detail = [], [], {}
    for name, (plan, seasons) in halls.items():
        steady = [play(plan, seed) for seed in range(seasons)]
        restless = [play(plan, seed, restless_share=_RESTLESS_SHARE) for seed in range(seasons)]
        detail[name] = {"steady": _told(steady), "restless": _told(restless)}
        sold.append(min(_sold(steady), _sold(restless)))
        orphans.append(max(_orphans(steady, _CLOSE), _orphans(restless, _CLOSE)))
        bench.say(f"quality: {name}: {sold[-1]:.4f} sold, {orphans[-1]:.2f} orphans per 1,000 seats at the close")
    return [
        Row("best_available_quality", min(sold), detail),
        Row("best_available_orphans", max(orphans), detail),
    ]


def play(plan: SeatingPlan, seed: int, *, restless_share: float = 0) -> Season:
    """Seat parties until those who pay have asked for as many seats as the hall has."""
    house = _House(plan)
    chance = Random(seed)  # noqa: S311 - parties have to be mixed, not secret.
    capacity = len(house.standard)
    leaving: deque[tuple[float, tuple[int, ...]]] = deque()
    orphans: dict[int, int] = {}
    asked = paying = parties = refused = split = 0
    for wanted in arrivals(chance):
        size = min(wanted, capacity - paying)
        while leaving and leaving[0][0] <= asked:
            house.give_back(leaving.popleft()[1])
        restless = chance.random() < restless_share
        asked, paying, parties = asked + size, paying + (0 if restless else size), parties + 1
        chosen = house.seat(size)
        if chosen is None:
            refused += 1
        else:
            split += not _side_by_side(house.hall, chosen)
            if restless:
                leaving.append((asked + _HOLD_LASTS * capacity, chosen))
        _look(house, orphans)
        if paying == capacity:
            break
    while leaving:
        house.give_back(leaving.popleft()[1])
    orphans[_CLOSE] = count_orphans(house.hall, house.free)
    return Season(capacity - len(house.free), capacity, orphans, parties, refused, split)


def _look(house: _House, orphans: dict[int, int]) -> None:
    """Count the single seats when a percentage is reached for the first time."""
    capacity = len(house.standard)
    taken = 100 * (capacity - len(house.free))
    for percent in _LOOKS:
        if percent not in orphans and taken >= percent * capacity:
            orphans[percent] = count_orphans(house.hall, house.free)


def count_orphans(hall: Hall, free: set[int]) -> int:
    """Free seats whose neighbours on both sides are taken, or are the end of the row or an aisle."""
    alone = 0
    for bench in hall.benches:
        row = [seat_id in free for seat_id in bench.seats]
        for place, is_free in enumerate(row):
            left = place > 0 and row[place - 1]
            right = place + 1 < len(row) and row[place + 1]
            alone += is_free and not left and not right
    return alone


def _side_by_side(hall: Hall, chosen: tuple[int, ...]) -> bool:
    places = sorted(hall.place[seat_id] for seat_id in chosen)
    return places[0][0] == places[-1][0] and places[-1][1] - places[0][1] == len(places) - 1


def _sold(seasons: list[Season]) -> float:
    return median(season.sold / season.capacity for season in seasons)


def _orphans(seasons: list[Season], percent: int) -> float:
    """Single seats per 1,000 seats at a percentage, of the seasons that came so far."""
    counts = [season.orphans[percent] / season.capacity * 1000 for season in seasons if percent in season.orphans]
    return median(counts) if counts else 0.0


def _told(seasons: list[Season]) -> dict[str, Any]:
    return {
        "seasons": len(seasons),
        "capacity": seasons[0].capacity,
        "sold": round(_sold(seasons), 4),
        "orphans_per_1000_by_percent_taken": {
            str(percent): round(_orphans(seasons, percent), 2) for percent in (*_LOOKS, _CLOSE)
        },
        "parties_refused_percent": round(100 * median(s.refused / s.parties for s in seasons), 2),
        "parties_split_percent": round(100 * median(s.split / s.parties for s in seasons), 2),
    }
