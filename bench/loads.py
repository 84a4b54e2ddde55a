"""A database and a server with thousands of shows on sale, and the loads that can be put on them.

The closed loop is wrk, in which each connection asks again as soon as it is answered; the open loop is our own clients.
pgbench calls the stored function, one reservation a transaction, prepared, as the application's role.
"""

import json
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from random import Random

from bench.cluster import Database
from bench.generators.http import RESERVE_V2, USER_AGENT, reserve_request, run_clients
from bench.halls import SEATS_OF_THE_HALL, SHOW_NUMBERS_FROM, SHOWS_OF_THE_HALL, Supply, Wishes
from bench.machine import Tools
from bench.processes import Server, cpu_seconds, run
from bench.product import as_application

_GENERATORS = Path(__file__).with_name("generators")
_ANSWERS = re.compile(r"Requests/sec: +([\d.]+)")
_TROUBLE = re.compile(r"(Non-2xx or 3xx responses|Socket errors): .*")
_CALLS = re.compile(
    r"actually processed: (\d+).*?(?:failed transactions: (\d+).*?)?tps = ([\d.]+) \(without initial", re.DOTALL
)

# More than this machine class can sell in a second, so that a run never comes to the end of its shows.
_MOST_PER_SECOND = 40_000
_OPEN_LOOP_CLIENTS = 64
_REST_SECONDS, _LONGEST_REST_SECONDS = 0.1, 15.0
_AT_REST = 0.2  # The share of a core that a server without requests uses at most.


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of wrk or pgbench came to: reservations, and processor seconds of server and PostgreSQL.

    broken        connections of wrk that failed or timed out.
    late          wrk's answers after the ramp by status, in `late_seconds`: 201, 409, 503 and other.
    milliseconds  every latency, of pgbench with a rate; wrk tells a percentile alone.
    """

    successes: int
    per_second: float
    broken: int = 0
    p99_ms: float = 0
    late: Mapping[str, int] = field(default_factory=dict)
    late_seconds: float = 0
    milliseconds: list[float] = field(default_factory=list)
    app: float = 0
    postgres: float = 0

    @property
    def microseconds(self) -> float:
        """Processor time of server and PostgreSQL for each reservation."""
        return (self.app + self.postgres) / self.successes * 1e6

    def late_rate(self, *statuses: str) -> float:
        """Answers a second with one of these statuses, after the ramp."""
        return sum(self.late[status] for status in statuses) / self.late_seconds


class Sale:
    """The loads. Each begins in an empty hall, after a checkpoint, and is entered in the database's ledger."""

    def __init__(self, database: Database, server: Server, tools: Tools, postgres_pid: int) -> None:
        self.database = database
        self.server = server
        self.supply = Supply(SHOWS_OF_THE_HALL, SEATS_OF_THE_HALL)
        self._wrk_program, self._pgbench_program = tools
        self._postgres_pid = postgres_pid
        self._warm = False

    def warm_up(self, connections: int, seconds: int) -> None:
        """Put a load on the server for the first time; one that is warm is left alone."""
        if not self._warm:
            self.http(connections, seconds)
        self._warm = True

    def rest(self) -> None:
        """Wait until the server has done with what an earlier load left in its queues, and write out what is dirty."""
        deadline = time.monotonic() + _LONGEST_REST_SECONDS
        used = cpu_seconds(self.server.pid)
        while time.monotonic() < deadline:
            time.sleep(_REST_SECONDS)
            used, before = cpu_seconds(self.server.pid), used
            if used - before <= _REST_SECONDS * _AT_REST:
                break
        self.database.settle()

    def http(
        self, connections: int, seconds: int, *, path: str = RESERVE_V2, at_once: int = 1, wishes: Wishes | None = None,
        hot_seats: int = 0, pause_seconds: float = 0, ramp_seconds: float = 0,
    ) -> Load:  # fmt: skip
        """Reserve over HTTP in a closed loop.

        at_once        shows that are on sale together; or wishes: other shows than new ones.
        hot_seats      with a number, everyone wants two of so many seats of the first show.
        pause_seconds  mean of the pause, exponentially distributed, before each connection's next request. wrk then
                       lets the server go first: so many buyers do not live on its machine.
        ramp_seconds   how long it may take until all are connected; what comes later is counted by status, at the cost
                       of some of wrk's time.
        """
        wishes = wishes or self.supply.take(seconds * _MOST_PER_SECOND, at_once=at_once)
        host = f"127.0.0.1:{self.server.port}"
        arguments = (path, host, *_numbers(wishes), hot_seats, pause_seconds * 1000, ramp_seconds, USER_AGENT)
        command = [*self._wrk(connections, seconds), "-s", str(_GENERATORS / "reserve.lua"), f"http://{host}", "--"]
        nice = ["nice", "-n", "19"] if pause_seconds else []
        self.rest()
        app, postgres = cpu_seconds(self.server.pid), cpu_seconds(self._postgres_pid)
        load = parse_wrk(run([*nice, *command, *map(str, arguments)]))
        self.database.ledger.add(load.successes, cut_off=connections + load.broken)
        app, postgres = cpu_seconds(self.server.pid) - app, cpu_seconds(self._postgres_pid) - postgres
        return replace(load, app=app, postgres=postgres)

    def calls(self, clients: int, seconds: int, *, rate: float | None = None, ramp_seconds: float = 0) -> Load:
        """Call the function with pgbench as fast as it can; or at a rate, with latencies since each call was due."""
        wishes = self.supply.take(seconds * _MOST_PER_SECOND)
        names = ("first_show", "pairs", "at_once", "skip", "k", "clients")
        variables = zip(names, (*_numbers(wishes), -1, clients), strict=True)
        command = [self._pgbench_program, "-n", "-M", "prepared", "-j", "1", "-c", str(clients), "-T", str(seconds)]
        command += [word for name, value in variables for word in ("-D", f"{name}={value}")]
        command += ["-f", str(_GENERATORS / "reserve.sql")]
        self.rest()
        postgres = cpu_seconds(self._postgres_pid)
        with tempfile.TemporaryDirectory(prefix="rowlock-pgbench-") as folder:
            if rate is not None:
                command += ["--rate", f"{rate:.1f}", "-l", "--log-prefix", f"{folder}/log"]
            load = parse_pgbench(run([*command, as_application(self.database.dsns.app)]))
            milliseconds = read_pgbench_logs(Path(folder), ramp_seconds)
        self.database.ledger.add(load.successes)
        return replace(load, milliseconds=milliseconds, postgres=cpu_seconds(self._postgres_pid) - postgres)

    def offer(self, rate: float, seconds: float, *, ramp_seconds: float = 0) -> list[float]:
        """Reserve over HTTP in an open loop; the latencies in milliseconds, of which run_clients tells."""
        intervals = Random(1)  # noqa: S311 - arrivals have to be random, not secret.
        due = list(accumulate(intervals.expovariate(rate) for _ in range(int(rate * seconds))))
        wishes = self.supply.take(len(due))
        self.rest()
        requests = ((when, reserve_request(wishes, number)) for number, when in enumerate(due))
        statuses, latencies = run_clients(self.server.port, requests, _OPEN_LOOP_CLIENTS, ramp_seconds=ramp_seconds)
        self.database.ledger.add(statuses["201"], statuses["none"] + statuses["503"])
        return latencies

    def get_rate(self, connections: int, path: str, **headers: str) -> float:
        """Answers to a GET in a closed loop of one second. Raises ValueError when one was refused."""
        words = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
        output = run([*self._wrk(connections, 1), *words, f"http://127.0.0.1:{self.server.port}{path}"])
        rate = _ANSWERS.search(output)
        if rate is None or _TROUBLE.search(output):
            raise ValueError(f"wrk printed something else than expected:\n{output}")
        return float(rate[1])

    def _wrk(self, connections: int, seconds: int) -> list[str]:
        # With one thread: it needs a fraction of a core, and a second one would only compete.
        return [self._wrk_program, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]


def _numbers(wishes: Wishes) -> tuple[int, int, int, int]:
    return SHOW_NUMBERS_FROM + wishes.first_show, wishes.pairs, wishes.at_once, wishes.skip


def parse_wrk(output: str) -> Load:
    """The result from the line that our script prints last. Raises ValueError when it is missing."""
    return Load(**json.loads(output.rpartition("RESULT ")[2]))


def parse_pgbench(output: str) -> Load:
    """The result from what pgbench printed. Raises ValueError when transactions failed or the text is another."""
    found = _CALLS.search(output)
    if found is None or int(found[2] or 0):
        raise ValueError(f"pgbench failed, or printed something else than expected:\n{output}")
    return Load(int(found[1]), float(found[3]))


def read_pgbench_logs(folder: Path, ramp_seconds: float = 0) -> list[float]:
    """Latencies in milliseconds from pgbench's logs, without those of transactions that began in the ramp."""
    began_and_took: list[tuple[float, float]] = []
    for path in folder.iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            # Client, transaction, microseconds that it took, script, and when it ended.
            _, _, took, _, seconds, microseconds, *_ = map(int, line.split())
            began_and_took.append((seconds + (microseconds - took) / 1e6, took / 1000))
    counts_from = min((began for began, _ in began_and_took), default=0.0) + ramp_seconds
    return [took for began, took in began_and_took if began >= counts_from]
