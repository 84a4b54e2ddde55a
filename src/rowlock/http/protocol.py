"""uvicorn's HTTP protocol with two economies that matter in a rush.

One write for each answer: uvicorn writes head and body separately, and each write is a system call. And in an overload
a request for seats is refused before it is even parsed: refusing must cost next to nothing, or refusing alone would
keep the service busy.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Given the raw bytes of one whole request, the raw answer that refuses it, or None to serve it.
EarlyRefusal = Callable[[bytes], bytes | None]


class JoiningTransport:
    """A transport that gathers what is written in one turn of the loop. Everything else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write at the end of this turn of the loop."""
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def write_now(self, data: bytes) -> None:
        """Write at once: for an answer that is all there is to write."""
        self._flush()
        self._transport.write(data)

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


class RushHttpProtocol(HttpToolsProtocol):
    """Give it to `uvicorn.Config(http=…)`. The application may have a method `refuse_early` (see EarlyRefusal)."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._refuse_early: EarlyRefusal | None = getattr(config.app, "refuse_early", None)
        self._between_requests = True
        self._refused_at = float("-inf")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own type.
        """Take on a connection."""
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type] # One in all but name.

    def data_received(self, data: bytes) -> None:
        """Refuse, or let uvicorn parse."""
        if self._refuse_early is not None and self._between_requests and not self._is_answering():
            answer = self._refuse_early(data)
            if answer is not None:
                self._refused_at = self.loop.time()
                self.transport.write_now(answer)  # type: ignore[attr-defined] # A JoiningTransport, see connection_made.
                return
        super().data_received(data)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one that was refused lately has not been idle."""
        remaining = self._refused_at + self.timeout_keep_alive - self.loop.time()
        if remaining > 0:
            # Moving the timer at each refusal would cost a tenth of the refusal.
            self.timeout_keep_alive_task = self.loop.call_later(remaining, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """A request has begun to arrive."""
        self._between_requests = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """A request has arrived."""
        self._between_requests = True
        super().on_message_complete()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return bool(self.pipeline) or (cycle is not None and not cycle.response_complete)
