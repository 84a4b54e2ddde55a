"""block_seats_atomic: keeping seats from being sold, for the box office."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from tests.support.answers import Show, said
from tests.support.seatdb import SeatDb


async def reasons(db: SeatDb, show: Show) -> dict[int, str]:
    cursor = await db.owner.execute(
        "select seat_id, block_reason from rowlock.show_seats where show_id = %s and status = 'blocked'", [show.show_id]
    )
    return dict(await cursor.fetchall())


async def test_a_blocked_seat_is_not_sold(db: SeatDb, show: Show) -> None:
    blocked = await db.block(show, seats=[2, 1, 2], reason="camera")

    assert said(blocked) == {"outcome": "OK", "seat_ids": [1, 2], "unavailable_seat_ids": None}
    assert await reasons(db, show) == {1: "camera", 2: "camera"}
    assert (await db.reserve(show, seats=[2, 3], holder="anna")).unavailable_seat_ids == [2]
    row = (await db.audit(show))[0]
    assert (row.event, row.seat_ids, row.actor, row.error_code) == ("blocked", [1, 2], "box office", None)
    assert row.metadata == {"operation": "block", "reason": "camera"}
    assert await db.check() == []


async def test_a_blocked_seat_gets_the_new_reason(db: SeatDb, show: Show) -> None:
    await db.block(show, seats=[1, 2], reason="camera")

    assert (await db.block(show, seats=[2, 3], reason="broken chair")).outcome == "OK"
    assert await reasons(db, show) == {1: "camera", 2: "broken chair", 3: "broken chair"}


async def test_a_block_with_a_held_or_sold_seat_is_refused_as_a_whole(db: SeatDb, show: Show) -> None:
    await db.complete(show, await db.order(await db.reserve(show, seats=[1], holder="anna")))
    await db.reserve(show, seats=[3], holder="ben")
    await db.block(show, seats=[4], reason="camera")

    refused = await db.block(show, seats=[1, 2, 3, 4, 5], reason="house")

    assert (refused.outcome, refused.unavailable_seat_ids) == ("SEATS_UNAVAILABLE", [1, 3])
    assert await db.claims(show) == {1: "sold", 3: "ben", 4: "blocked"}
    assert await reasons(db, show) == {4: "camera"}
    assert (await db.events(show))[-1] == ("failed", [1, 2, 3, 4, 5], "SEATS_UNAVAILABLE")
    assert await db.check() == []


async def test_a_hold_that_ran_out_does_not_keep_a_seat_from_being_blocked(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(anna, minutes=11)

    assert (await db.block(show, seats=[1])).outcome == "OK"
    assert (await db.extend(anna)).outcome == "RESERVATION_EXPIRED"
    assert await db.claims(show) == {1: "blocked"}
    assert await db.check() == []


@pytest.mark.parametrize(
    ("seats", "reason"),
    [([], "house"), (None, "house"), ([0], "house"), ([1, None], "house"), ([1], ""), ([1], None)],
)
async def test_invalid_arguments_are_refused(
    db: SeatDb, show: Show, seats: Sequence[int | None] | None, reason: str | None
) -> None:
    assert (await db.block(show, seats=seats, reason=reason)).outcome == "INVALID_INPUT"
    assert await db.claim_rows(show) == {}
    assert await db.audit(show) == []


async def test_a_missing_show_is_reported_before_a_missing_seat(db: SeatDb, show: Show) -> None:
    assert (await db.block(Show(uuid4(), 40), seats=[99])).outcome == "SHOW_NOT_FOUND"
    assert (await db.block(show, seats=[1, 41])).outcome == "SEATS_NOT_FOUND"
    assert await db.claim_rows(show) == {}


async def test_a_show_that_is_not_on_sale_can_be_blocked(db: SeatDb) -> None:
    show = await db.make_show(status="draft")

    assert (await db.block(show, seats=[1])).outcome == "OK"
