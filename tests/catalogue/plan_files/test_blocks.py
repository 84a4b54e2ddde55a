"""Blocks that repeat each other's row labels: a ticket cannot tell them apart without a section name."""

import pytest
from tests.catalogue.plan_files.builders import (
    chart,
    chart_row,
    only,
    pretix_plan,
    pretix_row,
    pretix_zone,
    read,
    sub_chart,
)

from rowlock.catalogue.model import Section
from rowlock.catalogue.plan_files import Choices, GivenStage

STAGGERED = ((0, 50), (500, 60), (1000, 70))


def blocks(*corners: tuple[float, float]) -> dict[str, object]:
    """A zone of blocks with rows A and B of three seats each, whose numbers are the same."""
    rows = [
        pretix_row(label, y + down, (x + 50, x + 75, x + 100), position={"x": 0, "y": y + down})
        for label, down in (("A", 0), ("B", 30))
        for x, y in corners
    ]
    for number, row in enumerate(rows):
        for seat in row["seats"]:
            seat["seat_guid"] = f"{number}-{seat['seat_number']}"
    return pretix_plan(pretix_zone("Hall", *rows), size={"width": 2000, "height": 2000})


def test_names_are_asked_for_and_offered() -> None:
    reading = read(blocks((0, 50), (500, 60)))

    finding = only(reading.report, "BLOCKS_UNNAMED")
    assert (finding.severity, finding.place) == ("warning", "zones[0]")
    assert finding.found == '12 seats of section "Hall", in rows "A", "B", share row and number with another'
    assert '--name-blocks, which calls them "Left" and "Right"' in finding.done
    assert reading.plan.seats[3].label == "Row A, seat 1 (2)"


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        (STAGGERED[:2], ["Left", "Right"]),
        (STAGGERED, ["Left", "Centre", "Right"]),
        (((0, 50), (0, 500)), ["Upper", "Lower"]),
    ],
)
def test_the_operator_lets_blocks_be_named_by_their_place(
    corners: tuple[tuple[float, float], ...], expected: list[str]
) -> None:
    reading = read(blocks(*corners), given=GivenStage("top"), choices=Choices(name_blocks=True))

    assert reading.plan.sections == tuple(Section(name) for name in expected)
    assert [seat.label for seat in reading.plan.seats if "(" in seat.label] == []
    assert reading.plan.seats[0].label == f"{expected[0]}, row A, seat 1"
    assert reading.report.warnings == 0
    assert reading.report.counts["BLOCKS_NAMED"] == 1
    again = read(blocks(*corners), given=GivenStage("top"), choices=Choices(name_blocks=True))
    assert again.plan == reading.plan


def test_blocks_without_a_clear_place_are_asked_for_only() -> None:
    reading = read(blocks((0, 50), (10, 52)), choices=Choices(name_blocks=True))

    assert "--name-blocks" not in only(reading.report, "BLOCKS_UNNAMED").done


def test_rows_of_one_label_with_other_numbers_need_no_name() -> None:
    left = pretix_row("A", 50, (50, 75))
    right = pretix_row("A", 500, (500, 525))
    for number, seat in enumerate(right["seats"], 3):
        seat["seat_number"] = str(number)

    assert read(pretix_plan(pretix_zone("Hall", left, right)), given=GivenStage("top")).report.warnings == 0


def test_blocks_of_a_zone_stay_in_it() -> None:
    rows = [chart_row("A", y, (x, x + 20, x + 40)) for y in (40, 60) for x in (0, 500)]
    for row, label in zip(rows, "AABB", strict=True):
        row["label"] = label
    section = {"label": "Stalls", "zone": "main", "topLeft": {"x": 0, "y": 0}, "subChart": sub_chart(rows=rows)}
    zones = {"list": [{"key": "main", "label": "Main", "focalPoint": {"x": 270, "y": 5}}]}

    plan = read(
        chart(zones=zones, subChart=sub_chart(sections=[section], width=1000)), choices=Choices(name_blocks=True)
    ).plan

    assert plan.sections == (Section("Left"), Section("Right"))
    assert [zone.sections for zone in plan.zones] == [(0, 1)]
