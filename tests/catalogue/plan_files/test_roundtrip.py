"""Properties: what was read and written reads the same again, and no file raises anything but PlanError."""

import copy
import json
import math
import string
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.catalogue.plan_files.builders import (
    Json,
    chart,
    chart_row,
    pretix_plan,
    pretix_row,
    pretix_seat,
    pretix_zone,
    sub_chart,
)

from rowlock.catalogue.model import SeatingPlan
from rowlock.catalogue.plan_files import PlanError, pretix, read_plan

NAMES = st.text(string.ascii_letters + string.digits + " -äß座", max_size=8)
CATEGORIES = ["Stalls", "Stalls (wheelchair)", "Box (not for sale)", "Box (companion)", "Box", "Gesperrt", ""]
MARKS: list[Json] = [{}, {}, {"status": "blocked"}, {"accessible": True}]
GAPS = st.lists(st.sampled_from([25.0, 25.0, 25.0, 35.0, 60.0, 0.0]), max_size=12)
COORDINATES = st.integers(-3_000, 3_000).map(lambda eighth: eighth / 8)


@st.composite
def rows(draw: st.DrawFn) -> Json:
    """A straight, tilted or curved row with aisles; numbers and ids may repeat or be missing."""
    along = [0.0]
    for gap in draw(GAPS):
        along.append(along[-1] + gap)
    tilt = math.radians(draw(st.integers(-180, 180)))
    radius = draw(st.sampled_from([0.0, 200.0, 900.0]))
    seats = []
    for index, distance in enumerate(along):
        x, y = (
            (radius * math.sin(distance / radius), radius * math.cos(distance / radius)) if radius else (distance, 0.0)
        )
        seats.append(
            pretix_seat(
                draw(st.sampled_from([str(index), str(100 - index), "7", ""])),
                round(x * math.cos(tilt) - y * math.sin(tilt), 3),
                round(x * math.sin(tilt) + y * math.cos(tilt), 3),
                category=draw(st.sampled_from(CATEGORIES)),
                seat_guid=draw(st.sampled_from([f"g{index}", "", "same"])),
                **draw(st.sampled_from(MARKS)),
            )
        )
    position = {"x": draw(COORDINATES), "y": draw(COORDINATES)}
    return {"row_number": draw(NAMES), "position": position, "seats": seats}


PLANS = st.builds(
    lambda name, zones: pretix_plan(*zones, name=name),
    NAMES,
    st.lists(
        st.builds(
            lambda name, x, y, contents: pretix_zone(name, *contents, x=x, y=y),
            NAMES,
            COORDINATES,
            COORDINATES,
            st.lists(rows(), min_size=1, max_size=5),
        ),
        min_size=1,
        max_size=4,
    ),
)


def read(content: Json) -> SeatingPlan:
    return read_plan(json.dumps(content).encode(), name="hall.json").plan


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PLANS)
def test_a_plan_that_was_read_is_written_and_read_without_a_change(content: Json) -> None:
    plan = read(content)

    again = read_plan(pretix.write(plan), name="hall.json")

    assert again.plan.seats == plan.seats
    assert again.plan.rows == plan.rows
    assert again.plan.sections == plan.sections


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PLANS)
def test_every_plan_that_was_read_has_dense_ids_and_unique_labels_inside_its_bounds(content: Json) -> None:
    plan = read(content)

    seats = plan.seats
    assert len(seats) == sum(len(row["seats"]) for zone in content["zones"] for row in zone["rows"])
    assert [seat.seat_id for seat in seats] == list(range(1, len(seats) + 1))
    assert len({seat.label for seat in seats}) == len({seat.source_id for seat in seats}) == len(seats)
    assert [(plan.rows[seat.row].section, seat.row, seat.position) for seat in seats] == sorted(
        (plan.rows[seat.row].section, seat.row, seat.position) for seat in seats
    )
    runs = [seat.run for seat in seats]
    assert runs == sorted(runs)
    assert set(runs) == set(range(len(set(runs))))
    assert len({(seat.row, seat.run) for seat in seats}) == len(set(runs))
    assert all(0 <= seat.x <= plan.width and 0 <= seat.y <= plan.height for seat in seats)
    assert all(seat.number and seat.category < len(plan.categories) for seat in seats)
    assert len({category.name for category in plan.categories}) == len(plan.categories)


# Hostile files ------------------------------------------------------------------------------------

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=12)
    | st.sampled_from(["1e5", "-1", "NaN", " 7 ", "#fff", 10**400, -0.0, 1e-300]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


def originals() -> list[Json]:
    area = {
        "position": {"x": 1, "y": 2},
        "rotation": 30,
        "polygon": {"points": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 0, "y": 9}]},
        "text": {"text": "Stage", "position": {"x": 0, "y": 0}},
    }
    ellipse = {"ellipse": {"radius": {"x": 5, "y": 7}}, "rotation": 10}
    row = pretix_row("A", 50, (50, 75, 100), row_label="Row %s")
    plan = pretix_plan(pretix_zone("Hall", row, areas=[area, ellipse]), pretix_zone("Rear", pretix_row("B", 90, (50,))))
    table = {"label": "T", "center": {"x": 9, "y": 9}, "radius": 3, "seats": [{"x": 1, "y": 1, "label": "1"}]}
    booth = {"label": "B", "center": {"x": 99, "y": 99}, "width": 5, "height": 5, "rotationAngle": 45}
    parts = sub_chart(
        rows=[chart_row("A", 40, (40, 60))], tables=[table], booths=[booth], generalAdmissionAreas=[booth]
    )
    section = {"label": "S", "points": [{"x": 0, "y": 0}], "topLeft": {"x": 5, "y": 5}, "subChart": parts}
    return [plan, chart(subChart=parts | {"sections": [section]}), chart(subChartFloors=[parts, parts])]


def every_place(tree: Any) -> list[tuple[Any, Any]]:
    """Every container of the tree with one of its keys or indices."""
    found: list[tuple[Any, Any]] = []
    members = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    for key, value in members:
        found.append((tree, key))
        found += every_place(value)
    return found


def read_or_refuse(data: bytes, name: str) -> SeatingPlan | PlanError:
    """Read a file that may be anything. Whatever else than a PlanError is raised fails the test."""
    try:
        return read_plan(data, name=name).plan
    except PlanError as error:
        return error


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mutated_plan_is_read_or_refused_with_a_plan_error(data: st.DataObject) -> None:
    content = copy.deepcopy(data.draw(st.sampled_from(originals())))
    for _ in range(data.draw(st.integers(1, 4))):
        places = every_place(content)
        if not places:
            break
        container, key = data.draw(st.sampled_from(places))
        if data.draw(st.booleans()):
            container[key] = data.draw(ANYTHING)
        else:
            del container[key]

    outcome = read_or_refuse(json.dumps(content).encode(), "hall.json")

    if isinstance(outcome, PlanError):
        assert str(outcome).isprintable()
    else:
        assert read_plan(pretix.write(outcome), name="hall.json").plan.seats == outcome.seats


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["a.json", "a.csv", "", "/", "\x00"]))
def test_arbitrary_bytes_are_read_or_refused_with_a_plan_error(data: bytes, name: str) -> None:
    outcome = read_or_refuse(data, name)

    assert outcome.message if isinstance(outcome, PlanError) else outcome.seats


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["row,seat,x,y,kind,id,category,section\n", "row;seat;x;y\n", "row\tseat\n", ""]),
    st.lists(st.sampled_from([*'\n,;\t"A1+:-. \r\x00é\u2028', "res:A1", "NaN", "\nA,1,5,5"]), max_size=60).map("".join),
)
def test_arbitrary_csv_is_read_or_refused_with_a_plan_error(header: str, body: str) -> None:
    outcome = read_or_refuse((header + body).encode(), "hall.csv")

    if not isinstance(outcome, PlanError):
        assert read_plan(pretix.write(outcome), name="hall.json").plan.seats == outcome.seats


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_plan_cut_anywhere_is_refused_with_its_line(data: st.DataObject) -> None:
    text = json.dumps(data.draw(st.sampled_from(originals())), indent=1)
    cut = text[: data.draw(st.integers(1, len(text) - 2))]

    outcome = read_or_refuse(cut.encode(), "hall.json")

    assert isinstance(outcome, PlanError)
    assert outcome.code in {"TRUNCATED", "NOT_JSON"}  # A file cut after "tru" ends in a wrong word.
    assert outcome.place.startswith("line ")
