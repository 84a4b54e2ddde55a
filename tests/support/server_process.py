"""`rowlock serve` as a process of its own, and a buyer who measures how long it takes.

Server, crowd and buyer are processes of their own, as they are when it counts: in one, each would wait for the others.
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

from rowlock.base.dsns import Dsns
from tests.support.answers import Show
from tests.support.http import session

STARTS_WITHIN_SECONDS = 30.0
SERVE = "import sys; sys.argv[1:] = ['serve', '--port', '0']\nfrom rowlock.cli import main; main()"


@dataclass(frozen=True)
class ServerProcess:
    """Where the server listens, and its process."""

    port: int
    pid: int

    def resident_bytes(self) -> int:
        """The memory that the process has of the machine."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@contextmanager
def server_process(dsns: Dsns, folder: Path, *, first: str = "") -> Iterator[ServerProcess]:
    """`rowlock serve` in a process of its own, which runs `first` before anything else."""
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
        yield ServerProcess(int(found[1]), process.pid)
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
    seats: Sequence[int]

    def __post_init__(self) -> None:
        self._http = HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._numbers = count()

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
        """How long reserving one of `seats` took, and a probe."""
        reserving, probing = [], []
        # A new connection: the server has closed one that was idle for as long as it took a crowd to come.
        self._http.close()
        for _ in range(purchases):
            number = next(self._numbers)
            took, hold = self.reserve([self.seats[number % len(self.seats)]], f"buyer-{number}")
            reserving.append(took)
            self.ask(200, "POST", "/api/seat-reservations/release-v2", {"reservation_token": hold["reservation_token"]})
            probing.append(self.ask(200, "GET", "/health/live")[0])
        return reserving, probing


def p99(seconds: Sequence[float]) -> float:
    """Of a hundred the second longest, of a few the longest."""
    return sorted(seconds)[ceil(len(seconds) * 0.99) - 1]


def told(seconds: Sequence[float]) -> str:
    """Median and p99, for people."""
    return f"median {median(seconds) * 1000:.1f} ms, p99 {p99(seconds) * 1000:.1f} ms"
