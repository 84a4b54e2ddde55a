"""Small plan files for the tests of the plan readers, each correct until a test breaks it."""

import json
from collections.abc import Iterable
from typing import Any

from rowlock.catalogue.model import SeatingPlan
from rowlock.catalogue.plan_files import DoctorReport, Finding, PlanReading, read_plan

Json = dict[str, Any]


def pretix_seat(number: int | str, x: float, y: float = 0.0, **changes: Any) -> Json:
    return {
        "seat_guid": f"guid-{number}-{x:g}-{y:g}",
        "seat_number": str(number),
        "position": {"x": x, "y": y},
        "category": "Stalls",
    } | changes


def pretix_row(label: str, y: float, xs: Iterable[float], **changes: Any) -> Json:
    seats = [pretix_seat(index, x, seat_guid=f"{label}-{y:g}-{index}") for index, x in enumerate(xs, 1)]
    return {"row_number": label, "position": {"x": 0, "y": y}, "seats": seats} | changes


def pretix_zone(name: str, *rows: Json, x: float = 0, y: float = 0, **changes: Any) -> Json:
    return {"name": name, "position": {"x": x, "y": y}, "rows": list(rows)} | changes


def pretix_plan(*zones: Json, **changes: Any) -> Json:
    """A plan of one zone with one row of four seats, unless zones are given."""
    return {
        "name": "Little hall",
        "categories": [{"name": "Stalls", "color": "#aa0000"}],
        "zones": list(zones) or [pretix_zone("Hall", pretix_row("A", 50, (50, 75, 100, 125)))],
        "size": {"width": 1000, "height": 1000},
    } | changes


def chart_row(label: str, y: float, xs: Iterable[float], **changes: Any) -> Json:
    seats = [{"x": x, "y": y, "label": str(index), "uuid": f"{label}{index}"} for index, x in enumerate(xs, 1)]
    return {"label": label, "seats": seats, "categoryKey": 1, "objectType": "row"} | changes


def sub_chart(**parts: Any) -> Json:
    return {"width": 400, "height": 300, "rows": [], "tables": [], "booths": [], "sections": []} | parts


def chart(**changes: Any) -> Json:
    """A seats.io chart with one row of three seats, unless a sub-chart is given."""
    return {
        "name": "Little chart",
        "version": 21,
        "categories": {"list": [{"key": 1, "label": "Floor", "color": "#00aa00", "accessible": False}]},
        "subChart": sub_chart(rows=[chart_row("A", 40, (40, 60, 80))], focalPoint={"x": 60, "y": 5}),
    } | changes


def read(content: Json | str | bytes, name: str = "hall.json", **options: Any) -> PlanReading:
    """Read a file's contents; JSON may be given as an object."""
    if isinstance(content, dict):
        content = json.dumps(content)
    return read_plan(content.encode() if isinstance(content, str) else content, name=name, **options)


def read_csv(text: str) -> PlanReading:
    return read(text, "hall.csv")


def findings(report: DoctorReport, code: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.code == code]


def only(report: DoctorReport, code: str) -> Finding:
    """The one finding of a code, which must be the only one."""
    assert report.counts.get(code) == 1, report.counts
    (finding,) = findings(report, code)
    return finding


def numbers(plan: SeatingPlan, row: int = 0) -> list[str]:
    return [seat.number for seat in plan.seats if seat.row == row]


def runs(plan: SeatingPlan) -> list[list[str]]:
    """The seats' numbers, run by run."""
    grouped: dict[int, list[str]] = {}
    for seat in plan.seats:
        grouped.setdefault(seat.run, []).append(seat.number)
    return list(grouped.values())
