"""A browser's own hold: a second tab, a reload and a lost answer find it by the cookie alone."""

import httpx
import pytest

from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, Application, held, problem
from tests.support.seatdb import SeatDb


async def mine(client: Api, show: Show) -> httpx.Response:
    return await client.get(f"{RESERVATIONS}/mine", params={"show_id": str(show.show_id)})


async def best(client: Api, **wish: object) -> httpx.Response:
    return await client.post(f"{RESERVATIONS}/best-available", json=wish, headers={"idempotency-key": "once"})


async def test_a_browser_finds_its_live_hold_with_a_token_that_works(browser: Api, show: Show) -> None:
    made = (await browser.reserve(show, [2, 1])).json()

    answer = await mine(browser, show)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found["reservation_token"] == made["reservation_token"]
    assert (found["status"], found["seat_ids"], found["expires_at"]) == ("active", [1, 2], made["expires_at"])
    hold = (await browser.hold(made["reservation_token"])).json()
    assert {**found, "server_time": None} == {
        **hold,
        "server_time": None,
        "reservation_token": made["reservation_token"],
    }
    assert (await browser.release(reservation_token=found["reservation_token"])).status_code == 200


@pytest.mark.parametrize("version", [1, 2])
async def test_a_second_tab_that_is_refused_is_told_the_hold_with_its_token(
    browser: Api, show: Show, version: int
) -> None:
    made = (await browser.reserve(show, [1, 2], version=version, key="tab-1")).json()

    refused = [
        await browser.reserve(show, [3], version=version, key="tab-2"),
        await browser.reserve(show, [3], version=version),
        await browser.best(show, 2),
    ]

    for answer in refused:
        own = problem(answer, 409, "DUPLICATE_RESERVATION")
        assert own["reservation_token"] == made["reservation_token"]
        assert (own["seat_ids"], own["expires_at"]) == ([1, 2], made["expires_at"])


async def test_nothing_is_mine_after_the_end_of_a_hold(browser: Api, show: Show, db: SeatDb) -> None:
    for end in ("released", "lapsed"):
        answer = await browser.reserve(show, [1])
        if end == "released":
            await browser.release(reservation_token=answer.json()["reservation_token"])
        else:
            (holder,) = (await db.claims(show)).values()
            await db.age(held(show, answer, holder), minutes=11)
        ended = await mine(browser, show)
        problem(ended, 404, "RESERVATION_NOT_FOUND")


async def test_others_learn_nothing_of_a_hold(application: Application, browser: Api, show: Show) -> None:
    await browser.reserve(show, [1])
    async with (
        application.client(browser=True) as stranger,
        application.client() as anonymous,
        application.client(headers={"cookie": "rowlock_session=web_x.forged"}) as forged,
    ):
        await stranger.reserve(show, [2])
        await stranger.release(reservation_token=(await mine(stranger, show)).json()["reservation_token"])
        for client in (stranger, anonymous, forged):
            answer = await mine(client, show)
            problem(answer, 404, "RESERVATION_NOT_FOUND")
            assert "set-cookie" not in answer.headers


async def test_the_holder_in_the_database_gives_no_token(browser: Api, show: Show, db: SeatDb) -> None:
    """Whoever reads the database cannot make the token: it comes from the cookie, which is not stored."""
    made = (await browser.reserve(show, [1])).json()
    (holder,) = (await db.claims(show)).values()

    told = problem(await browser.reserve(show, [2], by=holder), 400, "INVALID_INPUT")

    assert "web_" in told["detail"]
    assert made["reservation_token"] not in repr(await db.reservations(show)) + repr(await db.audit(show))


@pytest.mark.parametrize("query", ["", "?show_id=", "?show_id=gala", "?show_id=%00", "?other=1"])
async def test_a_show_has_to_be_named(browser: Api, query: str) -> None:
    told = problem(await browser.get(f"{RESERVATIONS}/mine{query}"), 400, "INVALID_INPUT")

    assert "show_id" in told["detail"]


async def test_a_show_that_is_not_there_has_no_hold_of_mine(browser: Api, show: Show) -> None:
    await browser.reserve(show, [1])
    nowhere = "00000000-0000-0000-0000-000000000000"

    problem(await browser.get(f"{RESERVATIONS}/mine?show_id={nowhere}"), 404, "RESERVATION_NOT_FOUND")


async def test_a_key_with_another_wish_for_the_best_seats_is_refused_also_when_nothing_is_left(
    browser: Api, show: Show, db: SeatDb
) -> None:
    wish = {"show_id": str(show.show_id), "quantity": 2}

    first = await best(browser, **wish)
    assert first.status_code == 201
    for sold_out in (False, True):
        if sold_out:
            rest = [seat for seat in range(1, show.seats_total + 1) if seat not in first.json()["seat_ids"]]
            await db.block(show, seats=rest)
        again = await best(browser, **wish)
        assert again.status_code == 201, again.text
        assert again.json()["reservation_token"] == first.json()["reservation_token"]
        for other in ({"quantity": 3}, {"quantity": 1}, {"accessible": True}, {"category": "Balcony"}):
            problem(await best(browser, **(wish | other)), 422, "IDEMPOTENCY_KEY_REUSED")
    seats = await browser.reserve(show, first.json()["seat_ids"], key="once")
    problem(seats, 422, "IDEMPOTENCY_KEY_REUSED")
    await browser.release(reservation_token=first.json()["reservation_token"])
    problem(await best(browser, **wish), 410, "RESERVATION_NOT_ACTIVE")
