"""Ways to run the command line: inside the test process, which is quick, or as a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from rowlock.base.dsns import Dsns
from rowlock.cli import app
from rowlock.cli.program import run

ROWLOCK = Path(sys.executable).parent / "rowlock"
PATIENCE_SECONDS = 90.0

Invoke = Callable[..., "Result"]


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output; fails when there is anything else."""
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests reaches a command."""
    for name in [name for name in os.environ if name == "DATABASE_URL" or name.startswith("ROWLOCK_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs in this process must not set up the logs of the tests after it."""
    monkeypatch.setattr("rowlock.cli.running.configure_logging", lambda *_: None)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that PostgreSQL's own user can get to; pytest's folders are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="rowlock-cli-"))
    folder.chmod(0o711)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def invoke(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Invoke:
    """Run a command here, without any database."""
    monkeypatch.setenv("ROWLOCK_DATA_DIR", str(data_dir))

    def invoke(*arguments: object) -> Result:
        capfd.readouterr()
        code = run(lambda: app([str(argument) for argument in arguments], prog_name="rowlock"))
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return invoke


@pytest.fixture
def rowlock(invoke: Invoke, dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run a command here on a fresh, migrated database."""
    monkeypatch.setenv("DATABASE_URL", dsns.owner)
    return invoke


def run_process(*arguments: object, env: Mapping[str, str], code: int = 0) -> Result:
    """Run a command as a process of its own, and expect that exit code."""
    done = subprocess.run(
        [ROWLOCK, *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        env=environment(env),
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return Result(done.returncode, done.stdout, done.stderr)


def environment(env: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **env}


class Running:
    """A command that keeps running, with its output; killed at the end whatever happens."""

    def __init__(self, *arguments: object, env: Mapping[str, str], program: Sequence[object] = (ROWLOCK,)) -> None:
        self.process = subprocess.Popen(
            [str(argument) for argument in (*program, *arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(env),
        )
        self.lines: list[str] = []
        self._new: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._new.put(line.rstrip("\n"))
        self._new.put(None)

    def line_with(self, text: str) -> str:
        """Wait for a line of output that contains `text`."""
        while True:
            try:
                line = self._new.get(timeout=PATIENCE_SECONDS)
            except Empty:
                raise AssertionError(f"no line with {text!r} in time:\n" + "\n".join(self.lines)) from None
            assert line is not None, f"the command ended without a line with {text!r}:\n" + "\n".join(self.lines)
            self.lines.append(line)
            if text in line:
                return line

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code; the rest of the output is in `lines` then."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(PATIENCE_SECONDS)
        while (line := self._new.get(timeout=PATIENCE_SECONDS)) is not None:
            self.lines.append(line)
        return code

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def plan_file(folder: Path, *, seats: int = 4, name: str = "Little hall") -> Path:
    """A pretix plan of one row; its last seat is for the crew."""
    row = {
        "row_number": "A",
        "position": {"x": 0, "y": 50},
        "seats": [
            {
                "seat_guid": f"A-{number}",
                "seat_number": str(number),
                "position": {"x": 25 * number, "y": 0},
                "category": "Crew (not for sale)" if number == seats else "Stalls",
            }
            for number in range(1, seats + 1)
        ],
    }
    document = {
        "name": name,
        "categories": [{"name": "Stalls", "color": "#aa0000"}, {"name": "Crew (not for sale)", "color": "#00aa00"}],
        "zones": [{"name": "Hall", "position": {"x": 0, "y": 0}, "rows": [row]}],
        "size": {"width": 1000, "height": 1000},
    }
    path = folder / "hall.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
