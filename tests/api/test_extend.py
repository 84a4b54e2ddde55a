"""POST extend: five minutes more, three times, for the holder, and never once the hold has run out."""

import asyncio
from datetime import datetime, timedelta

from rowlock.reservations.model import ReservationToken
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, held, problem, said, session
from tests.support.seatdb import SeatDb


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_an_extension_moves_the_deadline_by_five_minutes(client: Api, show: Show, db: SeatDb) -> None:
    made = (await client.reserve(show, [1, 2], by="anna")).json()

    answer = await client.extend(made["reservation_token"])

    assert answer.status_code == 200
    extended = answer.json()
    assert set(extended) == {"success", "expires_at", "extension_count", "extensions_remaining", "server_time"}
    assert _instant(extended["expires_at"]) - _instant(made["expires_at"]) == timedelta(minutes=5)
    assert (extended["extension_count"], extended["extensions_remaining"]) == (1, 2)
    assert (await db.events(show))[-1] == ("extended", [1, 2], None)
    assert await db.check(show) == []


async def test_a_fourth_extension_is_refused(client: Api, show: Show) -> None:
    token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]
    counts = [(await client.extend(token)).json()["extension_count"] for _ in range(3)]

    answer = await client.extend(token)

    assert counts == [1, 2, 3]
    problem(answer, 409, "MAX_EXTENSIONS_REACHED")
    assert (await client.hold(token)).json()["extensions_remaining"] == 0


async def test_extensions_at_the_same_time_never_pass_the_limit(client: Api, show: Show, db: SeatDb) -> None:
    token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]

    answers = await asyncio.gather(*(client.extend(token) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 5
    assert await db.check(show) == []


async def test_a_hold_that_has_run_out_is_not_extended(client: Api, show: Show, db: SeatDb) -> None:
    made = await client.reserve(show, [1], by="anna")
    await db.age(held(show, made, "anna"), minutes=11)

    problem(await client.extend(made.json()["reservation_token"]), 410, "RESERVATION_EXPIRED")


async def test_a_hold_that_has_ended_is_not_extended(client: Api, show: Show) -> None:
    token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]
    await client.release(reservation_token=token)

    problem(await client.extend(token), 410, "RESERVATION_NOT_ACTIVE")


async def test_a_foreign_token_extends_nothing_and_answers_like_a_missing_one(
    client: Api, show: Show, db: SeatDb
) -> None:
    token = ReservationToken.parse((await client.reserve(show, [1], by="anna")).json()["reservation_token"])
    assert token is not None

    foreign = await client.extend(str(ReservationToken(token.show_id, token.reservation_id, bytes(16))))
    missing = await client.extend(str(ReservationToken.mint(token.show_id)))
    malformed = await client.extend("x")

    problem(missing, 404, "RESERVATION_NOT_FOUND")
    assert said(foreign) == said(missing) == said(malformed)
    assert len(await db.events(show)) == 1


async def test_an_extension_that_names_the_count_it_has_seen_can_be_repeated(
    client: Api, show: Show, db: SeatDb
) -> None:
    token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]

    first = await client.extend(token, seen=0)
    again = await client.extend(token, seen=0)
    next_one = await client.extend(token, seen=1)

    assert said(first) == said(again)
    assert next_one.json()["extension_count"] == 2
    assert [event for event, _, _ in await db.events(show)] == ["created", "extended", "extended"]


async def test_the_body_may_be_left_out_but_not_be_malformed(client: Api, show: Show) -> None:
    token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]
    path = f"{RESERVATIONS}/{token}/extend"

    for body, place in (
        ({"extension_count": "1"}, "$.extension_count"),
        ({"extension_count": -1}, "$.extension_count"),
        ({"extension_count": 10**30}, "$.extension_count"),
        ([], "object"),
    ):
        assert place in problem(await client.post(path, json=body), 400, "INVALID_INPUT")["detail"]
    problem(await client.post(path, content=b"{}"), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert (await client.post(path, json={})).json()["extension_count"] == 1


async def test_an_extension_needs_no_session_and_starts_none(client: Api, show: Show, db: SeatDb) -> None:
    token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]

    answer = await client.extend(token)

    assert "set-cookie" not in answer.headers
    assert (await db.audit(show))[-1].session_id == session("anna")
