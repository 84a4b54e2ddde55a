"""The names under which the server is known, and the pages that may use a browser's session."""

import pytest
from pydantic import ValidationError

from rowlock.base.dsns import Dsns
from rowlock.settings import Settings
from rowlock.web.sessions import COOKIE, MAX_AGE_SECONDS, SECURE_COOKIE, Sessions
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, outcome, problem, running, session
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")

HOSTS = {"public_url": "https://tickets.example.org", "allowed_hosts": "Box.Example.org:8443, [::1]"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("tickets.example.org", 200),
        ("TICKETS.example.org:443", 200),
        ("box.example.org:8443", 200),
        ("[::1]:8000", 200),
        ("box.example.org", 421),
        ("tickets.example.org.evil.test", 421),
        ("evil.test:tickets.example.org", 421),
        ("evil.test", 421),
        ("", 421),
    ],
)
async def test_only_the_names_of_the_installation_are_answered(dsns: Dsns, host: str, status: int) -> None:
    async with running(dsns, **HOSTS) as application, application.client(headers={"host": host}) as client:
        shows = await client.get("/api/shows")
        probe = await client.get("/health/live")

    assert (shows.status_code, probe.status_code) == (status, 200), "A probe knows no name."
    if status == 421:
        assert "ROWLOCK_ALLOWED_HOSTS" in problem(shows, 421, "WRONG_HOST")["detail"]


async def test_without_a_public_address_any_name_is_answered(client: Api) -> None:
    assert (await client.get("/api/shows", headers={"host": "any.thing"})).status_code == 200


@pytest.mark.parametrize("url", ["tickets.example.org", "ftp://a.b", "https://a.b/path", "https://user@a.b", ""])
def test_a_public_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"such as https://tickets\.example\.org"):
        Settings(public_url=url)


async def test_another_site_cannot_use_the_session_of_a_browser(browser: Api, show: Show, db: SeatDb) -> None:
    made = (await browser.reserve(show, [1])).json()
    body = {"reservation_id": made["reservation_id"]}
    crossing = {"sec-fetch-site": "cross-site"}

    problem(await browser.post(f"{RESERVATIONS}/release-v2", json=body, headers=crossing), 403, "CROSS_SITE")
    assert list(await db.claims(show)) == [1]
    assert (await browser.get(f"/api/shows/{show.show_id}", headers=crossing)).status_code == 200
    released = await browser.post(f"{RESERVATIONS}/release-v2", json=body, headers={"sec-fetch-site": "same-origin"})
    assert outcome(released) == (200, None)


async def test_a_program_without_the_cookie_may_call_from_anywhere(client: Api, show: Show) -> None:
    body = {"show_id": str(show.show_id), "seat_ids": [1], "session_id": session("anna")}

    answer = await client.post(f"{RESERVATIONS}/reserve-v2", json=body, headers={"sec-fetch-site": "cross-site"})

    assert outcome(answer) == (201, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of the epoch as sessions read them."""
    now = [1_800_000_000.0]
    monkeypatch.setattr("rowlock.web.sessions.time", lambda: now[0])
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now[0])
    return now


def test_a_cookie_is_good_for_30_days_and_no_longer(clock: list[float]) -> None:
    sessions = Sessions("k" * 32, secure=False)
    started, minted = sessions.start()
    cookie = minted.partition(b";")[0].decode()

    found = []
    for seconds in (0, MAX_AGE_SECONDS, 1):
        clock[0] += seconds
        found.append(sessions.find(cookie))

    assert found == [started, started, None]


def test_where_cookies_are_secure_the_plain_name_is_not_read() -> None:
    """A plain cookie can be set by another host of the domain, or by whoever changes plain HTTP."""
    secure, plain = Sessions("k" * 32, secure=True), Sessions("k" * 32, secure=False)
    session, minted = secure.start()
    name, _, value = minted.partition(b";")[0].decode().partition("=")

    assert name == SECURE_COOKIE == "__Host-rowlock_session"
    assert {b" Path=/", b" Secure"} <= set(minted.split(b";"))
    assert b"Domain" not in minted
    assert secure.find(f"{SECURE_COOKIE}={value}") == session
    assert secure.find(f"{COOKIE}={value}") is None
    assert plain.find(f"{SECURE_COOKIE}={value}") is None
    assert plain.find(f"{COOKIE}={value}") == session
