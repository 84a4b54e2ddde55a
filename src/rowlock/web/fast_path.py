"""The fast path: routes of the hot endpoints, straight on ASGI with msgspec.

A route of FastAPI costs more than the database does once requests travel in batches, so the seat endpoints skip it.
They are described by the same facts (`Endpoint`) that make their OpenAPI entries in `openapi`, and refuse with the
same problems as everything else.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import msgspec
from starlette.types import Receive, Scope

from rowlock.base.holder import Holder
from rowlock.web.problems import ProblemError
from rowlock.web.sessions import BROWSER_PREFIX, Sessions

MAX_BODY_BYTES = 64 * 1024
USER_AGENT_LENGTH = 400
_MOST_DIGITS = 10
JSON = (b"content-type", b"application/json")
_IDEMPOTENCY_KEY = re.compile(rb"[!-~]{1,255}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\xff]")

Headers = Mapping[bytes, bytes]


@dataclass(slots=True)
class Reply:
    """An answer: status, body and headers beyond those that every answer has."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [JSON])


@dataclass(slots=True)
class Request:
    """A request on the fast path. `body` is decoded to the endpoint's type; `value` is the path's variable part."""

    scope: Scope
    headers: Headers
    value: str
    body: Any
    sessions: Sessions
    new_cookie: bytes | None = None

    def holder(self, session_id: str | None) -> Holder:
        """Who asks: the session id in the body, else the session cookie, else a new session."""
        key = self._session(session_id)
        if key is None:
            key, self.new_cookie = self.sessions.start()
        return self._holder(key)

    def bearer(self, session_id: str | None = None) -> Holder:
        """Who asks, where a token is proof enough: as `holder`, but no session is needed and none is started."""
        return self._holder(self._session(session_id))

    def _session(self, session_id: str | None) -> str | None:
        if session_id is not None:
            if session_id.startswith(BROWSER_PREFIX):
                raise ProblemError(
                    "INVALID_INPUT", f"session_id must not begin with {BROWSER_PREFIX!r}. Use another one."
                )
            return session_id
        cookie = self.headers.get(b"cookie")
        return None if cookie is None else self.sessions.holder_of(cookie.decode("latin-1"))

    def _holder(self, key: str | None) -> Holder:
        agent = self.headers.get(b"user-agent")
        return Holder(
            key=key or "",
            session_id=key,
            ip_address=client_address(self.scope),
            user_agent=_UNPRINTABLE.sub("?", agent.decode("latin-1"))[:USER_AGENT_LENGTH] if agent else None,
        )

    def idempotency_key(self) -> bytes | None:
        """The Idempotency-Key header, if there is one. Raises ProblemError when it is malformed."""
        key = self.headers.get(b"idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise ProblemError("INVALID_INPUT", "Idempotency-Key must be 1 to 255 visible ASCII characters.")
        return key


def client_address(scope: Scope) -> str | None:
    """The client's IP address as PostgreSQL's inet takes it. A Unix socket or a test client has none."""
    client = scope.get("client")
    return _address(client[0]) if client else None


@lru_cache(maxsize=10_000)
def _address(host: str) -> str | None:
    # A proxy passes on what its client said, which may be anything; and inet knows no zones (fe80::1%eth0).
    try:
        ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else host


Handler = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One hot endpoint: how it is found, what it takes and gives. Also the source of its OpenAPI entry.

    path      may have one variable part, written {name}.
    takes     msgspec type of the JSON body, None where there is none; `optional_body` where it may be left out.
    gives     msgspec type of the JSON answer, sent with `status`.
    problems  codes it may refuse with, beyond those that every endpoint may.
    is_full   tells whether requests are refused now; asked right after the headers, before the body is read.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    description: str
    gives: Any
    status: int = 200
    takes: Any = None
    optional_body: bool = False
    problems: tuple[str, ...] = ()
    parameters: tuple[dict[str, Any], ...] = ()
    other_responses: Mapping[str, Any] = field(default_factory=dict)
    tag: str = "reservations"
    is_full: Callable[[], bool] | None = None


class FastPath:
    """Finds the endpoint for a path and decodes what it takes."""

    def __init__(self, endpoints: Iterable[Endpoint], sessions: Sessions) -> None:
        self.endpoints = tuple(endpoints)
        self._sessions = sessions
        self._exact: dict[str, dict[str, Endpoint]] = {}
        variable: dict[str, dict[str, Endpoint]] = {}
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {}
        for endpoint in self.endpoints:
            paths = variable if "{" in endpoint.path else self._exact
            paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
            if endpoint.takes is not None:
                self._decoders[endpoint.method + endpoint.path] = msgspec.json.Decoder(endpoint.takes)
        # One pattern for all paths with a variable part: the number of the group that matched tells which it was.
        self._variable = re.compile("|".join(map(_pattern, variable)))
        self._of_group = tuple(variable.values())

    def find(self, method: str, path: str) -> tuple[Endpoint, str] | None:
        """The endpoint for a request and the variable part of its path; None when the path is not on the fast path.

        Raises ProblemError METHOD_NOT_ALLOWED when only the method is wrong.
        """
        methods = self._exact.get(path)
        if methods is not None:
            return self._choose(methods, method), ""
        match = self._variable.fullmatch(path)
        if match is None or match.lastindex is None:
            return None
        group = match.lastindex
        return self._choose(self._of_group[group - 1], method), match[group]

    @staticmethod
    def _choose(methods: dict[str, Endpoint], method: str) -> Endpoint:
        endpoint = methods.get(method)
        if endpoint is None:
            allow = ", ".join(sorted(methods))
            raise ProblemError("METHOD_NOT_ALLOWED", f"Use {allow} here.", headers=((b"allow", allow.encode()),))
        return endpoint

    async def request(
        self, endpoint: Endpoint, value: str, scope: Scope, headers: Headers, receive: Receive
    ) -> Request:
        """The request as the endpoint's handler takes it.

        Raises ProblemError when it is malformed, and BUSY before anything of the body is read or parsed.
        """
        if endpoint.is_full is not None and endpoint.is_full():
            raise ProblemError("BUSY")
        body = None
        if endpoint.takes is not None:
            raw = await read_body(headers, receive)
            if raw or not endpoint.optional_body:
                content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
                if content_type != b"application/json":
                    raise ProblemError("UNSUPPORTED_MEDIA_TYPE")
                try:
                    body = self._decoders[endpoint.method + endpoint.path].decode(raw)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise ProblemError("INVALID_INPUT", f"The body is not what is expected here: {error}.") from error
        return Request(scope, headers, value, body, self._sessions)


def _pattern(path: str) -> str:
    head, tail = re.split(r"\{\w+\}", path)
    return f"{re.escape(head)}([^/]+){re.escape(tail)}"


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """The whole body. Raises ProblemError PAYLOAD_TOO_LARGE past MAX_BODY_BYTES, INVALID_INPUT when it breaks off."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > _MOST_DIGITS or int(length) > MAX_BODY_BYTES:
        raise ProblemError("PAYLOAD_TOO_LARGE")
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            # Half a body may read as a whole one, and no body as consent to extend. No client waits for the answer.
            raise ProblemError("INVALID_INPUT", "The connection ended before the body did.")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError("PAYLOAD_TOO_LARGE")
        if not message.get("more_body"):
            return body
