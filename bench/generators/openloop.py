"""The open loop: requests are sent when they are due, whether or not earlier ones were answered.

Latencies count from the moment a request was due, so a server that stalls is charged for everybody who came meanwhile.
When every connection waits for an answer, a due request is dropped and counts as a failure. It is a process of its own:

    python -m bench.generators.openloop '{"port": 8000, "rate": 2000, "seconds": 5, …}'
"""

import json
import random
import select
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from bench.generators.http import Address, BrokenConnectionError, Connection, reserve_request
from bench.histogram import Histogram
from bench.processes import allow_many_connections, python, run
from bench.wishes import Wishes

_PATIENCE_SECONDS = 5.0
"""How long answers are waited for after the last request was sent. What has not come by then has failed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `connections` bounds the requests under way; `poisson` False sends in even steps.

    Requests that are due in the first `ramp_seconds` are sent like all others, and their latencies are not counted.
    """

    port: int
    path: str
    rate: float
    seconds: float
    connections: int
    first_show: int
    pairs: int
    at_once: int = 1
    first_pair: int = 0
    poisson: bool = True
    ramp_seconds: float = 0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class OpenLoopResult:
    """What came back.

    due        requests that were to be sent; dropped of them were not, because every connection was busy.
    statuses   answers by status; "none" for those that never came.
    accepted   latencies of the 201s, after the ramp; all: of everything that was due then, failures as infinite.
    lateness   how much later than due the generator itself sent, which is its own fault and part of the latencies.
    """

    due: int
    dropped: int
    statuses: dict[str, int]
    accepted: Histogram
    all: Histogram
    lateness: Histogram
    seconds: float
    cpu_seconds: float

    @property
    def accepted_per_second(self) -> float:
        """Reservations a second, over the time in which requests were sent."""
        return self.statuses.get("201", 0) / self.seconds


class OpenLoop:
    """One run in this process, on one thread: sends what is due, takes what has come, sleeps until the next."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._address: Address = ("127.0.0.1", plan.port)
        self._wishes = Wishes(plan.first_show, plan.pairs, plan.at_once, plan.first_pair)
        self._random = random.Random(plan.seed)  # noqa: S311 - arrivals have to be random, not secret.
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: list[int] = []
        self._due_at: dict[int, float] = {}
        self._counts_from = 0.0
        self.statuses: Counter[str] = Counter()
        self.accepted, self.all, self.lateness = Histogram(), Histogram(), Histogram()
        self.due = self.dropped = 0

    def run(self) -> OpenLoopResult:
        """Send everything and wait for the answers."""
        started = time.perf_counter()
        before = time.process_time()
        self._counts_from = started + self._plan.ramp_seconds
        seconds = self._send(started, started + self._plan.seconds)
        self._wait(time.perf_counter() + _PATIENCE_SECONDS)
        cpu = time.process_time() - before
        for due in self._due_at.values():
            self._fail(due)
        return OpenLoopResult(
            self.due, self.dropped, dict(self.statuses), self.accepted, self.all, self.lateness, seconds, cpu
        )

    def _send(self, started: float, ends: float) -> float:
        due = started
        while True:
            now = time.perf_counter()
            while due <= now and due < ends:
                self._begin(due)
                due += self._step()
            if due >= ends and now >= ends:
                break
            self._take(max(0.0, min(due, ends) - time.perf_counter()))
        return min(time.perf_counter(), ends) - started

    def _step(self) -> float:
        return self._random.expovariate(self._plan.rate) if self._plan.poisson else 1 / self._plan.rate

    def _begin(self, due: float) -> None:
        number = self.due
        self.due += 1
        if not self._idle and len(self._connections) >= self._plan.connections:
            self.dropped += 1
            self._count(due, inf)
            return
        descriptor = self._idle.pop() if self._idle else self._connect()
        request = reserve_request(self._address, self._plan.path, self._wishes, number)
        try:
            self._connections[descriptor].send(request)
        except OSError:
            self._fail(due)
            self._close(descriptor)
            return
        self._due_at[descriptor] = due
        self.lateness.add(time.perf_counter() - due)

    def _take(self, timeout: float) -> None:
        """Sleep until something comes or the time is over. epoll sleeps in whole milliseconds, select does not."""
        select.select([self._epoll], [], [], timeout)
        for descriptor, _ in self._epoll.poll(0):
            try:
                answer = self._connections[descriptor].receive()
            except (OSError, BrokenConnectionError):
                if (due := self._due_at.pop(descriptor, None)) is not None:
                    self._fail(due)
                else:  # The server closes what was idle for long.
                    self._idle.remove(descriptor)
                self._close(descriptor)
                continue
            if answer is not None:
                due = self._due_at.pop(descriptor)
                self.statuses[str(answer.status)] += 1
                self._count(due, time.perf_counter() - due if answer.status == 201 else inf)
                self._idle.append(descriptor)

    def _wait(self, deadline: float) -> None:
        while self._due_at and (left := deadline - time.perf_counter()) > 0:
            self._take(left)

    def _fail(self, due: float) -> None:
        self.statuses["none"] += 1
        self._count(due, inf)

    def _count(self, due: float, latency: float) -> None:
        """Count how long a request took that was due then; infinity when it was not accepted."""
        if due < self._counts_from:
            return
        self.all.add(latency)
        if latency != inf:
            self.accepted.add(latency)

    def _connect(self) -> int:
        """A new connection's descriptor. They are made when they are needed: a thousand at once would be a load."""
        connection = Connection(self._address)
        descriptor = connection.socket.fileno()
        self._connections[descriptor] = connection
        self._epoll.register(descriptor, select.EPOLLIN)
        return descriptor

    def _close(self, descriptor: int) -> None:
        self._epoll.unregister(descriptor)
        self._connections.pop(descriptor).close()


def run_open_loop(plan: Plan) -> OpenLoopResult:
    """One run in a process of its own, from its beginning to its end. Raises ProgramFailedError."""
    command = [*python(__name__), json.dumps(asdict(plan))]
    return _from_json(json.loads(run(command, timeout_seconds=plan.seconds + 60).output))


def _from_json(read: dict[str, Any]) -> OpenLoopResult:
    histograms = {name: Histogram.from_json(read[name]) for name in ("accepted", "all", "lateness")}
    return OpenLoopResult(**{**read, **histograms})


def _as_json(result: OpenLoopResult) -> dict[str, Any]:
    histograms = {name: getattr(result, name).as_json() for name in ("accepted", "all", "lateness")}
    plain = ("due", "dropped", "statuses", "seconds", "cpu_seconds")
    return {name: getattr(result, name) for name in plain} | histograms


def main() -> None:
    """Run the plan in the first argument and print the result as JSON."""
    allow_many_connections()
    loop = OpenLoop(Plan(**json.loads(sys.argv[1])))
    sys.stdout.write(json.dumps(_as_json(loop.run())) + "\n")


if __name__ == "__main__":
    main()
