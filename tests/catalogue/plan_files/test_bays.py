"""Wheelchair bays: places in a gap of a row, or at its end, that the file keeps apart."""

import pytest
from tests.catalogue.plan_files.builders import (
    Json,
    only,
    pretix_plan,
    pretix_row,
    pretix_seat,
    pretix_zone,
    read,
    runs,
)

from rowlock.catalogue.model import Section
from rowlock.reservations.best_available import Chooser
from rowlock.reservations.hall import Hall


def seats(*places: tuple[int, float], **changes: object) -> list[Json]:
    return [pretix_seat(number, x) | changes for number, x in places]


def plan_of(bay: list[Json], label: str = "A", y: float = 50) -> Json:
    """Row A with a gap between its seats 2 and 5, a row B behind it, and a zone with this bay."""
    row = pretix_row("A", 50, (), seats=seats((1, 50), (2, 75), (5, 150), (6, 175)))
    behind = pretix_row("B", 80, (50, 75, 100, 125, 150, 175))
    return pretix_plan(
        pretix_zone("Stalls", row, behind), pretix_zone("Wheelchair bay", pretix_row(label, y, (), seats=bay))
    )


@pytest.mark.parametrize("label", ["A", ""])
def test_a_bay_in_the_gap_of_a_row_belongs_to_the_row(label: str) -> None:
    reading = read(plan_of(seats((3, 100), (4, 125), wheelchair=True), label))

    assert reading.plan.sections == (Section("Stalls"),)
    assert runs(reading.plan)[0] == ["1", "2", "3", "4", "5", "6"]
    assert [seat.kind for seat in reading.plan.seats[:6]].count("wheelchair") == 2
    finding = only(reading.report, "BAY_JOINED")
    assert (finding.severity, finding.place) == ("repaired", "zones[1].rows[0]")
    assert finding.found == '2 seats of "Wheelchair bay" stand in row "A" of section "Stalls"'


def test_a_wheelchair_user_and_a_friend_get_a_place_of_the_bay_and_the_seat_beside_it() -> None:
    plan = read(plan_of(seats((3, 100), (4, 125), wheelchair=True))).plan

    chosen = Chooser(Hall(plan)).choose(2, accessible=True)

    assert chosen in {(2, 3), (4, 5)}


def test_a_place_and_its_companion_at_the_end_of_a_row_belong_to_the_row() -> None:
    bay = [*seats((7, 205), wheelchair=True), *seats((8, 230), companion=True)]

    reading = read(plan_of(bay))

    assert runs(reading.plan)[1] == ["5", "6", "7", "8"]
    assert [seat.kind for seat in reading.plan.seats[4:6]] == ["wheelchair", "companion"]


@pytest.mark.parametrize(
    "bay",
    [
        seats((3, 500), (4, 525), wheelchair=True),  # Far from every row.
        seats((1, 100), (2, 125), wheelchair=True),  # Numbers that row A has.
        seats((3, 100), (4, 125)),  # Ordinary seats.
    ],
)
def test_other_sections_stay_what_they_are(bay: list[Json]) -> None:
    reading = read(plan_of(bay))

    assert len(reading.plan.sections) == 2
    assert "BAY_JOINED" not in reading.report.counts


def test_a_bay_with_a_label_of_its_own_is_named() -> None:
    reading = read(plan_of(seats((3, 100), (4, 125), wheelchair=True), "W"))

    assert len(reading.plan.sections) == 2
    finding = only(reading.report, "BAY_APART")
    assert finding.severity == "warning"
    assert finding.found == '2 seats of row "W" of "Wheelchair bay" stand in row "A" of section "Stalls"'


def test_a_bay_behind_a_row_is_not_in_it() -> None:
    counts = read(plan_of(seats((3, 100), (4, 125), wheelchair=True), "C", y=110)).report.counts

    assert not {"BAY_JOINED", "BAY_APART"} & set(counts)
