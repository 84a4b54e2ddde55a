"""Who a session id names: without a key one that nobody can guess, with a key one of the integrator's organization."""

import re
from uuid import uuid4

import psycopg
import pytest

from rowlock.base.integrator import Scope
from tests.api.test_integrator_keys import make
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, Application, outcome, problem, said, serving, session
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")


@pytest.fixture
async def other_show(owner: psycopg.AsyncConnection, show: Show, db: SeatDb) -> Show:
    """A show of the organization Sunrise."""
    other = await db.make_show()
    await owner.execute(
        "insert into rowlock.organizations (name, slug) values ('Sunrise', 'sunrise') on conflict do nothing"
    )
    await owner.execute(
        "update rowlock.shows set organization_id = (select organization_id from rowlock.organizations "
        "where slug = 'sunrise') where show_id = %s",
        [other.show_id],
    )
    return other


async def test_without_a_key_a_session_id_that_can_be_guessed_is_refused_wherever_it_is_sent(
    client: Api, show: Show, db: SeatDb
) -> None:
    """Before: whoever knew "anna" held seats in her name, so that she could not, and was told hers."""
    for short in ("anna", "a", "x" * 31):
        body = {"show_id": str(show.show_id), "seat_ids": [1], "session_id": short}
        for answer in (
            await client.post(f"{RESERVATIONS}/reserve-v2", json=body),
            await client.post(f"{RESERVATIONS}/reserve", json=body),
            await client.best(show, 1, session_id=short),
            await client.release(reservation_id=str(uuid4()), session_id=short),
            await client.release(reservation_id=str(uuid4()), session_id=short, version=1),
        ):
            detail = problem(answer, 400, "INVALID_INPUT")["detail"]
            assert "UUID" in detail
            assert "X-Rowlock-Key" in detail
    assert await db.claims(show) == {}


async def test_a_uuid_and_32_characters_are_taken_unchanged(client: Api, show: Show, db: SeatDb) -> None:
    for seat, session_id in enumerate((str(uuid4()), uuid4().hex, "x" * 32, "y" * 128), start=1):
        answer = await client.post(
            f"{RESERVATIONS}/reserve-v2",
            json={"show_id": str(show.show_id), "seat_ids": [seat], "session_id": session_id},
        )
        assert outcome(answer) == (201, None)
        assert (await db.claims(show))[seat] == session_id


async def test_holders_of_the_same_name_are_others_for_each_organization_and_without_a_key(
    application: Application, client: Api, show: Show, owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    anna = session("anna")
    key, _ = await make(owner, Scope.SELL)
    wish = {"show_id": str(show.show_id), "session_id": anna}
    once = {"idempotency-key": "order-1"}
    bare = await client.post(f"{RESERVATIONS}/reserve-v2", json=wish | {"seat_ids": [1]}, headers=once)
    async with application.client(headers={"x-rowlock-key": key}) as shop:
        held = await shop.post(f"{RESERVATIONS}/reserve-v2", json=wish | {"seat_ids": [2]}, headers=once)
        again = await shop.post(f"{RESERVATIONS}/reserve-v2", json=wish | {"seat_ids": [2]}, headers=once)

    assert outcome(bare) == outcome(held) == (201, None)
    assert said(again) == said(held)
    assert bare.json()["reservation_id"] != held.json()["reservation_id"]
    assert bare.json()["reservation_token"][-20:] != held.json()["reservation_token"][-20:]
    claims = await db.claims(show)
    assert claims[1] == anna
    assert claims[2].startswith("org_")
    assert claims[2].endswith(f"_{anna}")

    # Who has no key cannot name the holder of an integrator, nor guess a repeated request into its token.
    for session_id in (claims[2], "org_" + anna):
        body = {"show_id": str(show.show_id), "seat_ids": [2], "session_id": session_id}
        for answer in (
            await client.post(f"{RESERVATIONS}/reserve-v2", json=body, headers=once),
            await client.release(reservation_id=held.json()["reservation_id"], session_id=session_id),
        ):
            assert "org_" in problem(answer, 400, "INVALID_INPUT")["detail"]
    stolen = await client.release(reservation_id=held.json()["reservation_id"], session_id=anna)
    problem(stolen, 404, "RESERVATION_NOT_FOUND")


async def test_two_integrators_may_both_call_a_holder_anna(
    application: Application, show: Show, other_show: Show, owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    holders: list[str] = []
    for organization, its in (("moonlight", show), ("sunrise", other_show)):
        key, _ = await make(owner, Scope.SELL, organization=organization)
        async with application.client(headers={"x-rowlock-key": key}) as shop:
            wish = {"show_id": str(its.show_id), "seat_ids": [1], "session_id": "anna"}
            made = await shop.post(f"{RESERVATIONS}/reserve-v2", json=wish)
            assert outcome(made) == (201, None)
            holders.append((await db.claims(its))[1])
            assert (await shop.release(reservation_id=made.json()["reservation_id"], session_id="anna")).is_success
    assert len(set(holders)) == 2
    assert all(re.fullmatch("org_[0-9a-f]{32}_anna", holder) for holder in holders)


async def test_two_keys_of_one_organization_share_its_holders(
    application: Application, show: Show, owner: psycopg.AsyncConnection
) -> None:
    """So that a key can be replaced while people hold seats."""
    old, _ = await make(owner, Scope.SELL)
    new, _ = await make(owner, Scope.SELL)
    async with (
        application.client(headers={"x-rowlock-key": old}) as before,
        application.client(headers={"x-rowlock-key": new}) as after,
    ):
        made = await before.best(show, 1, session_id="anna")
        problem(await after.best(show, 1, session_id="anna"), 409, "DUPLICATE_RESERVATION")
        released = await after.release(reservation_id=made.json()["reservation_id"], session_id="anna")
        assert released.status_code == 200


async def test_with_a_key_there_is_no_cookie_and_a_session_id_is_needed(
    application: Application, browser: Api, show: Show, owner: psycopg.AsyncConnection
) -> None:
    await browser.reserve(show, [1])
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    key, _ = await make(owner, Scope.SELL)
    async with application.client(headers={"x-rowlock-key": key, "cookie": cookie}) as shop:
        for answer in (
            await shop.reserve(show, [2]),
            await shop.reserve(show, [2], version=1),
            await shop.best(show, 1),
        ):
            assert "session_id is needed" in problem(answer, 400, "INVALID_INPUT")["detail"]
            assert "set-cookie" not in answer.headers
        told = problem(await shop.get(f"{RESERVATIONS}/mine?show_id={show.show_id}"), 400, "INVALID_INPUT")
        assert "for browsers" in told["detail"]


async def test_the_address_of_the_end_user_is_logged_when_an_integrator_tells_it(
    owner: psycopg.AsyncConnection, show: Show, db: SeatDb
) -> None:
    key, _ = await make(owner, Scope.SELL)
    wish = {"show_id": str(show.show_id), "seat_ids": [1], "session_id": "anna"}
    with serving(db.dsns) as served:
        async with served.client() as shop:
            shop.headers["x-rowlock-key"] = key
            for version in ("reserve-v2", "reserve"):
                made = await shop.post(f"{RESERVATIONS}/{version}", json=wish | {"client_address": "2001:db8::7"})
                token = made.json()["reservation_token"]
                await shop.change(token, add=[2], client_address="192.0.2.7")
                await shop.post(f"{RESERVATIONS}/{token}/extend", json={"client_address": "192.0.2.8"})
                await shop.release(reservation_token=token, client_address="192.0.2.9")
            await shop.best(show, 1, session_id="anna", client_address="::ffff:192.0.2.10")
            await shop.best(show, 1, session_id="ben")

    cursor = await owner.execute(
        "select host(ip_address) from rowlock.seat_reservation_audit_log where show_id = %s order by id", [show.show_id]
    )
    logged = [address for (address,) in await cursor.fetchall()]
    each = ["2001:db8::7", "192.0.2.7", "192.0.2.8", "192.0.2.9"]
    assert logged == [*each, *each, "::ffff:192.0.2.10", "127.0.0.1"]


async def test_an_address_is_refused_without_a_key_and_when_it_is_none(
    application: Application, client: Api, show: Show, owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    key, _ = await make(owner, Scope.SELL)
    wish = {"show_id": str(show.show_id), "seat_ids": [1], "session_id": session("anna")}
    told = await client.post(f"{RESERVATIONS}/reserve-v2", json=wish | {"client_address": "192.0.2.7"})
    assert "X-Rowlock-Key only" in problem(told, 400, "INVALID_INPUT")["detail"]
    async with application.client(headers={"x-rowlock-key": key}) as shop:
        for address in ("", "x", "192.0.2", "192.0.2.7:80", "fe80::1%eth0", "192.0.2.0/24", "1" * 46, 7):
            answer = await shop.post(f"{RESERVATIONS}/reserve-v2", json=wish | {"client_address": address})
            assert "client_address" in problem(answer, 400, "INVALID_INPUT")["detail"]
    assert await db.claims(show) == {}
