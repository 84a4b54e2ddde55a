"""unblock_seats_atomic: putting blocked seats back on sale."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from tests.support.answers import Show, said
from tests.support.seatdb import SeatDb


async def test_an_unblocked_seat_can_be_sold(db: SeatDb, show: Show) -> None:
    await db.block(show, seats=[1, 2])

    unblocked = await db.unblock(show, seats=[1])

    assert said(unblocked) == {"outcome": "OK", "seat_ids": [1]}
    assert (await db.reserve(show, seats=[1], holder="anna")).outcome == "OK"
    assert await db.claims(show) == {1: "anna", 2: "blocked"}
    row = (await db.audit(show))[1]
    assert (row.event, row.seat_ids, row.actor) == ("unblocked", [1], "box office")
    assert await db.check() == []


async def test_seats_that_are_not_blocked_are_left_alone(db: SeatDb, show: Show) -> None:
    await db.complete(show, await db.order(await db.reserve(show, seats=[1], holder="anna")))
    await db.reserve(show, seats=[2], holder="ben")
    await db.block(show, seats=[3])

    assert (await db.unblock(show, seats=[4, 3, 2, 1, 99])).seat_ids == [3]
    assert await db.claims(show) == {1: "sold", 2: "ben"}
    assert (await db.events(show))[-1] == ("unblocked", [3], None)


async def test_unblocking_twice_is_allowed_and_logged_once(db: SeatDb, show: Show) -> None:
    await db.block(show, seats=[1])

    answers = [await db.unblock(show, seats=[1]) for _ in range(2)]

    assert [(a.outcome, a.seat_ids) for a in answers] == [("OK", [1]), ("OK", [])]
    assert [event for event, _, _ in await db.events(show)] == ["blocked", "unblocked"]


@pytest.mark.parametrize("seats", [[], None, [1, None]])
async def test_invalid_arguments_are_refused(db: SeatDb, show: Show, seats: Sequence[int | None] | None) -> None:
    await db.block(show, seats=[1])

    assert (await db.unblock(show, seats=seats)).outcome == "INVALID_INPUT"
    assert await db.claims(show) == {1: "blocked"}


async def test_a_missing_show_is_not_found(db: SeatDb) -> None:
    assert (await db.unblock(Show(uuid4(), 40), seats=[1])).outcome == "SHOW_NOT_FOUND"
