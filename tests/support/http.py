"""The application as its clients meet it: in this process over ASGI, or behind a real server on a free port.

Requests go through the whole application, from the middleware to the database, and no part is replaced; only
the access log is kept in memory, so that tests can read it.
"""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from uuid import UUID

import httpx
from starlette.types import ASGIApp, Message

from rowlock.app import create_app
from rowlock.base.dsns import Dsns
from rowlock.checkout.providers.protocol import Providers
from rowlock.cli.processes import serve_http
from rowlock.settings import Settings
from rowlock.web.access_log import AccessLog
from rowlock.web.protocol import ConnectionLimits
from tests.support.answers import Reserved, Show

SECRET_KEY = "secret-key-of-the-tests-canary"
ADMIN_KEY = "admin-key-of-the-tests-canary"
RESERVATIONS = "/api/seat-reservations"
STARTS_WITHIN_SECONDS = 20.0

# What differs between two answers that say the same.
VOLATILE = ("server_time", "request_id")


def session(name: str) -> str:
    """The session id of a holder in a test: a name that can be read, as long as one that nobody can guess."""
    return f"{name}-{'0123456789abcdef' * 2}"


class Api(httpx.AsyncClient):
    """A client with the calls of a hold as methods. It forgets cookies unless it is a browser.

    `by` is the name of a holder, whose `session` is sent.
    """

    async def reserve(
        self,
        show: Show | UUID,
        seats: Sequence[Any],
        *,
        by: str | None = None,
        key: str | None = None,
        version: int = 2,
        **more: Any,
    ) -> httpx.Response:
        """`more` are further members of the body, such as accessible=True."""
        body = {"show_id": _id(show), "seat_ids": list(seats), **more} | ({"session_id": session(by)} if by else {})
        path = "reserve-v2" if version == 2 else "reserve"
        return await self.post(f"{RESERVATIONS}/{path}", json=body, headers={"idempotency-key": key} if key else None)

    async def best(self, show: Show | UUID, quantity: int, **wish: Any) -> httpx.Response:
        return await self.post(
            f"{RESERVATIONS}/best-available", json={"show_id": _id(show), "quantity": quantity, **wish}
        )

    async def hold(self, token: str) -> httpx.Response:
        return await self.get(f"{RESERVATIONS}/{token}")

    async def extend(self, token: str, seen: int | None = None) -> httpx.Response:
        body = None if seen is None else {"extension_count": seen}
        return await self.post(f"{RESERVATIONS}/{token}/extend", json=body)

    async def change(self, token: str, **change: Any) -> httpx.Response:
        return await self.post(f"{RESERVATIONS}/{token}/seats", json=change)

    async def release(self, *, version: int = 2, **what: Any) -> httpx.Response:
        """`what` is reservation_token, or reservation_id and session_id."""
        return await self.post(f"{RESERVATIONS}/{'release-v2' if version == 2 else 'release'}", json=what)


@dataclass
class Application:
    """A running application, and what it logs of requests."""

    asgi: ASGIApp
    written: list[bytes]
    access_log: AccessLog

    def client(self, *, browser: bool = False, address: str = "127.0.0.1", **options: Any) -> Api:
        """A new client, which seems to call from `address`. A browser keeps its cookies."""
        jar = CookieJar() if browser else CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        transport = httpx.ASGITransport(self.asgi, raise_app_exceptions=False, client=(address, 50_000))
        return Api(transport=transport, base_url="http://rowlock.test", cookies=jar, timeout=30, **options)

    def access_lines(self) -> list[dict[str, Any]]:
        """The access log so far."""
        self.access_log.flush()
        return [json.loads(line) for data in self.written for line in data.splitlines()]


def make_application(
    dsns: Dsns, *, admin_key: str | None = ADMIN_KEY, providers: Providers | None = None, **settings: Any
) -> Application:
    """An application that does not run yet. `settings` are fields of Settings, such as v2_rollout_percent=0."""
    written: list[bytes] = []
    access_log = AccessLog(written.append)
    asgi = create_app(
        Settings(**settings),
        dsns,
        secret_key=SECRET_KEY,
        admin_api_key_hash=sha256(admin_key.encode()).digest() if admin_key is not None else None,
        access_log=access_log,
        providers=providers,
    )
    return Application(asgi, written, access_log)


@asynccontextmanager
async def running(dsns: Dsns, **settings: Any) -> AsyncIterator[Application]:
    """An application in this process, from its startup to its shutdown."""
    application = make_application(dsns, **settings)
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = asyncio.ensure_future(application.asgi(scope, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    started = await from_app.get()
    assert started["type"] == "lifespan.startup.complete", started
    try:
        yield application
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        await life


@dataclass
class Served:
    """An application behind a real server."""

    application: Application
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Api:
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        return Api(base_url=self.url, cookies=jar, timeout=30)


@contextmanager
def serving(dsns: Dsns, *, limits: ConnectionLimits | None = None, **settings: Any) -> Iterator[Served]:
    """The server that `rowlock serve` runs, in a thread and event loop of its own on a free port of 127.0.0.1."""
    application = make_application(dsns, **settings)
    ready = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve(listening: socket.socket) -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        await serve_http(
            application.asgi,
            listening,
            stop,
            forwarded_allow_ips="127.0.0.1",
            on_ready=ready.set,
            limits=limits or ConnectionLimits(),
        )

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(serve(listening)), name="served", daemon=True)
        thread.start()
        try:
            assert ready.wait(STARTS_WITHIN_SECONDS), "The server did not start."
            yield Served(application, listening.getsockname()[1])
        finally:
            for loop, stop in loops:
                loop.call_soon_threadsafe(stop.set)
            thread.join(STARTS_WITHIN_SECONDS)
            assert not thread.is_alive(), "The server did not stop."


def said(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says, apart from times of this moment and the request's id."""
    return {name: value for name, value in answer.json().items() if name not in VOLATILE}


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    """The status and the code of an answer; no code when all is well."""
    return answer.status_code, answer.json().get("code")


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer is; fails when it is another one, or is not shaped as every problem is."""
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told.get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["status"] == status
    assert told["success"] is False
    assert told["type"] == f"/problems#{code}"
    assert told["title"]
    assert told["detail"].endswith("."), told["detail"]
    assert told["request_id"] == answer.headers["x-request-id"]
    return told


def held(show: Show, answer: httpx.Response, by: str) -> Reserved:
    """A hold made over HTTP, in the form that tests of the database use, for SeatDb.age and SeatDb.reservation."""
    made = answer.json()
    assert answer.status_code == 201, answer.text
    return Reserved(
        show,
        session(by),
        "OK",
        UUID(made["reservation_id"]),
        made["status"],
        made["seat_ids"],
        None,
        None,
        0,
        3,
        datetime.now(UTC),
    )


def _id(show: Show | UUID) -> str:
    return str(show.show_id if isinstance(show, Show) else show)
