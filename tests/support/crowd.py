"""A crowd on a server, as a process of its own: `python -m tests.support.crowd PORT SHOW_ID READING IDLE GREEDY`.

A reading connection asks again as soon as it is answered. So does a greedy one, which asks for seats and is refused. An
idle connection sends nothing; when the server closes it, it is opened again. The process writes a line when all are
connected, and when its standard input is closed another one: the answers by kind and status, as JSON.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from uuid import UUID

from tests.support.http import session

ROOT = Path(__file__).parents[2]
TAKEN_SEATS, THEIR_HOLDER = (1, 2), "greedy"
"""What is held before a crowd comes."""
NETWORK_SECONDS = 0.002
"""How far away the clients are. A process that waited for each answer would be given the server's core at each."""
OCTETS = "accept: application/octet-stream\r\n"
_PATIENCE_SECONDS = 30


def reading_requests(show_id: str) -> list[bytes]:
    """What a page of a shop asks for."""
    show = f"/api/shows/{show_id}"
    wanted = [
        (f"{show}/seats", OCTETS),
        (f"{show}/seats", ""),
        (show, ""),
        ("/api/shows", ""),
        (f"{show}/seat-map", ""),
    ]
    return [f"GET {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n".encode() for path, fields in wanted]


def greedy_requests(show_id: str) -> list[bytes]:
    """From one who has a hold, for seats that are taken, for one that there is not, for none, and what is no JSON."""
    wanted: list[tuple[str, tuple[int, ...]]] = [
        (THEIR_HOLDER, TAKEN_SEATS), ("late", TAKEN_SEATS), ("wrong", (9_999,)), ("wrong", ()),
    ]  # fmt: skip
    wishes = [{"show_id": show_id, "seat_ids": seats, "session_id": session(holder)} for holder, seats in wanted]
    bodies = [*(json.dumps(wish).encode() for wish in wishes), b"{"]
    head = "POST /api/seat-reservations/reserve-v2 HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    return [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


@dataclass
class Client:
    """One connection, and the answer that it waits for."""

    kind: str
    request: bytes
    socket: socket.socket
    head: bytes = b""
    missing: int = 0  # Bytes of the body, once the head is complete.


class Clients:
    """The clients of a process, in one loop."""

    def __init__(self, port: int) -> None:
        self.answers: Counter[str] = Counter()
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)

    def join(self, kind: str, request: bytes = b"") -> None:
        """One client more, which sends its request at once."""
        made = socket.create_connection(("127.0.0.1", self._port), _PATIENCE_SECONDS)
        self._selector.register(made, selectors.EVENT_READ, Client(kind, request, made))
        made.sendall(request)

    def run(self) -> None:
        """Go on until standard input is closed."""
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                self._receive(key.data)
            time.sleep(NETWORK_SECONDS)

    def _receive(self, client: Client) -> None:
        try:
            data = client.socket.recv(262_144)
        except ConnectionResetError:
            data = b""
        if not data:
            self.answers[f"{client.kind}: closed"] += 1
            self._selector.unregister(client.socket)
            client.socket.close()
            self.join(client.kind, client.request)
            return
        if not client.missing:
            client.head, end, data = (client.head + data).partition(b"\r\n\r\n")
            if not end:
                return
            self.answers[f"{client.kind}: {client.head[9:12].decode()}"] += 1
            client.missing = int(client.head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            client.head = b""
        client.missing -= len(data)
        if not client.missing:
            client.socket.sendall(client.request)


def main(port: int, show_id: str, reading: int, idle: int, greedy: int) -> None:
    """Run the crowd."""
    clients = Clients(port)
    for _ in range(idle):
        clients.join("idle")
    for request in islice(cycle(reading_requests(show_id)), reading):
        clients.join("reading", request)
    for request in islice(cycle(greedy_requests(show_id)), greedy):
        clients.join("greedy", request)
    print("connected", flush=True)
    clients.run()
    print(json.dumps(clients.answers), flush=True)


@dataclass
class Crowd:
    """A crowd that another process is. `answers` are known when it has ended."""

    answers: Counter[str] = field(default_factory=Counter)


@contextmanager
def crowd(port: int, show_id: UUID, *, reading: int, idle: int, greedy: int) -> Iterator[Crowd]:
    """A crowd for the length of a block."""
    arguments = (port, show_id, reading, idle, greedy)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.crowd", *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "connected\n", "The crowd did not come."
        there = Crowd()
        yield there
        process.stdin.close()
        there.answers.update(json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6]))
