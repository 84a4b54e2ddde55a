"""seat_changes_since: the present status of the seats of a show that changed after a position in the audit log."""

from typing import Any
from uuid import uuid4

from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from tests.support.steps import load_test_build, stepping


async def changes(db: SeatDb, show: Show, after: int | None = None) -> tuple[dict[int, str], dict[str, Any]]:
    """The seats of an answer, and its first row for the rest."""
    rows = await db._rows("select * from rowlock.seat_changes_since(%s, %s)", show.show_id, after)
    return {row["seat_id"]: row["status"] for row in rows if row["seat_id"] is not None}, rows[0]


async def test_without_a_position_every_claim_is_returned(db: SeatDb, show: Show) -> None:
    await db.complete(show, await db.order(await db.reserve(show, seats=[1], holder="anna")))
    await db.reserve(show, seats=[2], holder="ben")
    await db.block(show, seats=[3])
    await db.age(await db.reserve(show, seats=[4], holder="carl"), minutes=11)

    seats, first = await changes(db, show)

    assert seats == {1: "sold", 2: "reserved", 3: "blocked"}
    assert first["seats_total"] == 40
    assert first["last_id"] == (await db.audit(show))[-1].id


async def test_after_a_position_the_seats_that_changed_since_are_returned_with_their_present_status(
    db: SeatDb, show: Show
) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    _, first = await changes(db, show)
    await db.change(anna, add=[3], remove=[1])
    ben = await db.reserve(show, seats=[5, 6], holder="ben")
    await db.release(ben)
    await db.block(show, seats=[6])
    await db.reserve(show, seats=[7, 2], holder="carl")

    seats, second = await changes(db, show, first["last_id"])

    assert seats == {1: "available", 2: "reserved", 3: "reserved", 5: "available", 6: "blocked"}
    nothing, third = await changes(db, show, second["last_id"])
    assert (nothing, third["last_id"]) == ({}, second["last_id"])


async def test_an_event_that_commits_late_is_found_by_asking_again_from_a_safe_position(db: SeatDb, show: Show) -> None:
    await load_test_build(db.owner)
    async with stepping(db, sessions=1) as steps:
        (late,) = steps.sessions
        _, safe = await changes(db, show)
        await late.start(lambda own: own.reserve(show, seats=[1], holder="anna"))
        await late.run_to("written")
        await db.reserve(show, seats=[2], holder="ben")
        seats, seen = await changes(db, show, safe["last_id"])
        assert seats == {2: "reserved"}
        # The late event has a lower id than ben's and is not committed: the last id seen is no safe position yet.
        _, later = await changes(db, show, safe["last_id"])
        assert int(later["horizon"]) < int(seen["next_xid"])
        await late.finish()

    seats, after = await changes(db, show, safe["last_id"])
    assert seats == {1: "reserved", 2: "reserved"}
    assert int(after["horizon"]) >= int(seen["next_xid"])


async def test_a_missing_show_and_a_draft_have_no_answer(db: SeatDb) -> None:
    draft = await db.make_show(status="draft")

    for show in (Show(uuid4(), 1), draft):
        assert await db._rows("select * from rowlock.seat_changes_since(%s)", show.show_id) == []
