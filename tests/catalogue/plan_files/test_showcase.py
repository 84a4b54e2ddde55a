"""The two generated halls: exact numbers of seats, plausible rows, nothing for the plan doctor to repair."""

import itertools
import math
import time
from collections import Counter

import pytest

from rowlock.catalogue.model import SeatingPlan
from rowlock.catalogue.plan_files import pretix, read_plan
from rowlock.catalogue.showcase import stadium, theatre


@pytest.fixture(scope="module")
def playhouse() -> SeatingPlan:
    return theatre()


@pytest.fixture(scope="module")
def bowl() -> SeatingPlan:
    return stadium(20_000)


def test_the_theatre_has_exactly_600_seats_all_for_sale(playhouse: SeatingPlan) -> None:
    assert len(playhouse.seats) == 600
    assert all(category.for_sale for category in playhouse.categories)
    assert len(playhouse.categories) == 4


def test_the_theatre_has_wheelchair_places_with_a_companion_beside_each(playhouse: SeatingPlan) -> None:
    kinds = Counter(seat.kind for seat in playhouse.seats)
    assert kinds["wheelchair"] == kinds["companion"] == 6
    for _, run in itertools.groupby(playhouse.seats, key=lambda seat: seat.run):
        pairs = list(itertools.pairwise(run))
        beside = {
            seat for pair in pairs if {"wheelchair", "companion"} == {seat.kind for seat in pair} for seat in pair
        }
        assert {seat for pair in pairs for seat in pair if seat.kind == "wheelchair"} <= beside


def test_every_row_of_the_theatre_has_three_blocks_between_two_aisles(playhouse: SeatingPlan) -> None:
    runs = {(seat.row, seat.run) for seat in playhouse.seats}
    assert set(Counter(row for row, _ in runs).values()) == {3}


def test_rows_of_the_theatre_are_lettered_without_i_and_o_and_numbered_left_to_right(playhouse: SeatingPlan) -> None:
    letters = "".join(row.label for row in playhouse.rows)
    assert not set("IO") & set(letters)
    for _, seats in itertools.groupby(playhouse.seats, key=lambda seat: seat.row):
        numbers = [int(seat.number) for seat in seats]
        assert numbers == list(range(1, len(numbers) + 1))


def test_rows_of_the_theatre_curve_towards_the_stage(playhouse: SeatingPlan) -> None:
    for _, group in itertools.groupby(playhouse.seats, key=lambda seat: seat.row):
        seats = list(group)
        assert seats[0].y < seats[len(seats) // 2].y > seats[-1].y
        assert [seat.x for seat in seats] == sorted(seat.x for seat in seats)


def test_the_stadium_has_exactly_as_many_seats_as_asked_for(bowl: SeatingPlan) -> None:
    assert len(bowl.seats) == 20_000
    assert len({seat.source_id for seat in bowl.seats}) == 20_000
    assert len({seat.label for seat in bowl.seats}) == 20_000


def test_no_two_seats_of_the_stadium_are_nearer_than_neighbours(bowl: SeatingPlan) -> None:
    for _, group in itertools.groupby(bowl.seats, key=lambda seat: seat.run):
        for one, other in itertools.pairwise(group):
            assert math.hypot(one.x - other.x, one.y - other.y) == pytest.approx(25, abs=0.05)


@pytest.mark.parametrize("seats", [999, 200_001])
def test_a_stadium_out_of_bounds_is_refused(seats: int) -> None:
    with pytest.raises(ValueError, match="between 1,000 and 200,000"):
        stadium(seats)


@pytest.mark.parametrize("hall", ["playhouse", "bowl"])
def test_a_showcase_reads_back_from_pretix_with_nothing_to_repair(hall: str, request: pytest.FixtureRequest) -> None:
    plan = request.getfixturevalue(hall)

    reading = read_plan(pretix.write(plan), name="hall.json")

    assert (reading.plan.seats, reading.plan.rows, reading.plan.sections) == (plan.seats, plan.rows, plan.sections)
    assert reading.plan.categories == plan.categories
    assert reading.plan.focal_point == plan.focal_point
    assert (reading.report.repairs, reading.report.warnings) == (0, 0)


def test_a_stadium_of_100_000_seats_is_read_within_ten_seconds() -> None:
    plan = stadium()
    data = pretix.write(plan)

    started = time.process_time()
    reading = read_plan(data, name="stadium.json")
    seconds = time.process_time() - started

    assert len(plan.seats) == len(reading.plan.seats) == 100_000
    assert seconds < 10
