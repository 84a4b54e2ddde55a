"""uvicorn's HTTP protocol with bounds on what a client may send, and one write for each answer.

uvicorn bounds neither the size of a request's head nor the time that it takes, and writes head and body of an answer
separately; each write is a system call. What the parser keeps of an unfinished field is copied with every piece that
arrives, so that one field of 100 MiB would take all of a process's time for more than ten seconds.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from rowlock.web.problems import MEDIA_TYPE, ProblemError, problem_body

# A head above the limit arrives in a piece of more bytes than this, or in several that are more in all.
_WEIGHED_FROM_BYTES = 8 * 1024
# What surrounds a field and the request line: ": ", line breaks, method and version.
_FIELD_EXTRA_BYTES = 4
# At the cap, so many connections without a request are closed at once: to look for them takes some milliseconds.
_CLOSED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may send, and in which time.

    head_bytes      the request line and all fields.
    head_fields     fields of a head.
    head_seconds    from a connection's begin, or the first byte of a later request, until the head is complete.
    body_seconds    from there until the body is complete.
    linger_seconds  how long the rest of a refused request is read and thrown away: a connection that is closed at once
                    loses its answer.
    connections     connections of a process. One more takes the place of one without a request, else it is refused.
    """

    head_bytes: int = 32 * 1024
    head_fields: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    linger_seconds: float = 1.0
    connections: int = 10_000


class JoiningTransport:
    """A transport that joins all writes of one iteration of the event loop. Other calls go to the wrapped transport."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write at the end of this iteration of the event loop."""
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def write_eof(self) -> None:
        """Write what is pending, and end what this side sends."""
        self._flush()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Write what is pending and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        if not self._transport.is_closing():
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedProtocol(HttpToolsProtocol):
    """The protocol of a connection, for `uvicorn.Config(http=…)`.

    A request that arrives whole, as nearly all do, costs three assignments and four comparisons more than uvicorn's.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        # Bytes since the parser last told of something complete: a head, or a part of a body. What it keeps meanwhile
        # is a head, the fields behind a chunked body, or the extension of a chunk.
        self._untold_bytes = 0
        self._weighs_heads = False
        self._is_open = False  # A request has begun and is not complete.
        self._has_head = False  # Of that request.
        self._refusal: ProblemError | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.made_at = self.loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no complete head waits for its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own type.
        """Wrap the transport of a new connection, and wait for a head."""
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type] # It has a transport's methods.
        self._deadline = self.loop.call_later(self._limits.head_seconds, self._too_late)
        if len(self.connections) > self._limits.connections and not self._gave_way():
            self._refuse(ProblemError("BUSY", "Too many clients are connected. Nothing was changed; come back soon."))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline, and uvicorn's of the next request, which would keep a connection that was reset."""
        self._end_deadline()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and watch a request that is not complete."""
        if self._refusal is not None:
            return
        self._untold_bytes += len(data)
        if self._untold_bytes > _WEIGHED_FROM_BYTES:
            self._weighs_heads = True
        super().data_received(data)
        if self._untold_bytes or self._is_open:
            self._watch()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_open, self._has_head = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request, if its head is within the limits."""
        fields = len(self.headers)
        if fields > self._limits.head_fields:
            raise self._marked(
                ProblemError(
                    "HEAD_TOO_LARGE",
                    f"The request has {fields} header fields; "
                    f"{self._limits.head_fields} are allowed. Send fewer, such as fewer cookies.",
                )
            )
        if self._weighs_heads and self._head_bytes() > self._limits.head_bytes:
            raise self._marked(self._head_too_large())
        self._untold_bytes = 0
        self._has_head = True
        if self._deadline is not None:
            self._end_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._is_open = False
        self._untold_bytes = 0
        if self._deadline is not None:
            self._end_deadline()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that the parser refused, or one of our callbacks."""
        self._refuse(self._refusal or ProblemError("INVALID_INPUT", "This is no HTTP/1.1 request. Send one."))

    def _watch(self) -> None:
        """Bound what arrives of a request that is not complete."""
        if self._refusal is not None or self.transport.is_closing():
            return
        if self._untold_bytes > self._limits.head_bytes:
            self._refuse(self._head_too_large())
        elif self._deadline is None:
            self._set_deadline()

    def _set_deadline(self) -> None:
        limits = self._limits
        in_body = self._is_open and self._has_head
        self._deadline = self.loop.call_later(limits.body_seconds if in_body else limits.head_seconds, self._too_late)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self.flow.read_paused:
            self._set_deadline()  # It is we who do not read.
        elif not self._is_open:
            self.transport.close()  # An answer could be taken for that of a request which is on its way.
        else:
            what, seconds = (
                ("body", self._limits.body_seconds) if self._has_head else ("head", self._limits.head_seconds)
            )
            self._refuse(
                ProblemError(
                    "REQUEST_TOO_SLOW",
                    f"The {what} of the request was not complete within "
                    f"{seconds:g} seconds. Nothing was changed; send it again, all at once.",
                )
            )

    def _head_bytes(self) -> int:
        fields = sum(len(name) + len(value) + _FIELD_EXTRA_BYTES for name, value in self.headers)
        return len(self.url) + fields

    def _head_too_large(self) -> ProblemError:
        return ProblemError(
            "HEAD_TOO_LARGE",
            "The address and the header fields of a request have at most "
            f"{self._limits.head_bytes // 1024} KiB. Send less, such as fewer cookies.",
        )

    def _marked(self, refusal: ProblemError) -> ProblemError:
        """Raised in a callback, it ends the parsing; uvicorn then calls `send_400_response`."""
        self._refusal = refusal
        return refusal

    def _refuse(self, refusal: ProblemError) -> None:
        """Answer the request with a problem, and close the connection when the client has had time to read it."""
        self._refusal = refusal
        self._end_deadline()
        if self.transport.is_closing():
            return
        if not self._may_answer():
            self.transport.close()
            return
        self.transport.write(_answer(refusal))
        if self.cycle is not None:
            self.cycle.disconnected = True  # Whoever waits for the body need not, and has nobody to answer.
            self.cycle.message_event.set()
        self.transport.write_eof()
        self.loop.call_later(self._limits.linger_seconds, self.transport.close)

    def _may_answer(self) -> bool:
        """Whether the next answer on this connection is that of the request which is refused."""
        if self.pipeline:
            return False
        is_its_cycle = self._is_open and self._has_head
        return self.is_idle if not is_its_cycle else not self.cycle.response_started

    def _gave_way(self) -> bool:
        """Close connections without a request, those first that never had one, then the oldest; whether there were."""
        others = (connection for connection in self.connections if connection is not self)
        idle = [one for one in others if isinstance(one, BoundedProtocol) and one.is_idle]
        idle.sort(key=lambda one: (one.cycle is not None, one.made_at))
        for connection in idle[:_CLOSED_AT_ONCE]:
            if connection.transport.get_write_buffer_size():
                connection.transport.abort()  # Its client does not read, so closing would wait for it.
            else:
                connection.transport.close()
            self.connections.discard(connection)
        return bool(idle)


def _answer(refusal: ProblemError) -> bytes:
    """The whole answer to a request that has not reached the application, so that it has no id."""
    kind = refusal.problem_type
    body = problem_body(refusal, None)
    fields = (
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
        *kind.headers,
    )
    return b"".join(
        (STATUS_LINE[kind.status], *(name + b": " + value + b"\r\n" for name, value in fields), b"\r\n", body)
    )
