"""POST seats: seats are added to a live hold and dropped from it in one step, all or nothing."""

from typing import Any

import pytest

from rowlock.reservations.model import ReservationToken
from tests.support.answers import Show
from tests.support.http import Api, held, problem, said, session
from tests.support.seatdb import SeatDb


async def test_seats_are_added_and_dropped_in_one_step(client: Api, show: Show, db: SeatDb) -> None:
    made = (await client.reserve(show, [1, 2], by="anna")).json()

    answer = await client.change(made["reservation_token"], add=[4, 3], remove=[1])

    assert answer.status_code == 200
    changed = answer.json()
    assert changed["seat_ids"] == [2, 3, 4]
    assert {name: changed[name] for name in ("reservation_id", "reservation_token", "expires_at")} == {
        name: made[name] for name in ("reservation_id", "reservation_token", "expires_at")
    }
    assert await db.claims(show) == {2: session("anna"), 3: session("anna"), 4: session("anna")}
    assert (await db.events(show))[-1] == ("changed", [2, 3, 4], None)
    assert await db.check(show) == []


async def test_a_change_can_be_repeated(client: Api, show: Show, db: SeatDb) -> None:
    token = (await client.reserve(show, [1, 2], by="anna")).json()["reservation_token"]

    first = await client.change(token, add=[3], remove=[1])
    again = await client.change(token, add=[3], remove=[1])

    assert said(first) == said(again)
    assert len(await db.events(show)) == 2


async def test_a_change_to_a_seat_of_another_holder_changes_nothing(client: Api, show: Show, db: SeatDb) -> None:
    await client.reserve(show, [5], by="ben")
    token = (await client.reserve(show, [1, 2], by="anna")).json()["reservation_token"]

    told = problem(await client.change(token, add=[4, 5], remove=[1]), 409, "SEATS_UNAVAILABLE")

    assert told["unavailable_seat_ids"] == [5]
    assert told["detail"] == "Seat 5 was taken by another customer. Choose other seats."
    assert await db.claims(show) == {1: session("anna"), 2: session("anna"), 5: session("ben")}


async def test_a_hold_keeps_at_least_one_seat_and_at_most_ten(client: Api, show: Show, db: SeatDb) -> None:
    token = (await client.reserve(show, [1, 2], by="anna")).json()["reservation_token"]

    told = problem(await client.change(token, remove=[1, 2]), 400, "INVALID_INPUT")
    assert "Release it" in told["detail"]
    problem(await client.change(token, add=list(range(3, 12))), 400, "TOO_MANY_SEATS")

    assert await db.claims(show) == {1: session("anna"), 2: session("anna")}


async def test_every_other_refusal_of_a_change(client: Api, show: Show, db: SeatDb) -> None:
    made = await client.reserve(show, [1, 2], by="anna")
    token = ReservationToken.parse(made.json()["reservation_token"])
    assert token is not None
    foreign = await client.change(str(ReservationToken(token.show_id, token.reservation_id, bytes(16))), add=[3])
    missing = await client.change(str(ReservationToken.mint(token.show_id)), add=[3])

    problem(missing, 404, "RESERVATION_NOT_FOUND")
    assert said(foreign) == said(missing) == said(await client.change("x", add=[3]))
    problem(await client.change(str(token), add=[41]), 404, "SEATS_NOT_FOUND")
    await db.set_show(show, status="paused")
    problem(await client.change(str(token), add=[3]), 409, "SHOW_NOT_ON_SALE")
    assert (await client.change(str(token), remove=[1])).status_code == 200
    await db.age(held(show, made, "anna"), minutes=11)
    problem(await client.change(str(token), remove=[1]), 410, "RESERVATION_EXPIRED")
    await client.release(reservation_token=str(token))
    problem(await client.change(str(token), remove=[1]), 410, "RESERVATION_NOT_ACTIVE")


async def test_a_malformed_change_is_refused_with_the_place_of_the_error(client: Api, show: Show) -> None:
    token = (await client.reserve(show, [1, 2], by="anna")).json()["reservation_token"]
    malformed: list[tuple[dict[str, Any], str]] = [
        ({}, "at least one seat"),
        ({"add": [], "remove": []}, "at least one seat"),
        ({"add": [3], "remove": [3]}, "Seat 3"),
        ({"add": [3, 4], "remove": [4, 3]}, "Seats 3 and 4"),
        ({"add": [0]}, "$.add[0]"),
        ({"add": "3"}, "$.add"),
        ({"add": [3], "remove": [None]}, "$.remove[0]"),
        ({"remove": [2**31]}, "$.remove[0]"),
        ({"remove": list(range(1, 1002))}, "$.remove"),
    ]

    for body, place in malformed:
        assert place in problem(await client.change(token, **body), 400, "INVALID_INPUT")["detail"], body


async def test_a_change_needs_no_session_and_starts_none(client: Api, show: Show, db: SeatDb) -> None:
    token = (await client.reserve(show, [1, 2], by="anna")).json()["reservation_token"]

    answer = await client.change(token, remove=[2])

    assert "set-cookie" not in answer.headers
    assert (await db.audit(show))[-1].session_id == session("anna")


@pytest.mark.parametrize("change", [{"add": [3, 3]}, {"remove": [1, 1]}, {"remove": [99, 99]}])
async def test_a_seat_that_is_listed_twice_is_refused(client: Api, show: Show, change: dict[str, list[int]]) -> None:
    token = (await client.reserve(show, [1, 2], by="anna")).json()["reservation_token"]

    assert "listed twice" in problem(await client.change(token, **change), 400, "INVALID_INPUT")["detail"]
