"""Best available: what choosing costs in a big hall, whether a crowd gets every seat, and how well halls are filled."""

from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import closing
from random import Random
from typing import NamedTuple

from bench.context import Bench, measures
from bench.figures import Figure, exact, figure, medians_in_turns, percentile, ratio
from bench.generators.http import Client, best_available_request, reserve_request, run_clients
from bench.halls import SMALL_HALL, STADIUM, Wishes, groups, groups_for, show_id
from bench.product import SeatingPlan, chooser, stadium, theatre
from bench.report import RowKind

_AT_ONCE = 160
_BEST_SHOW, _NAMED_SHOW = STADIUM + 2, STADIUM + 3
_RESTLESS_SHARE = 0.2
_HOLD_LASTS = 0.05
"""How long a hold lasts before it runs out: until so many more seats, as a share of the hall, have been asked for."""


@measures(
    "seats", RowKind("best_available_vs_explicit", "ratio", "≤ 1.2", "p50: best two of 100,000 ÷ two named seats")
)
def measure_choice(bench: Bench) -> Mapping[str, Figure]:
    """One client asks in turns for the best two seats, and for two seats by name."""
    wishes = Wishes(_NAMED_SHOW, bench.scale.seats[1] // 2)
    samples, rounds = bench.scale.samples, bench.scale.rounds
    with bench.sale() as sale, closing(Client(sale.server.port)) as client:
        sides = {  # The first choice in a hall reads its plan, a second's work; the round that warms up has it.
            "best": lambda n: client.ask(best_available_request(show_id(_BEST_SHOW), 2, f"best-{n}"), expect=201),
            "named": lambda n: client.ask(reserve_request(wishes, n), expect=201),
        }
        p50 = medians_in_turns(sides, samples, rounds)
        sale.database.ledger.add(2 * samples * (rounds + 1))
    best, named = ("best_available_p50_ms", p50["best"]), ("named_seats_p50_ms", p50["named"])
    return {"best_available_vs_explicit": ratio(best, named)}


@measures("seats", RowKind("best_available_herd", "%", "≥ 100", "groups served while seats last, 160 at once"))
def measure_burst(bench: Bench) -> Mapping[str, Figure]:
    """Groups that together want exactly the seats there are, many at once: none may be refused, and afterwards all."""
    # Wheelchair and companion places wait for those who need them.
    seats = sum(seat.kind == "standard" for seat in stadium(bench.scale.seats[0]).seats)
    sizes = list(groups_for(seats, Random(160)))  # noqa: S311 - groups have to be mixed, not secret.
    show = show_id(SMALL_HALL)
    asked = [(None, best_available_request(show, size, f"group-{number}")) for number, size in enumerate(sizes)]
    late = [(None, best_available_request(show, 1, f"late-{number}")) for number in range(_AT_ONCE)]
    with bench.sale(in_pairs=False) as sale:
        served, latencies = run_clients(sale.server.port, asked, _AT_ONCE)
        late_ones, _ = run_clients(sale.server.port, late, _AT_ONCE)
        sale.database.ledger.add(served["201"] + late_ones["201"])
    detail = {"seats": seats, "answers": served, "answers_after_the_last_seat": late_ones}
    share = 100 * served["201"] / len(sizes)
    return {"best_available_herd": exact(share, p99_ms=percentile(latencies, 99), **detail)}


class Season(NamedTuple):
    """A hall at the close: seats sold, how many are for sale to all, and single seats left."""

    sold: int
    capacity: int
    orphans: int


@measures(
    "seats",
    RowKind("best_available_quality", "ratio", "≥ 0.99", "seats sold at close ÷ capacity, groups of 1 to 8"),
    RowKind("best_available_orphans", "per 1,000", "≤ 3", "single seats left alone, per 1,000 seats"),
)
def measure_quality(bench: Bench) -> Mapping[str, Figure]:
    """Nothing is timed and no server runs: the product's own chooser seats one group after the other.

    In a steady season everyone pays; in a restless one a fifth of the holds run out, and their seats come back. The
    worse hall and kind of season counts; the range is that of its seasons.
    """
    sold, orphans = [], []
    for make, seasons in zip((theatre, stadium), bench.scale.seasons, strict=True):
        if not seasons:
            continue  # A stadium takes seconds to draw.
        plan = make()
        for share in (0, _RESTLESS_SHARE):
            played = [play(plan, seed, restless_share=share) for seed in range(seasons)]
            told = {"seats": played[0].capacity, "restless_share": share, "seasons": seasons}
            sold.append(figure([each.sold / each.capacity for each in played], **told))
            orphans.append(figure([each.orphans / each.capacity * 1000 for each in played], **told))
    return {
        "best_available_quality": min(sold, key=lambda each: each.value),
        "best_available_orphans": max(orphans, key=lambda each: each.value),
    }


def play(plan: SeatingPlan, seed: int, *, restless_share: float = 0) -> Season:
    """Seat groups until those who pay have asked for as many seats as the hall has."""
    choose, chance = chooser(plan), Random(seed)  # noqa: S311 - groups have to be mixed, not secret.
    free = {seat.seat_id for seat in plan.seats if seat.kind == "standard"}
    capacity = len(free)
    leaving: deque[tuple[float, tuple[int, ...]]] = deque()
    asked = paying = 0

    def mark(seat_ids: tuple[int, ...], *, is_free: bool) -> None:
        for seat_id in seat_ids:
            choose.set_free(seat_id, free=is_free)
        (free.update if is_free else free.difference_update)(seat_ids)

    arriving = groups(chance)
    while paying < capacity:
        size = min(next(arriving), capacity - paying)
        while leaving and leaving[0][0] <= asked:
            mark(leaving.popleft()[1], is_free=True)
        restless = chance.random() < restless_share
        asked, paying = asked + size, paying + (0 if restless else size)
        chosen = choose.choose(size)
        mark(chosen or (), is_free=False)
        if restless and chosen:
            leaving.append((asked + _HOLD_LASTS * capacity, chosen))
    for _, seat_ids in leaving:
        mark(seat_ids, is_free=True)
    return Season(capacity - len(free), capacity, count_orphans(plan, free))


def count_orphans(plan: SeatingPlan, free: set[int]) -> int:
    """Free seats whose neighbours on both sides are taken, or are the end of the row, an aisle or another category."""
    runs: dict[tuple[int, int], list[bool]] = defaultdict(lambda: [False])
    for seat in sorted(plan.seats, key=lambda seat: seat.position):
        runs[seat.run, seat.category].append(seat.seat_id in free)
    triples = (triple for run in runs.values() for triple in zip(run, run[1:], [*run[2:], False], strict=False))
    return sum(here and not left and not right for left, here, right in triples)
