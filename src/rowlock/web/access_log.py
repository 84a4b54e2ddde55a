"""The access log: one JSON line for each request, several lines per write."""

import sys
from asyncio import get_running_loop
from collections.abc import Callable

import msgspec

FLUSH_SECONDS = 0.2


class AccessLine(msgspec.Struct):
    """One line of the access log. `path` is the route, not the URL, because URLs contain tokens."""

    event: str
    time: float
    request_id: str
    method: str
    path: str
    status: int
    milliseconds: float


def _write_to_stderr(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


class AccessLog:
    """Writes several access lines at once: a write for each line would cost more than the request."""

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or _write_to_stderr
        self._encoder = msgspec.json.Encoder()
        self._lines: list[AccessLine] = []

    def add(self, line: AccessLine) -> None:
        """Add a line; it is written within FLUSH_SECONDS."""
        self._lines.append(line)
        if len(self._lines) == 1:
            get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the lines added since the last write."""
        lines, self._lines = self._lines, []
        if lines:
            self._write(self._encoder.encode_lines(lines))
