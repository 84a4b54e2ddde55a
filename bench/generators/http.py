"""Our own clients over HTTP/1.1: one that asks one thing after the other, or many that share a list of requests."""

import re
import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import inf
from threading import Lock
from typing import NamedTuple

from bench.halls import Wishes

RESERVE_V2 = "/api/seat-reservations/reserve-v2"
RESERVE_V1 = "/api/seat-reservations/reserve"
USER_AGENT = "rowlock-bench"

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMEOUT_SECONDS = 10
_CONNECTING_SECONDS = 0.1


class Answer(NamedTuple):
    """Status, head without the empty line at its end, and body."""

    status: int
    head: str
    body: bytes


class Client:
    """One keep-alive connection to a server that sends Content-Length with every answer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes, *, expect: int | None = None) -> Answer:
        """Send a request and wait for its answer; insist on a status. Raises ValueError and OSError."""
        self._socket.sendall(request)
        received, ends = b"", None
        while ends is None or len(received) < ends:
            data = self._socket.recv(65_536)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            received += data
            if ends is None and (end := received.find(b"\r\n\r\n")) >= 0:
                length = _CONTENT_LENGTH.search(received[:end])
                ends = end + 4 + (int(length[1]) if length else 0)
        head, _, body = received.partition(b"\r\n\r\n")
        answer = Answer(int(head[9:12]), head.decode("latin-1"), body)
        if expect is not None and answer.status != expect:
            raise ValueError(f"{answer.status} instead of {expect}: {answer.body[:500]!r}")
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def run_clients(
    port: int, requests: Iterable[tuple[float | None, bytes]], clients: int, *, ramp_seconds: float = 0
) -> tuple[Counter[str], list[float]]:
    """Send requests, each when it is due: so many seconds after the clients have begun, or None for at once.

    Gives the statuses, "none" for no answer, and latencies in milliseconds: infinite for what was not accepted, and
    without what is due in the first `ramp_seconds`. They count from when a request was due, also when no client was
    free, so a server that stalls is charged for all that came meanwhile: an open loop, as pgbench's is.
    """
    waiting, lock = iter(requests), Lock()
    statuses, latencies = Counter[str](), list[float]()
    begins = time.perf_counter() + _CONNECTING_SECONDS

    def work(_: int) -> None:
        client = Client(port)
        while True:
            with lock:
                due, request = next(waiting, (None, b""))
            if not request:
                break
            counts_from = time.perf_counter() if due is None else begins + due
            time.sleep(max(0.0, counts_from - time.perf_counter()))
            try:
                status = str(client.ask(request).status)
            except OSError:
                status = "none"
                client = Client(port)
            took = time.perf_counter() - counts_from
            with lock:
                statuses[status] += 1
                if due is None or due >= ramp_seconds:
                    latencies.append(took * 1000 if status == "201" else inf)
        client.close()

    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(work, range(clients)))
    return statuses, latencies


def post(path: str, body: str = "{}", **headers: str) -> bytes:
    """The bytes of a POST with a JSON body in ASCII."""
    headers |= {"User-Agent": USER_AGENT, "Content-Type": "application/json", "Content-Length": str(len(body))}
    return _request("POST", path, headers, body)


def get(path: str, **headers: str) -> bytes:
    """The bytes of a GET."""
    return _request("GET", path, headers)


def _request(method: str, path: str, headers: Mapping[str, str], body: str = "") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n{body}".encode("ascii")


def reserve_request(wishes: Wishes, number: int) -> bytes:
    """The bytes of reservation number `number`."""
    show, (first, second), session = wishes.get(number)
    return post(RESERVE_V2, f'{{"show_id":"{show}","seat_ids":[{first},{second}],"session_id":"{session}"}}')


def best_available_request(show: str, quantity: int, session: str) -> bytes:
    """The bytes of a wish for the best seats."""
    body = f'{{"show_id":"{show}","quantity":{quantity},"session_id":"{session.ljust(32, "-")}"}}'
    return post("/api/seat-reservations/best-available", body)
