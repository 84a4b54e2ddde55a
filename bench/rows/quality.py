"""How well best available fills a hall: seats sold when the doors close, and single seats left alone on the way.

Nothing is timed and no server runs: the product's own chooser seats one party after the other.
"""

from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any

from bench.context import Bench
from bench.parties import arrivals
from bench.report import Row
from rowlock.domain.best_available import Chooser, Hall
from rowlock.domain.plan import SeatingPlan
from rowlock.plans.showcase import stadium, theatre

_LOOKS = (50, 75, 90, 95, 98, 100)
"""At which percentages of the seats sold the single seats are counted; 100 is the close."""


@dataclass(frozen=True, slots=True)
class Season:
    """One hall from the first party to the last.

    sold        seats sold when as many had been asked for as there are.
    capacity    seats that were for sale to everybody: wheelchair and companion places wait for those who need them.
    orphans     by percentage of seats sold: free seats with no free neighbour.
    parties     that came; refused of them got nothing, split of them got seats that are not all side by side.
    """

    sold: int
    capacity: int
    orphans: dict[int, int]
    parties: int
    refused: int
    split: int


def measure(bench: Bench) -> list[Row]:
    """best_available_quality and best_available_orphans. The worse of the two halls counts."""
    scale = bench.scale
    halls = {"theatre": (theatre(), scale.theatre_seasons), "stadium": (stadium(), scale.stadium_seasons)}
    sold, orphans, detail = [], [], {}
    for name, (plan, seasons) in halls.items():
        found = [play(plan, seed) for seed in range(seasons)]
        sold.append(median(season.sold / season.capacity for season in found))
        at_close = median(season.orphans[100] / season.capacity * 1000 for season in found)
        orphans.append(at_close)
        detail[name] = _told(found)
        bench.say(f"quality: {name}: {sold[-1]:.4f} sold, {at_close:.2f} orphans per 1,000 seats at close")
    return [
        Row("best_available_quality", min(sold), detail),
        Row("best_available_orphans", max(orphans), detail),
    ]


def play(plan: SeatingPlan, seed: int) -> Season:
    """Seat parties until as many seats were asked for as the hall has."""
    hall = Hall(plan)
    chooser = Chooser(hall)
    standard = {seat.seat_id for seat in plan.seats if seat.kind == "standard" and hall.place.get(seat.seat_id)}
    free = set(standard)
    looks = {percent: len(standard) * percent // 100 for percent in _LOOKS[:-1]}
    orphans: dict[int, int] = {}
    asked = parties = refused = split = 0
    for size in arrivals(Random(seed)):  # noqa: S311 - parties have to be mixed, not secret.
        size = min(size, len(standard) - asked)
        asked += size
        parties += 1
        chosen = chooser.choose(size)
        if chosen is None:
            refused += 1
        else:
            for seat_id in chosen:
                chooser.set_free(seat_id, free=False)
            free.difference_update(chosen)
            split += not _side_by_side(hall, chosen)
        for percent, threshold in looks.items():
            if percent not in orphans and len(standard) - len(free) >= threshold:
                orphans[percent] = count_orphans(hall, free)
        if asked == len(standard):
            break
    orphans[100] = count_orphans(hall, free)
    return Season(len(standard) - len(free), len(standard), orphans, parties, refused, split)


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


def _told(seasons: list[Season]) -> dict[str, Any]:
    capacity = seasons[0].capacity
    return {
        "seasons": len(seasons),
        "capacity": capacity,
        "sold": round(median(season.sold / season.capacity for season in seasons), 4),
        "orphans_per_1000_by_percent_sold": {
            str(percent): round(median(season.orphans.get(percent, 0) for season in seasons) / capacity * 1000, 2)
            for percent in _LOOKS
        },
        "parties_refused_percent": round(100 * median(s.refused / s.parties for s in seasons), 2),
        "parties_split_percent": round(100 * median(s.split / s.parties for s in seasons), 2),
    }
