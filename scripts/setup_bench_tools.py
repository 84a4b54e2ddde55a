"""Finds or fetches wrk, the load generator of `make bench`, and prints the path of the program.

It is a Debian package that gets unpacked into a folder, never installed, as setup_test_tools does with its own. What
it says while it works goes to standard error: standard output is the path and nothing else.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setup_test_tools import ToolMissingError, missing_dependencies, tools_folder, unpack

PACKAGE = "wrk"


def main() -> None:
    """Print where wrk is, or say why there is none and exit with 1."""
    tools = tools_folder()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            path = provide_wrk(tools)
    except ToolMissingError as error:
        sys.exit(f"The benchmark needs wrk. Install it, or set ROWLOCK_BENCH_WRK to the program.\n{error}")
    print(path)


def provide_wrk(tools: Path) -> Path:
    """The program: installed, or unpacked before; else it is fetched. Raises ToolMissingError."""
    installed = shutil.which("wrk")
    unpacked = tools / "wrk" / "bin" / "wrk"
    for path in (*([Path(installed)] if installed else []), unpacked):
        if runs(path):
            return path
    return fetch_wrk(tools)


def runs(path: Path) -> bool:
    """Whether it starts; wrk tells its version with exit code 1."""
    try:
        answer = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return "wrk" in answer.stdout + answer.stderr and "error while loading" not in answer.stderr


def fetch_wrk(tools: Path) -> Path:
    """Unpack wrk with every library that this machine lacks, and return the program."""
    print("Fetching wrk for the benchmark …", flush=True)
    home = tools / "wrk"
    try:
        os.umask(0o022)
        unpack(tools, [PACKAGE, *missing_dependencies(tools, PACKAGE)], home / "root")
    finally:
        shutil.rmtree(tools / "apt", ignore_errors=True)
    libraries = [folder for lib in ("lib", "usr/lib") for folder in (home / "root" / lib).glob("*-linux-*")]
    path = shlex.quote(":".join(map(str, libraries)))
    program = home / "bin" / "wrk"
    program.parent.mkdir(exist_ok=True)
    # The path to the unpacked libraries is for this program alone: others would take the wrong ones.
    script = f'#!/bin/sh\nexport LD_LIBRARY_PATH={path}\nexec {shlex.quote(str(home / "root/usr/bin/wrk"))} "$@"\n'
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    if not runs(program):
        raise ToolMissingError(f"wrk was unpacked to {home}, but {program} does not run.")
    return program


if __name__ == "__main__":
    main()
