"""What the audit log costs: the same function with and without its audit insert, one call at a time and in batches.

The function without the insert is made in a database of the benchmark only. The row has the worse of the two ratios.

Both sides run at the same moment, on one server. The log costs a few percent, and one round of pgbench differs from the
next by twenty, because the machine does: what slows one side down at the same moment slows down the other.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from bench.cluster import Database
from bench.context import Bench
from bench.generators.pgbench import BATCH, Pgbench
from bench.halls import SEATS_OF_THE_HALL, SHOWS_OF_THE_HALL, hall_template
from bench.measuring import figures, ratio
from bench.report import Row
from bench.wishes import Supply

_FUNCTION = """
    select pg_get_functiondef(p.oid)
    from pg_proc as p
    where p.pronamespace = 'rowlock'::regnamespace and p.proname = 'reserve_seats_batch'
"""
# The insert that every call makes stands by itself; the one for holds that lapsed is part of another statement.
_AUDIT_INSERT = re.compile(r"^ {4}insert into seat_reservation_audit_log\n.*?;\n", re.MULTILINE | re.DOTALL)
_MOST_PER_SECOND = 60_000


class FunctionChangedError(Exception):
    """The stored function is not what this measurement expects."""


def without_audit(definition: str) -> str:
    """The definition without its audit insert. Raises FunctionChangedError when there is not exactly one."""
    text, removed = _AUDIT_INSERT.subn("", definition)
    if removed != 1:
        raise FunctionChangedError(
            f"reserve_seats_batch has {removed} audit inserts that stand by themselves, and one was expected. Look at "
            "what it does now, and correct the pattern in bench/rows/audit_cost.py."
        )
    return text


@dataclass(frozen=True, slots=True)
class _Load:
    """One kind of load: pgbench's script, its clients on each side, and the reservations of a call."""

    script: str
    clients: int
    reservations: int


_LOADS = {"single": _Load("reserve.sql", 8, 1), "batch": _Load("reserve_batch.sql", 2, BATCH)}


class _Side:
    """One of the two databases."""

    def __init__(self, bench: Bench, database: Database) -> None:
        self._database = database
        self._pgbench = Pgbench(bench.tools.pgbench, database.dsns.app)
        self._supply = Supply(SHOWS_OF_THE_HALL, SEATS_OF_THE_HALL)
        self._seconds = bench.scale.round_seconds

    def settle(self) -> None:
        """Be ready for the next load."""
        self._database.settle()

    def rate(self, load: _Load) -> float:
        """Reservations a second."""
        wishes = self._supply.take(self._seconds * _MOST_PER_SECOND)
        result = self._pgbench.run(wishes, clients=load.clients, seconds=self._seconds, script=load.script)
        self._database.ledger.add(result.transactions * load.reservations)
        return result.per_second * load.reservations


def measure(bench: Bench) -> list[Row]:
    """audit_cost."""
    template = hall_template(bench.cluster)
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in _LOADS}
    with (
        bench.cluster.database(template) as logged,
        bench.cluster.database(template, audited=False) as silent,
        ThreadPoolExecutor(2) as threads,
    ):
        _silence(silent)
        sides = _Side(bench, logged), _Side(bench, silent)
        for number in range(bench.scale.steady_rounds + 1):
            for name, load in _LOADS.items():
                for side in sides:
                    side.settle()
                with_log, without = [threads.submit(side.rate, load) for side in sides]
                rates = with_log.result(), without.result()
                bench.say(f"audit: {name}: {rates[0]:,.0f}/s with, {rates[1]:,.0f}/s without")
                if number:  # The first round warms up.
                    rounds[name].append(rates)
    return [_row(rounds)]


def _row(rounds: dict[str, list[tuple[float, float]]]) -> Row:
    detail: dict[str, Any] = {}
    for name, rates in rounds.items():
        with_log, without = zip(*rates, strict=True)
        value, spread = ratio(with_log, without)
        detail[name] = {
            "ratio": round(value, 3),
            **spread,
            "with_per_s": figures(with_log),
            "without_per_s": figures(without),
            "clients_each": _LOADS[name].clients,
            "reservations_a_call": _LOADS[name].reservations,
        }
    return Row("audit_cost", min(detail[name]["ratio"] for name in rounds), detail)


def _silence(database: Database) -> None:
    """Replace the function by one that is the same but for its audit insert."""
    with psycopg.connect(database.dsns.owner, autocommit=True) as connection:
        row = connection.execute(_FUNCTION).fetchone()
        assert row is not None, "the database is migrated"
        connection.execute(without_audit(str(row[0])).encode())
