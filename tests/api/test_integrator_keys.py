"""X-Rowlock-Key: what a key opens, for which shows, and what a wrong one is told."""

from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from rowlock.base.integrator import Scope
from rowlock.integrators import service
from rowlock.integrators.model import make_key
from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.halls import services_on
from tests.support.http import ADMIN_KEY, RESERVATIONS, Api, Application, outcome, problem, running
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")

GUEST = "guest-0123456789abcdef0123456789abcdef"
BLOCK = {"seat_ids": [1], "reason": "camera"}


async def make(owner: psycopg.AsyncConnection, *scopes: Scope, organization: str = "moonlight") -> tuple[str, UUID]:
    """A new key, and its id."""
    made = await services_on(owner).integrators.create(organization, scopes, "Shop")
    return made.key, made.listing.key_id


@pytest.fixture
async def foreign(owner: psycopg.AsyncConnection, show: Show, db: SeatDb) -> Show:
    """A show of another organization."""
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


def reserve(show: Show | UUID, **more: Any) -> dict[str, Any]:
    show_id = show.show_id if isinstance(show, Show) else show
    return {"show_id": str(show_id), "seat_ids": [1], "session_id": GUEST, **more}


async def test_a_wrong_key_is_refused_wherever_it_is_sent(
    client: Api, show: Show, owner: psycopg.AsyncConnection
) -> None:
    revoked, key_id = await make(owner, Scope.SELL, Scope.STAFF)
    await services_on(owner).integrators.revoke(key_id)

    for key in ("", "x", make_key(), revoked, ADMIN_KEY, b"\xff"):
        headers: Any = {"x-rowlock-key": key}
        admin: Any = {"x-rowlock-key": key, "x-api-key": ADMIN_KEY}
        for answer in (
            await client.post(f"{RESERVATIONS}/reserve-v2", json=reserve(show), headers=headers),
            await client.post(f"{RESERVATIONS}/reserve", json=reserve(show), headers=headers),
            await client.get(f"{RESERVATIONS}/mine?show_id={show.show_id}", headers=headers),
            await client.get("/api/shows", headers=headers),
            await client.get(f"/api/shows/{show.show_id}/seats", headers=headers),
            await client.post("/api/admin/cleanup", headers=admin),
            await client.get("/nothing", headers=headers),
        ):
            assert "X-Rowlock-Key" in problem(answer, 401, "UNAUTHORIZED")["detail"]
        assert (await client.get("/health/live", headers=headers)).status_code == 200


async def test_a_revoked_key_stops_working(client: Api, show: Show, owner: psycopg.AsyncConnection) -> None:
    key, key_id = await make(owner, Scope.SELL)
    headers = {"x-rowlock-key": key}
    assert (await client.get("/api/shows", headers=headers)).status_code == 200

    await services_on(owner).integrators.revoke(key_id)

    problem(await client.get("/api/shows", headers=headers), 401, "UNAUTHORIZED")


async def test_guesses_are_refused_without_asking_the_database_for_each(
    client: Api, show: Show, owner: psycopg.AsyncConnection
) -> None:
    key, _ = await make(owner, Scope.SELL)
    assert (await client.get("/api/shows", headers={"x-rowlock-key": key})).status_code == 200

    answers = [
        await client.get("/api/shows", headers={"x-rowlock-key": make_key()})
        for _ in range(3 * service.UNPROVEN_A_SECOND)
    ]

    assert {answer.status_code for answer in answers} == {401, 503}
    assert (await client.get("/api/shows", headers={"x-rowlock-key": key})).status_code == 200


async def test_a_key_to_sell_sells_the_shows_of_its_organization(
    application: Application, show: Show, owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    key, _ = await make(owner, Scope.SELL)
    async with application.client(headers={"x-rowlock-key": key}) as shop:
        made = (await shop.post(f"{RESERVATIONS}/reserve-v2", json=reserve(show))).json()
        token = made["reservation_token"]
        assert (await shop.hold(token)).status_code == 200
        assert (await shop.extend(token)).status_code == 200
        assert (await shop.change(token, add=[2])).status_code == 200
        assert (await shop.release(reservation_token=token)).json()["released_seat_ids"] == [1, 2]
        for version in (1, 2):
            path = "reserve" if version == 1 else "reserve-v2"
            made = (await shop.post(f"{RESERVATIONS}/{path}", json=reserve(show))).json()
            freed = await shop.release(reservation_id=made["reservation_id"], session_id=GUEST, version=version)
            assert freed.json()["released_seat_ids"] == [1]
        assert outcome(await shop.best(show, 2, session_id=GUEST)) == (201, None)
    assert await db.check(show) == []


async def test_a_key_may_do_nothing_with_a_show_of_another_organization(
    application: Application, client: Api, show: Show, foreign: Show, owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    key, _ = await make(owner, Scope.SELL, Scope.STAFF)
    body = reserve(foreign, seat_ids=[5])
    token = (await client.post(f"{RESERVATIONS}/reserve-v2", json=body)).json()["reservation_token"]
    async with application.client(headers={"x-rowlock-key": key}) as shop:

        async def each() -> list[httpx.Response]:
            admin = f"/api/admin/shows/{foreign.show_id}"
            return [
                await shop.post(f"{RESERVATIONS}/reserve-v2", json=reserve(foreign)),
                await shop.post(f"{RESERVATIONS}/reserve", json=reserve(foreign)),
                await shop.best(foreign, 1, session_id=GUEST),
                await shop.post(f"{admin}/block", json=BLOCK),
                await shop.post(f"{admin}/unblock", json={"seat_ids": [1]}),
                await shop.get(f"/api/admin/statistics?show_id={foreign.show_id}"),
                await shop.hold(token),
                await shop.extend(token),
                await shop.change(token, add=[6]),
                await shop.release(reservation_token=token),
                await shop.release(reservation_token=token, version=1),
            ]

        for answer in await each():
            assert "another organization" in problem(answer, 403, "FORBIDDEN")["detail"]
        # Of another's draft it is not told that it is there; of one's own draft it is.
        await owner.execute("update rowlock.shows set status = 'draft'")
        for answer in await each():
            assert answer.status_code == 404, answer.text
        assert (await shop.post(f"/api/admin/shows/{show.show_id}/block", json=BLOCK)).status_code == 200
        problem(await shop.post(f"{RESERVATIONS}/reserve-v2", json=reserve(UNKNOWN_ID)), 404, "SHOW_NOT_FOUND")
    assert list(await db.claims(foreign)) == [5]


async def test_a_key_for_staff_blocks_seats_and_is_named_in_the_audit_log(
    application: Application, show: Show, owner: psycopg.AsyncConnection
) -> None:
    key, _ = await make(owner, Scope.STAFF)
    async with application.client(headers={"x-rowlock-key": key}) as box_office:
        path = f"/api/admin/shows/{show.show_id}"
        assert (await box_office.post(f"{path}/block", json=BLOCK)).json()["seat_ids"] == [1]
        assert (await box_office.post(f"{path}/unblock", json={"seat_ids": [1]})).json()["seat_ids"] == [1]
        statistics = await box_office.get(f"/api/admin/statistics?show_id={show.show_id}")
        assert statistics.json()["total_created"] == 0

    cursor = await owner.execute(
        "select event, actor from rowlock.seat_reservation_audit_log where show_id = %s order by id", [show.show_id]
    )
    assert await cursor.fetchall() == [("blocked", "key: Shop"), ("unblocked", "key: Shop")]


async def test_a_key_for_staff_opens_nothing_that_concerns_every_organization(
    application: Application, show: Show, owner: psycopg.AsyncConnection
) -> None:
    key, _ = await make(owner, Scope.STAFF)
    async with application.client(headers={"x-rowlock-key": key}) as box_office:
        told = problem(await box_office.post("/api/admin/cleanup"), 403, "FORBIDDEN")
        assert "X-API-Key" in told["detail"]
        told = problem(await box_office.get("/api/admin/statistics"), 403, "FORBIDDEN")
        assert "show_id" in told["detail"]


async def test_each_scope_opens_its_own_and_nothing_else(
    application: Application, show: Show, owner: psycopg.AsyncConnection
) -> None:
    sell, _ = await make(owner, Scope.SELL)
    staff, _ = await make(owner, Scope.STAFF)
    async with application.client(headers={"x-rowlock-key": sell}) as shop:
        for path in (f"shows/{show.show_id}/block", f"shows/{UNKNOWN_ID}/block", "cleanup", "nothing"):
            told = problem(await shop.post(f"/api/admin/{path}", json=BLOCK), 403, "FORBIDDEN")
            assert "scope staff" in told["detail"]
    async with application.client(headers={"x-rowlock-key": staff}) as box_office:
        for call in (
            box_office.post(f"{RESERVATIONS}/reserve-v2", json=reserve(show)),
            box_office.best(show, 1, session_id=GUEST),
            box_office.release(reservation_id=str(UNKNOWN_ID), session_id=GUEST),
        ):
            assert "scope sell" in problem(await call, 403, "FORBIDDEN")["detail"]


async def test_two_keys_in_one_request_are_refused(client: Api, show: Show, owner: psycopg.AsyncConnection) -> None:
    key, _ = await make(owner, Scope.STAFF)
    for admin in (ADMIN_KEY, "wrong"):
        answer = await client.post("/api/admin/cleanup", headers={"x-rowlock-key": key, "x-api-key": admin})
        assert "both" in problem(answer, 400, "INVALID_INPUT")["detail"]


async def test_a_server_without_an_admin_key_takes_a_key_for_staff(
    db: SeatDb, show: Show, owner: psycopg.AsyncConnection
) -> None:
    key, _ = await make(owner, Scope.STAFF)
    async with running(db.dsns) as application, application.client(headers={"x-rowlock-key": key}) as box_office:
        assert (await box_office.post(f"/api/admin/shows/{show.show_id}/block", json=BLOCK)).status_code == 200


async def test_the_document_says_where_a_key_counts(client: Api) -> None:
    document = (await client.get("/openapi.json")).json()

    scheme = document["components"]["securitySchemes"]["IntegratorKey"]
    assert (scheme["in"], scheme["name"]) == ("header", "X-Rowlock-Key")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path.startswith(RESERVATIONS):
                assert ({"IntegratorKey": []} in operation["security"]) == (not path.endswith("/mine")), path
                assert {"401", "403"} <= operation["responses"].keys()
            elif path.startswith("/api/admin/") and path != "/api/admin/cleanup":
                assert operation["security"] == [{"OperatorKey": []}, {"IntegratorKey": []}], path
