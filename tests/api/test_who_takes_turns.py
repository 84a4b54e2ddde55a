"""Which requests wait behind a crowd, in iterations of the event loop: readers, and clients that were just refused."""

import asyncio
from hashlib import sha256
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from rowlock.web.access_log import AccessLog
from rowlock.web.fast_path import Endpoint, FastPath, Reply, Request
from rowlock.web.middleware import RequestMiddleware
from rowlock.web.problems import ProblemError
from rowlock.web.sessions import Sessions
from rowlock.web.turns import Turns

CROWD = 100
AT_ONCE = 3
"""Iterations that a request takes which does not wait."""
BUYER, GREEDY = ("10.0.0.1", 1), ("10.0.0.2", 1)
KEY = (b"x-api-key", b"the operator's key")


async def answer(_: Request) -> Reply:
    return Reply(200, b"{}")


async def refuse(_: Request) -> Reply:
    raise ProblemError("SEATS_UNAVAILABLE")


async def other_routes(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


class Server:
    """The middleware with endpoints that do nothing."""

    def __init__(self) -> None:
        self.crowd: list[asyncio.Task[Any]] = []
        routes = [("GET", "/api/seats", answer), ("POST", "/api/reserve", answer), ("POST", "/api/taken", refuse)]
        endpoints = [Endpoint(*route, "", "", gives=dict) for route in [*routes, ("GET", "/health/live", answer)]]
        self.app = RequestMiddleware(
            FastPath(endpoints, Sessions("k" * 32, secure=False)),
            other_routes,
            AccessLog(lambda _: None),
            admin_key_hash=sha256(KEY[1]).digest(),
        )

    def ask(
        self, method: str, path: str, *headers: tuple[bytes, bytes], client: Any = BUYER
    ) -> "asyncio.Task[tuple[int, dict[bytes, bytes]]]":
        """Send a request in this iteration; its status and headers."""
        scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "client": client}
        return asyncio.create_task(self._answer(scope))

    async def _answer(self, scope: Scope) -> tuple[int, dict[bytes, bytes]]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"])


async def iterations(task: "asyncio.Task[Any]") -> int:
    """How many iterations of the event loop a request takes, as far as it does not wait behind the whole crowd."""
    for iteration in range(CROWD // 2):
        if task.done():
            return iteration
        await asyncio.sleep(0)
    return CROWD


@pytest.fixture
async def server() -> Server:
    """A server on which a crowd reads."""
    server = Server()
    server.crowd = [server.ask("GET", "/api/seats", client=("10.0.0.3", port)) for port in range(CROWD)]
    await asyncio.sleep(0)
    return server


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/api/reserve", ()),
        ("GET", "/health/live", ()),
        ("GET", "/health/ready", ()),
        ("HEAD", "/health/live", ()),
        ("GET", "/api/admin/statistics", (KEY,)),
    ],
)
async def test_buyers_probes_and_the_operator_do_not_wait(
    server: Server, method: str, path: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert await iterations(server.ask(method, path, *headers)) <= AT_ONCE


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/seats"), ("HEAD", "/api/seats"), ("GET", "/api/shows"), ("GET", "/api/admin/statistics")],
)
async def test_readers_wait_also_those_that_pretend_to_be_the_operator(server: Server, method: str, path: str) -> None:
    assert await iterations(server.ask(method, path)) == CROWD


async def test_who_was_refused_waits_behind_others_that_were(server: Server) -> None:
    greedy = [("10.0.0.2", port) for port in range(CROWD)]
    await asyncio.gather(*(server.ask("POST", "/api/taken", client=client) for client in greedy))
    again = [server.ask("POST", "/api/taken", client=client) for client in greedy]
    await asyncio.sleep(0)

    assert await iterations(server.ask("POST", "/api/reserve", client=greedy[-1])) == CROWD
    assert await iterations(server.ask("POST", "/api/reserve", client=BUYER)) <= AT_ONCE
    await asyncio.gather(*again)


async def test_one_more_than_may_wait_is_told_to_come_back() -> None:
    server = Server()
    server.app._reads = Turns(1, waiting_limit=1)
    answers = await asyncio.gather(*(server.ask("GET", "/api/seats") for _ in range(3)))

    assert [status for status, _ in answers] == [200, 200, 503]
    assert answers[-1][1][b"retry-after"] == b"1"
