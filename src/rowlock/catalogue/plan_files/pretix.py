"""Reads and writes pretix seating plans (JSON).

Field names follow pretix's published `seating-plan.schema.json`. What that schema forbids but real files contain is
accepted and reported. What it has no field for (wheelchair places, seats that are never sold) is written into
category names, which the plan doctor reads.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

from rowlock.catalogue.model import Row, Seat, SeatingPlan, Shape
from rowlock.catalogue.plan_files import categories, labels
from rowlock.catalogue.plan_files.draft import (
    Draft,
    DraftCategory,
    DraftRow,
    DraftSeat,
    DraftSection,
    DraftShape,
    SeatCounter,
    check_categories,
    to_unit,
)
from rowlock.catalogue.plan_files.errors import PlanError
from rowlock.catalogue.plan_files.fields import Fields
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.geometry import bounding_box

_PLAN_KEYS = frozenset({"name", "categories", "zones", "size"})
_CATEGORY_KEYS = frozenset({"name", "color"})
_ZONE_KEYS = frozenset({"name", "zone_id", "uuid", "position", "rows", "areas", "displayed"})
_ROW_KEYS = frozenset(
    {
        "row_number",
        "row_number_position",
        "row_label",
        "seat_label",
        "uuid",
        "position",
        "seats",
        "number_of_seats",
        "seats_spacing",
    }
)
_SEAT_KEYS = frozenset(
    {"seat_guid", "seat_number", "uuid", "position", "category", "radius", "start_direction", "wheelchair"}
)
_ELLIPSE_CORNERS = 24


def read(tree: dict[str, Any], findings: Findings) -> Draft:
    """Return the draft of a parsed file. Raises PlanError."""
    plan = Fields(tree, "", findings)
    plan.report_unknown(_PLAN_KEYS)
    if not plan.has("zones"):
        raise PlanError("FIELD_MISSING", "zones", "expected a list of zones, found nothing")
    counter = SeatCounter()
    check_categories(plan.length("categories"), plan.place("categories"))
    counter.sections(plan.length("zones"), plan.place("zones"))
    return Draft(
        name=plan.text("name"),
        size=_read_size(plan, findings),
        categories=[_read_category(category) for category in plan.children("categories")],
        sections=[_read_zone(zone, counter, findings) for zone in plan.children("zones")],
    )


def _read_size(plan: Fields, findings: Findings) -> tuple[float, float] | None:
    if not plan.has("size"):
        return None
    size = plan.child("size")
    width, height = size.number("width"), size.number("height")
    if width is None or height is None or width <= 0 or height <= 0:
        return None
    whole = float(math.ceil(width)), float(math.ceil(height))
    if whole != (width, height):
        findings.repaired(
            "SIZE_NOT_WHOLE",
            size.path,
            f"the size is {width:g} × {height:g}, and the format requires whole numbers",
            f"Rounded up to {whole[0]:g} × {whole[1]:g}.",
        )
    return whole


def _read_category(category: Fields) -> DraftCategory:
    category.report_unknown(_CATEGORY_KEYS)
    name = category.text("name")
    return DraftCategory(key=name, name=name, color=category.color("color"), place=category.path)


def _read_zone(zone: Fields, counter: SeatCounter, findings: Findings) -> DraftSection:
    counter.rows(zone.length("rows"), zone.place("rows"))
    counter.shapes(zone.length("areas"), zone.place("areas"))
    origin = zone.point("position") or (0.0, 0.0)
    areas = (_read_area(area, origin, counter, findings) for area in zone.children("areas"))
    section = DraftSection(
        name=zone.text("name") or zone.text("zone_id"),
        place=zone.path,
        rows=[_read_row(row, origin, counter) for row in zone.children("rows")],
        shapes=[shape for shape in areas if shape is not None],
    )
    zone.report_unknown(_ZONE_KEYS, list(section.seats()))
    return section


def _read_row(row: Fields, origin: tuple[float, float], counter: SeatCounter) -> DraftRow:
    counter.seats(row.length("seats"), row.place("seats"))
    x, y = row.point("position") or (0.0, 0.0)
    start = origin[0] + x, origin[1] + y
    draft = DraftRow(
        label=row.text("row_number"),
        place=row.path,
        seats=[_read_seat(seat, start) for seat in row.children("seats")],
        row_text=row.text("row_label"),
        seat_text=row.text("seat_label"),
    )
    row.report_unknown(_ROW_KEYS, draft.seats)
    return draft


def _read_seat(seat: Fields, start: tuple[float, float]) -> DraftSeat:
    position = seat.point("position")
    if position is None:
        raise PlanError("FIELD_MISSING", seat.place("position"), "expected the seat's x and y, found nothing")
    draft = DraftSeat(
        number=seat.text("seat_number"),
        x=to_unit(start[0] + position[0]),
        y=to_unit(start[1] + position[1]),
        category=seat.text("category"),
        source_id=seat.text("seat_guid"),
        place=seat.path,
        # Not in the published schema, but some organizers' files have it.
        kind="wheelchair" if seat.flag("wheelchair") else "standard",
    )
    seat.report_unknown(_SEAT_KEYS, [draft])
    return draft


def _read_area(
    area: Fields, origin: tuple[float, float], counter: SeatCounter, findings: Findings
) -> DraftShape | None:
    """Return an area as scenery; versions of the format describe areas differently."""
    x, y = area.point("position") or (0.0, 0.0)
    shape = _area_outline(area, (origin[0] + x, origin[1] + y))
    if shape is None:
        findings.warn("SHAPE_UNREADABLE", area.path, "an area without a known shape", "Left out of the scenery.")
        return None
    counter.points(len(shape.points), area.path)
    shape.points = [(to_unit(px), to_unit(py)) for px, py in shape.points]
    shape.color = area.color("color") or shape.color
    return shape


def _area_outline(area: Fields, at: tuple[float, float]) -> DraftShape | None:
    x, y = at
    text, text_at, text_color = _area_text(area, at)
    turn = math.radians(area.number("rotation") or 0.0)
    if area.has("polygon"):
        corners = [point.xy() for point in area.child("polygon").children("points")]
        points = [_turned(px, py, turn, at) for px, py in corners]
        return DraftShape("polygon", points, text) if len(points) > 2 else None
    if area.has("ellipse") or area.has("circle"):
        return _round_area(area, at, turn, text)
    box = area.child("rectangle") if area.has("rectangle") else area
    width, height = box.number("width"), box.number("height")
    if width is not None and height is not None:
        if not turn:
            return DraftShape("rectangle", [(x, y), (x + width, y + height)], text)
        corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
        return DraftShape("polygon", [_turned(px, py, turn, at) for px, py in corners], text)
    return DraftShape("text", [text_at], text, text_color) if text else None


def _round_area(area: Fields, at: tuple[float, float], turn: float, text: str) -> DraftShape | None:
    x, y = at
    if area.has("ellipse"):
        across, down = area.child("ellipse").point("radius") or (0.0, 0.0)
    else:
        across = down = area.child("circle").number("radius") or 0.0
    if across <= 0 or down <= 0:
        return None
    if not turn or across == down:
        return DraftShape("ellipse", [(x - across, y - down), (x + across, y + down)], text)
    angles = [2 * math.pi * corner / _ELLIPSE_CORNERS for corner in range(_ELLIPSE_CORNERS)]
    points = [_turned(across * math.cos(angle), down * math.sin(angle), turn, at) for angle in angles]
    return DraftShape("polygon", points, text)


def _area_text(area: Fields, at: tuple[float, float]) -> tuple[str, tuple[float, float], str]:
    """Return an area's text, its place and its color; in old files the text is a plain string."""
    if not area.has("text"):
        return "", at, ""
    if area.is_text("text"):
        return area.text("text"), at, ""
    text = area.child("text")
    x, y = text.point("position") or (0.0, 0.0)
    return text.text("text"), (at[0] + x, at[1] + y), text.color("color")


def _turned(x: float, y: float, turn: float, at: tuple[float, float]) -> tuple[float, float]:
    cosine, sine = math.cos(turn), math.sin(turn)
    return at[0] + x * cosine - y * sine, at[1] + x * sine + y * cosine


def write(plan: SeatingPlan) -> bytes:
    """Return the plan as a pretix seating plan that satisfies the strict schema, UTF-8 without indentation.

    Reading it again gives the same seats, rows, runs and sections, for every plan that the doctor has processed. The
    format has no focal point.
    """
    names = categories.WrittenNames(plan)
    zones: list[dict[str, Any]] = []
    if plan.shapes:
        areas = [_write_shape(shape) for shape in plan.shapes]
        zones.append({"name": "Scenery", "position": _position(0, 0), "rows": [], "areas": areas})
    zones += [
        {"name": section.name, "zone_id": section.name, "position": _position(0, 0), "rows": [], "areas": []}
        for section in plan.sections
    ]
    first_section = len(zones) - len(plan.sections)
    for row, seats in zip(plan.rows, _seats_by_row(plan), strict=True):
        if seats:
            section_name = labels.section_text(plan.sections[row.section].name, len(plan.sections))
            zones[first_section + row.section]["rows"].append(_write_row(row, seats, section_name, names))
    document = {
        "name": plan.name,
        "categories": [{"name": name, "color": color} for name, color in names.declared()],
        "zones": zones,
        "size": {"width": math.ceil(plan.width), "height": math.ceil(plan.height)},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _seats_by_row(plan: SeatingPlan) -> list[list[Seat]]:
    rows: list[list[Seat]] = [[] for _ in plan.rows]
    for seat in plan.seats:
        rows[seat.row].append(seat)
    return [sorted(seats, key=lambda seat: seat.position) for seats in rows]


def _write_row(row: Row, seats: list[Seat], section: str, names: categories.WrittenNames) -> dict[str, Any]:
    start = seats[0]
    written: dict[str, Any] = {
        "row_number": row.label,
        "row_number_position": "both",
        "position": _position(start.x, start.y),
        "seats": [
            {
                "seat_guid": seat.source_id,
                "seat_number": seat.number,
                "position": _position(to_unit(seat.x - start.x), to_unit(seat.y - start.y)),
                "category": names.of(seat),
            }
            for seat in seats
        ],
    }
    row_text, seat_text = labels.texts_of(start.label, section, row.label, start.number)
    if row_text != labels.default_row_text("row"):
        written["row_label"] = row_text
    if seat_text != labels.DEFAULT_SEAT_TEXT:
        written["seat_label"] = seat_text
    return written


def _write_shape(shape: Shape) -> dict[str, Any]:
    (x, y), *_ = shape.points
    area: dict[str, Any] = {"color": shape.color, "border_color": shape.color, "rotation": 0}
    match shape.kind:
        case "text":
            area |= {"shape": "text", "position": _position(x, y)}
        case "ellipse":
            (left, top), (right, bottom) = shape.points
            radius = _position((right - left) / 2, (bottom - top) / 2)
            centre = _position((left + right) / 2, (top + bottom) / 2)
            area |= {"shape": "ellipse", "position": centre, "ellipse": {"radius": radius}}
        case "rectangle" if _is_whole(shape.points):
            (left, top), (right, bottom) = shape.points
            size = {"width": int(right - left), "height": int(bottom - top)}
            area |= {"shape": "rectangle", "position": _position(left, top), "rectangle": size}
        case _:
            # The schema requires whole numbers for the size of a rectangle, so other rectangles become polygons.
            points = [_position(to_unit(px - x), to_unit(py - y)) for px, py in _corners(shape)]
            area |= {"shape": "polygon", "position": _position(x, y), "polygon": {"points": points}}
    if shape.text:
        area["text"] = {"text": shape.text, "position": _text_offset(shape), "color": shape.color, "size": 16}
    return area


def _corners(shape: Shape) -> Iterable[tuple[float, float]]:
    if shape.kind == "polygon":
        return shape.points
    (left, top), (right, bottom) = shape.points
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _text_offset(shape: Shape) -> dict[str, float]:
    """Return the position of the text relative to the area's position: the middle of the shape."""
    if shape.kind in {"text", "ellipse"}:
        return _position(0, 0)
    left, top, right, bottom = bounding_box(shape.points)
    x, y = shape.points[0]
    return _position(to_unit((left + right) / 2 - x), to_unit((top + bottom) / 2 - y))


def _is_whole(points: Iterable[tuple[float, float]]) -> bool:
    (left, top), (right, bottom) = points
    return float(right - left).is_integer() and float(bottom - top).is_integer()


def _position(x: float, y: float) -> dict[str, float]:
    return {"x": int(x) if x == int(x) else x, "y": int(y) if y == int(y) else y}
