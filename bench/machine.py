"""What the figures were measured on: the machine, the versions, and how durable a commit was.

Without these a figure means nothing: a database that does not wait for its disk is several times as fast.
"""

import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from bench.tools import Tools

_PACKAGES = ("rowlock", "fastapi", "httptools", "msgspec", "psycopg", "pydantic", "starlette", "uvicorn", "uvloop")
_SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "wal_level", "wal_compression",
    "commit_delay", "autovacuum", "shared_buffers", "max_wal_size", "checkpoint_timeout", "data_checksums",
)  # fmt: skip
REQUIRED_ON = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")
_FSYNCS = 200
_WAKE_UPS = 300
_ECHO = "import os\nwhile (byte := os.read(0, 1)):\n    os.write(1, byte)"
_BLOCK_BYTES = 8192
_BUSY_LOAD = 0.5


class NotDurableError(Exception):
    """The server would lose commits in a power failure; figures of such a server are not wanted here."""


def describe_machine(data_folder: Path) -> dict[str, Any]:
    """The hardware, the file system and how busy the machine was before we began."""
    load = os.getloadavg()[0]
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "file_system": _file_system(data_folder),
        "load_before": round(load, 2),
        "idle_before": load < _BUSY_LOAD,
        "wake_up_microseconds": wake_up_microseconds(),
    }


def describe_versions(superuser_dsn: str, tools: Tools) -> dict[str, Any]:
    """Versions of everything that takes part."""
    with psycopg.connect(superuser_dsn) as connection:
        row = connection.execute("select current_setting('server_version')").fetchone()
    assert row is not None, "a select without from answers with one row"
    packages = {name: version(name) for name in _PACKAGES}
    return {
        "postgresql": row[0],
        "python": platform.python_version(),
        "pgbench": tools.pgbench_version,
        "wrk": tools.wrk_version,
        "commit": _commit(),
        **packages,
    }


def describe_durability(superuser_dsn: str, data_folder: Path) -> dict[str, Any]:
    """The settings that decide what a commit is worth, and what a flush costs here.

    Raises NotDurableError when one of REQUIRED_ON is not on.
    """
    with psycopg.connect(superuser_dsn) as connection:
        rows = connection.execute(
            "select name, current_setting(name) from pg_settings where name = any(%s)", [list(_SETTINGS)]
        ).fetchall()
    settings: dict[str, str] = dict(rows)
    off = [name for name in REQUIRED_ON if settings.get(name) != "on"]
    if off:
        raise NotDurableError(f"{', '.join(off)} must be on. Leave PostgreSQL's settings as Rowlock writes them.")
    return {**settings, "fdatasync_ms": fdatasync_milliseconds(data_folder)}


def fdatasync_milliseconds(folder: Path) -> dict[str, float]:
    """How long it takes to write one block of 8 KiB and have it on disk: median and 99th percentile."""
    path = folder / "fdatasync.probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    times = []
    try:
        os.write(descriptor, bytes(_BLOCK_BYTES))
        os.fsync(descriptor)
        for _ in range(_FSYNCS):
            began = time.perf_counter()
            os.pwrite(descriptor, os.urandom(_BLOCK_BYTES), 0)
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return _median_and_p99(times, 3)


def wake_up_microseconds() -> dict[str, float]:
    """How long it takes to wake a process on another core and be woken by its answer: median and 99th percentile.

    Every round trip of a single request pays it a few times. A virtual machine that is given its cores late makes
    rows of small round trips slow and unsteady, and leaves those of large batches alone.
    """
    cores = os.sched_getaffinity(0)
    command = [sys.executable, "-c", _ECHO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as echo:  # noqa: S603 - our own.
        assert echo.stdin is not None, "it was asked for"
        assert echo.stdout is not None, "it was asked for"
        there, back = echo.stdin.fileno(), echo.stdout.fileno()
        os.sched_setaffinity(echo.pid, {max(cores)})
        os.sched_setaffinity(0, {min(cores)})
        times = []
        try:
            for _ in range(_WAKE_UPS):
                time.sleep(0.001)  # So that both cores are at rest.
                began = time.perf_counter()
                os.write(there, b"?")
                os.read(back, 1)
                times.append((time.perf_counter() - began) * 1e6)
        finally:
            os.sched_setaffinity(0, cores)
    return _median_and_p99(times[1:], 1)  # For the first one, Python has to start.


def _median_and_p99(times: Sequence[float], digits: int) -> dict[str, float]:
    p99 = statistics.quantiles(times, n=100)[98]
    return {"median": round(statistics.median(times), digits), "p99": round(p99, digits)}


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the file system that a folder is on: a tmpfs would make fsync free."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == wanted:
            return rest.split()[0]
    return "unknown"


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git there is may answer.
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
