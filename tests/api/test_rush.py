"""When no more requests for seats may wait, one more is refused before its body is read; other requests are served."""

import asyncio
import json
import socket
from http.client import HTTPResponse

import httpx
import pytest

from rowlock.reservations.coalescer import Coalescer
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Served, outcome, problem, said, session
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many requests wait as are allowed to."""
    monkeypatch.setattr(Coalescer, "is_full", lambda _: True)


def _in_one_packet(served: Served, path: str, fields: dict[str, object]) -> httpx.Response:
    """The answer to a request whose head and body are sent at once, as load balancers do and httpx does not."""
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        answer = HTTPResponse(connection)
        answer.begin()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


@pytest.mark.usefixtures("full")
async def test_requests_for_seats_are_refused_and_all_others_served(served: Served, show: Show, db: SeatDb) -> None:
    async with served.client() as client:
        hold = await client.reserve(show, [1], by="anna", version=1)
    show_id = str(show.show_id)
    requests: list[tuple[str, dict[str, object]]] = [
        (f"{RESERVATIONS}/reserve-v2", {"show_id": show_id, "seat_ids": [2], "session_id": session("ben")}),
        (f"{RESERVATIONS}/best-available", {"show_id": show_id, "quantity": 2, "session_id": session("carl")}),
    ]

    refused = [await asyncio.to_thread(_in_one_packet, served, *request) for request in requests]

    for answer in refused:
        problem(answer, 503, "BUSY")
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert said(refused[0]) == said(refused[1])
    assert refused[0].headers["x-request-id"] != refused[1].headers["x-request-id"]
    logged = [line["path"] for line in served.application.access_lines() if line["status"] == 503]
    assert logged == [path for path, _ in requests]
    async with served.client() as client:
        assert (await client.get(f"/api/shows/{show_id}/seats")).status_code == 200
        released = await client.release(reservation_id=hold.json()["reservation_id"], session_id=session("anna"))
        assert outcome(released) == (200, None)
        assert (await client.get("/health/live")).status_code == 200
    assert await db.claims(show) == {}


@pytest.mark.usefixtures("full")
async def test_requests_that_come_together_or_in_pieces_are_answered_in_order(served: Served, show: Show) -> None:
    body = json.dumps({"show_id": str(show.show_id), "seat_ids": [3], "session_id": session("dora")}).encode()
    head = f"POST {RESERVATIONS}/reserve-v2 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    reserve = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    look = f"GET /api/shows/{show.show_id}/seats HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    last = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    def statuses(*pieces: bytes) -> list[bytes]:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            for piece in pieces:
                connection.sendall(piece)
            read = b""
            while data := connection.recv(65536):
                read += data
        return [part[:3] for part in read.split(b"HTTP/1.1 ")[1:]]

    # A body that was never read must not be taken for the next request.
    assert await asyncio.to_thread(statuses, look + reserve + last) == [b"200", b"503", b"200"]
    assert await asyncio.to_thread(statuses, reserve + look + last) == [b"503", b"200", b"200"]
    assert await asyncio.to_thread(statuses, look + reserve[:200], reserve[200:] + last) == [b"200", b"503", b"200"]
    assert await asyncio.to_thread(statuses, last) == [b"200"]


async def test_while_more_requests_may_wait_the_same_requests_are_served(served: Served, show: Show) -> None:
    async with served.client() as client:
        assert outcome(await client.reserve(show, [2], by="ben")) == (201, None)
        assert outcome(await client.best(show, 2, session_id=session("carl"))) == (201, None)
