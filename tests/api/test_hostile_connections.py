"""What a hostile client sends is bounded in size, time and number, and other clients do not notice it.

Before these bounds a header of 100 MiB blocked every client for 22 seconds, and 1,100 idle connections shut every probe
out. Real sockets and the real server; where a limit is a time, the test gives the server a short one.
"""

import gc
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from rowlock.base.dsns import Dsns
from rowlock.web.protocol import BoundedProtocol, ConnectionLimits
from tests.support.http import Served, serving

pytestmark = pytest.mark.usefixtures("clean_check")

SHORT = ConnectionLimits(head_seconds=0.3, body_seconds=0.3, linger_seconds=0.1)
NEVER = ConnectionLimits(head_seconds=3_600, body_seconds=3_600, linger_seconds=0.1)
GOOD = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n"
BEGUN_BODY = (
    b"POST /api/seat-reservations/reserve-v2 HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    b"content-length: 100\r\n\r\n{"
)
PATIENCE_SECONDS = 20.0


class Raw(ExitStack):
    """A connection on which a test sends what it likes."""

    def __init__(self, served: Served) -> None:
        super().__init__()
        self.socket = self.enter_context(socket.create_connection(("127.0.0.1", served.port), PATIENCE_SECONDS))

    def send(self, *pieces: bytes) -> "Raw":
        """Send as far as the server lets us."""
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def until_closed(self) -> bytes:
        """Everything that the server still sends."""
        received = b""
        try:
            while data := self.socket.recv(65_536):
                received += data
        except ConnectionResetError:
            pass
        return received

    def answer(self) -> tuple[int, bytes]:
        """The status and the body of one answer."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._some()
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._some()
        return int(head.split()[1]), body[:length]

    def _some(self) -> bytes:
        data = self.socket.recv(65_536)
        assert data, "The server closed the connection."
        return data


def refusal(received: bytes) -> dict[str, Any]:
    """The problem that an answer is."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head, received
    assert b"connection: close" in head
    told: dict[str, Any] = json.loads(body)
    assert told["status"] == int(head.split()[1])
    return told


@pytest.fixture
def patient(dsns: Dsns) -> Iterator[Served]:
    """A server whose limits of time are never reached."""
    with serving(dsns, limits=NEVER) as served:
        yield served


@pytest.fixture
def hasty(dsns: Dsns) -> Iterator[Served]:
    """A server whose limits of time are short."""
    with serving(dsns, limits=SHORT) as served:
        yield served


def head_of(size: int) -> bytes:
    """A good request whose head has this size, as the limit counts it."""
    begin = b"GET /health/live HTTP/1.1\r\nhost: a\r\nx: "
    counted = len(b"/health/live") + len(b"hosta") + len(b"x") + 2 * 4
    return begin + b"v" * (size - counted) + b"\r\n\r\n"


def fields_of(count: int) -> bytes:
    return b"GET /health/live HTTP/1.1\r\n" + b"".join(b"f%d: v\r\n" % n for n in range(count)) + b"\r\n"


def test_a_header_of_100_mib_is_refused_at_once_and_delays_no_one(patient: Served) -> None:
    """Before: 22 s, in which no other client was answered."""
    with Raw(patient) as attacker, Raw(patient) as buyer:
        began = time.monotonic()
        attacker.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: ", *[b"v" * 2**20] * 100)
        sent = time.monotonic()
        assert buyer.send(GOOD).answer()[0] == 200
        answered = time.monotonic()
        told = refusal(attacker.until_closed())

    waited, took = answered - sent, time.monotonic() - began
    print(f"a header of 100 MiB: another client waited {waited * 1000:.1f} ms, all was over after {took:.2f} s")
    assert (told["status"], told["code"]) == (431, "HEAD_TOO_LARGE")
    assert "32 KiB" in told["detail"]
    assert time.monotonic() - began < 10, "It was read to its end."


@pytest.mark.parametrize("pieces", [1, 40])
def test_a_head_may_have_32_kib_and_no_byte_more(patient: Served, pieces: int) -> None:
    def sent(raw: Raw, request: bytes) -> Raw:
        step = -(-len(request) // pieces)
        return raw.send(*(request[at : at + step] for at in range(0, len(request), step)))

    with Raw(patient) as raw:
        assert sent(raw, head_of(32 * 1024)).answer()[0] == 200
        assert refusal(sent(raw, head_of(32 * 1024 + 1)).until_closed())["code"] == "HEAD_TOO_LARGE"


def test_a_head_may_have_100_fields_and_no_one_more(patient: Served) -> None:
    with Raw(patient) as raw:
        assert raw.send(fields_of(100)).answer()[0] == 200
        told = refusal(raw.send(fields_of(101)).until_closed())

    assert told["code"] == "HEAD_TOO_LARGE"
    assert "101 header fields; 100 are allowed" in told["detail"]


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /",
        b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\ntrailer: ",
        b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;extension=",
    ],
    ids=["address", "trailer", "chunk-extension"],
)
def test_what_the_parser_keeps_of_any_part_is_bounded(patient: Served, begin: bytes) -> None:
    with Raw(patient) as raw:
        began = time.monotonic()
        raw.send(begin, *[b"v" * 2**20] * 50).until_closed()

    assert time.monotonic() - began < PATIENCE_SECONDS / 2


def test_a_large_body_behind_a_small_head_is_not_taken_for_a_head(patient: Served) -> None:
    body = b'{"x": "' + b"y" * 60_000 + b'"}'
    head = b"POST /api/seat-reservations/reserve-v2 HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    with Raw(patient) as raw:
        status, answer = raw.send(head + b"content-length: %d\r\n\r\n" % len(body) + body).answer()
        assert raw.send(GOOD).answer()[0] == 200

    assert (status, json.loads(answer)["code"]) == (400, "INVALID_INPUT")


def test_what_is_no_http_is_told_so(patient: Served) -> None:
    with Raw(patient) as raw:
        told = refusal(raw.send(b"\x16\x03\x01 hello\r\n\r\n").until_closed())

    assert (told["status"], told["code"]) == (400, "INVALID_INPUT")


def test_a_head_that_trickles_is_ended(hasty: Served) -> None:
    with Raw(hasty) as raw:
        told = refusal(raw.send(b"GET / HTTP/1.1\r\nho").until_closed())

    assert (told["status"], told["code"]) == (408, "REQUEST_TOO_SLOW")
    assert "head" in told["detail"]


def test_each_byte_of_a_head_does_not_give_it_more_time(hasty: Served) -> None:
    began = time.monotonic()
    with Raw(hasty) as raw:
        raw.send(b"GET / HTTP/1.1\r\nx: ")
        raw.socket.settimeout(0.05)
        while time.monotonic() - began < PATIENCE_SECONDS:
            raw.send(b"v")
            try:
                if not raw.socket.recv(65_536):
                    break
            except TimeoutError:
                continue
            except ConnectionResetError:
                break

    assert time.monotonic() - began < PATIENCE_SECONDS / 2


@pytest.mark.parametrize("sent", [b"", b"\r\n", GOOD + b"\r\n"], ids=["nothing", "a-line-break", "after-a-request"])
def test_a_connection_without_a_request_is_closed_without_an_answer(hasty: Served, sent: bytes) -> None:
    with Raw(hasty) as raw:
        if sent.startswith(GOOD):
            assert raw.send(GOOD).answer()[0] == 200
        raw.send(sent.removeprefix(GOOD))
        assert raw.until_closed() == b""


def test_a_body_that_does_not_come_is_ended(dsns: Dsns) -> None:
    with serving(dsns, limits=SHORT) as hasty, Raw(hasty) as raw:
        told = refusal(raw.send(BEGUN_BODY).until_closed())

    assert (told["status"], told["code"]) == (408, "REQUEST_TOO_SLOW")
    assert "body" in told["detail"]
    assert hasty.application.access_lines()[-1]["path"].endswith("/reserve-v2"), "Its handler was told to end."


def test_a_request_in_time_meets_no_deadline_of_an_earlier_one(hasty: Served) -> None:
    with Raw(hasty) as raw:
        for piece in (GOOD[:10], GOOD[10:]):
            raw.send(piece)
        assert raw.answer()[0] == 200
        time.sleep(2 * SHORT.head_seconds)  # There is nothing to wait for: nothing may happen.
        assert raw.send(GOOD).answer()[0] == 200


def test_a_new_connection_takes_the_place_of_one_without_a_request(dsns: Dsns) -> None:
    """Before: 1,100 idle connections shut every probe out, for as long as they stayed."""
    with serving(dsns, limits=ConnectionLimits(head_seconds=3_600, connections=20)) as served, ExitStack() as stack:
        idle = [stack.enter_context(Raw(served)) for _ in range(60)]
        for _ in range(5):
            with Raw(served) as probe:
                assert probe.send(GOOD).answer()[0] == 200

        assert idle[0].until_closed() == b""


def test_a_connection_that_its_client_resets_is_forgotten_at_once(patient: Served) -> None:
    """Before: it was kept with its head for five seconds, beside the connections that are counted: 280 MB for 7,200."""
    for _ in range(20):
        with Raw(patient) as raw:
            assert raw.send(head_of(30_000)).answer()[0] == 200
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # Its end is a reset.

    deadline = time.monotonic() + 2
    while kept := protocols():
        assert time.monotonic() < deadline, f"{kept} connections are kept"
        time.sleep(0.05)


def protocols() -> int:
    """How many connections this process keeps, closed ones included."""
    gc.collect()
    return sum(isinstance(one, BoundedProtocol) for one in gc.get_objects())


def test_when_every_connection_has_a_request_a_new_one_is_told_to_come_back(dsns: Dsns) -> None:
    limits = ConnectionLimits(body_seconds=3_600, linger_seconds=0.1, connections=3)
    with serving(dsns, limits=limits) as served, ExitStack() as stack:
        for _ in range(3):
            # `Continue` is the sign that the request has reached its handler, which waits for the body.
            head = BEGUN_BODY[:-1].replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")
            assert b"100 Continue" in stack.enter_context(Raw(served)).send(head).socket.recv(1_000)
        with Raw(served) as one_more:
            told = refusal(one_more.send(GOOD).until_closed())

    assert (told["status"], told["code"]) == (503, "BUSY")


def test_no_answer_tells_which_software_serves(patient: Served) -> None:
    with Raw(patient) as raw:
        raw.send(GOOD.replace(b"host: a", b"connection: close"))
        assert b"\r\nserver:" not in raw.until_closed().lower()
