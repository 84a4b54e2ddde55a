"""POST reserve-v2: every outcome, and the shape of its answer."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, held, outcome, problem, said, session
from tests.support.seatdb import SeatDb

SOME = str(UNKNOWN_ID)


async def test_a_reservation_holds_its_seats_for_ten_minutes(client: Api, show: Show, db: SeatDb) -> None:
    answer = await client.reserve(show, [3, 1, 2], by="anna")

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    made = answer.json()
    assert list(made) == [
        "success",
        "reservation_id",
        "reservation_token",
        "status",
        "show_id",
        "seat_ids",
        "expires_at",
        "extension_count",
        "extensions_remaining",
        "server_time",
    ]
    assert made["success"] is True
    assert made["show_id"] == str(show.show_id)
    assert made["seat_ids"] == [1, 2, 3]
    assert (made["extension_count"], made["extensions_remaining"]) == (0, 3)
    until, now = datetime.fromisoformat(made["expires_at"]), datetime.fromisoformat(made["server_time"])
    assert timedelta(minutes=9, seconds=55) < until - now <= timedelta(minutes=10)
    assert await db.claims(show) == {1: session("anna"), 2: session("anna"), 3: session("anna")}
    assert await db.events(show) == [("created", [1, 2, 3], None)]


async def test_the_token_is_kept_nowhere_in_the_database(client: Api, show: Show, db: SeatDb) -> None:
    token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]

    assert len(token) == 64
    (row,) = await db.reservations(show)
    (logged,) = await db.audit(show)
    assert token not in repr(row) + repr(logged)


async def test_a_request_for_seats_of_another_holder_is_refused_with_their_ids(
    client: Api, show: Show, db: SeatDb
) -> None:
    await client.reserve(show, [4, 5, 6], by="anna")

    answer = await client.reserve(show, [3, 4, 6], by="ben")

    told = problem(answer, 409, "SEATS_UNAVAILABLE")
    assert told["detail"] == "Seats 4 and 6 were taken by another customer. Choose other seats."
    assert told["unavailable_seat_ids"] == [4, 6]
    assert await db.claims(show) == {4: session("anna"), 5: session("anna"), 6: session("anna")}
    assert (await db.events(show))[-1] == ("failed", [3, 4, 6], "SEATS_UNAVAILABLE")


async def test_one_taken_seat_is_named_in_the_singular(client: Api, show: Show) -> None:
    await client.reserve(show, [4], by="anna")

    told = problem(await client.reserve(show, [4], by="ben"), 409, "SEATS_UNAVAILABLE")

    assert told["detail"] == "Seat 4 was taken by another customer. Choose other seats."


async def test_of_ten_requests_for_one_seat_at_once_one_succeeds(client: Api, show: Show, db: SeatDb) -> None:
    answers = await asyncio.gather(*(client.reserve(show, [7], by=f"buyer-{number}") for number in range(10)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 201)
    assert await db.claims(show) == {7: session(f"buyer-{winner}")}
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer, 409, "SEATS_UNAVAILABLE")["unavailable_seat_ids"] == [7]
    assert await db.check(show) == []


async def test_a_holder_with_a_hold_cannot_reserve_again_in_the_same_show(client: Api, show: Show, db: SeatDb) -> None:
    await client.reserve(show, [1], by="anna")

    problem(await client.reserve(show, [2], by="anna"), 409, "DUPLICATE_RESERVATION")

    assert await db.claims(show) == {1: session("anna")}


async def test_a_lapsed_hold_can_be_taken_by_others_and_replaced_by_its_holder(
    client: Api, show: Show, db: SeatDb
) -> None:
    first = await client.reserve(show, [1, 2], by="anna")
    await db.age(held(show, first, "anna"), minutes=11)

    assert outcome(await client.reserve(show, [2, 3], by="ben")) == (201, None)
    assert outcome(await client.reserve(show, [4], by="anna")) == (201, None)

    assert await db.claims(show) == {2: session("ben"), 3: session("ben"), 4: session("anna")}
    assert await db.check(show) == []


async def test_a_seat_that_is_not_in_the_hall_is_not_found(client: Api, show: Show, db: SeatDb) -> None:
    problem(await client.reserve(show, [40, 41], by="anna"), 404, "SEATS_NOT_FOUND")
    problem(await client.reserve(show, [2_147_483_647], by="anna"), 404, "SEATS_NOT_FOUND")

    assert await db.claims(show) == {}


async def test_an_unknown_show_is_not_found(client: Api, show: Show) -> None:
    problem(await client.reserve(UNKNOWN_ID, [1], by="anna"), 404, "SHOW_NOT_FOUND")


async def test_more_seats_than_the_show_allows_are_too_many(client: Api, show: Show, db: SeatDb) -> None:
    problem(await client.reserve(show, range(1, 12), by="anna"), 400, "TOO_MANY_SEATS")

    assert outcome(await client.reserve(show, range(1, 11), by="anna")) == (201, None)
    assert len(await db.claims(show)) == 10


CLOSED: list[dict[str, Any]] = [
    {"status": "paused"},
    {"status": "cancelled"},
    {"status": "on_sale", "sales_start_at": datetime.now(UTC) + timedelta(days=1)},
    {"sales_start_at": None, "sales_end_at": datetime.now(UTC) - timedelta(days=1)},
]


async def test_a_show_that_is_not_on_sale_sells_nothing(client: Api, show: Show, db: SeatDb) -> None:
    for columns in CLOSED:
        await db.set_show(show, **columns)
        problem(await client.reserve(show, [1], by="anna"), 409, "SHOW_NOT_ON_SALE")

    assert await db.claims(show) == {}


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({}, "show_id"),
    ({"show_id": "?"}, "$.show_id"),
    ({"show_id": 7}, "$.show_id"),
    ({"show_id": SOME}, "seat_ids"),
    ({"show_id": SOME, "seat_ids": []}, "$.seat_ids"),
    ({"show_id": SOME, "seat_ids": "12"}, "$.seat_ids"),
    ({"show_id": SOME, "seat_ids": [1, None]}, "$.seat_ids[1]"),
    ({"show_id": SOME, "seat_ids": [1, 0]}, "$.seat_ids[1]"),
    ({"show_id": SOME, "seat_ids": [1, 1.5]}, "$.seat_ids[1]"),
    ({"show_id": SOME, "seat_ids": [True]}, "$.seat_ids[0]"),
    ({"show_id": SOME, "seat_ids": [2_147_483_648]}, "$.seat_ids[0]"),
    ({"show_id": SOME, "seat_ids": [10**400]}, "$.seat_ids[0]"),
    ({"show_id": SOME, "seat_ids": [1] * 1001}, "$.seat_ids"),
    ({"show_id": SOME, "seat_ids": [2, 2]}, "seat_ids"),
    ({"show_id": SOME, "seat_ids": [2], "session_id": ""}, "$.session_id"),
    ({"show_id": SOME, "seat_ids": [2], "session_id": "a b"}, "$.session_id"),
    ({"show_id": SOME, "seat_ids": [2], "session_id": "anna\0"}, "$.session_id"),
    ({"show_id": SOME, "seat_ids": [2], "session_id": "anna\n"}, "$.session_id"),
    ({"show_id": SOME, "seat_ids": [2], "session_id": "x" * 129}, "$.session_id"),
    ({"show_id": SOME, "seat_ids": [2], "session_id": "web_0123"}, "session_id"),
]


async def test_an_invalid_body_is_refused_with_the_place_of_the_error(client: Api) -> None:
    for body, place in MALFORMED:
        told = problem(await client.post(f"{RESERVATIONS}/reserve-v2", json=body), 400, "INVALID_INPUT")
        assert place in told["detail"], (body, told)


async def test_a_repeated_request_with_its_key_answers_the_same(client: Api, show: Show, db: SeatDb) -> None:
    first = await client.reserve(show, [1, 2], by="anna", key="order-1")
    again = await client.reserve(show, [1, 2], by="anna", key="order-1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert said(first) == said(again)
    assert await db.events(show) == [("created", [1, 2], None)]


async def test_repeated_requests_at_the_same_time_answer_the_same(client: Api, show: Show, db: SeatDb) -> None:
    answers = await asyncio.gather(*(client.reserve(show, [1, 2], by="anna", key="order-1") for _ in range(8)))

    assert [answer.status_code for answer in answers] == [201] * 8
    assert all(said(answer) == said(answers[0]) for answer in answers)
    assert await db.events(show) == [("created", [1, 2], None)]


async def test_a_key_means_nothing_to_another_session_or_show(client: Api, show: Show, db: SeatDb) -> None:
    other = await db.make_show()
    answers = [
        await client.reserve(show, [1], by="anna", key="order-1"),
        await client.reserve(show, [2], by="ben", key="order-1"),
        await client.reserve(other, [1], by="anna", key="order-1"),
        await client.reserve(show, [1], by="carl", key="order-1"),
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 409]
    assert len({answer.json()["reservation_token"] for answer in answers[:3]}) == 3


async def test_another_key_is_another_request(client: Api, show: Show) -> None:
    await client.reserve(show, [1], by="anna", key="order-1")

    problem(await client.reserve(show, [1], by="anna", key="order-2"), 409, "DUPLICATE_RESERVATION")


async def test_a_malformed_key_is_refused(client: Api, show: Show, db: SeatDb) -> None:
    for key in (b" ", b"a b", b"x" * 256, b"\xff"):
        answer = await client.post(
            f"{RESERVATIONS}/reserve-v2",
            json={"show_id": str(show.show_id), "seat_ids": [1], "session_id": session("anna")},
            headers={b"idempotency-key": key},
        )
        assert "Idempotency-Key" in problem(answer, 400, "INVALID_INPUT")["detail"]

    assert await db.claims(show) == {}
