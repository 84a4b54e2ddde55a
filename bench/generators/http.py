"""A keep-alive HTTP/1.1 connection with one request at a time, as small as a load generator wants it."""

import re
import socket
from dataclasses import dataclass

from bench.wishes import Wishes

Address = tuple[str, int]

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RECEIVE_BYTES = 65_536


class BrokenConnectionError(Exception):
    """The server closed the connection or sent something that is no HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, raw headers and body of an answer."""

    status: int
    head: bytes
    body: bytes


class Connection:
    """One connection to a server that sends Content-Length with every answer."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self, request: bytes) -> None:
        """Send a request; it is small enough for the socket's buffer."""
        self.socket.sendall(request)

    def receive(self) -> Answer | None:
        """Read what has come: the answer once it is complete, else None. Raises BrokenConnectionError."""
        data = self.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise BrokenConnectionError("the server closed the connection")
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._received[:end]
        length = _CONTENT_LENGTH.search(head)
        body_ends = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < body_ends:
            return None
        answer = Answer(int(head[9:12]), head, self._received[end + 4 : body_ends])
        self._received = self._received[body_ends:]
        return answer

    def ask(self, request: bytes) -> Answer:
        """Send a request and wait for its answer."""
        self.send(request)
        while (answer := self.receive()) is None:
            pass
        return answer

    def close(self) -> None:
        """Close it."""
        self.socket.close()


def post(address: Address, path: str, body: str) -> bytes:
    """The bytes of a POST with a JSON body in ASCII."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nUser-Agent: rowlock-bench\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode("ascii")


def get(address: Address, path: str, headers: str = "") -> bytes:
    """The bytes of a GET; `headers` are lines that end with CRLF."""
    return f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n{headers}\r\n".encode("ascii")


def reserve_request(address: Address, path: str, wishes: Wishes, number: int) -> bytes:
    """The bytes of reservation number `number`."""
    show, (first, second), session = wishes.get(number)
    return post(address, path, f'{{"show_id":"{show}","seat_ids":[{first},{second}],"session_id":"{session}"}}')


def best_available_request(address: Address, show: str, quantity: int, session: str) -> bytes:
    """The bytes of a wish for the best seats."""
    body = f'{{"show_id":"{show}","quantity":{quantity},"session_id":"{session}"}}'
    return post(address, "/api/seat-reservations/best-available", body)
