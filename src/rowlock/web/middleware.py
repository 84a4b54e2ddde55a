"""The outermost ASGI application: gives every request its id, serves the fast path, and writes the access log.

Requests that are not for the fast path are passed to FastAPI.
"""

import re
from itertools import count
from secrets import token_hex
from time import perf_counter, time

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rowlock.base.integrator import Integrator
from rowlock.web.access_log import AccessLine, AccessLog
from rowlock.web.admin_key import ADMIN_PATHS, API_KEY, admit, opens
from rowlock.web.fast_path import NO_STORE, FastPath, Headers, Reply
from rowlock.web.integrator_key import HEADER, KeyGuard
from rowlock.web.origins import PROBES, Origins
from rowlock.web.problems import MEDIA_TYPE, ProblemError, as_problem, problem_body
from rowlock.web.turns import RecentlyRefused, Turns

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
# The box office may block every seat of a large part of a hall at once.
MAX_ADMIN_BODY_BYTES = 256 * 1024
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
READS_AT_ONCE = 1
REFUSED_AT_ONCE = 1
"""Of reads, and of what clients ask for that were refused a moment ago, so many are started in one iteration of the
event loop. More would make a buyer wait longer: docs/adr/0026-reads-take-turns.md has the figures."""


class RequestMiddleware:
    """Serves the endpoints of the fast path, and passes all other requests to `app`."""

    def __init__(
        self,
        fast_path: FastPath,
        app: ASGIApp,
        access_log: AccessLog | None,
        *,
        admin_key_hash: bytes | None = None,
        origins: Origins | None = None,
        keys: KeyGuard | None = None,
    ) -> None:
        self._keys = keys
        self._origins = origins or Origins()
        self._fast_path = fast_path
        self._admin_key_hash = admin_key_hash
        self._app = app
        self._access_log = access_log
        self._reads = Turns(READS_AT_ONCE)
        self._turns_of_refused = Turns(REFUSED_AT_ONCE)
        self._refused = RecentlyRefused()
        self._prefix = token_hex(6)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            if scope["type"] == "lifespan" and self._access_log is not None:
                self._access_log.flush()
            return
        started = perf_counter()
        method = scope["method"]
        if method == "HEAD":
            # The answer to GET without its body. Neither the fast path nor FastAPI has routes for HEAD.
            scope, send = {**scope, "method": "GET"}, _without_bodies(send)
        headers = dict(scope["headers"])
        request_id = self._request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        status, route = 500, "unmatched"
        try:
            reply, route = await self._fast_reply(scope, headers, receive, request_id)
            if reply is not None:
                status = reply.status
                await _send(send, reply, request_id)
                return

            ended = False
            is_private = scope["path"].startswith(ADMIN_PATHS)

            async def send_with_id(message: Message) -> None:
                nonlocal status, ended
                ended = message["type"] == "http.response.body" and not message.get("more_body")
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [
                        *message.get("headers", ()),
                        (b"x-request-id", request_id.encode()),
                        *_SECURITY_HEADERS,
                        *([NO_STORE] if is_private and status < 400 else []),
                    ]
                await send(message)

            try:
                await self._app(scope, _limited(receive), send_with_id)
            except Exception:
                # Starlette logs and answers an unexpected exception, then raises it again. uvicorn would close the
                # connection, and the client's next request on it would fail.
                if not ended:
                    raise
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
        finally:
            if 400 <= status < 500 and method not in _READING:
                self._refused.add(scope.get("client"))
            if self._access_log is not None:
                elapsed = round((perf_counter() - started) * 1000, 3)
                self._access_log.add(
                    AccessLine("request", round(time(), 3), request_id, method, route, status, elapsed)
                )

    async def _fast_reply(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, request_id: str
    ) -> tuple[Reply | None, str]:
        route = "unmatched"
        try:
            turns = self._turns_of(scope, headers)
            if turns is not None and not turns.take():
                await turns.wait()
            self._origins.check(scope["method"], scope["path"], headers)
            integrator = await self._integrator(scope, headers) if HEADER in headers else None
            found = self._fast_path.find(scope["method"], scope["path"])
            if found is None:
                if scope["path"].startswith(ADMIN_PATHS):
                    # Before FastAPI reads the body.
                    admit(self._admin_key_hash, headers.get(API_KEY), integrator)
                return None, route
            endpoint, value = found
            route = endpoint.path
            request = await self._fast_path.request(endpoint, value, scope, headers, receive, integrator)
            reply = await endpoint.handler(request)
        except Exception as error:  # noqa: BLE001 - the client gets a response to every error.
            # The problem is not bound to a name here: error → traceback → frame → problem → error would be a cycle of
            # 40 objects, freed only by the garbage collector, which stopped all requests for 20 ms at a time under
            # heavy load.
            return _error_reply(error, request_id, route), route
        if request.new_cookie is not None:
            reply.headers.append((b"set-cookie", request.new_cookie))
        return reply, route

    async def _integrator(self, scope: Scope, headers: Headers) -> Integrator | None:
        """The integrator whose key was sent. A wrong one is refused wherever it is sent, but for probes."""
        if self._keys is None or scope["path"].startswith(PROBES):
            return None
        integrator = await self._keys.identify(headers[HEADER])
        scope["state"]["integrator"] = integrator
        return integrator

    def _turns_of(self, scope: Scope, headers: Headers) -> Turns | None:
        """The turns that a request has to take; None for a buyer's, a probe and the operator's, which never wait."""
        path = scope["path"]
        if path.startswith(PROBES) or (path.startswith(ADMIN_PATHS) and self._has_key(headers)):
            return None
        if scope["method"] in _READING:
            return self._reads
        # Who asks at full speed and is refused each time waits behind those who do not.
        return self._turns_of_refused if scope.get("client") in self._refused else None

    def _has_key(self, headers: Headers) -> bool:
        return opens(self._admin_key_hash, headers.get(API_KEY))

    def _request_id(self, headers: Headers) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return str(given, "ascii")
        return f"{self._prefix}-{next(self._numbers):010x}"


def _error_reply(error: Exception, request_id: str, route: str) -> Reply:
    """The reply to a request that ended with an error, expected or not."""
    problem = as_problem(error)
    if problem is None:
        log.exception("request_failed", request_id=request_id, route=route, exc_info=error)
        problem = ProblemError("INTERNAL_ERROR")
    return problem_reply(problem, request_id)


def problem_reply(error: ProblemError, request_id: str) -> Reply:
    """A problem as a reply of the fast path."""
    headers = [(b"content-type", MEDIA_TYPE.encode()), NO_STORE, *error.every_header]
    return Reply(error.problem_type.status, problem_body(error, request_id), headers)


def _limited(receive: Receive) -> Receive:
    """`receive` with a size limit, for FastAPI, which has none."""
    bytes_read = 0

    async def limited() -> Message:
        nonlocal bytes_read
        message = await receive()
        bytes_read += len(message.get("body", b""))
        if bytes_read > MAX_ADMIN_BODY_BYTES:
            # FastAPI reports any other exception raised here as a malformed body.
            raise HTTPException(413, f"A request body has at most {MAX_ADMIN_BODY_BYTES // 1024} KiB here.")
        return message

    return limited


def _without_bodies(send: Send) -> Send:
    async def send_heads(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_heads


def _headers(reply: Reply, request_id: str) -> list[tuple[bytes, bytes]]:
    headers = [*reply.headers, (b"x-request-id", request_id.encode()), *_SECURITY_HEADERS]
    if reply.status != 304:
        # A 304 would have to state the length of the body that it does not send.
        headers.append((b"content-length", str(len(reply.body)).encode()))
    return headers


async def _send(send: Send, reply: Reply, request_id: str) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply, request_id)})
    await send({"type": "http.response.body", "body": reply.body})
