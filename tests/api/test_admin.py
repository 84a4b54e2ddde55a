"""The operator's endpoints: cleanup, statistics, blocked seats, and what is so of the key that they need.

That each of them asks for it is what test_credentials.py tests.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message

from rowlock.base.dsns import Dsns
from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, Api, Application, held, make_application, outcome, problem, running, session
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

CALLS = (
    ("POST", "/api/admin/cleanup", None),
    ("GET", "/api/admin/statistics", None),
    ("POST", f"/api/admin/shows/{UNKNOWN_ID}/block", {"seat_ids": [1], "reason": "camera"}),
    ("POST", f"/api/admin/shows/{UNKNOWN_ID}/unblock", {"seat_ids": [1]}),
)
NOTHING_RETIRED = {
    "total_reservations_expired": 0,
    "total_seats_released": 0,
    "reservation_ids": [],
    "paused": False,
}


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: cleanup and statistics are about all that is in it."""
    with server.database() as name:
        yield server.dsns(name)


@pytest.mark.usefixtures("clean_check")
async def test_without_a_configured_key_every_key_is_unauthorized(dsns: Dsns) -> None:
    application = make_application(dsns, admin_key=None)
    async with application.client() as client:
        for headers in ({}, {"x-api-key": ""}, {"x-api-key": ADMIN_KEY}):
            problem(await client.post("/api/admin/cleanup", headers=headers), 401, "UNAUTHORIZED")


@pytest.mark.usefixtures("clean_check")
async def test_an_empty_key_opens_nothing_also_where_one_is_configured(dsns: Dsns) -> None:
    """Before: with an empty ROWLOCK_ADMIN_API_KEY every request was the operator's, with and without a key."""
    async with make_application(dsns, admin_key="").client() as client:
        for headers in ({}, {"x-api-key": ""}, {"x-api-key": ADMIN_KEY}):
            problem(await client.post("/api/admin/cleanup", headers=headers), 401, "UNAUTHORIZED")


@pytest.mark.usefixtures("clean_check")
async def test_the_key_is_asked_for_before_the_body_is_read(application: Application) -> None:
    for key, bodies_read in ((b"wrong", 0), (ADMIN_KEY.encode(), 1)):
        reads: list[None] = []
        sent: list[Message] = []

        async def receive(reads: list[None] = reads) -> Message:
            reads.append(None)
            return {"type": "http.request", "body": b"{"}

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        headers = [(b"x-api-key", key), (b"content-type", b"application/json"), (b"content-length", b"1")]
        scope = {"type": "http", "method": "POST", "path": f"/api/admin/shows/{UNKNOWN_ID}/block", "headers": headers}
        await application.asgi({**scope, "query_string": b"", "root_path": "", "http_version": "1.1"}, receive, send)

        assert sent[0]["status"] == (400 if bodies_read else 401)
        assert len(reads) == bodies_read


async def test_no_cache_may_keep_what_the_operator_is_told(admin: Api, client: Api) -> None:
    for caller in (admin, client):
        for method, path, body in CALLS:
            answer = await caller.request(method, path, json=body)
            assert answer.headers.get_list("cache-control") == ["no-store"], (path, answer.status_code)


async def test_cleanup_retires_expired_holds_and_lists_them(client: Api, admin: Api, show: Show, db: SeatDb) -> None:
    lapsed = await client.reserve(show, [1, 2, 3], by="anna")
    await client.reserve(show, [4], by="ben")
    await db.age(held(show, lapsed, "anna"), minutes=11)

    first = await admin.post("/api/admin/cleanup")
    second = await admin.post("/api/admin/cleanup?limit=5")

    assert first.status_code == 200
    assert first.json() == {
        "total_reservations_expired": 1,
        "total_seats_released": 3,
        "reservation_ids": [lapsed.json()["reservation_id"]],
        "paused": False,
    }
    assert second.json() == NOTHING_RETIRED
    assert [run["run_by"] for run in await db.cleanup_runs()] == ["http", "http"]
    assert await db.claims(show) == {4: session("ben")}
    problem(await client.extend(lapsed.json()["reservation_token"]), 410, "RESERVATION_EXPIRED")


async def test_cleanup_while_paused_is_no_error_and_retires_nothing(
    client: Api, admin: Api, show: Show, db: SeatDb
) -> None:
    lapsed = await client.reserve(show, [1, 2], by="anna")
    await db.age(held(show, lapsed, "anna"), minutes=11)
    await db.pause_cleanup()

    paused = await admin.post("/api/admin/cleanup")
    taken = await client.reserve(show, [1], by="ben")
    await db.resume_cleanup()
    resumed = await admin.post("/api/admin/cleanup")

    assert (paused.status_code, paused.json()) == (200, {**NOTHING_RETIRED, "paused": True})
    assert taken.status_code == 201, "a seat of an expired hold is sold without any cleanup"
    assert resumed.json() == {
        "total_reservations_expired": 1,
        "total_seats_released": 1,
        "reservation_ids": [lapsed.json()["reservation_id"]],
        "paused": False,
    }


async def test_cleanup_retires_at_most_the_limit_in_one_call(client: Api, admin: Api, show: Show, db: SeatDb) -> None:
    for number in range(3):
        made = await client.reserve(show, [number + 1], by=f"buyer-{number}")
        await db.age(held(show, made, f"buyer-{number}"), minutes=11)

    counts = [(await admin.post("/api/admin/cleanup?limit=2")).json()["total_reservations_expired"] for _ in range(3)]

    assert counts == [2, 1, 0]


async def test_statistics_count_what_happened(client: Api, admin: Api, show: Show, db: SeatDb) -> None:
    other = await db.make_show()
    lapsed, given_back = await client.reserve(show, [1], by="anna"), await client.reserve(show, [2], by="ben")
    await client.reserve(show, [1], by="carl")
    await client.reserve(other, [1], by="anna")
    await db.age(held(show, lapsed, "anna"), minutes=11)
    await admin.post("/api/admin/cleanup")
    await client.release(reservation_token=given_back.json()["reservation_token"])

    all_shows = (await admin.get("/api/admin/statistics")).json()
    one_show = (await admin.get(f"/api/admin/statistics?show_id={show.show_id}&hours=1")).json()
    nothing = (await admin.get(f"/api/admin/statistics?show_id={UNKNOWN_ID}")).json()

    held_seconds = one_show.pop("avg_hold_time_seconds")
    assert one_show == {
        "total_created": 2,
        "total_completed": 0,
        "total_expired": 1,
        "total_released": 1,
        "total_failed": 1,
        "expiration_rate": 0.5,
    }
    assert 300 <= held_seconds < 330  # One was held for 600 seconds, one for less than a second.
    assert all_shows["total_created"] == 3
    assert nothing == dict.fromkeys(
        ("total_created", "total_completed", "total_expired", "total_released", "total_failed"), 0
    ) | {"avg_hold_time_seconds": None, "expiration_rate": None}


async def test_a_blocked_seat_is_not_sold_until_it_is_unblocked(
    client: Api, admin: Api, show: Show, db: SeatDb
) -> None:
    path = f"/api/admin/shows/{show.show_id}"

    blocked = await admin.post(f"{path}/block", json={"seat_ids": [2, 1], "reason": "camera"})
    refused = await client.reserve(show, [1], by="anna")
    unblocked = await admin.post(f"{path}/unblock", json={"seat_ids": [1, 2, 3]})
    sold = await client.reserve(show, [1], by="anna")

    assert blocked.json() == {"success": True, "seat_ids": [1, 2]}
    problem(refused, 409, "SEATS_UNAVAILABLE")
    assert unblocked.json() == {"success": True, "seat_ids": [1, 2]}
    assert outcome(sold) == (201, None)
    assert [event for event, _, _ in await db.events(show)] == ["blocked", "failed", "unblocked", "created"]
    assert await db.check(show) == []


async def test_a_seat_that_a_customer_holds_is_not_blocked(client: Api, admin: Api, show: Show, db: SeatDb) -> None:
    await client.reserve(show, [1], by="anna")

    answer = await admin.post(f"/api/admin/shows/{show.show_id}/block", json={"seat_ids": [1, 2], "reason": "camera"})

    assert problem(answer, 409, "SEATS_UNAVAILABLE")["unavailable_seat_ids"] == [1]
    assert await db.claims(show) == {1: session("anna")}


async def test_an_invalid_block_or_unblock_is_refused_with_the_place_of_the_error(admin: Api, show: Show) -> None:
    path = f"/api/admin/shows/{show.show_id}"
    camera = {"reason": "camera"}

    problem(await admin.post(f"{path}/block", json={"seat_ids": [41]} | camera), 404, "SEATS_NOT_FOUND")
    for call, body in (("block", {"seat_ids": [1]} | camera), ("unblock", {"seat_ids": [1]})):
        for unknown_show in (UNKNOWN_ID, "x"):
            problem(await admin.post(f"/api/admin/shows/{unknown_show}/{call}", json=body), 404, "SHOW_NOT_FOUND")
    malformed: list[tuple[dict[str, Any], str]] = [
        ({}, "body.seat_ids"),
        ({"seat_ids": []} | camera, "body.seat_ids"),
        ({"seat_ids": [0]} | camera, "body.seat_ids.0"),
        ({"seat_ids": [2**31]} | camera, "body.seat_ids.0"),
        ({"seat_ids": [10**400]} | camera, "body.seat_ids.0"),
        ({"seat_ids": ["x"]} | camera, "body.seat_ids.0"),
        ({"seat_ids": ["1"]} | camera, "body.seat_ids.0"),
        ({"seat_ids": [2, 1.0]} | camera, "body.seat_ids.1"),
        ({"seat_ids": [True]} | camera, "body.seat_ids.0"),
        ({"seat_ids": [1]}, "body.reason"),
        ({"seat_ids": [1], "reason": ""}, "body.reason"),
        ({"seat_ids": [1], "reason": "a\0b"}, "body.reason"),
        ({"seat_ids": [1], "reason": "a\n"}, "body.reason"),
        ({"seat_ids": [1], "reason": "x" * 201}, "body.reason"),
    ]
    for body, place in malformed:
        assert place in problem(await admin.post(f"{path}/block", json=body), 400, "INVALID_INPUT")["detail"], body


async def test_invalid_query_parameters_are_refused_by_name(admin: Api) -> None:
    for path, place in (
        ("cleanup?limit=0", "query.limit"),
        ("cleanup?limit=100001", "query.limit"),
        ("cleanup?limit=x", "query.limit"),
        (f"cleanup?limit={'9' * 5000}", "query.limit"),
    ):
        assert place in problem(await admin.post(f"/api/admin/{path}"), 400, "INVALID_INPUT")["detail"]
    for path, place in (
        ("statistics?show_id=x", "query.show_id"),
        ("statistics?show_id=%00", "query.show_id"),
        ("statistics?hours=0", "query.hours"),
        ("statistics?hours=87601", "query.hours"),
        ("statistics?hours=1.5", "query.hours"),
    ):
        assert place in problem(await admin.get(f"/api/admin/{path}"), 400, "INVALID_INPUT")["detail"]


async def test_the_longest_span_of_statistics_works(admin: Api) -> None:
    assert (await admin.get("/api/admin/statistics?hours=87600")).status_code == 200


async def test_a_server_without_the_logins_of_staff_says_what_to_set(db: SeatDb, show: Show) -> None:
    """A process that was given the application's login alone."""
    key = {"x-api-key": ADMIN_KEY}
    async with running(Dsns.same(db.dsns.app)) as application, application.client(headers=key) as client:
        for path, body in (
            ("cleanup", None),
            (f"shows/{show.show_id}/block", {"seat_ids": [1], "reason": "camera"}),
            (f"shows/{show.show_id}/unblock", {"seat_ids": [1]}),
        ):
            told = problem(await client.post(f"/api/admin/{path}", json=body), 503, "LOGIN_MISSING")
            assert "ROWLOCK_OFFICE_DATABASE_URL" in told["detail"]
        problem(await client.get("/api/admin/statistics"), 503, "LOGIN_MISSING")
        assert (await client.reserve(show, [1], by="anna")).status_code == 201
    assert await db.claims(show) == {1: session("anna")}
