"""Reads where the audience of a seats.io chart looks: the focal point of the chart, or of each of its zones."""

from rowlock.catalogue.plan_files.draft import DraftSection, DraftZone
from rowlock.catalogue.plan_files.fields import Fields
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.geometry import Point

_ZONE_KEYS = frozenset({"key", "label", "focalPoint"})


class Zones:
    """The zones of a chart. A zone that is on several floors is a zone of the plan on each, with its point there."""

    def __init__(self, chart: Fields) -> None:
        self._declared: dict[str, tuple[str, Point | None]] = {}
        self._zones: dict[tuple[str, float], DraftZone] = {}
        if not chart.has("zones"):
            return
        for zone in chart.child("zones").children("list"):
            zone.report_unknown(_ZONE_KEYS)
            name = zone.text("label")
            self._declared.setdefault(zone.key("key") or name, (name, zone.point("focalPoint")))

    def add(self, key: str, section: DraftSection, top: float) -> None:
        """Put a section on the floor that begins at `top` into a zone; a key that is not declared is no zone."""
        if key not in self._declared:
            return
        name, point = self._declared[key]
        placed = None if point is None else (point[0], point[1] + top)
        self._zones.setdefault((key, top), DraftZone(name or key, placed)).sections.append(section)

    def on_floor(self, top: float) -> list[DraftZone]:
        """Return the zones with sections on the floor that begins at `top`."""
        return [zone for (_, on), zone in self._zones.items() if on == top]

    def all(self) -> list[DraftZone]:
        """Return every zone with sections."""
        return list(self._zones.values())

    def first_point(self) -> Point | None:
        """Return the focal point of the first zone that has one, in the coordinates of the first floor."""
        return next((point for _, point in self._declared.values() if point is not None), None)


def focal_point(chart: Fields, findings: Findings) -> Point | None:
    """Return the focal point of a chart or a floor; None when it has none.

    (0, 0) is none: it is the corner of the drawing, where it stands until somebody places it.
    """
    point = chart.point("focalPoint")
    if point != (0.0, 0.0):
        return point
    findings.info(
        "FIELD_IGNORED",
        chart.place("focalPoint"),
        "the focal point is (0, 0), the corner of the drawing, as in a chart in which nobody has placed it",
        "It is not used.",
    )
    return None
