"""What the load generators of the benchmark send, count and read."""

import json
import os
import socketserver
import threading
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest
from bench.generators.http import Client, get, post, run_clients
from bench.loads import parse_pgbench, parse_wrk, read_pgbench_logs
from bench.processes import ProgramFailedError, cpu_seconds, run

GENERATORS = Path(__file__).resolve().parents[2] / "bench" / "generators"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: x\r\n\r\nhello"


def test_pgbench_is_read() -> None:
    output = """number of transactions actually processed: 4711
number of failed transactions: 0 (0.000%)
latency average = 1.6 ms
tps = 5123.456 (without initial connection time)
"""
    load = parse_pgbench(output)

    assert (load.successes, load.per_second) == (4711, 5123.456)


@pytest.mark.parametrize("output", ["", "number of transactions actually processed: 1\n"])
def test_pgbench_that_says_something_else_is_an_error(output: str) -> None:
    with pytest.raises(ValueError, match="something else"):
        parse_pgbench(output)


def test_failed_transactions_of_pgbench_are_an_error() -> None:
    output = """number of transactions actually processed: 4
number of failed transactions: 2 (50.000%)
tps = 1.0 (without initial connection time)
"""
    with pytest.raises(ValueError, match="pgbench failed"):
        parse_pgbench(output)


def test_latencies_are_read_from_pgbench_logs(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_text("0 1 1000 0 1700000000 1 50\n1 1 3000 0 1700000000 2 60\n")
    (tmp_path / "log.2").write_text("2 1 2000 0 1700000000 3 70\n")

    assert sorted(read_pgbench_logs(tmp_path)) == [1, 2, 3]


def test_what_pgbench_began_in_the_ramp_is_not_counted(tmp_path: Path) -> None:
    # It began 0.9, 1.4 and 1.5 seconds past the minute, the last one in another thread.
    (tmp_path / "log.1").write_text("0 1 100000 0 1700000001 0 50\n1 1 200000 0 1700000001 600000 60\n")
    (tmp_path / "log.2").write_text("2 1 300000 0 1700000001 800000 70\n")

    assert read_pgbench_logs(tmp_path, ramp_seconds=0.55) == [300]


def test_wrk_is_read() -> None:
    result = {"successes": 90, "per_second": 18.0, "broken": 1, "p99_ms": 10.0, "late_seconds": 4.0}
    late = {"201": 80, "409": 5, "503": 3, "other": 0}
    load = parse_wrk(f"Running 5s test\nRESULT {json.dumps(result | {'late': late})}\n")

    assert (load.successes, load.per_second, load.broken) == (90, 18.0, 1)
    assert (load.late_rate("201"), load.late_rate("201", "503"), load.late_rate(*load.late)) == (20, 20.75, 22)


def test_wrk_without_our_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        parse_wrk("unable to connect\n")


def test_the_generators_agree_on_sessions_and_shows() -> None:
    for name in ("reserve.sql", "reserve.lua"):
        text = (GENERATORS / name).read_text(encoding="utf-8")
        assert "400000000000 + " in text
        assert "00000000-0000-4000-8000-" in text
        assert "00000000-0000-4000-9000-" in text


class Answers(socketserver.ThreadingTCPServer):
    """Answers each request on a connection with the next of `answers`, or hangs up where that is empty."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *answers: bytes, pause_seconds: float = 0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.pause_seconds = pause_seconds
        self.seen: list[bytes] = []


class Handler(socketserver.BaseRequestHandler):
    server: Answers

    def handle(self) -> None:
        number = 0
        while data := self.request.recv(65_536):
            self.server.seen.append(data)
            time.sleep(self.server.pause_seconds)
            answer = self.server.answers[number % len(self.server.answers)]
            if not answer:
                return
            for part in answer.split(b"|"):  # In as many packets.
                self.request.sendall(part)
                time.sleep(0.01)
            number += 1


@pytest.fixture
def serve() -> Iterator[object]:
    servers: list[Answers] = []

    def start(*answers: bytes, pause_seconds: float = 0) -> Answers:
        server = Answers(*answers, pause_seconds=pause_seconds)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("answer", [OK, OK.replace(b"\r\nETag", b"|\r\nETag").replace(b"hel", b"hel|")])
def test_an_answer_is_read_to_its_end_however_it_is_cut(serve: type[Answers], answer: bytes) -> None:
    server = serve(answer)
    client = Client(server.server_address[1])

    for _ in range(2):
        got = client.ask(post("/a", "{}", **{"X-API-Key": "k"}), expect=200)
        assert (got.status, got.body) == (200, b"hello")
        assert got.head.endswith("ETag: x")
    assert b"POST /a HTTP/1.1\r\n" in server.seen[0]
    assert b"\r\nX-API-Key: k\r\n" in server.seen[0]
    assert server.seen[0].endswith(b"\r\nContent-Length: 2\r\n\r\n{}")
    client.close()


def test_another_status_than_expected_is_an_error(serve: type[Answers]) -> None:
    client = Client(serve(OK).server_address[1])

    with pytest.raises(ValueError, match="200 instead of 304: b'hello'"):
        client.ask(get("/"), expect=304)
    client.close()


def test_a_server_that_hangs_up_is_an_error(serve: type[Answers]) -> None:
    client = Client(serve(b"").server_address[1])

    with pytest.raises(ConnectionResetError):
        client.ask(get("/"))
    client.close()


CREATED = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"


def test_the_open_loop_sends_in_the_ramp_and_does_not_count_it(serve: type[Answers]) -> None:
    requests = [(number * 0.005, get("/")) for number in range(100)]

    statuses, latencies = run_clients(serve(CREATED).server_address[1], requests, 20, ramp_seconds=0.2525)

    assert statuses == {"201": 100}
    assert len(latencies) == 100 - 51, "those that were due at 0, 5, … 250 ms do not count"
    assert 0 < min(latencies) < 100


def test_a_server_that_stalls_is_charged_for_all_that_came_meanwhile(serve: type[Answers]) -> None:
    server = serve(CREATED, pause_seconds=0.1)

    _, latencies = run_clients(server.server_address[1], [(0.0, get("/")) for _ in range(3)], 1)

    assert [round(latency, -2) for latency in latencies] == [100, 200, 300]


def test_what_was_not_accepted_took_for_ever(serve: type[Answers]) -> None:
    server = serve(CREATED, OK, b"")

    statuses, latencies = run_clients(server.server_address[1], [(None, get("/")) for _ in range(6)], 1)

    assert statuses == {"201": 2, "200": 2, "none": 2}
    assert [latency == inf for latency in latencies] == [False, True, True] * 2


def test_a_program_that_fails_says_why() -> None:
    assert run(["echo", "hello"]) == "hello\n"
    with pytest.raises(ProgramFailedError, match=r"ended with 3:\nno"):
        run(["sh", "-c", "echo no >&2; exit 3"])


def test_processor_time_counts_children_that_are_there_and_those_that_have_ended() -> None:
    before = cpu_seconds(os.getpid())
    run(["python3", "-c", "sum(range(10_000_000))"])

    assert 0.05 < cpu_seconds(os.getpid()) - before < 60


def test_a_process_that_is_gone_is_an_error_and_not_waited_for() -> None:
    gone = int(run(["sh", "-c", "echo $$"]))

    with pytest.raises(ProgramFailedError, match="is gone"):
        cpu_seconds(gone)
