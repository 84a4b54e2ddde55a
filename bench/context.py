"""One run of the benchmark: what every measurement needs, and what becomes of the measurements.

A group of rows is a module or more in bench/rows, whose measurements are functions with the decorator `measures`.
"""

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.cluster import Cluster
from bench.figures import Figure
from bench.halls import halls
from bench.loads import Sale
from bench.machine import Tools
from bench.processes import rowlock_server
from bench.report import Row, RowKind


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of one kind of run; the defaults are those of the full one.

    shared            loads that begin in empty halls have one database and server together, not a fresh one each.
    rounds            of most rows; long_rounds: where one takes many seconds; latency_rounds: of 99th percentiles.
    seconds           of a round of most loads; rush_seconds: with hundreds of connections; twice that with thousands.
    http_connections  connection counts tried for the best rate over HTTP; pgbench_clients: client counts likewise.
    seats             of the small hall and of the stadium.
    grown             shows in the stadium, live claims and audit rows of the database that has grown.
    expired_holds     holds that run out together.
    samples           requests of one client for each side and round, where single answers are timed.
    seasons           sold-out seasons of the theatre and of the stadium whose seating is judged.
    """

    name: str = "full"
    shared: bool = False
    rounds: int = 4
    long_rounds: int = 3
    latency_rounds: int = 6
    seconds: int = 2
    rush_seconds: int = 3
    http_connections: tuple[int, ...] = (64, 128, 256)
    pgbench_clients: tuple[int, ...] = (2, 4, 8)
    seats: tuple[int, int] = (8_000, 100_000)
    grown: tuple[int, int, int] = (5_000, 500_000, 2_000_000)
    expired_holds: int = 100_000
    samples: int = 200
    seasons: tuple[int, int] = (10, 1)


FULL = Scale()
QUICK = Scale(
    name="quick", shared=True, rounds=1, long_rounds=1, latency_rounds=1, seconds=1, rush_seconds=1,
    http_connections=(128,), pgbench_clients=(4,), seats=(2_000, 20_000), grown=(200, 20_000, 40_000),
    expired_holds=10_000, samples=40, seasons=(2, 0),
)  # fmt: skip


class Peak(NamedTuple):
    """About where HTTP and pgbench are at their best: connections, clients, and reservations a second."""

    connections: int
    http_per_second: float
    clients: int
    pgbench_per_second: float


@dataclass(slots=True)
class Bench:
    """One run. `peak` is filled by the measurement that finds it; what runs share is stopped with `shared`."""

    scale: Scale
    cluster: Cluster
    tools: Tools
    folder: Path
    began: float = field(default_factory=time.monotonic)
    peak: Peak | None = None
    shared: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _shared_sale: Sale | None = None

    def say(self, text: str) -> None:
        """Tell whoever waits how far we are."""
        sys.stderr.write(f"[{time.monotonic() - self.began:4.0f} s] {text}\n")
        sys.stderr.flush()

    def halls(self) -> str:
        """The template with empty halls."""
        return halls(self.cluster, self.scale.seats)

    @contextlib.contextmanager
    def sale(self, *, in_pairs: bool = True, busy_after: bool = False) -> Iterator[Sale]:
        """Empty halls with an HTTP server; at the end their invariants are checked. Raises BrokenInvariantError.

        in_pairs    whether each reservation still holds its two seats at the end.
        busy_after  the load leaves work for minutes, such as mails: it is not waited for, and its server not shared.
        """
        with contextlib.ExitStack() as own:
            if self.scale.shared and not busy_after:
                self._shared_sale = sale = self._shared_sale or self._start(self.shared)
            else:
                sale = self._start(own)
            with sale.database.checked(in_pairs=in_pairs):
                yield sale
                if not busy_after:
                    sale.rest()  # What a generator left behind is written before it is counted.

    def _start(self, stack: contextlib.ExitStack) -> Sale:
        database = stack.enter_context(self.cluster.database(self.halls()))
        server = stack.enter_context(rowlock_server(database, self.folder))
        return Sale(database, server, self.tools, self.cluster.server.pid)


Measure = Callable[[Bench], Mapping[str, Figure]]


class Measurement(NamedTuple):
    """Rows that are measured together, and the function that does it: a figure for the id of each."""

    group: str
    rows: tuple[RowKind, ...]
    measure: Measure

    def take(self, bench: Bench) -> list[Row]:
        """Measure. When that fails, also by a broken invariant, the rows say so, and the others are still measured."""
        began = time.monotonic()
        figures: Mapping[str, Figure] = {}
        error = None
        try:
            figures = self.measure(bench)
        except Exception as failure:  # noqa: BLE001 - whatever went wrong with one row, the others are still wanted.
            error = f"{type(failure).__name__}: {failure}"
            traceback.print_exc()
        rows = [Row(kind, self.group, figures.get(kind.id), error) for kind in self.rows]
        told = (f"{row.kind.id} {'FAILED' if row.figure is None else f'{row.figure.value:.4g}'}" for row in rows)
        bench.say(f"{', '.join(told)} ({time.monotonic() - began:.1f} s)")
        return rows


MEASUREMENTS: list[Measurement] = []
"""Every measurement, in the order in which they are taken."""


def measures(group: str, *rows: RowKind) -> Callable[[Measure], Measure]:
    """Enter the function as the measurement of these rows of a group."""

    def enter(measure: Measure) -> Measure:
        MEASUREMENTS.append(Measurement(group, rows, measure))
        return measure

    return enter
