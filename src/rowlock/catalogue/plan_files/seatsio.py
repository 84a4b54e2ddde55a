"""Reads seats.io charts (JSON, as the designer exports them): rows, tables and booths become seats.

Coordinates within a section are relative to its `topLeft`. General admission areas have no numbered seats: they become
scenery and are reported. Field names are those of charts of versions 17 to 21.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from rowlock.catalogue.plan_files import marks, seatsio_zones
from rowlock.catalogue.plan_files.draft import (
    Draft,
    DraftCategory,
    DraftFloor,
    DraftRow,
    DraftSeat,
    DraftSection,
    DraftShape,
    RowWord,
    SeatCounter,
    check_categories,
    to_unit,
)
from rowlock.catalogue.plan_files.errors import PlanError
from rowlock.catalogue.plan_files.fields import Fields
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.floors import FLOOR_GAP
from rowlock.catalogue.plan_files.geometry import Point
from rowlock.catalogue.plan_files.labels import count_of
from rowlock.catalogue.plan_files.seatsio_keys import (
    BOOTH_KEYS,
    CATEGORY_KEYS,
    CHART_KEYS,
    NAMED_MARKS,
    ROW_KEYS,
    SEAT_KEYS,
    SECTION_KEYS,
    SUB_CHART_KEYS,
    TABLE_KEYS,
)

_DEFAULT_SCALE = 100.0


def read(tree: dict[str, Any], findings: Findings) -> Draft:
    """Return the draft of a parsed file. Raises PlanError."""
    chart = Fields(tree, "", findings)
    chart.report_unknown(CHART_KEYS)
    return _ChartReader(chart, findings).read()


class _ChartReader:
    """Reads one chart. Its sections become sections of the plan; rows outside sections form one without a name."""

    def __init__(self, chart: Fields, findings: Findings) -> None:
        self._chart = chart
        self._findings = findings
        self._counter = SeatCounter()
        self._draft = Draft(name=chart.text("name"))
        self._accessible_categories: set[str] = set()
        self._category_of_label: dict[str, str] = {}
        self._top = 0.0
        self._zones = seatsio_zones.Zones(chart)

    def read(self) -> Draft:
        """Return the draft."""
        self._read_categories()
        self._report_scale()
        if self._chart.has("subChart"):
            chart = self._chart.child("subChart")
            self._draft.size = _size(chart)
            self._draft.focal_point = seatsio_zones.focal_point(chart, self._findings)
            self._read_sub_chart(chart, (0.0, 0.0), "")
        else:
            self._read_floors()
        self._draft.zones = self._zones.all()
        # A chart with zones has no other focal point.
        self._draft.focal_point = self._draft.focal_point or self._zones.first_point()
        return self._draft

    def _read_categories(self) -> None:
        if not self._chart.has("categories"):
            return
        categories = self._chart.child("categories")
        check_categories(categories.length("list"), categories.place("list"))
        for category in categories.children("list"):
            category.report_unknown(CATEGORY_KEYS)
            name = category.text("label")
            # The format allows numbers and texts as keys, so a number is not a finding.
            key = category.key("key") or name
            self._category_of_label.setdefault(name, key)
            if category.flag("accessible"):
                self._accessible_categories.add(key)
            self._draft.categories.append(DraftCategory(key, name, category.color("color"), category.path))

    def _report_scale(self) -> None:
        scale = self._chart.number("sectionScaleFactor")
        if scale is not None and scale != _DEFAULT_SCALE:
            self._findings.warn(
                "FIELD_IGNORED",
                "sectionScaleFactor",
                f"sections have a scale of {scale:g} %",
                "Ignored: sections are read at 100 %. Check the map before you publish the plan.",
            )

    def _read_floors(self) -> None:
        """Place floors below each other: in the file they have the same coordinates. The doctor may turn the stack."""
        width = top = 0.0
        self._counter.sections(self._chart.length("subChartFloors"), "subChartFloors")
        floors = list(self._chart.children("subChartFloors"))
        if not floors:
            raise PlanError("FIELD_MISSING", "subChart", "expected the chart, found nothing")
        for floor in floors:
            floor_width, floor_height = _size(floor) or (0.0, 0.0)
            point = seatsio_zones.focal_point(floor, self._findings)
            if self._draft.focal_point is None and point is not None:
                self._draft.focal_point = point[0], point[1] + top
            earlier = len(self._draft.sections), len(self._draft.shapes)
            name = floor.text("floorDisplayName") or floor.text("floorName")
            self._top = top
            self._read_sub_chart(floor, (0.0, top), name if len(floors) > 1 else "")
            sections, shapes = self._draft.sections[earlier[0] :], self._draft.shapes[earlier[1] :]
            self._draft.floors.append(DraftFloor(top, floor_height, sections, shapes, self._zones.on_floor(top)))
            width = max(width, floor_width)
            top += floor_height + FLOOR_GAP
        self._draft.size = width, top - FLOOR_GAP
        if len(floors) > 1:
            self._findings.info(
                "FLOORS_STACKED",
                "subChartFloors",
                f"the chart has {len(floors)} floors",
                "The first is placed next to the stage, and the others behind it; section names begin with the floor.",
            )

    def _read_sub_chart(self, chart: Fields, origin: Point, floor: str) -> None:
        chart.report_unknown(SUB_CHART_KEYS)
        target = _Target(DraftSection(floor, chart.path), "", "", origin)
        self._read_rows(chart, target)
        self._counter.sections(chart.length("sections"), chart.place("sections"))
        sections = [self._read_section(section, origin, floor) for section in chart.children("sections")]
        labels = (section.text("label") for section in chart.children("sections"))
        by_label = dict(zip(labels, sections, strict=True))
        for label, named in target.by_label.items():
            if label in by_label:
                by_label[label].rows += named.rows
            else:
                named.name = _section_name(floor, named.name)
                sections.append(named)
        if target.section.rows or target.section.shapes:
            sections.insert(0, target.section)
        self._draft.sections += sections
        self._read_scenery(chart, origin, self._draft.shapes)

    def _read_section(self, section: Fields, origin: Point, floor: str, outer_zone: str = "") -> DraftSection:
        label = section.text("label")
        shown = _shown_name(section, label)
        outline = [point.xy() for point in section.children("points")]
        draft = DraftSection(_section_name(floor, shown), section.path)
        zone = section.key("zone") or outer_zone
        self._zones.add(zone, draft, self._top)
        if len(outline) > 2:
            self._add_shape(draft.shapes, DraftShape("polygon", _placed(outline, origin), shown), section.path)
        if section.has("subChart"):
            corner = section.point("topLeft")
            if corner is None:
                corner = min((x for x, _ in outline), default=0.0), min((y for _, y in outline), default=0.0)
            inner = section.child("subChart")
            inner.report_unknown(SUB_CHART_KEYS)
            start = origin[0] + corner[0], origin[1] + corner[1]
            self._read_rows(inner, _Target(draft, label, self._category(section), start))
            self._read_scenery(inner, start, draft.shapes)
            self._counter.sections(inner.length("sections"), inner.place("sections"))
            for nested_section in inner.children("sections"):
                self._draft.sections.append(self._read_section(nested_section, start, draft.name, zone))
        self._report_marks(section, SECTION_KEYS, list(draft.seats()), " of their section")
        return draft

    def _read_rows(self, chart: Fields, target: "_Target") -> None:
        """Read everything with numbered places: rows, tables, booths."""
        for kind in ("rows", "tables", "booths"):
            self._counter.rows(chart.length(kind), chart.place(kind))
        for row in chart.children("rows"):
            self._report_marks(row, ROW_KEYS, self._read_seats(row, target, "row"), " of their row")
        for table in chart.children("tables"):
            chairs = self._read_seats(table, target, "table")
            self._report_marks(table, TABLE_KEYS, chairs, " of their table")
            if table.flag("bookAsAWhole"):
                self._findings.of_seats(
                    "TABLE_AS_A_WHOLE",
                    "warning",
                    table.path,
                    "at tables that are booked as a whole",
                    "The chairs are sold one by one, and best available may part them among several groups.",
                    seats=len(chairs),
                )
            self._add_shape(target.section.shapes, _outline(table, target.origin), table.path)
        for booth in chart.children("booths"):
            self._report_marks(booth, BOOTH_KEYS, [self._read_booth(booth, target)])

    def _report_marks(self, owner: Fields, known: frozenset[str], seats: list[DraftSeat], whose: str = "") -> None:
        """Use and name what an object says of its seats, beside where they are and what they are called."""
        owner.report_unknown(known, seats)
        if owner.has("published"):
            marks.use("published", owner.flag("published"), seats, owner.place("published"), self._findings)
        for mark, severity, done in NAMED_MARKS:
            if mark in known and owner.is_set(mark) and seats:
                self._findings.of_seats(
                    "FIELD_IGNORED", severity, owner.place(mark), f"with the mark {mark}{whose}", done, seats=len(seats)
                )

    def _read_seats(self, row: Fields, target: "_Target", word: RowWord) -> list[DraftSeat]:
        self._counter.seats(row.length("seats"), row.place("seats"))
        section, section_label = target.of(row)
        label = row.text("label")
        category = self._category(row) or target.category
        parents = section_label, label
        seats = [self._read_seat(seat, target.origin, parents, category) for seat in row.children("seats")]
        shown = row.text("displayObjectType")
        row_text = f"{shown} %s" if shown else ""
        section.rows.append(DraftRow(row.text("displayLabel") or label, row.path, seats, word, row_text))
        return seats

    def _read_seat(self, seat: Fields, origin: Point, parents: tuple[str, str], category: str) -> DraftSeat:
        label = seat.text("label")
        x, y = seat.xy()
        key = self._category(seat) or category
        accessible = seat.flag("accessible") or seat.flag("categoryAccessible")
        draft = DraftSeat(
            number=seat.text("displayLabel") or label,
            x=to_unit(origin[0] + x),
            y=to_unit(origin[1] + y),
            category=key,
            source_id=_object_label(*parents, label),
            place=seat.path,
        )
        if seat.flag("companionSeat"):
            draft.kind = "companion"
        elif accessible or key in self._accessible_categories:
            draft.kind = "wheelchair"
        self._report_marks(seat, SEAT_KEYS, [draft])
        return draft

    def _read_booth(self, booth: Fields, target: "_Target") -> DraftSeat:
        """Read a booth as one seat, because it is booked as a whole."""
        self._counter.seats(1, booth.path)
        section, section_label = target.of(booth)
        label = booth.text("label")
        centre = booth.point("center")
        if centre is None:
            raise PlanError("FIELD_MISSING", booth.place("center"), "expected the booth's x and y, found nothing")
        seat = DraftSeat(
            number="1",
            x=to_unit(target.origin[0] + centre[0]),
            y=to_unit(target.origin[1] + centre[1]),
            category=self._category(booth) or target.category,
            source_id=_object_label(section_label, label),
            place=booth.path,
        )
        section.rows.append(DraftRow(booth.text("displayLabel") or label, booth.path, [seat], "booth"))
        return seat

    def _category(self, owner: Fields) -> str:
        """Return the key of an object's category, found by key or else by label; "" when it names none."""
        key = owner.key("categoryKey")
        if key:
            return key
        label = owner.text("categoryLabel")
        return self._category_of_label.get(label, label)

    def _read_scenery(self, chart: Fields, origin: Point, shapes: list[DraftShape]) -> None:
        for kind in ("generalAdmissionAreas", "shapes", "texts"):
            self._counter.shapes(chart.length(kind), chart.place(kind))
        for area in chart.children("generalAdmissionAreas"):
            label = area.text("label")
            capacity = area.number("capacity")
            places = f" for {count_of(int(capacity)).replace('seat', 'person')}" if capacity else ""
            self._findings.warn(
                "GENERAL_ADMISSION",
                area.path,
                f'"{label}" is a general admission area{places}, without numbered seats',
                "Its places are not imported; the area stays on the map as scenery.",
            )
            self._add_shape(shapes, _outline(area, origin), area.path)
        for kind in ("shapes", "texts"):
            for shape in chart.children(kind):
                self._add_shape(shapes, _outline(shape, origin), shape.path)

    def _add_shape(self, shapes: list[DraftShape], shape: DraftShape | None, path: str) -> None:
        if shape is None:
            self._findings.warn("SHAPE_UNREADABLE", path, "a shape without a known outline", "Left out of the scenery.")
            return
        self._counter.points(len(shape.points), path)
        shapes.append(shape)


@dataclass(slots=True)
class _Target:
    """Where the rows of one (sub)chart are added.

    by_label  sections that rows outside every section name, by label.
    """

    section: DraftSection
    label: str
    category: str
    origin: Point
    by_label: dict[str, DraftSection] = field(default_factory=dict)

    def of(self, row: Fields) -> tuple[DraftSection, str]:
        """Return the section of a row, and its label as a part of seats.io's seat ids."""
        own_label = row.text("sectionLabel")
        if self.label or not own_label:
            return self.section, self.label
        shown = row.text("sectionDisplayedLabel") or own_label
        return self.by_label.setdefault(own_label, DraftSection(shown, row.path)), own_label


def _object_label(*labels: str) -> str:
    """Return a seat's id in the API of seats.io: "Balcony-C-12"; "" if the seat has no label."""
    return "-".join(label for label in labels if label) if labels[-1] else ""


def _shown_name(section: Fields, label: str) -> str:
    """Return what buyers are shown: the displayed label, after the displayed type where it does not begin with it."""
    name, kind = section.text("displayLabel") or label, section.text("displayObjectType")
    return f"{kind} {name}" if kind and name and not name.casefold().startswith(kind.casefold()) else name


def _section_name(floor: str, label: str) -> str:
    return f"{floor}, {label}" if floor and label else label or floor


def _outline(shape: Fields, origin: Point) -> DraftShape | None:
    """Return a shape, a table or an area as scenery; the outline is points, a centre with radii, or a box."""
    text = shape.text("label") or shape.text("text")
    color = shape.color("fillColor") or shape.color("textColor")
    corners = [point.xy() for point in shape.children("points")]
    if len(corners) > 2:
        return DraftShape("polygon", _placed(corners, origin), text, color)
    centre = shape.point("center")
    across = shape.number("radius1") or shape.number("radius")
    down = shape.number("radius2") or across
    width, height = shape.number("width"), shape.number("height")
    if centre is not None and across and down:
        box = [(centre[0] - across, centre[1] - down), (centre[0] + across, centre[1] + down)]
        return DraftShape("ellipse", _placed(box, origin), text, color)
    corner = shape.point("topLeft")
    if corner is None and centre is not None and width and height:
        corner = centre[0] - width / 2, centre[1] - height / 2
    if corner is not None and width and height:
        return _box(shape, corner, (width, height), origin, text, color)
    position = centre if centre is not None else corner
    if position is None and shape.has("x") and shape.has("y"):
        position = shape.xy()
    return DraftShape("text", _placed([position], origin), text, color) if position is not None and text else None


def _box(shape: Fields, corner: Point, size: Point, origin: Point, text: str, color: str) -> DraftShape:
    """Return a rectangle, turned about its middle by the shape's `rotationAngle` in degrees."""
    (left, top), (width, height) = corner, size
    turn = math.radians(shape.number("rotationAngle") or 0.0)
    if not turn:
        return DraftShape("rectangle", _placed([corner, (left + width, top + height)], origin), text, color)
    x, y = left + width / 2, top + height / 2
    cosine, sine = math.cos(turn), math.sin(turn)
    halves = [(-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2)]
    corners = [(x + dx * cosine - dy * sine, y + dx * sine + dy * cosine) for dx, dy in halves]
    return DraftShape("polygon", _placed(corners, origin), text, color)


def _placed(points: list[Point], origin: Point) -> list[Point]:
    return [(to_unit(origin[0] + x), to_unit(origin[1] + y)) for x, y in points]


def _size(chart: Fields) -> Point | None:
    width, height = chart.number("width"), chart.number("height")
    if not width or not height or width < 0 or height < 0:
        return None
    return float(math.ceil(width)), float(math.ceil(height))
