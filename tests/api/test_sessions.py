"""Who the holder is: the signed cookie of a browser says so, or the session id that a program sends."""

import asyncio

import pytest
from itsdangerous import Signer

from rowlock.web.sessions import BROWSER_PREFIX, COOKIE, Sessions
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, SECRET_KEY, Api, Application, outcome, problem, running, said, session
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")


def _cookie(answer: object) -> str | None:
    """The attributes of the session cookie that an answer sets."""
    header: str | None = answer.headers.get("set-cookie")  # type: ignore[attr-defined] # httpx.Response has them.
    return header


async def test_a_browser_gets_a_cookie_and_is_known_by_it(browser: Api, show: Show, db: SeatDb) -> None:
    first = await browser.reserve(show, [1])
    second = await browser.reserve(show, [2])

    cookie = _cookie(first)
    assert cookie is not None
    assert cookie.startswith(f"{COOKIE}=")
    assert {part.strip() for part in cookie.split(";")[1:]} == {
        "Path=/",
        "HttpOnly",
        "SameSite=Lax",
        f"Max-Age={30 * 24 * 3600}",
    }
    problem(second, 409, "DUPLICATE_RESERVATION")
    assert _cookie(second) is None
    (holder,) = (await db.claims(show)).values()
    assert holder.startswith(BROWSER_PREFIX)


async def test_a_cookie_is_secure_where_the_operator_says_so(db: SeatDb, show: Show) -> None:
    async with running(db.dsns, secure_cookies=True) as application, application.client() as client:
        cookie = _cookie(await client.reserve(show, [1]))

    assert cookie is not None
    assert cookie.endswith("; Secure")


async def test_nothing_that_is_stored_can_be_used_as_a_cookie(
    application: Application, browser: Api, show: Show, db: SeatDb
) -> None:
    await browser.reserve(show, [1])
    (holder,) = (await db.claims(show)).values()
    (logged,) = await db.audit(show)
    value = browser.cookies[COOKIE]
    signed = Signer(SECRET_KEY, salt="rowlock.session").sign(holder).decode()  # With another digest than ours.

    assert value not in repr(logged) + repr(await db.reservations(show))
    assert logged.session_id == holder
    for forged in (holder, f"{holder}.{value.rpartition('.')[2]}", signed):
        async with application.client(headers={"cookie": f"{COOKIE}={forged}"}) as other_client:
            answer = await other_client.reserve(show, [2])
            assert _cookie(answer) is not None, forged
            await other_client.release(reservation_token=answer.json()["reservation_token"])


async def test_a_tampered_cookie_is_a_new_session(application: Application, browser: Api, show: Show) -> None:
    await browser.reserve(show, [1])
    value = browser.cookies[COOKIE]
    # Not the last character: some of its bits mean nothing.
    tampered = [
        value[:-2] + ("A" if value[-2] != "A" else "B") + value[-1],
        value[1:],
        value + "x",
        "",
        "=",
        ".",
        '"' + value,
    ]

    for seat, cookie in enumerate(tampered, start=2):
        async with application.client(headers={"cookie": f"{COOKIE}={cookie}"}) as client:
            answer = await client.reserve(show, [seat])
        assert outcome(answer) == (201, None), cookie
        assert _cookie(answer) is not None, cookie


async def test_a_cookie_of_another_instance_is_a_new_session(application: Application, show: Show) -> None:
    _, minted = Sessions("another secret key", secure=False).start()

    async with application.client(headers={b"cookie": minted.partition(b";")[0]}) as client:
        answer = await client.reserve(show, [1])

    assert outcome(answer) == (201, None)
    assert _cookie(answer) is not None


async def test_the_session_cookie_is_found_among_others(application: Application, browser: Api, show: Show) -> None:
    await browser.reserve(show, [1])
    value = browser.cookies[COOKIE]

    for header in (f"a=b; {COOKIE}={value}; c", f" {COOKIE}={value}", f"x{COOKIE}=1;;{COOKIE}={value}"):
        async with application.client(headers={"cookie": header}) as client:
            problem(await client.reserve(show, [2]), 409, "DUPLICATE_RESERVATION")


async def test_the_session_in_the_body_wins_over_the_cookie(browser: Api, show: Show, db: SeatDb) -> None:
    await browser.reserve(show, [1])

    answer = await browser.reserve(show, [2], by="anna")

    assert outcome(answer) == (201, None)
    assert _cookie(answer) is None
    assert (await db.claims(show))[2] == session("anna")


async def test_the_session_of_a_browser_cannot_be_named_in_a_body(
    client: Api, browser: Api, show: Show, db: SeatDb
) -> None:
    made = (await browser.reserve(show, [1])).json()
    (holder,) = (await db.claims(show)).values()

    told = problem(await client.reserve(show, [2], by=holder), 400, "INVALID_INPUT")
    stolen = await client.release(reservation_id=made["reservation_id"], session_id=holder)

    assert BROWSER_PREFIX in told["detail"]
    problem(stolen, 400, "INVALID_INPUT")
    assert await db.claims(show) == {1: holder}


async def test_only_the_browser_with_the_cookie_of_the_holder_releases_by_id(
    application: Application, browser: Api, show: Show, db: SeatDb
) -> None:
    reservation_id = (await browser.reserve(show, [1])).json()["reservation_id"]

    async with application.client(browser=True) as other:
        problem(await other.release(reservation_id=reservation_id), 404, "RESERVATION_NOT_FOUND")
    answer = await browser.release(reservation_id=reservation_id)

    assert answer.json()["released_seat_ids"] == [1]
    assert await db.claims(show) == {}


async def test_a_browser_may_repeat_a_request_with_its_key(browser: Api, show: Show, db: SeatDb) -> None:
    await browser.reserve(show, [1], key="warm-up")
    await browser.release(reservation_id=(await db.reservations(show))[0]["reservation_id"].hex)

    answers = await asyncio.gather(*(browser.reserve(show, [2, 3], key="order-1") for _ in range(4)))

    assert [answer.status_code for answer in answers] == [201] * 4
    assert all(said(answer) == said(answers[0]) for answer in answers)


async def test_two_clients_without_a_session_are_two_sessions_also_with_one_key(client: Api, show: Show) -> None:
    """A request without cookie and session id is a new session each time: a guessed key reveals nothing."""
    first = await client.reserve(show, [1], key="order-1")
    second = await client.reserve(show, [2], key="order-1")

    assert outcome(first) == outcome(second) == (201, None)
    assert first.json()["reservation_token"] != second.json()["reservation_token"]


async def test_a_refusal_starts_no_session(client: Api, show: Show) -> None:
    """A refused request needs no cookie; the next request that reserves seats gets one."""
    await client.reserve(show, [1], by="anna")

    answer = await client.post(f"{RESERVATIONS}/reserve-v2", json={"show_id": str(show.show_id), "seat_ids": [1]})

    problem(answer, 409, "SEATS_UNAVAILABLE")
    assert _cookie(answer) is None
