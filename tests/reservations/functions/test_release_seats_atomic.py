"""release_seats_atomic: giving back every seat of a hold."""

import pytest

from tests.support.answers import Show, missing_hold, said, token
from tests.support.seatdb import SeatDb


async def test_a_released_hold_frees_its_seats_for_others_at_once(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[2, 1], holder="anna")

    released = await db.release(anna)

    assert (released.outcome, released.released_seat_ids) == ("OK", [1, 2])
    assert await db.claims(show) == {}
    row = await db.reservation(anna)
    assert (row["status"], row["ended_at"] is not None) == ("released", True)
    assert (await db.reserve(show, seats=[1, 2], holder="ben")).outcome == "OK"
    assert await db.check() == []


async def test_the_holder_may_reserve_again_after_releasing(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")
    await db.release(anna)

    assert (await db.reserve(show, seats=[1, 2], holder="anna")).outcome == "OK"
    assert await db.claims(show) == {1: "anna", 2: "anna"}


async def test_a_token_releases_without_a_holder_key(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna", secret=token("anna's"))

    assert (await db.release(anna, secret=token("anna's"))).outcome == "OK"
    assert await db.claims(show) == {}


async def test_releasing_twice_answers_the_same_and_is_written_once(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")

    first, second = await db.release(anna), await db.release(anna)

    assert (first.outcome, first.released_seat_ids) == (second.outcome, second.released_seat_ids) == ("OK", [1, 2])
    assert await db.events(show) == [("created", [1, 2], None), ("released", [1, 2], None)]


async def test_releasing_again_leaves_the_next_holder_alone(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.release(anna)
    await db.reserve(show, seats=[1], holder="ben")

    assert (await db.release(anna)).outcome == "OK"
    assert await db.claims(show) == {1: "ben"}


@pytest.mark.parametrize("foreign", [{"holder": "mallory"}, {"secret": token("mallory's")}])
async def test_to_another_holder_the_hold_does_not_exist(
    db: SeatDb, show: Show, foreign: dict[str, str | bytes]
) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna", secret=token("anna's"))
    missing = missing_hold(show)

    to_foreign = await db.release(anna, **foreign)  # type: ignore[arg-type]  # One of two keywords.
    to_missing = await db.release(missing, **foreign)  # type: ignore[arg-type]  # One of two keywords.

    assert to_foreign.outcome == "RESERVATION_NOT_FOUND"
    assert said(to_foreign) == said(to_missing)
    assert await db.claims(show) == {1: "anna"}
    assert await db.events(show) == [("created", [1], None)]


async def test_a_hold_that_ran_out_can_be_released_and_gives_back_what_is_still_its_own(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(anna, minutes=11)
    await db.reserve(show, seats=[2, 3], holder="ben")

    released = await db.release(anna)

    assert (released.outcome, released.released_seat_ids) == ("OK", [1])
    assert await db.claims(show) == {2: "ben", 3: "ben"}
    assert (await db.events(show))[-1] == ("released", [1], None)
    assert await db.check() == []


async def test_a_hold_that_was_retired_is_too_late_to_release(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(anna, minutes=11)
    await db.cleanup()

    refused = await db.release(anna)

    assert (refused.outcome, refused.released_seat_ids) == ("RESERVATION_EXPIRED", [])
    assert (await db.events(show))[-1] == ("failed", [1, 2], "RESERVATION_EXPIRED")


async def test_paid_seats_are_not_given_back_by_releasing(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.complete(show, await db.order(anna))

    refused = await db.release(anna)

    assert (refused.outcome, refused.released_seat_ids) == ("RESERVATION_NOT_ACTIVE", [])
    assert await db.claims(show) == {1: "sold", 2: "sold"}
    row = (await db.audit(show))[-1]
    assert (row.event, row.error_code, row.metadata) == (
        "failed", "RESERVATION_NOT_ACTIVE", {"operation": "release", "seats": 2},
    )  # fmt: skip
    assert await db.check() == []


async def test_the_audit_row_says_how_long_the_seats_were_held(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna", session="s-1")
    await db.age(anna, minutes=4)

    await db.release(anna)

    row = (await db.audit(show))[-1]
    assert (row.event, row.reservation_id, row.seat_ids, row.session_id) == (
        "released",
        anna.reservation_id,
        [1, 2],
        "s-1",
    )
    assert 240 <= row.metadata["held_seconds"] < 270
