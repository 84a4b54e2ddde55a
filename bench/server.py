"""The HTTP server under test: `rowlock serve` as a process of its own, with everything on, its access log in a file."""

import contextlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.cluster import Database
from bench.processes import ProgramFailedError, python, start_service, stop_service

_START_SECONDS = 30
_POLL_SECONDS = 0.02
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its process id and port on 127.0.0.1."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def rowlock_server(database: Database, folder: Path) -> Iterator[Server]:
    """`rowlock serve` on a database, logging in with the roles' own passwords as an embedded installation does.

    Version 1 serves its callers itself: otherwise there would be nothing to compare.
    """
    environment = {
        **_plain_environment(),
        "DATABASE_URL": database.dsns.owner,
        "ROWLOCK_APP_DATABASE_URL": database.dsns.app,
        "ROWLOCK_V1_DATABASE_URL": database.dsns.v1,
        "ROWLOCK_SECRET_KEY": secrets.token_hex(32),
        "ROWLOCK_ADMIN_API_KEY": secrets.token_hex(32),
        "ROWLOCK_V2_ROLLOUT_PERCENT": "0",
        "ROWLOCK_DATA_DIR": str(folder / "instance"),
    }
    program = Path(sys.executable).with_name("rowlock")
    with _service([str(program), "serve", "--port", "0"], environment, folder) as server:
        yield server


@contextlib.contextmanager
def bare_server(folder: Path) -> Iterator[Server]:
    """The same HTTP server around an application that does nothing: what the machine has to give."""
    with _service(python("bench.plaintext"), _plain_environment(), folder) as server:
        yield server


def _plain_environment() -> dict[str, str]:
    """Our environment without settings of Rowlock or PostgreSQL that somebody left in it."""
    ours = ("ROWLOCK_", "DATABASE_URL", "PG")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextlib.contextmanager
def _service(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[Server]:
    log = folder / f"server-{secrets.token_hex(4)}.log"
    process = start_service(command, environment=environment, log=log)
    try:
        yield Server(process.pid, _port(process, log))
    finally:
        stop_service(process)
        # The access log of a minute's load is tens of megabytes.
        log.unlink(missing_ok=True)
        log.with_name(f"{log.name}.err").unlink(missing_ok=True)


def _port(process: "subprocess.Popen[str]", log: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = _ADDRESS.search(log.read_text(encoding="utf-8", errors="replace"))
        if found is not None:
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(_POLL_SECONDS)
    said = log.with_name(f"{log.name}.err").read_text(encoding="utf-8", errors="replace")
    raise ProgramFailedError(f"The HTTP server did not start within {_START_SECONDS} s. It said:\n{said[-2000:]}")
