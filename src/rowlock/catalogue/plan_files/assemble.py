"""Converts a repaired draft to an immutable SeatingPlan: only numbers its seats, rows and sections."""

from rowlock.catalogue.model import Category, Row, Seat, SeatingPlan, Section, Shape, Zone
from rowlock.catalogue.plan_files.categories import DEFAULT_COLOR
from rowlock.catalogue.plan_files.draft import Draft

_SCENERY_COLOR = "#cbd5e1"


def assemble(draft: Draft) -> SeatingPlan:
    """Return the plan of a draft that the doctor has treated.

    Sections and rows keep the order of the file, seats go from left to right; seat_id counts all seats in this order.
    """
    category_index = {category.key: index for index, category in enumerate(draft.categories)}
    rows: list[Row] = []
    seats: list[Seat] = []
    for section_index, section in enumerate(draft.sections):
        for draft_row in section.rows:
            first_id = len(seats) + 1
            seats += [
                Seat(
                    seat_id=first_id + position,
                    row=len(rows),
                    run=seat.run,
                    position=position,
                    number=seat.number,
                    label=seat.label,
                    x=seat.x,
                    y=seat.y,
                    category=category_index[seat.category],
                    source_id=seat.source_id,
                    kind=seat.kind,
                )
                for position, seat in enumerate(draft_row.seats)
            ]
            rows.append(Row(section_index, draft_row.label))
    if draft.size is None or draft.focal_point is None:
        raise ValueError("assemble() needs a draft that plan_doctor.repair() has repaired")
    return SeatingPlan(
        name=draft.name,
        width=draft.size[0],
        height=draft.size[1],
        focal_point=draft.focal_point,
        in_the_round=draft.in_the_round,
        zones=_zones(draft),
        categories=tuple(
            Category(category.name, category.color or DEFAULT_COLOR, category.for_sale) for category in draft.categories
        ),
        sections=tuple(Section(section.name) for section in draft.sections),
        rows=tuple(rows),
        seats=tuple(seats),
        shapes=tuple(
            Shape(shape.kind, tuple(shape.points), shape.text, shape.color or _SCENERY_COLOR)
            for shape in draft.all_shapes()
        ),
    )


def _zones(draft: Draft) -> tuple[Zone, ...]:
    """Return the zones that have sections left, with the numbers of these."""
    number = {id(section): index for index, section in enumerate(draft.sections)}
    zones = (
        Zone(zone.name, zone.focal_point, tuple(sorted(number[id(s)] for s in zone.sections if id(s) in number)))
        for zone in draft.zones
    )
    return tuple(zone for zone in zones if zone.sections)
