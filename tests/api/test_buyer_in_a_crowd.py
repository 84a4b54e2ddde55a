"""A buyer among 500 reading, 1,000 idle and 50 greedy connections waits at most five times as long as alone.

Server and crowd are processes of their own. They share the cores with PostgreSQL, with the buyer, and with everything
else on the machine, so what is measured is noisy, and three things keep noise from deciding. The quiet time is measured
again right before each attack. The best of three attempts counts: a disturbance from outside only makes a buyer wait
longer. And no limit is below `UNNOTICED_SECONDS`: on two cores, a few slices of time that other processes get come to
as much, and no buyer notices. The crowd has no lower priority: it takes a tenth of a core, and without that it would
attack no one. In a plain run, whose other tests have the other core, the factor is eight. Without turns not even that
is kept, as the second test shows.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.operations.store import find_violations
from tests.support.answers import Show
from tests.support.crowd import TAKEN_SEATS, THEIR_HOLDER, Crowd, crowd
from tests.support.halls import hall, put_on_sale
from tests.support.http import session
from tests.support.scale import PLAIN, Scale
from tests.support.servers import TestServers

pytestmark = pytest.mark.usefixtures("clean_check")

ATTEMPTS = 3
UNNOTICED_SECONDS = 0.05
WARM_UP = 10
MOST_IN_VAIN = 8
CROWD = {"reading": 500, "idle": 1_000, "greedy": 50}
STARTS_WITHIN_SECONDS = 30.0
SEATS = 600

SERVE = "import sys; sys.argv[1:] = ['serve', '--port', '0']\nfrom rowlock.cli import main; main()"
WITHOUT_TURNS = "from rowlock.web.turns import Turns; Turns.take = lambda self: True"


@pytest.fixture(scope="module")
def dsns(servers: TestServers) -> Iterator[Dsns]:
    server = servers.get("pg18")
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture
async def big_show(owner: psycopg.AsyncConnection) -> Show:
    return await put_on_sale(owner, hall(SEATS))


@contextmanager
def server_process(dsns: Dsns, folder: Path, *, first: str = "") -> Iterator[int]:
    """The port of `rowlock serve` in a process of its own, which runs `first` before anything else."""
    environment = {
        "DATABASE_URL": dsns.owner,
        "ROWLOCK_APP_DATABASE_URL": dsns.app,
        "ROWLOCK_DATA_DIR": str(folder / "data"),
    }
    log = folder / "log"
    with log.open("wb") as out:
        # In a session of its own, as a service has: Linux shares the cores between sessions before processes.
        process = subprocess.Popen(
            [sys.executable, "-c", f"{first}\n{SERVE}"], stdout=out, stderr=out, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text(errors="replace"))) is None:
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, "The server did not start."
            time.sleep(0.02)
        yield int(found[1])
    finally:
        process.terminate()
        try:
            process.wait(STARTS_WITHIN_SECONDS)
        finally:
            process.kill()
            process.wait()


@dataclass
class Buyer:
    """Reserves a seat and gives it back, one after the other; and asks between them whether the server lives."""

    port: int
    show: Show

    def __post_init__(self) -> None:
        self._http = HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._seats = count()

    def ask(self, status: int, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[float, Any]:
        began = time.perf_counter()
        headers = {} if body is None else {"content-type": "application/json"}
        self._http.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        answer = self._http.getresponse()
        told = answer.read()
        took = time.perf_counter() - began
        assert answer.status == status, told
        return took, json.loads(told)

    def reserve(self, seats: Sequence[int], by: str) -> tuple[float, Any]:
        wish = {"show_id": str(self.show.show_id), "seat_ids": list(seats), "session_id": session(by)}
        return self.ask(201, "POST", "/api/seat-reservations/reserve-v2", wish)

    def times(self, purchases: int) -> tuple[list[float], list[float]]:
        """How long reserving took, and a probe."""
        reserving, probing = [], []
        # A new connection: the server has closed one that was idle for as long as it took a crowd to come.
        self._http.close()
        for _ in range(purchases):
            number = next(self._seats)
            took, hold = self.reserve([len(TAKEN_SEATS) + 1 + number % (SEATS - len(TAKEN_SEATS))], f"buyer-{number}")
            reserving.append(took)
            self.ask(200, "POST", "/api/seat-reservations/release-v2", {"reservation_token": hold["reservation_token"]})
            probing.append(self.ask(200, "GET", "/health/live")[0])
        return reserving, probing


def p99(seconds: Sequence[float]) -> float:
    """Of a hundred the second longest, of a few the longest."""
    return sorted(seconds)[ceil(len(seconds) * 0.99) - 1]


def limit(quiet: Sequence[float], factor: float) -> float:
    return max(factor * p99(quiet), UNNOTICED_SECONDS)


def assert_that_all_were_answered(there: Crowd) -> None:
    """Neither is the attack one that the server gets rid of, nor is anyone of it shut out."""
    assert there.answers["reading: 200"] > 0
    assert there.answers["reading: closed"] == there.answers["greedy: closed"] == 0
    assert {kind.partition(": ")[2] for kind in there.answers if kind.startswith("greedy")} <= {"400", "404", "409"}
    assert there.answers["greedy: 409"] > 0


@pytest.mark.soak
async def test_a_buyer_waits_at_most_five_times_as_long_as_alone(
    dsns: Dsns, big_show: Show, owner: psycopg.AsyncConnection, tmp_path: Path, scale: Scale
) -> None:
    seen: list[str] = []
    with server_process(dsns, tmp_path) as port:
        buyer = Buyer(port, big_show)
        buyer.reserve(TAKEN_SEATS, THEIR_HOLDER)
        for _ in range(ATTEMPTS):
            buyer.times(WARM_UP)
            quiet, _ = buyer.times(scale.purchases)
            with crowd(port, big_show.show_id, **CROWD) as there:
                buyer.times(WARM_UP)
                reserving, probing = buyer.times(scale.purchases)
            assert_that_all_were_answered(there)
            times = f"quiet {_told(quiet)}; in the crowd {_told(reserving)}; a probe {_told(probing)}"
            seen.append(f"{times}; {dict(there.answers)}")
            print(seen[-1])
            if max(p99(reserving), p99(probing)) <= limit(quiet, scale.crowd_factor):
                break
        else:
            pytest.fail("\n".join(seen))
    assert await find_violations(owner) == []


async def test_without_turns_the_same_crowd_makes_a_buyer_wait(dsns: Dsns, big_show: Show, tmp_path: Path) -> None:
    """The negative control, by the factor of a plain run."""
    with server_process(dsns, tmp_path, first=WITHOUT_TURNS) as port:
        buyer = Buyer(port, big_show)
        buyer.reserve(TAKEN_SEATS, THEIR_HOLDER)
        buyer.times(WARM_UP)
        quiet, _ = buyer.times(100)
        with crowd(port, big_show.show_id, **CROWD):
            reserving: list[float] = []
            for _ in range(MOST_IN_VAIN):  # Each takes seconds, and one that waited too long shows it.
                reserving += buyer.times(1)[0]
                if p99(reserving) > limit(quiet, PLAIN.crowd_factor):
                    break
    print(f"quiet {_told(quiet)}; in the crowd {_told(reserving)}")
    assert p99(reserving) > limit(quiet, PLAIN.crowd_factor)


def _told(seconds: Sequence[float]) -> str:
    return f"median {median(seconds) * 1000:.1f} ms, p99 {p99(seconds) * 1000:.1f} ms"
