"""What the load generators of the benchmark send, count and read."""

import os
import socketserver
import threading
from pathlib import Path

import pytest
from bench.generators import pgbench, wrk
from bench.generators.openloop import OpenLoop, Plan
from bench.machine import wake_up_microseconds

GENERATORS = Path(__file__).resolve().parents[2] / "bench" / "generators"


def test_pgbench_is_read() -> None:
    output = """number of transactions actually processed: 4711
number of failed transactions: 0 (0.000%)
latency average = 1.6 ms
tps = 5123.456 (without initial connection time)
"""
    result = pgbench.parse(output, 1.5, None)

    assert (result.transactions, result.per_second, result.cpu_seconds) == (4711, 5123.456, 1.5)


@pytest.mark.parametrize("output", ["", "number of transactions actually processed: 1\n"])
def test_pgbench_that_says_something_else_is_an_error(output: str) -> None:
    with pytest.raises(ValueError, match="something else"):
        pgbench.parse(output, 0, None)


def test_failed_transactions_of_pgbench_are_an_error() -> None:
    output = """number of transactions actually processed: 4
number of failed transactions: 2 (50.000%)
tps = 1.0 (without initial connection time)
"""
    with pytest.raises(ValueError, match="2 transactions"):
        pgbench.parse(output, 0, None)


def test_latencies_are_read_from_pgbench_logs(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_text("0 1 1000 0 1700000000 1 50\n1 1 3000 0 1700000000 2 60\n")
    (tmp_path / "log.2").write_text("2 1 2000 0 1700000000 3 70\n")

    assert pgbench.read_logs(tmp_path).percentile(50) == pytest.approx(0.002, rel=0.011)


def test_what_pgbench_began_in_the_ramp_is_not_counted(tmp_path: Path) -> None:
    # It began 0.9, 1.4 and 1.5 seconds past the minute, the last one in another thread.
    (tmp_path / "log.1").write_text("0 1 100000 0 1700000001 0 50\n1 1 200000 0 1700000001 600000 60\n")
    (tmp_path / "log.2").write_text("2 1 300000 0 1700000001 800000 70\n")

    counted = pgbench.read_logs(tmp_path, ramp_seconds=0.55)

    assert len(counted) == 1
    assert counted.percentile(50) == pytest.approx(0.3, rel=0.011)


def test_the_open_loop_sends_in_the_ramp_and_does_not_count_it() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Accepts) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        plan = Plan(
            port=server.server_address[1],
            path="/",
            rate=200,
            seconds=0.4975,
            connections=50,
            first_show=0,
            pairs=10,
            poisson=False,
            ramp_seconds=0.2525,
        )
        try:
            result = OpenLoop(plan).run()
        finally:
            server.shutdown()

    assert result.due == result.statuses["201"] == 100
    assert len(result.all) == len(result.accepted) == 100 - 51, "those that were due at 0, 5, … 250 ms do not count"


class _Accepts(socketserver.BaseRequestHandler):
    """Answers every request with a 201."""

    def handle(self) -> None:
        while self.request.recv(65_536):
            self.request.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")


def test_a_wake_up_takes_microseconds() -> None:
    cores = os.sched_getaffinity(0)

    took = wake_up_microseconds()

    assert 1 < took["median"] <= took["p99"]
    assert os.sched_getaffinity(0) == cores


def test_wrk_is_read() -> None:
    line = (
        'RESULT {"requests":100,"refused":10,"broken":1,"seconds":5.0,"p50":0.001,"p99":0.01,"ramp_seconds":1.0,'
        '"all":{"201":90,"409":6,"503":4,"other":0},"late":{"201":80,"409":5,"503":3,"other":0}}'
    )
    result = wrk.parse(f"Running 5s test\n{line}\n", 0.2)

    assert (result.successes, result.per_second) == (90, 18.0)
    assert (result.statuses["503"], result.late["201"], result.late_seconds) == (4, 80, 4.0)


def test_wrk_without_our_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="something else"):
        wrk.parse("unable to connect\n", 0)


def test_the_generators_agree_on_sessions_and_shows() -> None:
    for name in ("reserve.sql", "reserve.lua"):
        text = (GENERATORS / name).read_text(encoding="utf-8")
        assert "4000000000000 + " in text
        assert "00000000-0000-4000-8000-" in text
