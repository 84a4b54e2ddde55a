"""What every measurement needs: the server, the tools, the scale of this run, and the peak that others relate to."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, median

from bench.cluster import Cluster, Database
from bench.cpu import CpuSeconds, cpu_seconds
from bench.generators.openloop import OpenLoopResult, Plan, run_open_loop
from bench.generators.pgbench import Pgbench, PgbenchResult
from bench.generators.wrk import RESERVE_V2, Wrk, WrkResult
from bench.halls import SEATS_OF_THE_HALL, SHOWS_OF_THE_HALL, hall_template
from bench.scale import Scale
from bench.server import Server, rowlock_server
from bench.tools import Tools
from bench.turns import interleave, without_a_break
from bench.wishes import Supply

# More than this machine class can sell in a second, so that a run never comes to the end of its shows.
_MOST_PER_SECOND = 40_000

_OPEN_LOOP_CONNECTIONS = 1_000
"""Requests that may be under way in the open loop; whoever finds none left is a drop."""

_REST_SECONDS = 0.1
_LONGEST_REST_SECONDS = 15.0
_AT_REST = 0.2  # The share of a core that a server without requests uses at most.


@dataclass(frozen=True, slots=True)
class Load:
    """One round over HTTP: what wrk saw, and what the server used, in all and after the ramp."""

    wrk: WrkResult
    cpu: CpuSeconds
    late_cpu: CpuSeconds

    @property
    def microseconds(self) -> float:
        """Processor time of application and PostgreSQL for each reservation."""
        return self.cpu.total / self.wrk.successes * 1e6


@dataclass(frozen=True, slots=True)
class Calls:
    """One round of pgbench, and what PostgreSQL used."""

    pgbench: PgbenchResult
    cpu: CpuSeconds

    @property
    def microseconds(self) -> float:
        """Processor time of PostgreSQL for each call."""
        return self.cpu.postgres / self.pgbench.transactions * 1e6


@dataclass(frozen=True, slots=True)
class Peak:
    """Where HTTP and pgbench are at their best, as a sweep found it: connections, clients and about how fast.

    The highest of many rates is partly luck, so what is compared is measured afterwards, in rounds of its own.

    thrifty_clients  the clients with which pgbench's calls are cheapest for PostgreSQL. They are few, while many
                     counts are about equally fast, so that which of those is best is luck, and their costs differ.
    """

    http_sweep: Mapping[int, Sequence[Load]]
    pgbench_sweep: Mapping[int, Sequence[Calls]]

    @property
    def connections(self) -> int:
        """The best number of connections over HTTP."""
        return max(self.http_sweep, key=lambda n: mean(load.wrk.per_second for load in self.http_sweep[n]))

    @property
    def clients(self) -> int:
        """The best number of clients of pgbench."""
        sweep = self.pgbench_sweep
        return max(sweep, key=lambda n: mean(calls.pgbench.per_second for calls in sweep[n]))

    @property
    def thrifty_clients(self) -> int:
        """The number of clients with which pgbench's calls are cheapest."""
        return min(self.pgbench_sweep, key=lambda n: median(calls.microseconds for calls in self.pgbench_sweep[n]))

    @property
    def http_per_second(self) -> float:
        """Reservations a second over HTTP."""
        return median(load.wrk.per_second for load in self.http_sweep[self.connections])

    @property
    def pgbench_per_second(self) -> float:
        """Reservations a second by pgbench."""
        return median(calls.pgbench.per_second for calls in self.pgbench_sweep[self.clients])


@dataclass(slots=True)
class Bench:
    """One run of the benchmark. `known_peak` is filled by whoever measures it first."""

    scale: Scale
    cluster: Cluster
    tools: Tools
    folder: Path
    began: float = field(default_factory=time.monotonic)
    known_peak: Peak | None = None

    def say(self, text: str) -> None:
        """Tell whoever waits how far we are."""
        sys.stderr.write(f"[{time.monotonic() - self.began:4.0f} s] {text}\n")
        sys.stderr.flush()

    @contextlib.contextmanager
    def onsale(self) -> Iterator["OnSale"]:
        """A fresh database with the plain hall, and an HTTP server on it."""
        with (
            self.cluster.database(hall_template(self.cluster)) as database,
            rowlock_server(database, self.folder) as server,
        ):
            yield OnSale(self, database, server)


class OnSale:
    """A database and an HTTP server with thousands of shows on sale, and the loads that can be put on them.

    Every load begins in an empty hall, is entered in the ledger, and is preceded by a checkpoint.
    """

    def __init__(self, bench: Bench, database: Database, server: Server) -> None:
        self.bench = bench
        self.database = database
        self.server = server
        self.wrk = Wrk(bench.tools.wrk, server)
        self.pgbench = Pgbench(bench.tools.pgbench, database.dsns.app)
        self.supply = Supply(SHOWS_OF_THE_HALL, SEATS_OF_THE_HALL)

    def rest(self) -> None:
        """Wait until the server has done with what an earlier load left in its queues, and write out what is dirty."""
        deadline = time.monotonic() + _LONGEST_REST_SECONDS
        used = self.cpu()
        while time.monotonic() < deadline:
            time.sleep(_REST_SECONDS)
            used, before = self.cpu(), used
            if (used - before).app <= _REST_SECONDS * _AT_REST:
                break
        self.database.settle()

    def cpu(self) -> CpuSeconds:
        """What server and database have used until now."""
        return cpu_seconds(app_pid=self.server.pid, postgres_pid=self.bench.cluster.pid)

    def http(
        self,
        connections: int,
        seconds: int,
        *,
        path: str = RESERVE_V2,
        at_once: int = 1,
        pause_seconds: float = 0,
        count_statuses: bool = False,
        ramp_seconds: float = 0,
        most_per_second: int = _MOST_PER_SECOND,
        yielding: bool = False,
    ) -> Load:
        """Reserve over HTTP in a closed loop."""
        wishes = self.supply.take(seconds * most_per_second, at_once=at_once)
        self.rest()
        before = after_ramp = self.cpu()

        def look() -> None:
            nonlocal after_ramp
            after_ramp = self.cpu()

        timer = threading.Timer(ramp_seconds, look)
        if ramp_seconds:
            timer.start()
        result = self.wrk.reserve(
            wishes,
            connections=connections,
            seconds=seconds,
            pause_seconds=pause_seconds,
            count_statuses=count_statuses,
            ramp_seconds=ramp_seconds,
            path=path,
            yielding=yielding,
        )
        timer.cancel()
        ended = self.cpu()
        self.database.ledger.add(result.successes, cut_off=connections + result.broken)
        return Load(result, ended - before, ended - after_ramp)

    def calls(
        self,
        clients: int,
        seconds: int,
        *,
        rate: float | None = None,
        latencies: bool = False,
        ramp_seconds: float = 0,
    ) -> Calls:
        """Call the function with pgbench."""
        wishes = self.supply.take(seconds * _MOST_PER_SECOND)
        self.rest()
        before = self.cpu()
        result = self.pgbench.run(
            wishes, clients=clients, seconds=seconds, rate=rate, latencies=latencies, ramp_seconds=ramp_seconds
        )
        used = self.cpu() - before
        self.database.ledger.add(result.transactions)
        return Calls(result, used)

    def offer(
        self,
        rate: float,
        seconds: int,
        *,
        ramp_seconds: float = 0,
        beside: AbstractContextManager[None] | None = None,
    ) -> OpenLoopResult:
        """Reserve over HTTP in an open loop, while `beside` is entered."""
        wishes = self.supply.take(int(rate * seconds * 1.2) + 10_000)
        self.rest()
        plan = Plan(
            port=self.server.port,
            path=RESERVE_V2,
            rate=rate,
            seconds=seconds,
            connections=_OPEN_LOOP_CONNECTIONS,
            first_show=wishes.first_show,
            pairs=wishes.pairs,
            ramp_seconds=ramp_seconds,
        )
        with beside or contextlib.nullcontext():
            result = run_open_loop(plan)
        unknown = result.statuses.get("none", 0) + result.statuses.get("503", 0)
        self.database.ledger.add(result.statuses.get("201", 0), cut_off=unknown)
        return result


def find_peak(bench: Bench) -> Peak:
    """The best connections and clients of a closed loop; found once a run, before anything that relates to them."""
    if bench.known_peak is None:
        with bench.onsale() as onsale:
            bench.known_peak = _sweep(bench, onsale)
    return bench.known_peak


def _sweep(bench: Bench, onsale: OnSale) -> Peak:
    scale = bench.scale
    bench.say("peak: warming up")
    onsale.http(scale.http_connections[0], scale.warm_up_seconds)
    onsale.calls(scale.pgbench_clients[0], scale.warm_up_seconds)

    def http(connections: int) -> None:
        load = onsale.http(connections, scale.sweep_seconds)
        bench.say(f"peak: HTTP, {connections} connections: {load.wrk.per_second:,.0f}/s")
        loads[connections].append(load)

    def pgbench(clients: int) -> None:
        result = onsale.calls(clients, scale.sweep_seconds)
        bench.say(f"peak: pgbench, {clients} clients: {result.pgbench.per_second:,.0f}/s")
        calls[clients].append(result)

    loads = {n: list[Load]() for n in scale.http_connections}
    calls = {n: list[Calls]() for n in scale.pgbench_clients}
    sides = {f"http {n}": partial(http, n) for n in loads} | {f"pgbench {n}": partial(pgbench, n) for n in calls}
    without_a_break(interleave(sides, scale.sweep_rounds))
    return Peak(loads, calls)
