"""The server behind nginx and behind Caddy, with the very configurations that the documentation has.

The client comes from 127.0.0.2, so that its address is another one than the proxy's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.support.answers import Show
from tests.support.http import RESERVATIONS, outcome, serving, session
from tests.support.proxies import HOST, documented, proxy
from tests.support.seatdb import SeatDb

CLIENT = "127.0.0.2"
FORGED = {"x-forwarded-for": "198.51.100.9", "x-forwarded-proto": "http", "forwarded": "for=198.51.100.9"}
SECURE = "__Host-rowlock_session"

both = pytest.mark.parametrize("kind", ["nginx", "caddy"])


@contextmanager
def behind(kind: str, db: SeatDb, text: str | None = None) -> Iterator[httpx.Client]:
    """A browser whose requests go through a proxy, with the settings of the page."""
    with (
        serving(db.dsns, secure_cookies=True, public_url=f"https://{HOST}") as served,
        proxy(kind, served.port, documented(kind) if text is None else text) as port,
        httpx.Client(
            # The certificate is the test's own.
            transport=_Resolved(port, verify=False, local_address=CLIENT),
            base_url=f"https://{HOST}",
            timeout=30,
        ) as client,
    ):
        yield client


class _Resolved(httpx.HTTPTransport):
    """Sends what is for the public name to the proxy's port."""

    def __init__(self, port: int, *, verify: bool, local_address: str) -> None:
        super().__init__(verify=verify, local_address=local_address)
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=self._port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": HOST},
        )
        return super().handle_request(sent)


async def addresses(owner: psycopg.AsyncConnection, show: Show) -> list[str]:
    """The addresses in the audit log of a show."""
    cursor = await owner.execute(
        "select host(ip_address) from rowlock.seat_reservation_audit_log where show_id = %s order by id", [show.show_id]
    )
    return [address for (address,) in await cursor.fetchall()]


def wish(show: Show, seat: int, name: str) -> dict[str, object]:
    return {"show_id": str(show.show_id), "seat_ids": [seat], "session_id": session(name)}


@both
async def test_the_buyers_address_reaches_the_audit_log_and_a_forged_one_does_not(
    kind: str, db: SeatDb, show: Show, owner: psycopg.AsyncConnection
) -> None:
    with behind(kind, db) as client:
        plain = client.post(f"{RESERVATIONS}/reserve-v2", json=wish(show, 1, "anna"))
        forged = client.post(f"{RESERVATIONS}/reserve-v2", json=wish(show, 2, "ben"), headers=FORGED)

    assert outcome(plain) == outcome(forged) == (201, None)
    assert await addresses(owner, show) == [CLIENT, CLIENT]


async def test_without_its_line_nginx_would_pass_a_forged_address_on(
    db: SeatDb, show: Show, owner: psycopg.AsyncConnection
) -> None:
    """So the test above can fail."""
    text = documented("nginx").replace("proxy_set_header X-Forwarded-For $remote_addr;", "")
    with behind("nginx", db, text) as client:
        client.post(f"{RESERVATIONS}/reserve-v2", json=wish(show, 1, "anna"), headers=FORGED)

    assert await addresses(owner, show) == ["198.51.100.9"]


@both
def test_a_browser_gets_a_secure_cookie_and_is_known_by_it(kind: str, db: SeatDb, show: Show) -> None:
    body = {"show_id": str(show.show_id), "seat_ids": [1]}
    with behind(kind, db) as browser:
        first = browser.post(f"{RESERVATIONS}/reserve-v2", json=body)
        again = browser.post(f"{RESERVATIONS}/reserve-v2", json=body)

    assert outcome(first) == (201, None)
    assert first.headers["set-cookie"].startswith(f"{SECURE}=")
    assert first.headers["set-cookie"].endswith("; Secure")
    assert again.json()["reservation_token"] == first.json()["reservation_token"]


@both
def test_the_public_name_and_https_reach_the_server(kind: str, db: SeatDb, show: Show) -> None:
    with behind(kind, db) as client:
        # Where the server tells an address of its own, it is that of the buyers.
        moved = client.get("/api/shows/", headers=FORGED, follow_redirects=False)
        shown = client.get(f"/api/shows/{show.show_id}")

    assert shown.status_code == 200
    assert moved.status_code == 307
    assert moved.headers["location"] == f"https://{HOST}/api/shows"


@both
def test_what_is_too_large_ends_at_the_proxy(kind: str, db: SeatDb, show: Show) -> None:
    with behind(kind, db) as client:
        body = client.post(f"{RESERVATIONS}/reserve-v2", content=b"x" * 300_000)
        head = client.get("/api/shows", headers={"x-large": "x" * 60_000})
        small = client.get("/api/shows", headers={"x-large": "x" * 6_000})

    if kind == "nginx":
        assert (body.status_code, head.status_code) == (413, 400)
        assert "x-request-id" not in body.headers
    else:
        # Caddy asks Rowlock before it has counted, so either may be the first to refuse.
        assert body.status_code in (413, 502)
        assert head.status_code == 431
    assert "x-request-id" not in head.headers
    assert small.status_code == 200


@both
def test_the_operators_endpoints_are_closed_to_other_networks(kind: str, db: SeatDb, show: Show) -> None:
    with behind(kind, db) as client:
        assert client.post("/api/admin/cleanup").status_code == 403
