"""The fast path: routes of the most used endpoints, directly on ASGI with msgspec.

With batched requests a FastAPI route costs more than the database call, so the seat endpoints do not use FastAPI.
`openapi` makes their OpenAPI entries from the same `Endpoint` objects, and they refuse with the same problems as all
other endpoints.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.types import Receive, Scope

from rowlock.base.holder import Holder
from rowlock.base.integrator import Integrator
from rowlock.base.networks import ADDRESS_LENGTH, client_network
from rowlock.web.problems import ProblemError, method_not_allowed
from rowlock.web.security import Security
from rowlock.web.sessions import Session, Sessions, named_session
from rowlock.web.texts import in_words

MAX_BODY_BYTES = 64 * 1024
USER_AGENT_LENGTH = 400
REFUSAL_PAUSE_SECONDS = 0.5
"""How long a request that finds an endpoint full waits, before the endpoint is asked once more. Answered at once,
clients that come back at once would keep the server busy with refusing."""
_MOST_DIGITS = 10
_MOST_PARAMETERS = 20
JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")
_IDEMPOTENCY_KEY = re.compile(rb"[!-~]{1,255}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\xff]")

Headers = Mapping[bytes, bytes]


@dataclass(slots=True)
class Reply:
    """A response: status, body, and headers in addition to those of every response.

    By default it is private, and no cache may keep it: most answers have a token, or tell a hold.
    """

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [JSON, NO_STORE])


@dataclass(slots=True)
class Request:
    """A request on the fast path. `body` is decoded to the endpoint's type; `value` is the path's variable part.

    address     of the end user: what an integrator says, else where the connection comes from.
    network     what the end user's holds count for in the limits; None without limits.
    integrator  of the key that was sent with it, if any.
    raw         the body as it was sent, for signatures.
    """

    scope: Scope
    headers: Headers
    value: str
    body: Any
    sessions: Sessions
    address: str | None = None
    network: str | None = None
    integrator: Integrator | None = None
    raw: bytes = b""
    new_cookie: bytes | None = None

    def session(self, session_id: str | None) -> Session:
        """The session: of the session id in the body, else of the cookie, else a new one."""
        found = self.find_session(session_id)
        if found is None and self.integrator is not None:
            raise ProblemError(
                "INVALID_INPUT", "With X-Rowlock-Key session_id is needed: any id of your system for the end user."
            )
        if found is None:
            found, self.new_cookie = self.sessions.start()
        return found

    def holder(self, session_id: str | None) -> Holder:
        """The holder of `session`."""
        return self.holder_of(self.session(session_id))

    def bearer(self, session_id: str | None = None) -> Holder:
        """The holder where a token is the proof: as `holder`, but without a session its key is empty."""
        return self.holder_of(self.find_session(session_id))

    def find_session(self, session_id: str | None = None) -> Session | None:
        """As `session`, but None where there is none."""
        if session_id is not None:
            return named_session(session_id, self.integrator)
        cookie = self.headers.get(b"cookie")
        # An integrator is no browser, whatever its client keeps.
        return None if cookie is None or self.integrator is not None else self.sessions.find(cookie.decode("latin-1"))

    def holder_of(self, session: Session | None) -> Holder:
        """The holder of a session, with what the audit log keeps of the request."""
        agent = self.headers.get(b"user-agent")
        return Holder(
            key="" if session is None else session.key,
            session_id=None if session is None else session.key,
            ip_address=self.address,
            user_agent=_UNPRINTABLE.sub("?", agent.decode("latin-1"))[:USER_AGENT_LENGTH] if agent else None,
            network=self.network,
        )

    def query(self, name: str) -> str | None:
        """The first value of a parameter of the query string, or None."""
        values = parse_qs(self.scope["query_string"].decode("latin-1"), max_num_fields=_MOST_PARAMETERS).get(name)
        return values[0] if values else None

    def idempotency_key(self) -> bytes | None:
        """The Idempotency-Key header, if there is one. Raises ProblemError when it is malformed."""
        key = self.headers.get(b"idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise ProblemError("INVALID_INPUT", "Idempotency-Key must be 1 to 255 visible ASCII characters.")
        return key


def _end_user(scope: Scope, body: Any, integrator: Integrator | None) -> tuple[str | None, str | None]:
    """Address and network of the end user: by `client_address` with an integrator's key, else the connection's.

    Raises ProblemError for a `client_address` without a key, or that is none.
    """
    told = getattr(body, "client_address", None)
    if told is None:
        return client_address(scope), _network(scope)
    if integrator is None:
        raise ProblemError(
            "INVALID_INPUT",
            "client_address is taken with an integrator's key in X-Rowlock-Key only. Leave it out: the address that "
            "the request comes from counts.",
        )
    address = _address(told)
    if address is None:
        raise ProblemError(
            "INVALID_INPUT",
            "client_address is no IP address. Send that of the end user, such as 192.0.2.7 or 2001:db8::7, or leave "
            "it out.",
        )
    return address, client_network(told)


def client_address(scope: Scope) -> str | None:
    """The client's IP address in a form that PostgreSQL's inet accepts. A Unix socket or a test client has none."""
    client = scope.get("client")
    # X-Forwarded-For may contain any text that a client sent, and what is too long would stay in the cache.
    return _address(client[0]) if client and len(client[0]) <= ADDRESS_LENGTH else None


def _network(scope: Scope) -> str | None:
    """What the client's holds count for in the limits. A Unix socket or a test client has none."""
    client, server = scope.get("client"), scope.get("server")
    return client_network(client[0], server[0] if server else None) if client else None


@lru_cache(maxsize=10_000)
def _address(host: str) -> str | None:
    # inet has no zones (fe80::1%eth0).
    try:
        ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else host


Handler = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of the fast path: route, handler and types. Also the source of its OpenAPI entry.

    path      may have one variable part, written {name}.
    takes     msgspec type of the JSON body, None where there is none; `optional_body` where it may be left out.
    gives     msgspec type of the JSON answer, sent with `status`.
    problems  codes it may refuse with, in addition to those of every endpoint.
    is_full   whether requests are refused now; called after the headers and before the body is read.
    keys      whether the key of an integrator counts here, for the OpenAPI entry.
    operation_id  what generators call the method of a client, a verb first: reserveSeats.
    security  who may call it. A test refuses an endpoint that leaves out one of these two.
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
    keys: bool = False
    operation_id: str | None = None
    security: Security | None = None


class FastPath:
    """Finds the endpoint for a path and decodes the request body."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        sessions: Sessions,
        *,
        refusal_pause_seconds: float = REFUSAL_PAUSE_SECONDS,
    ) -> None:
        self.endpoints = tuple(endpoints)
        self._refusal_pause_seconds = refusal_pause_seconds
        self._sessions = sessions
        self._exact: dict[str, dict[str, Endpoint]] = {}
        variable: dict[str, dict[str, Endpoint]] = {}
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {}
        for endpoint in self.endpoints:
            paths = variable if "{" in endpoint.path else self._exact
            paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
            if endpoint.takes is not None:
                self._decoders[endpoint.method + endpoint.path] = msgspec.json.Decoder(endpoint.takes)
        # One pattern for all paths with a variable part: the number of the matching group selects the endpoint.
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
            raise method_not_allowed(methods)
        return endpoint

    async def request(
        self,
        endpoint: Endpoint,
        value: str,
        scope: Scope,
        headers: Headers,
        receive: Receive,
        integrator: Integrator | None = None,
    ) -> Request:
        """The request as the endpoint's handler takes it.

        Raises ProblemError when it is malformed; BUSY is raised before the body is read, when the endpoint is still
        full after a pause.
        """
        if endpoint.is_full is not None and endpoint.is_full():
            await asyncio.sleep(self._refusal_pause_seconds)
            if endpoint.is_full():
                raise ProblemError("BUSY")
        body, raw = None, b""
        if endpoint.takes is not None:
            raw = await read_body(headers, receive)
            if raw or not endpoint.optional_body:
                content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
                if content_type != b"application/json":
                    raise ProblemError("UNSUPPORTED_MEDIA_TYPE")
                try:
                    body = self._decoders[endpoint.method + endpoint.path].decode(raw)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise ProblemError(
                        "INVALID_INPUT", f"The body is not what is expected here: {in_words(str(error))}."
                    ) from error
        address, network = _end_user(scope, body, integrator)
        return Request(scope, headers, value, body, self._sessions, address, network, integrator, raw)


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
            # A partial body could be valid JSON, and an empty one a valid extend. The client no longer waits.
            raise ProblemError("INVALID_INPUT", "The connection ended before the body did.")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError("PAYLOAD_TOO_LARGE")
        if not message.get("more_body"):
            return body
