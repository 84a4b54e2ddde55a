"""Best available over HTTP: what choosing costs in a big hall, and whether a herd gets every seat there is."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial

from bench.context import Bench
from bench.generators.crowd import CrowdAnswer, run_crowd
from bench.generators.http import Address, Connection, best_available_request, reserve_request
from bench.generators.wrk import RESERVE_V2
from bench.halls import HERD_SEATS, SEATS_OF_THE_STADIUM, herd_template, stadium_template
from bench.histogram import Histogram
from bench.measuring import figures, ratio
from bench.parties import sizes_for
from bench.report import Row
from bench.server import rowlock_server
from bench.single import ask, time_in_turns
from bench.wishes import Wishes, show_id

_HERD = 160
_BEST_SHOW, _NAMED_SHOW = 0, 1


def measure_choice(bench: Bench) -> list[Row]:
    """best_available_vs_explicit: one client asks in turns for the best two seats, and for two seats by name."""
    scale = bench.scale
    best, named = [], []
    with (
        bench.cluster.database(stadium_template(bench.cluster)) as database,
        rowlock_server(database, bench.folder) as server,
        closing(Connection(("127.0.0.1", server.port))) as connection,
    ):
        address = ("127.0.0.1", server.port)
        # The first choice in a hall reads its plan and its claims: a second's work, once for each process.
        began = time.perf_counter()
        ask(connection, best_available_request(address, show_id(_BEST_SHOW), 2, "first"), expect=201)
        first_seconds = time.perf_counter() - began
        database.ledger.add(1)
        wishes = Wishes(_NAMED_SHOW, SEATS_OF_THE_STADIUM // 2)
        for number in range(scale.steady_rounds + 1):
            numbers = range(number * scale.samples, (number + 1) * scale.samples)
            sides = time_in_turns(_asking(connection, address, wishes, numbers))
            database.ledger.add(2 * scale.samples)
            if number:  # The first round warms up.
                best.append(sides[0])
                named.append(sides[1])
    value, spread = ratio(_medians(best), _medians(named))
    bench.say(f"best available: p50 {value:.2f} × that of named seats")
    detail = {
        **spread,
        "best_available_p50_ms": figures(_medians(best), 3),
        "named_seats_p50_ms": figures(_medians(named), 3),
        "best_available_p99_ms": figures([side.percentile(99) * 1000 for side in best], 3),
        "named_seats_p99_ms": figures([side.percentile(99) * 1000 for side in named], 3),
        "first_choice_in_the_hall_ms": round(first_seconds * 1000, 1),
        "seats": SEATS_OF_THE_STADIUM,
        "clients": 1,
    }
    return [Row("best_available_vs_explicit", value, detail)]


def _asking(
    connection: Connection, address: Address, wishes: Wishes, numbers: range
) -> list[list[Callable[[], object]]]:
    best = [best_available_request(address, show_id(_BEST_SHOW), 2, f"best-{number}") for number in numbers]
    named = [reserve_request(address, RESERVE_V2, wishes, number) for number in numbers]
    return [[partial(ask, connection, request, expect=201) for request in side] for side in (best, named)]


def _medians(histograms: list[Histogram]) -> list[float]:
    return [histogram.percentile(50) * 1000 for histogram in histograms]


def measure_herd(bench: Bench) -> list[Row]:
    """best_available_herd: parties that together want exactly the seats there are, 160 at once.

    Nobody may be refused, because there is a seat for each; afterwards everybody has to be.
    """
    parties = sizes_for(HERD_SEATS, random.Random(160))  # noqa: S311 - parties have to be mixed, not secret.
    with bench.cluster.database(herd_template(bench.cluster)) as database:
        database.ledger.in_pairs = False
        with rowlock_server(database, bench.folder) as server:
            address = ("127.0.0.1", server.port)
            requests = [
                best_available_request(address, show_id(0), quantity, f"party-{number}")
                for number, quantity in enumerate(parties)
            ]
            began = time.perf_counter()
            answers = run_crowd(address, requests, _HERD)
            seconds = time.perf_counter() - began
            late = [best_available_request(address, show_id(0), 1, f"late-{number}") for number in range(_HERD)]
            refusals = Counter(answer.status for answer in run_crowd(address, late, _HERD))
        served = [answer for answer in answers if answer.status == 201]
        database.ledger.add(len(served) + refusals[201])
    value = 100 * len(served) / len(parties)
    bench.say(f"herd: {value:.1f} % of {len(parties)} parties served in {seconds:.2f} s")
    return [Row("best_available_herd", value, _herd_detail(answers, parties, served, refusals, seconds))]


def _herd_detail(
    answers: list[CrowdAnswer],
    parties: list[int],
    served: list[CrowdAnswer],
    refusals: Counter[int],
    seconds: float,
) -> dict[str, object]:
    histogram = Histogram()
    for answer in answers:
        histogram.add(answer.seconds)
    return {
        "parties": len(parties),
        "at_once": _HERD,
        "seats": HERD_SEATS,
        "seats_sold": sum(parties[answer.number] for answer in served),
        "parties_per_s": round(len(parties) / seconds, 1),
        "p50_ms": round(histogram.percentile(50) * 1000, 2),
        "p99_ms": round(histogram.percentile(99) * 1000, 2),
        "answers": {str(status): number for status, number in Counter(a.status for a in answers).items()},
        "answers_after_the_last_seat": {str(status): number for status, number in refusals.items()},
    }
