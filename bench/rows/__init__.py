"""The rows of the table, a module for each family that is measured together.

Each family is a function that takes the run and measures in turns with the others; at its end it returns its rows.
Some have no rounds to interrupt, because their sides take turns by the request, run at the same moment or are not
timed. A family raises BrokenInvariantError when the database is not what it has to be; then its rows are worth nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.context import Bench
from bench.report import Row
from bench.rows import (
    audit_cost,
    best_available,
    contention,
    expiry,
    growth,
    latency,
    overload,
    quality,
    reserve,
    status,
    version1,
)
from bench.turns import Turns


@dataclass(frozen=True, slots=True)
class Family:
    """Rows that come from one measurement."""

    ids: tuple[str, ...]
    measure: Callable[[Bench], Turns[list[Row]]]


def _in_one_go(measure: Callable[[Bench], list[Row]]) -> Callable[[Bench], Turns[list[Row]]]:
    """A measurement that nobody may interrupt."""

    def turns(bench: Bench) -> Turns[list[Row]]:
        yield from ()
        return measure(bench)

    return turns


FAMILIES = (
    Family(("http_reserve_vs_pgbench", "cpu_per_reservation"), reserve.measure),
    Family(("http_reserve_vs_v1",), version1.measure),
    Family(("latency_p99_vs_pgbench",), latency.measure),
    Family(("open_loop",), latency.measure_open_loop),
    Family(("overload_goodput", "overload_refusal_cost"), overload.measure),
    Family(("hot_seats", "hot_seats_double_sales"), contention.measure_hot_seats),
    Family(("hot_show",), contention.measure_hot_show),
    Family(("growth",), _in_one_go(growth.measure)),
    Family(("expire_100k",), expiry.measure),
    Family(("expire_100k_p99",), expiry.measure_latency),
    Family(("best_available_vs_explicit",), _in_one_go(best_available.measure_choice)),
    Family(("best_available_herd",), _in_one_go(best_available.measure_herd)),
    Family(("best_available_quality", "best_available_orphans"), _in_one_go(quality.measure)),
    Family(("audit_cost",), _in_one_go(audit_cost.measure)),
    Family(("status_bytes", "status_vs_plaintext_200", "status_vs_plaintext_304"), status.measure),
)
