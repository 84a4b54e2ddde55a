"""Other programs: load generators that run to their end, and Rowlock's own, which are gone when the benchmark is."""

import contextlib
import os
import re
import resource
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.cluster import Database

_START_SECONDS, _STOP_SECONDS = 30, 15
_MOST_FILES = 65_536
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


class ProgramFailedError(Exception):
    """A program that the benchmark needs failed; the message has what it said."""


class Server(NamedTuple):
    """A running HTTP server: its process id, its port on 127.0.0.1 and the key of its operator."""

    pid: int
    port: int
    admin_key: str


def prepare_process() -> None:
    """Let SIGTERM end the benchmark as Ctrl-C does, and raise the limit of open files: each connection needs one."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def run(command: Sequence[str]) -> str:
    """Run a program to its end; what it printed. Raises ProgramFailedError."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - ours.
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise ProgramFailedError(f"{command[0]} ended with {done.returncode}:\n{said}")
    return done.stdout


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process and its children until now: independent of who else wants the processor."""
    while Path(f"/proc/{pid}").exists():
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            texts = [Path(f"/proc/{each}/stat").read_text(errors="replace") for each in (*children, pid)]
        except OSError:
            continue  # A child ended meanwhile. Its parent, which is read last, has its time from then on.
        # Behind the name, which ends at the last parenthesis: user and system time, its own and of ended children.
        ticks = [int(ticks) for text in texts for ticks in text.rpartition(")")[2].split()[11:15]]
        return sum(ticks) / os.sysconf("SC_CLK_TCK")
    raise ProgramFailedError(f"process {pid} is gone")


@contextlib.contextmanager
def rowlock_server(database: Database, folder: Path) -> Iterator[Server]:
    """`rowlock serve` with everything on. Version 1 serves its callers itself, or there would be nothing to compare."""
    key = secrets.token_hex(32)
    settings = {"ROWLOCK_ADMIN_API_KEY": key, "ROWLOCK_V2_ROLLOUT_PERCENT": "0"}
    with rowlock(["serve", "--port", "0"], database, folder, settings) as (process, log):
        deadline = time.monotonic() + _START_SECONDS
        while (found := _ADDRESS.search(log.read_text(errors="replace"))) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-2000:]
                raise ProgramFailedError(f"The HTTP server did not start within {_START_SECONDS} s. It said:\n{said}")
            time.sleep(0.02)
        yield Server(process.pid, int(found[1]), key)


@contextlib.contextmanager
def rowlock(
    arguments: Sequence[str], database: Database, folder: Path, settings: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command of Rowlock that keeps running, logging in with the roles' own passwords; and the file it writes to."""
    # Settings that someone left in our environment are not the product's defaults.
    ours = ("ROWLOCK_", "DATABASE_URL", "PG")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "DATABASE_URL": database.dsns.owner,
        "ROWLOCK_APP_DATABASE_URL": database.dsns.app,
        "ROWLOCK_OFFICE_DATABASE_URL": database.dsns.office,
        "ROWLOCK_WORKER_DATABASE_URL": database.dsns.worker,
        "ROWLOCK_V1_DATABASE_URL": database.dsns.v1,
        "ROWLOCK_SECRET_KEY": secrets.token_hex(32),
        "ROWLOCK_DATA_DIR": str(folder / "instance"),
        **settings,
    }
    command = [str(Path(sys.executable).with_name("rowlock")), *arguments]
    log = folder / f"rowlock-{secrets.token_hex(4)}.log"
    with log.open("wb") as out:
        # A session of its own: Ctrl-C is for the benchmark, which stops its services in good order.
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)  # noqa: S603 - ours.
    try:
        yield process, log
    finally:
        process.send_signal(signal.SIGCONT)  # A stopped process would not hear that it should end.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        process.kill()
        process.wait()
        log.unlink()  # The access log of a minute's load is tens of megabytes.
