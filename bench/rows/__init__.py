"""The rows of the table, a module for each family that is measured together.

Each family is a function that takes the run and returns its rows. It raises BrokenInvariantError when the database is
not what it has to be; then its rows are worth nothing.
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


@dataclass(frozen=True, slots=True)
class Family:
    """Rows that come from one measurement."""

    ids: tuple[str, ...]
    measure: Callable[[Bench], list[Row]]


FAMILIES = (
    Family(("http_reserve_vs_pgbench", "cpu_per_reservation"), reserve.measure),
    Family(("http_reserve_vs_v1",), version1.measure),
    Family(("latency_p99_vs_pgbench", "open_loop"), latency.measure),
    Family(("overload_goodput", "overload_refusal_cost"), overload.measure),
    Family(("hot_seats", "hot_seats_double_sales"), contention.measure_hot_seats),
    Family(("hot_show",), contention.measure_hot_show),
    Family(("growth",), growth.measure),
    Family(("expire_100k", "expire_100k_p99"), expiry.measure),
    Family(("best_available_vs_explicit",), best_available.measure_choice),
    Family(("best_available_herd",), best_available.measure_herd),
    Family(("best_available_quality", "best_available_orphans"), quality.measure),
    Family(("audit_cost",), audit_cost.measure),
    Family(("status_bytes", "status_vs_plaintext_200", "status_vs_plaintext_304"), status.measure),
)
