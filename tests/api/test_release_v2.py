"""POST release-v2: by token, or by id with the session of the holder; repeatable, and refused to other callers."""

from typing import Any
from uuid import UUID

from rowlock.base.ids import mint_id
from rowlock.reservations.model import ReservationToken
from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, held, outcome, problem, said, session
from tests.support.seatdb import SeatDb


async def test_a_release_by_token_gives_every_seat_back(client: Api, show: Show, db: SeatDb) -> None:
    token = (await client.reserve(show, [2, 1], by="anna")).json()["reservation_token"]

    answer = await client.release(reservation_token=token)

    assert answer.status_code == 200
    assert answer.json() == {"success": True, "released_seat_ids": [1, 2]}
    assert "set-cookie" not in answer.headers
    assert await db.claims(show) == {}
    assert (await db.events(show))[-1] == ("released", [1, 2], None)
    assert (await db.audit(show))[-1].session_id == session("anna")
    assert outcome(await client.reserve(show, [1, 2], by="ben")) == (201, None)


async def test_a_release_by_id_needs_the_session_of_the_holder(client: Api, show: Show, db: SeatDb) -> None:
    reservation_id = (await client.reserve(show, [1], by="anna")).json()["reservation_id"]

    foreign = await client.release(reservation_id=reservation_id, session_id=session("ben"))
    missing = await client.release(reservation_id=str(mint_id(show.show_id)), session_id=session("ben"))
    unknown_show = await client.release(reservation_id=str(UNKNOWN_ID), session_id=session("ben"))

    problem(foreign, 404, "RESERVATION_NOT_FOUND")
    assert said(foreign) == said(missing) == said(unknown_show)
    assert await db.claims(show) == {1: session("anna")}
    own = await client.release(reservation_id=reservation_id, session_id=session("anna"))
    assert own.json() == {"success": True, "released_seat_ids": [1]}
    assert await db.claims(show) == {}


async def test_a_foreign_token_releases_nothing(client: Api, show: Show, db: SeatDb) -> None:
    token = ReservationToken.parse((await client.reserve(show, [1], by="anna")).json()["reservation_token"])
    assert token is not None

    foreign = await client.release(
        reservation_token=str(ReservationToken(token.show_id, token.reservation_id, bytes(16)))
    )
    missing = await client.release(reservation_token=str(ReservationToken.mint(token.show_id)))

    problem(foreign, 404, "RESERVATION_NOT_FOUND")
    assert said(foreign) == said(missing) == said(await client.release(reservation_token="x"))
    assert await db.claims(show) == {1: session("anna")}


async def test_a_release_can_be_repeated(client: Api, show: Show, db: SeatDb) -> None:
    token = (await client.reserve(show, [1, 2], by="anna")).json()["reservation_token"]

    first = await client.release(reservation_token=token)
    again = await client.release(reservation_token=token)

    assert (first.status_code, said(first)) == (again.status_code, said(again))
    assert len(await db.events(show)) == 2


async def test_releasing_a_lapsed_hold_frees_the_seats_that_were_not_taken_since(
    client: Api, show: Show, db: SeatDb
) -> None:
    made = await client.reserve(show, [1, 2], by="anna")
    await db.age(held(show, made, "anna"), minutes=11)
    await client.reserve(show, [2], by="ben")

    answer = await client.release(reservation_token=made.json()["reservation_token"])

    assert answer.json()["released_seat_ids"] == [1]
    assert await db.claims(show) == {2: session("ben")}


async def test_a_hold_that_was_retired_or_paid_is_not_released(client: Api, show: Show, db: SeatDb) -> None:
    retired = await client.reserve(show, [1], by="anna")
    paid = await client.reserve(show, [2], by="ben")
    await db.age(held(show, retired, "anna"), minutes=11)
    await client.reserve(show, [3], by="anna")
    await db.complete(show, await db.order(held(show, paid, "ben")))

    problem(await client.release(reservation_token=retired.json()["reservation_token"]), 410, "RESERVATION_EXPIRED")
    problem(await client.release(reservation_token=paid.json()["reservation_token"]), 410, "RESERVATION_NOT_ACTIVE")

    assert await db.claims(show) == {2: "sold", 3: session("anna")}


async def test_a_malformed_release_is_refused_with_the_place_of_the_error(client: Api) -> None:
    some_id = str(UUID(int=7))
    malformed: list[tuple[dict[str, Any], str]] = [
        ({}, "reservation_token"),
        ({"session_id": session("anna")}, "reservation_token"),
        ({"reservation_token": None}, "reservation_token"),
        ({"reservation_token": "x", "reservation_id": some_id}, "either"),
        ({"reservation_token": 7}, "$.reservation_token"),
        ({"reservation_token": ""}, "$.reservation_token"),
        ({"reservation_token": "x" * 201}, "$.reservation_token"),
        ({"reservation_id": "7"}, "$.reservation_id"),
        ({"reservation_id": some_id, "session_id": "web_1"}, "session_id"),
        ({"reservation_id": some_id, "session_id": ["anna"]}, "$.session_id"),
    ]

    for body, place in malformed:
        answer = await client.post(f"{RESERVATIONS}/release-v2", json=body)
        assert place in problem(answer, 400, "INVALID_INPUT")["detail"], body
