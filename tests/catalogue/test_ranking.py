"""The ranking of benches: by rows in front of a stage, by distance around it, and by the focal point of each zone."""

from dataclasses import replace

from rowlock.catalogue.model import Category, Row, Seat, SeatingPlan, Section, Zone
from rowlock.catalogue.ranking import best_first


def plan(*benches: tuple[int, float, float], sections: int = 1) -> SeatingPlan:
    """Benches of two seats: the row, x and y of the first seat. A row is in the section of its number, or the last."""
    seats: list[Seat] = []
    for run, (row, x, y) in enumerate(benches):
        for position in (0, 1):
            seat_id = len(seats) + 1
            name = f"{row}-{run}-{position}"
            seats.append(Seat(seat_id, row, run, 2 * run + position, name, name, x + position, y, 0, name))
    count = max(row for row, _, _ in benches) + 1
    return SeatingPlan(
        "Hall", 100.0, 100.0, (50.0, 0.0), (Category("All"),),
        tuple(Section(str(number)) for number in range(sections)),
        tuple(Row(min(row, sections - 1), str(row)) for row in range(count)), tuple(seats),
    )  # fmt: skip


def runs(plan: SeatingPlan) -> list[int]:
    return [bench[0].run for bench in best_first(plan)]


def test_in_front_of_a_stage_a_row_is_as_good_as_its_nearest_seat() -> None:
    hall = plan((0, 0, 10), (0, 50, 10), (1, 0, 12), (1, 50, 12))

    assert runs(hall) == [1, 0, 3, 2]


def test_in_a_fan_the_middle_comes_before_the_sides_that_are_as_near() -> None:
    # A block on either side, a little nearer by the drawing; the middle, and the row behind it.
    hall = plan((0, 20, 29), (1, 49.5, 42), (2, 79, 29), (3, 49.5, 46), sections=4)

    assert runs(hall) == [1, 0, 2, 3]


def test_in_the_round_each_bench_is_as_good_as_it_is_near() -> None:
    hall = plan((0, 0, 10), (0, 50, 10), (1, 0, 12), (1, 50, 12))

    assert runs(replace(hall, in_the_round=True)) == [1, 3, 0, 2]


def test_a_row_around_a_court_is_sold_from_the_half_way_line() -> None:
    hall = plan((0, 50, 10), (0, 90, 10), (0, 95, 60), (1, 50, 14))

    assert runs(replace(hall, in_the_round=True)) == [0, 3, 1, 2]


def test_a_zone_is_ranked_by_its_own_focal_point() -> None:
    hall = plan((0, 50, 30), (1, 50, 60), (2, 50, 90), sections=3)

    assert runs(hall) == [0, 1, 2]
    assert runs(replace(hall, zones=(Zone("Rear", (50.0, 100.0), (1, 2)),))) == [2, 0, 1]
    assert runs(replace(hall, zones=(Zone("Rear", None, (1, 2)),))) == [0, 1, 2]
