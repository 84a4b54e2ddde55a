"""Wheelchair and companion places that are named by id: a client has to say that it wants such places."""

import pytest

from tests.support.answers import Request, Show
from tests.support.seatdb import SeatDb


@pytest.fixture
async def show(db: SeatDb) -> Show:
    """40 seats, of which 5 is a wheelchair place and 6 its companion seat."""
    show = await db.make_show()
    await db.owner.execute(
        "update rowlock.seats as s set kind = case s.seat_id when 5 then 'wheelchair' else 'companion' end "
        "from rowlock.shows as w where w.show_id = %s and s.plan_id = w.plan_id and s.seat_id in (5, 6)",
        [show.show_id],
    )
    return show


async def test_a_request_that_does_not_ask_for_them_is_refused_and_told_which(db: SeatDb, show: Show) -> None:
    answers = await db.reserve_batch(
        show,
        [
            Request([4, 5, 6], "anna"),
            Request([4], "ben"),
            Request([6], "carl"),
            Request([5], "dora", accessible=True),
        ],
    )

    assert [(answer.outcome, answer.unavailable_seat_ids) for answer in answers] == [
        ("ACCESSIBLE_SEATS", [5, 6]),
        ("OK", None),
        ("ACCESSIBLE_SEATS", [6]),
        ("OK", None),
    ]
    assert await db.claims(show) == {4: "ben", 5: "dora"}
    assert await db.counted_refusals(show) == {"ACCESSIBLE_SEATS": 2}
    assert await db.check() == []


async def test_the_refusal_precedes_that_of_a_taken_seat(db: SeatDb, show: Show) -> None:
    await db.reserve_batch(show, [Request([5], "dora", accessible=True)])

    [answer] = await db.reserve_batch(show, [Request([5], "anna")])

    assert answer.outcome == "ACCESSIBLE_SEATS"


async def test_a_change_has_to_ask_for_them_too_but_not_for_those_that_are_held(db: SeatDb, show: Show) -> None:
    [hold] = await db.reserve_batch(show, [Request([5], "anna", accessible=True)])

    refused = await db.change_within_limits(hold, add=[6, 7])
    assert (refused.outcome, refused.unavailable_seat_ids) == ("ACCESSIBLE_SEATS", [6])
    assert (await db.change_within_limits(hold, add=[7])).outcome == "OK"
    assert (await db.change_within_limits(hold, add=[6], accessible=True)).outcome == "OK"
    assert await db.claims(show) == dict.fromkeys((5, 6, 7), "anna")


async def test_who_calls_the_function_for_one_hold_means_what_it_names(db: SeatDb, show: Show) -> None:
    hold = await db.reserve(show, seats=[5], holder="anna")

    assert hold.outcome == "OK"
    assert (await db.change(hold, add=[6])).outcome == "OK"
