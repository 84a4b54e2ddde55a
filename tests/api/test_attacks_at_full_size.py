"""Attacks in the size in which they once stopped a server, on `rowlock serve` as a process of its own.

Each prints its figure (`pytest -rP`); docs/explanation/attacks.md has them, beside those from before there were bounds.
The limits here are wide, because all processes share the cores with whatever else a machine does.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue.showcase import stadium
from tests.support.answers import Show
from tests.support.crowd import crowd
from tests.support.failing import failing_writes
from tests.support.halls import hall, put_on_sale
from tests.support.http import outcome, running, session
from tests.support.seatdb import SeatDb
from tests.support.server_process import Buyer, ServerProcess, server_process, told
from tests.support.servers import TestServers

pytestmark = pytest.mark.usefixtures("clean_check")

FILES = 1024
FEW_FILES = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))"
BIG_HALL = 5_000
BATCH = 20


@pytest.fixture(scope="module")
def dsns(servers: TestServers) -> Iterator[Dsns]:
    server = servers.get("pg18")
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture
async def show(owner: psycopg.AsyncConnection) -> Show:
    return await put_on_sale(owner, hall(600))


@pytest.fixture
async def big_show(owner: psycopg.AsyncConnection) -> Show:
    return await put_on_sale(owner, stadium(BIG_HALL))


@pytest.fixture
def server(dsns: Dsns, tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(dsns, tmp_path) as server:
        yield server


def send_cookie(server: ServerProcess, show: Show, size: int) -> bytes:
    """The status of a request with a cookie of so many bytes, which begins as ours does."""
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        head = f"GET /api/seat-reservations/mine?show_id={show.show_id} HTTP/1.1\r\nhost: a\r\ncookie: rowlock_session="
        with suppress(BrokenPipeError, ConnectionResetError):  # It may be refused before it has been sent.
            connection.sendall(head.encode() + b"v" * size + b"\r\n\r\n")
        return connection.recv(12)[9:]


def test_300_cookies_of_1_mb_are_not_kept(server: ServerProcess, show: Show) -> None:
    """Before: 280 MB more for as long as the process lived. Cookies that are just allowed are tried, too."""
    for _ in range(20):
        send_cookie(server, show, 100)
    before = server.resident_bytes()

    refused = {send_cookie(server, show, 10**6 + number) for number in range(300)}
    after_refusals = server.resident_bytes()
    taken = {send_cookie(server, show, 30_000 + number) for number in range(300)}

    grown = [(after - before) / 10**6 for after in (after_refusals, server.resident_bytes())]
    print(
        f"300 cookies of 1 MB: {grown[0]:.1f} MB more; and 300 of 30 kB: {grown[1]:.1f} MB more than at the beginning"
    )
    assert refused == {b"431"}
    assert b"431" not in taken
    assert max(grown) < 10


def test_1100_idle_connections_shut_no_probe_out(dsns: Dsns, show: Show, tmp_path: Path) -> None:
    """Before: no probe was answered while they stayed. The process may have 1,024 files, and no more."""
    with server_process(dsns, tmp_path, first=FEW_FILES) as server, ExitStack() as stack:
        stack.enter_context(crowd(server.port, show.show_id, reading=0, idle=1_100, greedy=0))
        seconds = [Buyer(server.port, show, range(1, 601)).ask(200, "GET", "/health/live")[0] for _ in range(50)]

    print(f"a probe, each on a new connection: {told(seconds)}, longest {max(seconds) * 1000:.1f} ms")
    assert max(seconds) < 2


def test_a_wish_for_1000_seats_stops_no_one(server: ServerProcess, big_show: Show) -> None:
    """Before: the process stood still for 0.8 s at each."""
    buyer = Buyer(server.port, big_show, range(1, BIG_HALL + 1))
    path = "/api/seat-reservations/best-available"
    wish = {"show_id": str(big_show.show_id), "quantity": 2, "session_id": session("anna")}
    first, _ = buyer.ask(201, "POST", path, wish)

    seconds = [buyer.ask(400, "POST", path, wish | {"quantity": 1_000})[0] for _ in range(20)]

    print(f"a wish for 2 with an empty memory {first * 1000:.0f} ms; for 1,000: {told(seconds)}")
    assert max(seconds) < 0.4


def test_500_reading_connections_leave_a_buyer_alone(server: ServerProcess, show: Show) -> None:
    """Before: 1.3 s for a reserve, for 13 ms without them."""
    buyer = Buyer(server.port, show, range(1, 601))
    buyer.times(10)
    quiet, _ = buyer.times(50)
    with crowd(server.port, show.show_id, reading=500, idle=0, greedy=0) as there:
        buyer.times(5)
        reserving, _ = buyer.times(50)

    print(f"quiet {told(quiet)}; with 500 who read {told(reserving)}; {dict(there.answers)}")
    assert there.answers["reading: 200"] > 0
    assert sorted(reserving)[len(reserving) // 2] < 0.65


async def test_a_batch_of_20_on_a_full_disk_is_busy_within_seconds(
    dsns: Dsns, owner: psycopg.AsyncConnection, show: Show
) -> None:
    """Before: its last request was answered after 49 s. The error is planted where the server would raise it."""
    async with running(dsns) as application, application.client() as client:
        async with failing_writes(owner, "53100"):
            began = time.monotonic()
            answers = await asyncio.gather(*(client.reserve(show, [n], by=f"buyer-{n}") for n in range(1, BATCH + 1)))
            took = time.monotonic() - began
            ready = await client.get("/health/ready")

        print(f"a batch of {BATCH} on a full disk: all are answered after {took:.1f} s")
        assert {outcome(answer) for answer in answers} == {(503, "BUSY")}
        assert "refuses to write" in ready.json()["detail"]
        assert took < 10


@pytest.mark.parametrize("limits", ["as they are", "off"])
async def test_one_client_does_not_get_a_hall_of_600(dsns: Dsns, show: Show, db: SeatDb, limits: str) -> None:
    """Before: it had all seats in 0.7 s, with a new session for each hold. So it has with the limits off."""
    settings = {} if limits == "as they are" else {"hold_limits": "off"}
    async with running(dsns, **settings) as application, application.client(address="203.0.113.9") as client:
        await client.best(show, 1, session_id=session("first"))  # The hall is in memory then.
        began = time.monotonic()
        wishes = (client.best(show, 10, session_id=session(f"greedy-{number}")) for number in range(60))
        answers = Counter(answer.status_code for answer in await asyncio.gather(*wishes))
        took = time.monotonic() - began
        held = len(await db.claims(show))

    print(f"limits {limits}: {held} of 600 seats after {took:.2f} s, answers {dict(answers)}")
    # A quarter of what is free when a batch begins; asked one after the other it would be a fifth.
    assert held <= 600 // 4 if limits == "as they are" else held > 500
