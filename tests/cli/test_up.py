"""`up`, `serve` and `worker` as processes: they serve, they stop when told to, and leave nothing behind.

The statements behind them are tested on both versions of PostgreSQL in the files of their nouns, so a plain run starts
these processes on one.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.cli.exits import ExitCode
from rowlock.embedded import running
from rowlock.embedded.data_folder import SYSTEM_DIR, find_home
from tests.cli.conftest import PATIENCE_SECONDS, Running, run_process

pytestmark = pytest.mark.soak("pg15")

READY = "Rowlock is ready at "


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        return json.loads(answer.read())


def ready(started: Running) -> str:
    """Wait until everything runs; the base URL."""
    return started.line_with(READY).partition(READY)[2]


def up(data_dir: Path, *more: object, **env: str) -> Running:
    return Running("up", "--port", 0, "--data-dir", data_dir, *more, env=env)


def test_up_shows_a_demonstration_and_a_second_start_goes_on_with_it(data_dir: Path) -> None:
    with up(data_dir) as first:
        url = ready(first)
        admin_key = first.line_with("Admin key").rpartition(" ")[2]
        first.line_with("Ctrl-C")

        assert get(f"{url}/health/live") is not None
        shows = get(f"{url}/api/shows")["shows"]
        assert sorted(show["seats_available"] for show in shows) == [12, 600, 600]
        for show in shows:
            assert any(f"{url}/api/shows/{show['show_id']}" in line for line in first.lines)
        cleanup = urllib.request.Request(f"{url}/api/admin/cleanup", method="POST", headers={"X-API-Key": admin_key})
        with urllib.request.urlopen(cleanup, timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 200
        printed = run_process("db", "url", "--data-dir", data_dir, env={}).out.strip()
        with psycopg.connect(printed) as owner:
            assert owner.execute("select count(*) from rowlock.shows").fetchone() == (3,)
        run_process("check", "--data-dir", data_dir, env={})

        refused = run_process("up", "--port", 0, "--data-dir", data_dir, env={}, code=ExitCode.REFUSED)
        assert "already run by process" in refused.err
        assert get(f"{url}/health/live") is not None

        assert first.stop(signal.SIGINT) == 0
    assert running(data_dir) is None
    kept = json.loads((data_dir / "instance.json").read_text(encoding="utf-8"))
    assert (data_dir / "instance.json").stat().st_mode & 0o777 == 0o600
    assert admin_key not in json.dumps(kept)

    with up(data_dir) as second:
        url = ready(second)
        second.line_with("Ctrl-C")
        assert len(get(f"{url}/api/shows")["shows"]) == 3
        assert not any("Admin key" in line for line in second.lines)
        assert second.stop() == 0
    assert running(data_dir) is None


def test_after_a_kill_everything_starts_again(data_dir: Path) -> None:
    with up(data_dir, "--no-demo") as killed:
        ready(killed)
        killed.process.kill()
        assert killed.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    with up(data_dir, "--no-demo") as again:
        url = ready(again)
        assert get(f"{url}/api/shows")["shows"] == []
        run_process("check", "--data-dir", data_dir, env={})
        assert again.stop() == 0
    assert running(data_dir) is None


def kill_postgres(data_dir: Path) -> None:
    """End the embedded PostgreSQL as the kernel does when memory is short."""
    home = find_home(data_dir.resolve(), SYSTEM_DIR)
    os.kill(json.loads(home.state.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)


def test_a_postgres_that_is_killed_is_started_again(data_dir: Path) -> None:
    with up(data_dir) as started:
        url = ready(started)
        shows = get(f"{url}/api/shows")["shows"]
        show_id = next(show["show_id"] for show in shows if show["seats_available"] == 600)
        body = json.dumps({"show_id": show_id, "seat_ids": [10], "session_id": "anna" * 8}).encode()
        reserve = urllib.request.Request(
            f"{url}/api/seat-reservations/reserve-v2", body, {"Content-Type": "application/json"}
        )
        killed = 0.0
        for _ in range(2):
            killed = time.monotonic()
            kill_postgres(data_dir)
            started.line_with("embedded_database_started_again")
            started.lines.clear()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(reserve, timeout=PATIENCE_SECONDS) as answer:
                    assert answer.status == 201
                break
            except urllib.error.HTTPError as refused:
                if refused.code != 503 or time.monotonic() > deadline:
                    raise
        print(f"the second kill of PostgreSQL: a seat is sold again after {time.monotonic() - killed:.1f} s")
        run_process("check", "--data-dir", data_dir, env={})
        assert started.stop() == 0
    assert running(data_dir) is None


def test_up_ends_with_an_error_when_its_postgres_cannot_start_again(data_dir: Path) -> None:
    with up(data_dir, "--no-demo") as started:
        ready(started)
        home = find_home(data_dir.resolve(), SYSTEM_DIR)
        (home.cluster / "global" / "pg_control").unlink()
        kill_postgres(data_dir)

        assert started.ended() == ExitCode.REFUSED
        assert any("rowlock: PostgreSQL ended while starting" in line for line in started.lines), started.lines


def test_a_stop_while_it_starts_leaves_nothing_behind(data_dir: Path) -> None:
    with up(data_dir) as started:
        started.line_with("Starting PostgreSQL")
        assert started.stop() == 0
    assert running(data_dir) is None


def test_a_port_in_use_is_told_before_anything_is_started(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_process("up", "--port", port, "--data-dir", data_dir, env={}, code=ExitCode.REFUSED)

    assert f"127.0.0.1 port {port}" in refused.err
    assert "--port" in refused.err
    assert not data_dir.exists()


def test_up_on_a_database_of_ones_own_retires_holds(dsns: Dsns, data_dir: Path) -> None:
    with up(data_dir, DATABASE_URL=dsns.owner) as started:
        url = ready(started)
        shows = get(f"{url}/api/shows")["shows"]
        show_id = next(show["show_id"] for show in shows if show["seats_available"] == 600)
        with psycopg.connect(dsns.owner, autocommit=True) as owner:
            owner.execute("update rowlock.shows set hold_seconds = 1 where show_id = %s", [show_id])
            owner.execute("select rowlock.reserve_seats_atomic(%s, '{1}', 'anna')", [show_id])
        started.line_with("holds_expired")
        assert started.stop() == 0

    assert not (data_dir / "cluster").exists()


@pytest.mark.parametrize(
    ("command", "line"),
    [(("serve", "--port", "0"), "Rowlock serves http://"), (("worker",), "worker runs")],
    ids=["serve", "worker"],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_serve_and_worker_run_until_a_signal(
    dsns: Dsns, data_dir: Path, command: tuple[str, ...], line: str, number: int
) -> None:
    env = {"DATABASE_URL": dsns.owner, "ROWLOCK_DATA_DIR": str(data_dir)}
    with Running(*command, env=env) as started:
        said = started.line_with(line)
        if "http" in said:
            url = re.findall(r"http\S+", said)[0]
            assert get(f"{url}/health/live") is not None
        assert started.stop(number) == 0


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("worker",)], ids=["serve", "worker"])
def test_a_database_that_is_not_migrated_is_refused(empty_dsns: Dsns, data_dir: Path, command: tuple[str, ...]) -> None:
    env = {"DATABASE_URL": empty_dsns.owner, "ROWLOCK_DATA_DIR": str(data_dir)}

    refused = run_process(*command, env=env, code=ExitCode.REFUSED)

    assert "rowlock migrate" in refused.err


def test_serve_needs_only_the_login_of_the_application(dsns: Dsns, data_dir: Path) -> None:
    env = {"ROWLOCK_APP_DATABASE_URL": dsns.app, "ROWLOCK_DATA_DIR": str(data_dir)}
    with Running("serve", "--port", "0", env=env) as started:
        url = re.findall(r"http\S+", started.line_with("Rowlock serves"))[0]
        assert "shows" in get(f"{url}/api/shows")
        assert started.stop() == 0


def test_the_application_can_be_imported_by_servers_of_others(dsns: Dsns, data_dir: Path) -> None:
    # uvicorn imports it while its event loop runs.
    code = """
import asyncio
async def main():
    import rowlock.asgi
    print(callable(rowlock.asgi.app))
asyncio.run(main())
"""
    env = {"DATABASE_URL": dsns.owner, "ROWLOCK_DATA_DIR": str(data_dir), "PATH": os.environ["PATH"]}

    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"
