"""Rows and their goals, how a run is written down, in results.json and results.md, and held against an earlier one."""

import json
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

from bench.figures import Figure

FOLDER = Path(__file__).parent
_UNKNOWN_NOISE = 0.15
"""How far the rounds of a row lie from its value, as a share of it, where a file does not tell."""


class RowKind(NamedTuple):
    """A row of the table: its unit, what it is in words, and its goal: "≥ 1.5" if more is better, "≤ 2" if less is."""

    id: str
    unit: str
    goal: str
    meaning: str

    @property
    def more_is_better(self) -> bool:
        """Whether the goal is a lower bound."""
        return self.goal.startswith("≥")

    def is_met_by(self, value: float) -> bool:
        """Whether a value reaches the goal."""
        bound = float(self.goal.split()[1])
        return value >= bound if self.more_is_better else value <= bound


class Row(NamedTuple):
    """One row of a run: a figure, or the error for which there is none."""

    kind: RowKind
    group: str
    figure: Figure | None
    error: str | None = None

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.figure is not None and self.kind.is_met_by(self.figure.value)

    def as_json(self) -> dict[str, Any]:
        """The row as results.json has it."""
        kind, now = self.kind, self.figure
        value, low, high = (None, None, None) if now is None else (now.value, now.low, now.high)
        detail = {"error": self.error} if now is None else now.detail
        head = {"id": kind.id, "group": self.group, "value": value, "unit": kind.unit, "goal": kind.goal}
        return {**head, "met": self.met, "low": low, "high": high, "detail": detail}


def results(rows: Sequence[Row], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document. JSON knows no infinity, so a percentile of requests that never came back is null."""
    written = json.dumps({**facts, "rows": [row.as_json() for row in rows]})
    document: dict[str, Any] = json.loads(
        written, parse_constant=lambda _: None, parse_float=lambda text: round(float(text), 4)
    )
    return document


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, which is also readable as it is."""
    lines = [("row", "value", "range", "goal", "", "what it is")]
    for row in rows:
        value, spread, kind = "failed", "", row.kind
        if (now := row.figure) is not None:
            value = _number(now.value) + ("" if kind.unit == "ratio" else f" {kind.unit}")
            spread = "" if now.low == now.high or isnan(now.value) else f"{_number(now.low)} to {_number(now.high)}"
        lines.append((kind.id, value, spread, kind.goal, "reached" if row.met else "MISSED", kind.meaning))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    written = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    written.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(written)


def _number(value: float) -> str:
    if isnan(value):
        return "unclear"
    return f"{value:,.0f}" if abs(value) >= 1000 or (abs(value) >= 10 and value.is_integer()) else f"{value:.3g}"


def write(rows: Sequence[Row], facts: Mapping[str, Any], compared: str = "", folder: Path = FOLDER) -> None:
    """Write results.json and results.md: the table, how it compares with an earlier run, what it was measured on."""
    document = json.dumps(results(rows, facts), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "results.json").write_text(document + "\n", encoding="utf-8")
    title = f"# Benchmark of {facts['versions']['commit']}, {facts['mode']} run of {facts['started_at']}"
    parts = [title, table(rows), *([compared] if compared else [])]
    for name in ("machine", "versions", "durability"):
        listed = "\n".join(f"- {key}: {value}" for key, value in facts[name].items())
        parts += [f"## {name.capitalize()}", listed]
    parts.append("docs/reference/benchmarks.md explains the rows; results.json has every round.\n")
    (folder / "results.md").write_text("\n\n".join(parts), encoding="utf-8")


def read_earlier(path: Path) -> dict[str, Any]:
    """An earlier results.json. Raises ValueError when the file is none."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        document["rows"] = {row["id"]: row for row in document["rows"] if row["value"] is not None}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not the results.json of an earlier run: {error!r}") from error
    return document


def noise(row: Mapping[str, Any]) -> tuple[float, float]:
    """The lowest and the highest round of a row of a results.json: as it tells them today or once did, or a guess."""
    value, detail = float(row["value"]), row.get("detail") or {}
    # Once the range stood in the detail; a row that had the worse of two ratios had a detail for each.
    inner = [detail, *(each for each in detail.values() if isinstance(each, dict))]
    for low, high in [(row.get("low"), row.get("high")), *((d.get("ratio_min"), d.get("ratio_max")) for d in inner)]:
        if low is not None and high is not None and low <= value <= high and len(detail.get("rounds", "many")) > 1:
            return float(low), float(high)
    return value - abs(value) * _UNKNOWN_NOISE, value + abs(value) * _UNKNOWN_NOISE


def worse(rows: Sequence[Row], earlier: Mapping[str, Any]) -> list[str]:
    """A sentence for each row whose median is worse than before while the ranges of the rounds do not overlap.

    Rows that only one of the runs has, or that had no value then, cannot be compared.
    """
    found = []
    for row, now in zip(rows, results(rows, {})["rows"], strict=True):
        if (then := earlier["rows"].get(row.kind.id)) is None:
            continue
        if now["value"] is None:
            found.append(f"{row.kind.id}: {then['value']:.4g} before, and nothing could be measured now")
            continue
        (low, high), (low_then, high_then) = noise(now), noise(then)
        if (high < low_then) if row.kind.more_is_better else (low > high_then):
            ranges = f"{now['value']:.4g} ({low:.4g} to {high:.4g}), before {then['value']:.4g}"
            found.append(f"{row.kind.id}: {ranges} ({low_then:.4g} to {high_then:.4g})")
    return found


def comparison(rows: Sequence[Row], earlier: Mapping[str, Any], mode: str) -> str:
    """What to print: what was compared, and the rows that got worse."""
    then = earlier.get("mode", "unknown")
    commit = earlier.get("versions", {}).get("commit", "an unknown commit")
    lines = [f"Against the {then} run of {commit} at {earlier.get('started_at', 'an unknown time')}:\n"]
    if then != mode:
        lines.append(f"- note: this is a {mode} run, and the two differ by that alone.")
    lines += [f"- worse: {sentence}" for sentence in worse(rows, earlier)] or ["- no row got worse beyond noise."]
    return "\n".join(lines)
