"""Order, runs and overlaps as facts of coordinates."""

import math
import random

import pytest

from rowlock.catalogue.plan_files.geometry import (
    Point,
    SeatGrid,
    is_one_line,
    order_along_row,
    path_length,
    run_breaks,
    sharpest_turn,
    typical_pitch,
)


def arc(centre: Point, radius: float, start: float, end: float, seats: int) -> list[Point]:
    """Points on a circle, angles in degrees, clockwise on the screen."""
    angles = [math.radians(start + (end - start) * seat / (seats - 1)) for seat in range(seats)]
    return [(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)) for angle in angles]


def line(start: Point, step: Point, seats: int) -> list[Point]:
    return [(start[0] + step[0] * seat, start[1] + step[1] * seat) for seat in range(seats)]


ROWS: dict[str, list[Point]] = {
    "straight": line((0, 0), (25, 0), 12),
    "tilted": line((0, 0), (20, 15), 12),
    "tilted upwards": line((0, 300), (20, -15), 12),
    "vertical": line((40, 0), (0, 25), 12),
    "nearly vertical, leaning left": line((40, 0), (-1, 25), 12),
    "gently curved": arc((0, -600), 700, 110, 70, 15),
    "steep side of a bowl": arc((0, 0), 700, -40, 40, 20),
    "horseshoe": arc((0, 0), 300, 200, -20, 30),
    "staggered": [(25 * seat, 6 * (seat % 2)) for seat in range(11)],
    "with aisles": line((0, 0), (25, 0), 4) + line((180, 0), (25, 0), 4) + line((400, 0), (25, 0), 2),
    "single": [(5, 5)],
    "pair": [(0, 0), (25, 1)],
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("seed", range(5))
def test_seats_are_ordered_along_the_row_however_the_file_lists_them(row: list[Point], seed: int) -> None:
    shuffled = random.Random(seed).sample(row, len(row))

    ordered = [shuffled[index] for index in order_along_row(shuffled)]

    assert ordered == row


def test_every_order_names_each_seat_once() -> None:
    points = [(1.0, 1.0)] * 5 + [(2.0, 2.0)] * 3

    assert sorted(order_along_row(points)) == list(range(8))


def test_seats_on_one_spot_keep_the_order_of_the_file() -> None:
    assert order_along_row([(3.0, 3.0)] * 4) == [0, 1, 2, 3]


@pytest.mark.parametrize("chairs", [3, 4, 6, 8, 10])
def test_chairs_around_a_table_are_ordered_around_it(chairs: int) -> None:
    points = arc((100, 100), 30, 0, 360 - 360 / chairs, chairs)

    order = order_along_row(random.Random(1).sample(points, chairs))

    side = 2 * 30 * math.sin(math.pi / chairs)
    assert path_length(random.Random(1).sample(points, chairs), order) == pytest.approx(side * (chairs - 1))


def test_the_order_of_a_table_does_not_depend_on_where_it_stands() -> None:
    here = arc((100, 100), 30, 0, 300, 6)
    there = [(round(x + 1234.567, 3), round(y + 765.433, 3)) for x, y in here]

    assert order_along_row([(round(x, 3), round(y, 3)) for x, y in here]) == order_along_row(there)


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        ([25, 25, 25], 25),
        ([25, 60, 25, 60], 25),
        ([0, 0, 25], 25),
        ([40], 40),
        ([0, 0], None),
        ([], None),
    ],
)
def test_the_typical_pitch_is_that_of_neighbours(distances: list[float], expected: float | None) -> None:
    assert typical_pitch(distances) == expected


@pytest.mark.parametrize(
    ("distances", "aisles"),
    [
        ([25, 25, 25], [False, False, False]),
        ([25, 50, 25], [False, True, False]),  # One seat left out.
        ([25, 37, 25], [False, False, False]),  # A wheelchair place, half as wide again.
        ([200], [True]),  # Two lone seats at the ends of a row.
        ([50], [True]),
        ([45, 45, 45], [False, False, False]),  # A row of wheelchair places.
        ([75, 75, 75], [True, True, True]),  # Lone seats far apart.
        ([22, 22, 48, 22], [False, False, True, False]),
        ([0, 25, 25], [False, False, False]),
    ],
)
def test_a_gap_clearly_wider_than_the_pitch_is_an_aisle(distances: list[float], aisles: list[bool]) -> None:
    assert run_breaks(distances, 25) == aisles


def test_a_straight_walk_does_not_turn_and_a_block_turns_back() -> None:
    block = [(x * 25.0, y * 25.0) for y in range(3) for x in range(6)]

    assert sharpest_turn(ROWS["straight"], range(12)) == pytest.approx(1)
    assert sharpest_turn(block, order_along_row(block)) < 0


@pytest.mark.parametrize("row", ["straight", "tilted", "vertical", "gently curved", "horseshoe", "with aisles"])
def test_one_row_is_one_line(row: str) -> None:
    assert is_one_line(ROWS[row])


def test_two_rows_behind_each_other_are_not_one_line() -> None:
    assert not is_one_line(line((0, 0), (25, 0), 6) + line((0, 40), (25, 0), 6))


def test_two_blocks_at_different_depths_are_not_one_line() -> None:
    assert not is_one_line(line((0, 0), (25, 0), 6) + line((175, 200), (25, 0), 6))


def test_the_grid_finds_seats_nearer_than_its_distance() -> None:
    grid = SeatGrid(10.0)
    grid.add(0.0, 0.0, 7)

    assert grid.find_overlap(9.9, 0.0) == 7
    assert grid.find_overlap(-6.0, -6.0) == 7
    assert grid.find_overlap(10.0, 0.0) is None
    assert grid.find_overlap(8.0, 8.0) is None
