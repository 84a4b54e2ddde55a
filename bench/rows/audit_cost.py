"""What the audit log costs: the same function with and without its audit insert, one call at a time and in batches.

The function without the insert is made in a database of the benchmark only. The row has the worse of the two ratios.
"""

import re

import psycopg

from bench.cluster import Database
from bench.context import Bench, peak_of
from bench.generators.pgbench import BATCH, Pgbench
from bench.halls import SEATS_OF_THE_HALL, SHOWS_OF_THE_HALL, hall_template
from bench.measuring import figures, interleave, ratio
from bench.report import Row
from bench.wishes import Supply

_FUNCTION = """
    select pg_get_functiondef(p.oid)
    from pg_proc as p
    where p.pronamespace = 'rowlock'::regnamespace and p.proname = 'reserve_seats_batch'
"""
# The insert that every call makes stands by itself; the one for holds that lapsed is part of another statement.
_AUDIT_INSERT = re.compile(r"^ {4}insert into seat_reservation_audit_log\n.*?;\n", re.MULTILINE | re.DOTALL)
_BATCH_CLIENTS = 2
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


class _Side:
    """One of the two databases."""

    def __init__(self, bench: Bench, database: Database, clients: int, word: str) -> None:
        self._bench = bench
        self._database = database
        self._pgbench = Pgbench(bench.tools.pgbench, database.dsns.app)
        self._supply = Supply(SHOWS_OF_THE_HALL, SEATS_OF_THE_HALL)
        self._clients = clients
        self._word = word

    def single(self) -> float:
        """Reservations a second, one a call."""
        return self._run("reserve.sql", self._clients, 1)

    def batch(self) -> float:
        """Reservations a second in batches."""
        return self._run("reserve_batch.sql", _BATCH_CLIENTS, BATCH)

    def _run(self, script: str, clients: int, reservations: int) -> float:
        seconds = self._bench.scale.audit_seconds
        wishes = self._supply.take(seconds * _MOST_PER_SECOND)
        self._database.settle()
        result = self._pgbench.run(wishes, clients=clients, seconds=seconds, script=script)
        self._database.ledger.add(result.transactions * reservations)
        rate = result.per_second * reservations
        self._bench.say(f"audit: {self._word}, {reservations} a call: {rate:,.0f}/s")
        return rate


def measure(bench: Bench) -> list[Row]:
    """audit_cost."""
    scale = bench.scale
    clients = peak_of(bench).clients
    template = hall_template(bench.cluster)
    with (
        bench.cluster.database(template) as logged,
        bench.cluster.database(template, audited=False) as silent,
    ):
        _silence(silent)
        one, other = _Side(bench, logged, clients, "with"), _Side(bench, silent, clients, "without")
        one.single()
        other.single()
        rounds = interleave(
            {
                "with_single": one.single,
                "without_single": other.single,
                "with_batch": one.batch,
                "without_batch": other.batch,
            },
            scale.audit_rounds,
        )
    single, single_spread = ratio(rounds["with_single"], rounds["without_single"])
    batch, batch_spread = ratio(rounds["with_batch"], rounds["without_batch"])
    detail = {
        "single": {"ratio": round(single, 3), **single_spread},
        "batch": {"ratio": round(batch, 3), **batch_spread, "reservations_a_call": BATCH},
        **{f"{name}_per_s": figures(values) for name, values in rounds.items()},
        "clients": clients,
    }
    return [Row("audit_cost", min(single, batch), detail)]


def _silence(database: Database) -> None:
    """Replace the function by one that is the same but for its audit insert."""
    with psycopg.connect(database.dsns.owner, autocommit=True) as connection:
        row = connection.execute(_FUNCTION).fetchone()
        assert row is not None, "the database is migrated"
        connection.execute(without_audit(str(row[0])).encode())
