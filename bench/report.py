"""The rows and their goals, and how a run is written down: results.json for programs, results.md for people."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row should come to: at least, or at most, `bound`."""

    sign: str
    bound: float

    def __str__(self) -> str:
        """As in the table: `≥ 1.5`."""
        return f"{self.sign} {self.bound:g}"

    def is_met_by(self, value: float) -> bool:
        """Whether a value reaches it."""
        return value >= self.bound if self.sign == "≥" else value <= self.bound


def at_least(bound: float) -> Goal:
    """A goal that more is better for."""
    return Goal("≥", bound)


def at_most(bound: float) -> Goal:
    """A goal that less is better for."""
    return Goal("≤", bound)


@dataclass(frozen=True, slots=True)
class RowKind:
    """A row of the table: its unit, its goal if it has one, and in words what it is."""

    unit: str
    goal: Goal | None
    meaning: str


ROWS: Mapping[str, RowKind] = {
    "http_reserve_vs_pgbench": RowKind("ratio", at_least(1.5), "reservations/s over HTTP ÷ pgbench's best rate"),
    "cpu_per_reservation": RowKind("ratio", at_most(1.0), "CPU of an HTTP reservation ÷ of a pgbench call"),
    "http_reserve_vs_v1": RowKind("ratio", at_least(4), "reservations/s over HTTP: version 2 ÷ version 1"),
    "latency_p99_vs_pgbench": RowKind("ratio", at_most(2), "p99 at half of pgbench's peak: HTTP ÷ pgbench"),
    "open_loop": RowKind("ms", None, "p99 at half of the HTTP peak; the detail has every rate"),
    "overload_goodput": RowKind("ratio", at_least(0.9), "reservations/s when 5 × the peak is offered ÷ peak"),
    "overload_refusal_cost": RowKind("ratio", at_most(0.1), "server CPU of a 503 ÷ of a reservation"),
    "hot_seats": RowKind("ratio", at_least(0.8), "attempts/s on 10 seats: 800 clients ÷ 8 clients"),
    "hot_seats_double_sales": RowKind("seats", at_most(0), "seats that were sold twice in that rush"),
    "hot_show": RowKind("ratio", at_least(0.8), "reservations/s: all on one show ÷ spread over 100"),
    "growth": RowKind("ratio", at_most(1.15), "p50 of a reserve: grown database ÷ small one"),
    "expire_100k": RowKind("ratio", at_most(2), "cleaning up expired holds ÷ a bare UPDATE of them"),
    "expire_100k_p99": RowKind("ratio", at_most(1.5), "p99 of a reserve during the cleanup ÷ without"),
    "best_available_vs_explicit": RowKind("ratio", at_most(1.2), "p50 in 100,000 seats: best available ÷ named seats"),
    "best_available_herd": RowKind("%", at_least(100), "parties served while seats last, 160 at once, 8,000 seats"),
    "best_available_quality": RowKind("ratio", at_least(0.99), "seats sold at close ÷ capacity, parties of 1 to 8"),
    "best_available_orphans": RowKind("per 1,000", at_most(3), "single seats left alone, per 1,000 seats"),
    "audit_cost": RowKind("ratio", at_least(0.9), "reserve rate with the audit row ÷ without"),
    "status_bytes": RowKind("bytes", at_most(25_000), "status of 100,000 seats"),
    "status_vs_plaintext_200": RowKind("ratio", at_least(0.6), "status requests/s ÷ the cheapest route's"),
    "status_vs_plaintext_304": RowKind("ratio", at_least(0.9), "the same, when nothing has changed"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One measured row. `value` is None when there is none: the detail has the `error`, or a `note` that says why."""

    id: str
    value: float | None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> RowKind:
        """What the row means."""
        return ROWS[self.id]

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None when there is none, or nothing to hold it against."""
        if self.failed:
            return False
        if self.kind.goal is None or self.value is None:
            return None
        return self.kind.goal.is_met_by(self.value)

    @property
    def failed(self) -> bool:
        """Whether it could not be measured, or an invariant was broken meanwhile."""
        return "error" in self.detail

    def as_json(self) -> dict[str, Any]:
        """The row as results.json has it."""
        return {
            "id": self.id,
            "value": _finite(self.value),
            "unit": self.kind.unit,
            "goal": None if self.kind.goal is None else str(self.kind.goal),
            "met": self.met,
            "detail": _plain(self.detail),
        }


def results(rows: Sequence[Row], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document: `facts` (machine, versions, durability, …) and the rows."""
    return {**facts, "rows": [row.as_json() for row in rows]}


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, which is also readable as it is."""
    head = ("row", "value", "±", "goal", "", "what it is")
    lines = [
        (
            row.id,
            _shown(row),
            f"{row.detail['ratio_error']:.1%}" if "ratio_error" in row.detail else "",
            "" if row.kind.goal is None else str(row.kind.goal),
            {True: "reached", False: "MISSED", None: ""}[row.met],
            row.kind.meaning,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]

    def written(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([written(head), rule, *map(written, lines)])


def summary(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """results.md: the table, and what it was measured on."""
    parts = [f"# Benchmark, {facts['mode']} run of {facts['started_at']}", table(rows)]
    for name in ("machine", "versions", "durability"):
        listed = "\n".join(f"- {key}: {_told(value)}" for key, value in facts[name].items())
        parts.append(f"## {name.capitalize()}\n\n{listed}")
    parts.append("docs/reference/benchmarks.md explains the rows; results.json has every round.")
    return "\n\n".join(parts) + "\n"


def write(rows: Sequence[Row], facts: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Write results.json and results.md."""
    document = json.dumps(results(rows, facts), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "results.json").write_text(document + "\n", encoding="utf-8")
    (folder / "results.md").write_text(summary(rows, facts), encoding="utf-8")


def _shown(row: Row) -> str:
    if row.failed:
        return "failed"
    if row.value is None:
        return "none"
    if not math.isfinite(row.value):
        return "infinite"
    number = f"{row.value:,.0f}" if float(row.value).is_integer() and abs(row.value) >= 10 else f"{row.value:.3g}"
    return number if row.kind.unit == "ratio" else f"{number} {row.kind.unit}"


def _told(value: object) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4)


def _plain(value: Any) -> Any:
    """The value for JSON, which knows no infinity: a percentile of requests that never came back is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
