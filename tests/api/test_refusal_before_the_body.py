"""When no more reserves may wait, one is refused right after its headers: its body is neither read nor parsed."""

import asyncio
from typing import Any

import msgspec
import pytest
from starlette.types import Message, Scope

from rowlock.web.access_log import AccessLog
from rowlock.web.fast_path import Endpoint, FastPath, Reply, Request
from rowlock.web.middleware import RequestMiddleware
from rowlock.web.sessions import Sessions


class Body(msgspec.Struct):
    number: int


async def handler(request: Request) -> Reply:
    return Reply(200, msgspec.json.encode(request.body.number))


class Client:
    """Sends requests to one endpoint, and counts how often their body was read."""

    def __init__(self) -> None:
        self.full = False
        self.bodies_read = 0
        endpoint = Endpoint(
            "POST", "/ask", handler, "Ask", "Ask for a number.", gives=int, takes=Body, is_full=lambda: self.full
        )
        self._app = RequestMiddleware(
            FastPath([endpoint], Sessions("k" * 32, secure=False), refusal_pause_seconds=0),
            self._unknown,
            AccessLog(lambda _: None),
        )

    async def post(self, body: bytes) -> tuple[int, bytes]:
        sent: list[Message] = []

        async def receive() -> Message:
            self.bodies_read += 1
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        scope: Scope = {"type": "http", "method": "POST", "path": "/ask", "headers": headers}
        await self._app(scope, receive, send)
        return sent[0]["status"], sent[1]["body"]

    @staticmethod
    async def _unknown(*_: Any) -> None:
        raise AssertionError("the fast path knows every path of this test")


@pytest.fixture
def client() -> Client:
    return Client()


async def test_while_more_requests_may_wait_the_body_is_read_and_served(client: Client) -> None:
    assert await client.post(b'{"number": 7}') == (200, b"7")
    assert client.bodies_read == 1


@pytest.mark.parametrize("body", [b'{"number": 7}', b"no JSON", b"[" * 60_000], ids=["good", "malformed", "large"])
async def test_when_no_more_may_wait_a_request_is_refused_and_its_body_is_not_read(client: Client, body: bytes) -> None:
    client.full = True

    status, problem = await client.post(body)

    assert (status, msgspec.json.decode(problem)["code"]) == (503, "BUSY")
    assert client.bodies_read == 0


async def test_whether_one_more_may_wait_is_decided_for_each_request(client: Client) -> None:
    client.full = True
    refused = await asyncio.gather(*(client.post(b'{"number": 1}') for _ in range(3)))
    client.full = False

    assert {status for status, _ in refused} == {503}
    assert await client.post(b'{"number": 2}') == (200, b"2")


async def test_a_request_that_finds_place_after_the_pause_is_served(client: Client) -> None:
    client.full = True
    waiting = asyncio.create_task(client.post(b'{"number": 7}'))
    await asyncio.sleep(0)  # It has found no place, and pauses for a turn of the loop.
    client.full = False

    assert await waiting == (200, b"7")
