"""Runs other programs: load generators to their end, and everything so that it is gone when the benchmark is."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STOP_SECONDS = 15
_MOST_FILES = 65_536


class ProgramFailedError(Exception):
    """A program that the benchmark needs failed; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program printed, and the processor seconds it took."""

    output: str
    cpu_seconds: float


def allow_many_connections() -> None:
    """Raise the limit of open files as far as we may: hundreds of connections need a file each, on both ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def run(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, timeout_seconds: float = 300
) -> Finished:
    """Run a program to its end. Raises ProgramFailedError."""
    before = _cpu_of_ended_children()
    with subprocess.Popen(  # noqa: S603 - a list, never a shell line; the programs are the benchmark's own.
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout_seconds)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise _failed(command, process.returncode, errors or output)
    return Finished(output, _cpu_of_ended_children() - before)


def start_service(command: Sequence[str | Path], *, environment: Mapping[str, str], log: Path) -> subprocess.Popen[str]:
    """Start a program that keeps running; standard output goes to `log`, standard error to `log` + .err."""
    with log.open("wb") as out, log.with_name(f"{log.name}.err").open("wb") as errors:
        return subprocess.Popen(  # noqa: S603 - a list, never a shell line; the programs are the benchmark's own.
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            text=True,
            env=dict(environment),
            # Ctrl-C is for the benchmark, which stops its services in good order.
            start_new_session=True,
        )


def stop_service(process: subprocess.Popen[str]) -> None:
    """End a service: politely, then not."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
        return
    process.kill()
    process.wait()


def python(module: str) -> list[str]:
    """The command that runs a module with this Python."""
    return [sys.executable, "-m", module]


def stop_on_sigterm() -> None:
    """Let SIGTERM end the benchmark as Ctrl-C does, so that everything it started is stopped."""

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def _cpu_of_ended_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _failed(command: Sequence[str | Path], code: int, said: str) -> ProgramFailedError:
    return ProgramFailedError(f"{command[0]} ended with {code}:\n{said.strip()[-2000:]}")
