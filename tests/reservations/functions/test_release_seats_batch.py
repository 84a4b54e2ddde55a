"""release_seats_batch: giving back many holds of one show, each for its holder."""

from tests.support.answers import Show, missing_hold
from tests.support.seatdb import SeatDb


async def test_every_request_gets_its_own_answer(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    ben = await db.reserve(show, seats=[3], holder="ben")
    carl = await db.reserve(show, seats=[4, 5], holder="carl")
    dora = await db.reserve(show, seats=[6], holder="dora")
    await db.complete(show, await db.order(dora))
    emil = await db.reserve(show, seats=[7], holder="emil")
    await db.age(emil, minutes=11)
    await db.cleanup()
    fred = await db.reserve(show, seats=[8], holder="fred")
    await db.release(fred)
    before = len(await db.audit(show))

    answers = await db.release_batch(
        show,
        [
            (carl, "carl"),
            (ben, "mallory"),
            (anna, "anna"),
            (missing_hold(show), "anna"),
            (dora, "dora"),
            (emil, "emil"),
            (fred, "fred"),
        ],
    )

    assert [(a.outcome, a.released_seat_ids) for a in answers] == [
        ("OK", [4, 5]),
        ("RESERVATION_NOT_FOUND", []),
        ("OK", [1, 2]),
        ("RESERVATION_NOT_FOUND", []),
        ("RESERVATION_NOT_ACTIVE", []),
        ("RESERVATION_EXPIRED", []),
        ("OK", [8]),
    ]
    assert await db.claims(show) == {3: "ben", 6: "sold"}
    assert (await db.events(show))[before:] == [
        ("released", [4, 5], None),
        ("released", [1, 2], None),
        ("failed", [6], "RESERVATION_NOT_ACTIVE"),
        ("failed", [7], "RESERVATION_EXPIRED"),
    ]
    assert await db.check() == []


async def test_a_hold_named_twice_is_released_once_and_both_requests_are_answered_with_it(
    db: SeatDb, show: Show
) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")

    answers = await db.release_batch(show, [(anna, "mallory"), (anna, "anna"), (anna, "anna")])

    assert [(a.outcome, a.released_seat_ids) for a in answers] == [
        ("RESERVATION_NOT_FOUND", []),
        ("OK", [1, 2]),
        ("OK", [1, 2]),
    ]
    assert [event for event, _, _ in await db.events(show)] == ["created", "released"]


async def test_a_hold_that_ran_out_gives_back_what_is_still_its_own(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(anna, minutes=11)
    ben = await db.reserve(show, seats=[2, 3], holder="ben")

    answers = await db.release_batch(show, [(anna, "anna"), (ben, "ben")])

    assert [a.released_seat_ids for a in answers] == [[1], [2, 3]]
    assert await db.claims(show) == {}
    assert await db.check() == []


async def test_an_empty_batch_has_no_answers(db: SeatDb, show: Show) -> None:
    assert await db.release_batch(show, []) == []
