"""What the figures are measured with and on: the load generators, the machine, and how durable a commit is."""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

WRK_VARIABLE = "ROWLOCK_BENCH_WRK"
_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("rowlock", "fastapi", "httptools", "msgspec", "psycopg", "starlette", "uvicorn", "uvloop")
_REQUIRED_ON = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")
_SETTINGS = (*_REQUIRED_ON, "wal_sync_method", "commit_delay", "shared_buffers", "max_wal_size", "server_version")
_FSYNCS, _BLOCK_BYTES = 100, 8192

Tools = tuple[str, str]
"""The programs of wrk and pgbench."""


class UnfitMachineError(Exception):
    """A load generator is not here, or the server would lose commits in a power failure: there is nothing to run."""


def find_tools(postgres_bin: Path) -> Tools:
    """pgbench comes with the embedded PostgreSQL; wrk is fetched if there is none. Raises UnfitMachineError."""
    pgbench = postgres_bin / "pgbench"
    if not pgbench.is_file():
        raise UnfitMachineError(f"No pgbench in {postgres_bin}. Run `make setup`, or set ROWLOCK_PG_BIN.")
    setup = _ROOT / "scripts" / "setup_bench_tools.py"
    wrk = os.environ.get(WRK_VARIABLE) or shutil.which("wrk") or _output(sys.executable, str(setup))
    if shutil.which(wrk) is None:
        raise UnfitMachineError(f"There is no wrk at {wrk!r}. Install it, or let {WRK_VARIABLE} name the program.")
    return wrk, str(pgbench)


def describe(data_folder: Path, superuser_dsn: str, tools: Tools) -> dict[str, dict[str, Any]]:
    """The machine and how busy it is, the commit and the versions of everything that takes part, and durability: the
    settings that decide what a commit is worth, and how long this disk takes to flush a block of 8 KiB.

    Raises UnfitMachineError.
    """
    with psycopg.connect(superuser_dsn) as connection:
        query = "select name, current_setting(name) from pg_settings where name = any(%s)"
        settings: dict[str, str] = dict(connection.execute(query, [list(_SETTINGS)]).fetchall())
    if off := [name for name in _REQUIRED_ON if settings[name] != "on"]:
        raise UnfitMachineError(f"{', '.join(off)} must be on. Leave PostgreSQL's settings as Rowlock writes them.")
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    machine = {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": platform.platform(),
        "file_system": _output("stat", "--file-system", "--format=%T", str(data_folder)),  # A tmpfs makes fsync free.
        "load_before": round(os.getloadavg()[0], 2),
    }
    versions = {
        "commit": _output("git", "-C", str(_ROOT), "describe", "--always", "--dirty") or "unknown",
        "postgresql": settings.pop("server_version"),
        "python": platform.python_version(),
        "pgbench": _output(tools[1], "--version"),
        "wrk": _output(tools[0], "--version").partition(" [")[0],
        **{name: version(name) for name in _PACKAGES},
    }
    times = []
    with (data_folder / "fdatasync.probe").open("wb", buffering=0) as file:
        for _ in range(_FSYNCS):
            began = time.perf_counter()
            os.pwrite(file.fileno(), os.urandom(_BLOCK_BYTES), 0)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    durability = {**settings, "fdatasync_ms": round(median(times), 3), "fdatasync_slowest_ms": round(max(times), 3)}
    return {"machine": machine, "versions": versions, "durability": durability}


def _output(*command: str) -> str:
    """What a program prints, whatever its exit code: wrk tells its version with 1. Empty when there is no program."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()  # noqa: S603 - ours.
    except OSError:
        return ""
