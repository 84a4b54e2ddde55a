"""The front of the application: gives every request its id, takes the hot ones down the lean road, and writes the
access log. Everything else goes on to FastAPI.
"""

import re
import sys
from asyncio import get_running_loop
from collections.abc import Callable
from http import HTTPStatus
from itertools import count
from secrets import token_hex
from time import perf_counter, time

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowlock.http.lean import Headers, LeanRoutes, Reply
from rowlock.http.problems import MEDIA_TYPE, ProblemError, as_problem, problem_body

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
FLUSH_SECONDS = 0.2
# The box office may block every seat of a large part of a hall at once.
MAX_ADMIN_BODY_BYTES = 256 * 1024


class AccessLine(msgspec.Struct):
    """One line of the access log. `path` is the route, not the address: addresses carry tokens."""

    event: str
    time: float
    request_id: str
    method: str
    path: str
    status: int
    milliseconds: float


class RefusalsLine(msgspec.Struct):
    """How many requests for seats were refused before they were parsed, since the last line."""

    event: str
    time: float
    status: int
    count: int


class AccessLog:
    """Writes access lines in bundles: a line of its own for each request would cost more than the request.

    Early refusals are only counted: in an overload they come by the ten thousand, and each must cost next to nothing.
    """

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or (lambda data: sys.stderr.buffer.write(data) and sys.stderr.buffer.flush())
        self._encoder = msgspec.json.Encoder()
        self._lines: list[AccessLine | RefusalsLine] = []
        self._refusals = 0

    def add(self, line: AccessLine) -> None:
        """Take a line; it is written within FLUSH_SECONDS."""
        self._lines.append(line)
        if len(self._lines) == 1 and not self._refusals:
            get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def add_refusal(self) -> None:
        """Count an early refusal."""
        self._refusals += 1
        if self._refusals == 1 and not self._lines:
            get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what has gathered."""
        if self._refusals:
            self._lines.append(RefusalsLine("refused_early", round(time(), 3), 503, self._refusals))
            self._refusals = 0
        lines, self._lines = self._lines, []
        if lines:
            self._write(self._encoder.encode_lines(lines))


# What may be refused before it is parsed: requests that ask for seats, and nothing else.
_ASKS_FOR_SEATS = (
    b"POST /api/seat-reservations/reserve-v2 HTTP/1.1\r\n",
    b"POST /api/seat-reservations/best-available HTTP/1.1\r\n",
)


class Front:
    """The outermost ASGI application. `room` says how many more requests for seats may wait now."""

    def __init__(self, lean: LeanRoutes, app: ASGIApp, access_log: AccessLog | None, room: Callable[[], int]) -> None:
        self._lean = lean
        self._app = app
        self._access_log = access_log
        self._room = room
        self._let_in = 0
        self._prefix = token_hex(6)
        self._numbers = count(1)
        self._refusal = self._refusal_by_number()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            if scope["type"] == "lifespan" and self._access_log is not None:
                self._access_log.flush()
            return
        started = perf_counter()
        headers = dict(scope["headers"])
        request_id = self._request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        status, route = 500, "unmatched"
        try:
            reply, route = await self._lean_reply(scope, headers, receive, request_id)
            if reply is not None:
                status = reply.status
                await _send(send, reply, request_id)
                return

            ended = False

            async def send_with_id(message: Message) -> None:
                nonlocal status, ended
                ended = message["type"] == "http.response.body" and not message.get("more_body")
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [
                        *message.get("headers", ()),
                        (b"x-request-id", request_id.encode()),
                        *_SECURITY_HEADERS,
                    ]
                await send(message)

            try:
                await self._app(scope, _limited(receive), send_with_id)
            except Exception:
                # Starlette raises a bug again after it was logged and answered. The server would only cut the
                # connection, and with it the client's next request.
                if not ended:
                    raise
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
        finally:
            if self._access_log is not None:
                elapsed = round((perf_counter() - started) * 1000, 3)
                self._access_log.add(
                    AccessLine("request", round(time(), 3), request_id, scope["method"], route, status, elapsed)
                )

    def refuse_early(self, data: bytes) -> bytes | None:
        """The raw refusal of one whole raw request for seats while there is no room for it; None to serve it."""
        if not data.startswith(_ASKS_FOR_SEATS):
            return None
        if self._room() > self._let_in:
            self._let_one_in()
            return None
        if not _is_one_whole_request(data):
            return None
        if self._access_log is not None:
            self._access_log.add_refusal()
        number = next(self._numbers)
        return self._refusal % (number, number)

    def _let_one_in(self) -> None:
        # All that has arrived is read before any of it is served. A thousand requests that each found one place free
        # would be parsed, routed and then refused at many times the cost, so those let in count until they are served:
        # that is done in this turn of the loop, before anything else is read.
        self._let_in += 1
        if self._let_in == 1:
            get_running_loop().call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self._let_in = 0

    async def _lean_reply(
        self, scope: Scope, headers: Headers, receive: Receive, request_id: str
    ) -> tuple[Reply | None, str]:
        route = "unmatched"
        try:
            found = self._lean.find(scope["method"], scope["path"])
            if found is None:
                return None, route
            endpoint, value = found
            route = endpoint.path
            request = await self._lean.request(endpoint, value, scope, headers, receive)
            reply = await endpoint.handler(request)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the buyer gets an answer.
            # The problem gets no name in this frame, which the error knows: they would hold each other, and each
            # refusal left 40 objects to the garbage collector. In a rush it stopped everybody for 20 ms at a time.
            return _error_reply(error, request_id, route), route
        if request.new_cookie is not None:
            reply.headers.append((b"set-cookie", request.new_cookie))
        return reply, route

    def _request_id(self, headers: Headers) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return str(given, "ascii")
        return f"{self._prefix}-{next(self._numbers):010x}"

    def _refusal_by_number(self) -> bytes:
        """The raw refusal as a format: the number of the request goes where its id stands, in the head and the body."""
        anybody = f"{self._prefix}-{0:010x}"
        raw = _raw(problem_reply(ProblemError("BUSY"), anybody), anybody)
        return raw.replace(b"%", b"%%").replace(anybody.encode(), f"{self._prefix}-%010x".encode())


def _error_reply(error: Exception, request_id: str, route: str) -> Reply:
    """The reply to a request that ended with an error, expected or not."""
    problem = as_problem(error)
    if problem is None:
        log.exception("request_failed", request_id=request_id, route=route, exc_info=error)
        problem = ProblemError("INTERNAL_ERROR")
    return problem_reply(problem, request_id)


def problem_reply(error: ProblemError, request_id: str) -> Reply:
    """A problem as a reply of the lean road."""
    headers = [(b"content-type", MEDIA_TYPE.encode()), *error.problem_type.headers, *error.headers]
    return Reply(error.problem_type.status, problem_body(error, request_id), headers)


def _limited(receive: Receive) -> Receive:
    """`receive` for FastAPI's road, where bodies are read before anybody asks for a key."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_ADMIN_BODY_BYTES:
            # FastAPI calls every other exception that comes from here a malformed body.
            raise HTTPException(413, f"A request body has at most {MAX_ADMIN_BODY_BYTES // 1024} KiB here.")
        return message

    return limited


_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,6})[ \t]*\r\n", re.IGNORECASE)


def _is_one_whole_request(data: bytes) -> bool:
    """Whether `data` is exactly one request with its body, so that nothing of the stream is lost by not parsing it."""
    end = data.find(b"\r\n\r\n")
    length = _CONTENT_LENGTH.search(data, 0, end + 2) if end > 0 else None
    return length is not None and len(data) == end + 4 + int(length[1])


def _headers(reply: Reply, request_id: str) -> list[tuple[bytes, bytes]]:
    headers = [*reply.headers, (b"x-request-id", request_id.encode()), *_SECURITY_HEADERS]
    if reply.status != 304:
        # There it would be the length of what was not sent again.
        headers.append((b"content-length", str(len(reply.body)).encode()))
    return headers


def _raw(reply: Reply, request_id: str) -> bytes:
    """A reply as it stands on the wire."""
    headers = b"".join(b"%s: %s\r\n" % header for header in _headers(reply, request_id))
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (
        reply.status,
        HTTPStatus(reply.status).phrase.encode(),
        headers,
        reply.body,
    )


async def _send(send: Send, reply: Reply, request_id: str) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply, request_id)})
    await send({"type": "http.response.body", "body": reply.body})
