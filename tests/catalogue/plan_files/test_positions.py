"""Where seats are: overlapping sections, single overlapping seats, and the plan's bounds."""

from collections.abc import Sequence

import pytest
from tests.catalogue.plan_files.builders import (
    Json,
    findings,
    only,
    pretix_plan,
    pretix_row,
    pretix_seat,
    pretix_zone,
    read,
)

from rowlock.catalogue.model import SeatingPlan
from rowlock.catalogue.plan_files import PlanError
from rowlock.catalogue.plan_files.geometry import Point

SIX = (0, 25, 50, 75, 100, 125)


def block(name: str, x: float, y: float, rows: int = 3, areas: Sequence[Json] = ()) -> Json:
    return pretix_zone(name, *(pretix_row(str(row), 40 * row, SIX) for row in range(rows)), x=x, y=y, areas=list(areas))


def places(plan: SeatingPlan, section: str) -> set[Point]:
    return {(seat.x, seat.y) for seat in plan.seats if plan.sections[plan.rows[seat.row].section].name == section}


def test_a_section_that_overlaps_another_is_moved_off_as_a_whole() -> None:
    reading = read(pretix_plan(block("Left", 10, 10), block("Right", 60, 10)))

    left, right = places(reading.plan, "Left"), places(reading.plan, "Right")
    assert left == {(10 + x, 10 + y) for x in SIX for y in (0, 40, 80)}
    assert right == {(185 + x, 10 + y) for x in SIX for y in (0, 40, 80)}  # 50 units right of the left block.
    finding = only(reading.report, "SECTIONS_OVERLAP")
    assert (finding.severity, finding.place) == ("repaired", "zones[1]")
    assert finding.found == '12 of the 18 seats of section "Right" overlap "Left"'
    assert finding.done == "The whole section was moved by (125, 0)."
    assert "SEATS_OVERLAP" not in reading.report.counts


@pytest.mark.parametrize(
    ("offset", "moved"), [((-50, 0), (-175, 0)), ((0, 40), (0, 130)), ((0, -40), (0, -130)), ((0, 0), (175, 0))]
)
def test_a_section_moves_to_the_side_where_it_already_is(offset: Point, moved: Point) -> None:
    reading = read(pretix_plan(block("First", 500, 500), block("Second", 500 + offset[0], 500 + offset[1])))

    assert min(places(reading.plan, "Second")) == (500 + moved[0], 500 + moved[1])


def test_eight_sections_that_overlap_are_all_separated() -> None:
    reading = read(pretix_plan(*(block(f"Block {number}", 50 * number, 0) for number in range(8))))

    spots = [(seat.x, seat.y) for seat in reading.plan.seats]
    assert len(set(spots)) == len(spots)
    assert "SEATS_OVERLAP" not in reading.report.counts


def test_a_section_that_has_to_give_way_to_a_moved_one_is_not_reported_as_overlapping() -> None:
    reading = read(pretix_plan(block("A", 0, 0), block("B", 50, 0), block("C", 200, 0)))

    found = [finding.found for finding in findings(reading.report, "SECTIONS_OVERLAP")]
    assert found == ['12 of the 18 seats of section "B" overlap "A"', 'section "C" overlaps "B", which was moved there']


def court(x: float, y: float, width: float, height: float) -> Json:
    text = {"text": "Court", "position": {"x": 0, "y": 0}}
    return {"position": {"x": x, "y": y}, "rectangle": {"width": width, "height": height}, "text": text}


def test_blocks_beside_a_court_give_way_to_the_one_in_the_middle() -> None:
    ground = court(400, 400, 350, 100)
    north = [block(name, x, 250) for name, x in (("North left", 425), ("North", 500), ("North right", 575))]
    south = [block(name, x, 550) for name, x in (("South left", 425), ("South", 500), ("South right", 575))]

    plan = read(pretix_plan(pretix_zone("Ground", areas=[ground]), *north, *south)).plan

    assert plan.focal_point == (575, 450)
    assert {min(places(plan, name)) for name in ("North", "South")} == {(500, 250), (500, 550)}
    assert {min(places(plan, name)) for name in ("North left", "South left")} == {(325, 250), (325, 550)}
    assert {min(places(plan, name)) for name in ("North right", "South right")} == {(675, 250), (675, 550)}


def test_the_middle_block_stays_in_front_of_the_stage() -> None:
    stage = {"position": {"x": 575, "y": 100}, "text": {"text": "Stage", "position": {"x": 0, "y": 0}}}
    blocks = [block(name, x, 250) for name, x in (("Left", 425), ("Centre", 500), ("Right", 575))]

    plan = read(pretix_plan(pretix_zone("Signs", areas=[stage]), *blocks)).plan

    assert [min(places(plan, name)) for name in ("Left", "Centre", "Right")] == [(325, 250), (500, 250), (675, 250)]


def test_blocks_around_a_court_that_is_not_drawn_stay_around_it() -> None:
    def stand(name: str, x: float, y: float, labels: Sequence[int]) -> Json:
        return pretix_zone(name, *(pretix_row(str(row), 40 * at, SIX) for at, row in enumerate(labels)), x=x, y=y)

    sides = (("N", 0, (3, 2, 1)), ("S", 400, (1, 2, 3)))
    blocks = [stand(f"{name}{at}", 500 + 75 * at, y, labels) for name, y, labels in sides for at in range(3)]

    plan = read(pretix_plan(*blocks)).plan

    assert (plan.focal_point, plan.in_the_round) == ((637.5, 240), True)
    assert min(places(plan, "N1")) == (575, 0)
    assert min(places(plan, "S1")) == (575, 400)


def test_a_section_without_a_free_place_near_the_court_stays_and_is_reported() -> None:
    # Each attempt meets the next block of a long stand, so that the last resort would be its far end.
    stand = [block(f"Block {number}", 175 * number, 300) for number in range(12)]
    stray = block("Stray", 30, 310)
    sign = court(0, 0, 350, 100)

    reading = read(pretix_plan(pretix_zone("Ground", areas=[sign]), *stand, stray, size={"width": 3000, "height": 900}))

    assert max(x for x, _ in places(reading.plan, "Stray")) < 700


def test_the_scenery_of_a_section_moves_with_it() -> None:
    sign = {"position": {"x": 0, "y": -20}, "text": {"text": "Right", "position": {"x": 0, "y": 0}}}

    plan = read(pretix_plan(block("Left", 10, 110), block("Right", 60, 110, areas=[sign]))).plan

    assert plan.shapes[0].points == ((185, 90),)


def test_a_single_seat_on_another_section_is_a_warning_and_stays() -> None:
    stray = pretix_zone("Box", pretix_row("A", 0, (0, 25, 50, 75, 100, 125, 150, 175, 200, 225, 250)), x=135, y=10)

    reading = read(pretix_plan(block("Left", 10, 10), stray))

    assert only(reading.report, "SEATS_OVERLAP").place == "zones[1].rows[0].seats[0]"
    assert min(places(reading.plan, "Box")) == (135, 10)
    assert reading.report.repairs == 0


def test_seats_on_one_spot_within_a_section_are_a_warning_and_stay() -> None:
    row = pretix_row("A", 50, (50, 75, 100))
    row["seats"].append(pretix_seat(4, 79))

    reading = read(pretix_plan(pretix_zone("Hall", row)))

    finding = only(reading.report, "SEATS_OVERLAP")
    assert finding.severity == "warning"
    assert "zones[0].rows[0].seats[1]" in finding.found + finding.place
    assert {seat.x for seat in reading.plan.seats} == {50, 75, 79, 100}


def test_neighbours_are_no_overlap() -> None:
    assert "SEATS_OVERLAP" not in read(pretix_plan()).report.counts


def test_bounds_grow_to_hold_every_seat() -> None:
    reading = read(pretix_plan(size={"width": 100, "height": 400}))

    assert (reading.plan.width, reading.plan.height) == (150, 400)
    finding = only(reading.report, "OUTSIDE_BOUNDS")
    assert finding.found == "1 seat outside the plan's size of 100 × 400"
    assert finding.severity == "repaired"


def test_everything_moves_when_seats_lie_left_of_the_plan() -> None:
    stage = {"position": {"x": 0, "y": 0}, "rectangle": {"width": 10, "height": 10}}
    zone = pretix_zone("Hall", pretix_row("A", 0, (-60, -35, -10)), y=-10, areas=[stage])

    reading = read(pretix_plan(zone))

    assert [(seat.x, seat.y) for seat in reading.plan.seats] == [(25, 25), (50, 25), (75, 25)]
    assert reading.plan.shapes[0].points == ((85, 25), (95, 35))
    assert (reading.plan.width, reading.plan.height) == (1085, 1035)
    assert "everything moved by (85, 35)" in only(reading.report, "OUTSIDE_BOUNDS").done


def test_a_size_that_moved_sections_exceed_is_not_reported_as_a_mistake_of_the_file() -> None:
    size = {"width": 300, "height": 300}

    reading = read(pretix_plan(block("Left", 10, 10), block("Right", 60, 10), size=size))

    assert only(reading.report, "OUTSIDE_BOUNDS").found == "moved sections need more than the plan's size of 300 × 300"


def test_a_plan_beyond_all_bounds_is_refused() -> None:
    row = pretix_row("A", 0, (-900_000, 900_000))

    with pytest.raises(PlanError) as caught:
        read(pretix_plan(pretix_zone("Hall", row)))

    assert caught.value.code == "OUT_OF_RANGE"
