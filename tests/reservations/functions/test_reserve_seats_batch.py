"""reserve_seats_batch: many requests for one show, each all or nothing, in order of arrival."""

from dataclasses import replace
from uuid import uuid4

from tests.support.answers import Request, Show, said, token
from tests.support.seatdb import SeatDb


async def outcomes(db: SeatDb, show: Show, *requests: Request) -> list[str]:
    return [answer.outcome for answer in await db.reserve_batch(show, requests)]


async def test_every_request_gets_its_own_answer(db: SeatDb, show: Show) -> None:
    await db.reserve(show, seats=[9], holder="ida")

    answers = await db.reserve_batch(
        show,
        [
            Request([1, 2], "anna"),
            Request([2, 3], "ben"),
            Request([9, 4], "carl"),
            Request([5], "dora", secret=token("dora's")),
            Request([5, 5], "emil"),
            Request(range(20, 31), "fred"),
            Request([41], "gina"),
            Request([6], "ida"),
        ],
    )

    assert [(a.outcome, a.seat_ids, a.unavailable_seat_ids) for a in answers] == [
        ("OK", [1, 2], None),
        ("SEATS_UNAVAILABLE", [2, 3], [2]),
        ("SEATS_UNAVAILABLE", [4, 9], [9]),
        ("OK", [5], None),
        ("INVALID_INPUT", [5, 5], None),
        ("TOO_MANY_SEATS", list(range(20, 31)), None),
        ("SEATS_NOT_FOUND", [41], None),
        ("DUPLICATE_RESERVATION", [6], None),
    ]
    assert await db.claims(show) == {1: "anna", 2: "anna", 5: "dora", 9: "ida"}
    assert await db.events(show) == [
        ("created", [9], None),
        ("created", [1, 2], None),
        ("created", [5], None),
        ("failed", [2, 3], "SEATS_UNAVAILABLE"),
        ("failed", [4, 9], "SEATS_UNAVAILABLE"),
        ("failed", [6], "DUPLICATE_RESERVATION"),
    ]
    assert await db.counted_refusals(show) == {"SEATS_NOT_FOUND": 1, "TOO_MANY_SEATS": 1}
    assert await db.check() == []


async def test_an_empty_batch_has_no_answers(db: SeatDb, show: Show) -> None:
    assert await db.reserve_batch(show, []) == []
    assert await db.audit(show) == []


async def test_a_missing_show_refuses_every_request(db: SeatDb) -> None:
    nowhere = Show(uuid4(), 40)

    assert await outcomes(db, nowhere, Request([1], "anna"), Request([], "ben")) == ["SHOW_NOT_FOUND", "INVALID_INPUT"]


async def test_a_request_refused_for_a_taken_seat_does_not_block_the_next(db: SeatDb, show: Show) -> None:
    await db.reserve(show, seats=[1], holder="ida")

    assert await outcomes(db, show, Request([1, 2], "anna"), Request([2, 3], "ben")) == ["SEATS_UNAVAILABLE", "OK"]


async def test_a_request_refused_because_of_an_earlier_one_does_not_block_the_next(db: SeatDb, show: Show) -> None:
    requests = [Request([1, 2], "anna"), Request([2, 3], "ben"), Request([3, 4], "carl"), Request([4], "dora")]

    assert await outcomes(db, show, *requests) == ["OK", "SEATS_UNAVAILABLE", "OK", "SEATS_UNAVAILABLE"]
    assert await db.claims(show) == {1: "anna", 2: "anna", 3: "carl", 4: "carl"}
    assert [r["reserved_by"] for r in await db.reservations(show)] in (["anna", "carl"], ["carl", "anna"])
    assert await db.check() == []


async def test_of_two_requests_of_one_holder_the_first_that_is_possible_succeeds(db: SeatDb, show: Show) -> None:
    assert await outcomes(
        db,
        show,
        Request([1], "zoe"),
        Request([1, 2], "anna"),
        Request([2, 3], "anna"),
        Request([4], "anna"),
    ) == ["OK", "SEATS_UNAVAILABLE", "OK", "DUPLICATE_RESERVATION"]
    assert await db.claims(show) == {1: "zoe", 2: "anna", 3: "anna"}
    assert await db.check() == []


async def test_seats_that_ran_out_are_given_out_in_order_of_arrival(db: SeatDb, show: Show) -> None:
    old = await db.reserve(show, seats=[1, 2, 3], holder="ida")
    await db.age(old, minutes=11)

    answers = await db.reserve_batch(
        show, [Request([2, 4], "anna"), Request([3, 2], "ben"), Request([3], "carl"), Request([1], "ida")]
    )

    assert [a.outcome for a in answers] == ["OK", "SEATS_UNAVAILABLE", "OK", "OK"]
    assert answers[1].unavailable_seat_ids == [2]
    assert await db.claims(show) == {1: "ida", 2: "anna", 3: "carl", 4: "anna"}
    assert (await db.reservation(old))["status"] == "expired"
    assert await db.check() == []


async def test_a_batch_may_be_sent_again_as_a_whole(db: SeatDb, show: Show) -> None:
    requests = [Request([1, 2], "anna"), Request([2], "ben"), Request([3], "carl", secret=token("carl's"))]

    first = await db.reserve_batch(show, requests)
    again = await db.reserve_batch(show, requests)

    assert [said(a) for a in again] == [said(a) for a in first]
    assert [event for event, _, _ in await db.events(show)] == ["created", "created", "failed", "failed"]
    assert await db.check() == []


async def test_a_request_and_its_own_retry_in_one_batch_reserve_once(db: SeatDb, show: Show) -> None:
    anna = Request([1, 2], "anna", secret=token("anna's"))

    first, retry = await db.reserve_batch(show, [anna, anna])

    assert said(first) == said(retry)
    assert first.outcome == "OK"
    assert await db.events(show) == [("created", [1, 2], None)]


async def test_a_retry_of_an_ended_hold_does_not_refuse_its_holders_next_request(db: SeatDb, show: Show) -> None:
    ended = Request([1], "anna")
    (hold,) = await db.reserve_batch(show, [ended])
    await db.release(hold)

    assert await outcomes(db, show, ended, Request([2], "anna")) == ["RESERVATION_NOT_ACTIVE", "OK"]
    assert await db.claims(show) == {2: "anna"}
    assert await db.check() == []


async def test_one_id_in_requests_of_two_holders_belongs_to_the_first_request(db: SeatDb, show: Show) -> None:
    zoe = Request([1], "zoe")

    answers = await db.reserve_batch(show, [zoe, Request([2], "anna", zoe.reservation_id)])

    assert [a.outcome for a in answers] == ["OK", "INVALID_INPUT"]
    assert await db.claims(show) == {1: "zoe"}
    assert await db.check() == []


async def test_one_id_for_two_wishes_is_refused_as_it_is_alone(db: SeatDb, show: Show) -> None:
    anna = Request([1, 2], "anna")

    assert await outcomes(db, show, anna, replace(anna, seats=[3])) == ["OK", "IDEMPOTENCY_KEY_REUSED"]
    assert await db.claims(show) == {1: "anna", 2: "anna"}
    assert await db.check() == []


async def test_the_id_of_a_refused_wish_may_be_used_for_another(db: SeatDb, show: Show) -> None:
    zoe, anna = Request([1], "zoe"), Request([1, 2], "anna")

    answers = await db.reserve_batch(show, [zoe, anna, replace(anna, seats=[3])])

    assert [a.outcome for a in answers] == ["OK", "SEATS_UNAVAILABLE", "OK"]
    assert await db.claims(show) == {1: "zoe", 3: "anna"}
    assert (await db.reservation(answers[2]))["seat_ids"] == [3]
    again = await db.reserve(show, seats=[3], holder="anna", reservation_id=anna.reservation_id)
    assert (again.outcome, again.seat_ids) == ("OK", [3])
    assert await db.check() == []


async def test_all_requests_of_a_batch_are_held_equally_long(db: SeatDb, show: Show) -> None:
    answers = await db.reserve_batch(show, [Request([n], f"buyer {n}") for n in range(1, 21)])

    assert {a.outcome for a in answers} == {"OK"}
    assert len({a.expires_at for a in answers}) == 1
    assert sorted(await db.claims(show)) == list(range(1, 21))
    assert await db.check() == []
