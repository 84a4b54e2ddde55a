"""What is logged of requests, and what never is: tokens, keys, cookies, session ids and all else that clients send."""

import io
import logging
import sys
from collections.abc import Iterator

import psycopg
import pytest
import structlog

from rowlock.base.dsns import Dsns
from rowlock.base.integrator import Scope
from rowlock.integrators.model import hash_of
from rowlock.operations.logs import configure_logging
from rowlock.web.sessions import COOKIE
from tests.api.conftest import UNKNOWN_ID, put_on_sale
from tests.support.answers import Show
from tests.support.halls import services_on
from tests.support.http import ADMIN_KEY, RESERVATIONS, SECRET_KEY, Api, Application, problem, serving, session
from tests.support.servers import TestServer

CANARY = "canary"  # Part of everything that a client of these tests sends.


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: its tables get broken."""
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that the process logs, written as `rowlock serve` writes it."""
    written = io.StringIO()
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging(request.param, "INFO")
    # A cached logger would keep this configuration when the test is over.
    structlog.configure(cache_logger_on_first_use=False)
    # The test's own client logs the addresses that it requests; the server does not write those lines.
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)
    try:
        yield written
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)


async def test_every_request_has_a_line_with_its_route_and_not_its_address(
    application: Application, client: Api, show: Show
) -> None:
    token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]
    await client.hold(token)
    await client.extend(token)
    await client.get(f"/api/shows/{show.show_id}/seats", headers={"x-request-id": "mine"})
    await client.get(f"/api/shows/{show.show_id}")
    await client.get(f"/nope/{token}")
    await client.put(f"{RESERVATIONS}/{token}/extend")

    lines = application.access_lines()

    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", f"{RESERVATIONS}/reserve-v2", 201),
        ("GET", f"{RESERVATIONS}/{{token}}", 200),
        ("POST", f"{RESERVATIONS}/{{token}}/extend", 200),
        ("GET", "/api/shows/{show_id}/seats", 200),
        ("GET", "/api/shows/{show_id}", 200),
        ("GET", "unmatched", 404),
        ("PUT", "unmatched", 405),
    ]
    for line in lines:
        assert set(line) == {"event", "time", "request_id", "method", "path", "status", "milliseconds"}
        assert line["event"] == "request"
        assert 0 < line["milliseconds"] < 60_000
    assert lines[3]["request_id"] == "mine"
    assert len({line["request_id"] for line in lines}) == len(lines)


async def test_nothing_that_a_client_sends_is_logged_even_when_everything_fails(
    dsns: Dsns, owner: psycopg.AsyncConnection, log: io.StringIO
) -> None:
    show = await put_on_sale(owner)
    with serving(dsns, v2_rollout_percent=0) as served:
        async with served.client() as client:
            headers = {
                "user-agent": f"{CANARY}-agent",
                "referer": f"http://x/{CANARY}",
                "x-forwarded-for": "192.0.2.77",
                "x-admission": f"{CANARY}-admission",
            }
            client.headers.update(headers)
            made = await client.reserve(show, [1], by=f"{CANARY}-holder", key=f"{CANARY}-key")
            browser = await client.reserve(show, [2])
            made_key = await services_on(owner).integrators.create("moonlight", [Scope.SELL], "Shop")
            with_key = {"x-rowlock-key": made_key.key}
            secrets = [
                CANARY,
                made_key.key,
                str(hash_of(made_key.key.encode())),
                made.json()["reservation_token"][:40],
                ADMIN_KEY,
                SECRET_KEY,
                "192.0.2.77",
                made.json()["reservation_token"],
                made.json()["reservation_token"][-20:],
                browser.json()["reservation_token"],
                browser.headers["set-cookie"].partition(";")[0].removeprefix(f"{COOKIE}="),
            ]
            token = made.json()["reservation_token"]
            admin = {"x-api-key": ADMIN_KEY}
            cookie = {"cookie": browser.headers["set-cookie"].partition(";")[0]}

            async def everything() -> list[int]:
                answers = [
                    await client.reserve(show, [1], by=f"{CANARY}-other", key=f"{CANARY}-key"),
                    await client.reserve(show, [3], by=f"{CANARY}-another"),
                    await client.reserve(show, [4], by=f"{CANARY}-old", version=1),
                    await client.best(show, 2, session_id=session(f"{CANARY}-best")),
                    await client.hold(token),
                    await client.extend(token),
                    await client.change(token, add=[5]),
                    await client.release(reservation_token=token),
                    await client.release(reservation_token=token, version=1),
                    await client.release(reservation_id=str(UNKNOWN_ID), session_id=session(f"{CANARY}-x")),
                    await client.post(f"{RESERVATIONS}/reserve-v2", json={"show_id": CANARY}, headers=cookie),
                    await client.post(
                        f"{RESERVATIONS}/reserve-v2",
                        json={"show_id": str(show.show_id), "seat_ids": [1], "session_id": CANARY},
                        headers=with_key,
                    ),
                    await client.get(f"/api/shows?{CANARY}", headers=with_key),
                    await client.get("/api/shows", headers={"x-rowlock-key": f"{CANARY}-key"}),
                    await client.get(f"/api/shows/{show.show_id}"),
                    await client.get(f"/{CANARY}"),
                    await client.post("/api/admin/cleanup", headers=admin),
                    await client.post("/api/admin/cleanup", headers={"x-api-key": f"{CANARY}-key"}),
                    await client.post(
                        f"/api/admin/shows/{show.show_id}/block",
                        json={"seat_ids": [9], "reason": CANARY},
                        headers=admin,
                    ),
                ]
                for answer in answers:
                    if answer.status_code >= 500:
                        problem(answer, 500, "INTERNAL_ERROR")
                return [answer.status_code for answer in answers]

            # PostgreSQL's message for a violated constraint quotes the whole row, holder and address included.
            await owner.execute("alter table rowlock.seat_reservations add constraint broken check (false) not valid")
            await owner.execute("alter table rowlock.show_seats add constraint broken check (false) not valid")
            assert 500 in await everything()
            # And the message about a missing table quotes the statement.
            await owner.execute("drop table rowlock.seat_reservations, rowlock.shows cascade")
            assert (await everything()).count(500) >= 10

        access = b"".join(served.application.written).decode()

    text = log.getvalue()
    assert text.count("request_failed") >= 10, "The failures were not logged, so nothing was tested."
    assert "broken" in text
    for secret in secrets:
        assert secret not in text, _around(text, secret)
        assert secret not in access, _around(access, secret)


async def test_a_failure_is_logged_under_the_id_that_its_client_was_told(
    dsns: Dsns, owner: psycopg.AsyncConnection, log: io.StringIO
) -> None:
    await owner.execute("drop table rowlock.shows cascade")
    with serving(dsns) as served:
        async with served.client() as client:
            told = [
                problem(answer, 500, "INTERNAL_ERROR")["request_id"]
                for answer in (
                    await client.get("/api/shows"),
                    await client.reserve(UNKNOWN_ID, [1], by="anna"),
                    await client.get(f"/api/shows/{UNKNOWN_ID}/seats", headers={"x-request-id": "my-own-id"}),
                )
            ]

    for request_id in told:
        assert request_id in log.getvalue()
    assert told[2] == "my-own-id"


def _around(text: str, secret: str) -> str:
    """The text around a secret, to find what logged it."""
    at = text.find(secret)
    return text[max(0, at - 600) : at + 100]
