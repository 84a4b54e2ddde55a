"""Single answers: how long each endpoint takes at rest, and how much the status of a big hall weighs."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Any

from bench.context import Bench, measures
from bench.figures import Figure, exact, figure, interleave, percentile, ratio, spread
from bench.generators.http import Client, get, post, reserve_request
from bench.halls import SEATS_OF_THE_HALL, STADIUM, Wishes, add_past, show_id
from bench.report import RowKind

_CLEANUP_HOLDS, _CLEANUPS = 50, 20
_EXPIRED_SECONDS_AGO = 1_200
_GOALS_MS = {"reserve": 200, "extend": 100, "change": 100, "release": 100, "cleanup_50": 500}

_LIVE = "/health/live"  # The cheapest route.
_STATUS_CONNECTIONS = 64


@measures(
    "seats",
    *(
        RowKind(f"endpoint_latency_{name}", "ms", f"≤ {goal}", f"p95 at rest: {name.replace('_', ' of ')}")
        for name, goal in _GOALS_MS.items()
    ),
)
def measure_endpoints(bench: Bench) -> Mapping[str, Figure]:
    """One client takes holds through their lives, one after the other; then 50 expired ones at a time are retired."""
    samples, rounds = bench.scale.samples, bench.scale.rounds + 1  # The first round warms up.
    times = {name: [list[float]() for _ in range(rounds)] for name in _GOALS_MS}
    with bench.sale(in_pairs=False) as sale, closing(Client(sale.server.port)) as client:
        wishes, expired = sale.supply.take(samples * rounds), _CLEANUP_HOLDS * _CLEANUPS * rounds
        first_show = sale.supply.take(expired).first_show
        add_past(sale.database, expired, 1, first_show, age_seconds=_EXPIRED_SECONDS_AGO)
        sale.database.ledger.add(expired + samples * rounds)
        sale.rest()
        cleanup = post(f"/api/admin/cleanup?limit={_CLEANUP_HOLDS}", **{"X-API-Key": sale.server.admin_key})
        for number in range(rounds):
            now = {name: by_round[number] for name, by_round in times.items()}
            for sample in range(number * samples, (number + 1) * samples):
                _take_through_life(client, wishes, sample, now)
            for _ in range(_CLEANUPS):
                retired = _timed(client, cleanup, 200, now["cleanup_50"])["total_reservations_expired"]
                assert retired == _CLEANUP_HOLDS, f"{retired} holds were retired"
    p50, p95 = ({name: [percentile(t, n) for t in by_round[1:]] for name, by_round in times.items()} for n in (50, 95))
    return {f"endpoint_latency_{name}": figure(p95[name], p50_ms=spread(p50[name])) for name in times}


def _take_through_life(client: Client, wishes: Wishes, number: int, times: Mapping[str, list[float]]) -> None:
    hold = _timed(client, reserve_request(wishes, number), 201, times["reserve"])
    path = f"/api/seat-reservations/{hold['reservation_token']}"
    _timed(client, post(f"{path}/extend"), 200, times["extend"])
    # Of its two seats the hold keeps the first, and has a free one from the other end of the hall for the second.
    new = {"add": [SEATS_OF_THE_HALL - number], "remove": hold["seat_ids"][1:]}
    _timed(client, post(f"{path}/seats", json.dumps(new)), 200, times["change"])
    release = post("/api/seat-reservations/release-v2", json.dumps({"reservation_token": hold["reservation_token"]}))
    _timed(client, release, 200, times["release"])


def _timed(client: Client, request: bytes, expect: int, milliseconds: list[float]) -> dict[str, Any]:
    began = time.perf_counter()
    answer = client.ask(request, expect=expect)
    milliseconds.append((time.perf_counter() - began) * 1000)
    read: dict[str, Any] = json.loads(answer.body)
    return read


@measures(
    "seats",
    RowKind("status_bytes", "bytes", "≤ 25000", "status of 100,000 seats"),
    RowKind("status_vs_plaintext_200", "ratio", "≥ 0.6", "status requests/s ÷ the cheapest route's"),
    RowKind("status_vs_plaintext_304", "ratio", "≥ 0.9", "the same, when nothing has changed"),
)
def measure_status(bench: Bench) -> Mapping[str, Figure]:
    """The status of a stadium with a fifth of its seats held, against the cheapest route of the same server."""
    show = STADIUM + 1
    path = f"/api/shows/{show_id(show)}/seats"
    with bench.sale() as sale:
        holds = bench.scale.seats[1] // 10
        add_past(sale.database, holds, 1, show)
        sale.database.ledger.add(holds)
        headers = {"Accept": "application/octet-stream"}
        with closing(Client(sale.server.port)) as client:
            answer = client.ask(get(path, **headers), expect=200)
            fields = dict(line.split(": ", 1) for line in answer.head.lower().split("\r\n")[1:])
            assert fields["content-type"] == headers["Accept"], fields["content-type"]
            known = headers | {"If-None-Match": fields["etag"]}
            client.ask(get(path, **known), expect=304)
        rate = partial(sale.get_rate, _STATUS_CONNECTIONS)
        sides = {
            "200": partial(rate, path, **headers),
            "304": partial(rate, path, **known),
            "live": partial(rate, _LIVE),
        }
        rounds = interleave(sides, bench.scale.rounds)
    plaintext = ("plaintext_per_s", rounds["live"])
    return {
        "status_bytes": exact(len(answer.body), seats=bench.scale.seats[1]),
        "status_vs_plaintext_200": ratio(("status_per_s", rounds["200"]), plaintext),
        "status_vs_plaintext_304": ratio(("status_per_s", rounds["304"]), plaintext),
    }
