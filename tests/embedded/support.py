"""Runs program.py in a process of its own, and waits for conditions."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rowlock.embedded import EmbeddedServer
from rowlock.embedded.postmaster import is_postmaster

PROGRAM = Path(__file__).with_name("program.py")
DEADLINE_SECONDS = 30

ServerMaker = Callable[..., EmbeddedServer]
ParentMaker = Callable[..., "Parent"]


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s in vain until {what}"
        time.sleep(0.01)


class Parent:
    """A separate Python process that runs a server until its standard input ends or it is killed."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, str(PROGRAM), *arguments]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"the program ended with {self.process.wait()}: {self.process.stderr.read()}")
        self.reported: dict[str, Any] = json.loads(line)

    @property
    def server_pid(self) -> int:
        return int(self.reported["pid"])

    def server_has_ended(self) -> bool:
        return not is_postmaster(self.server_pid, Path(self.reported["cluster"]))

    def children(self) -> dict[int, str]:
        listing = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        rows = (line.split(None, 1) for line in listing.stdout.replace("\n ", "\n").splitlines() if line.strip())
        return {int(row[0]): row[1] for row in rows if row[0].isdigit()}

    def signal(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)

    def kill_without_watchdog(self) -> None:
        for pid in self.children():
            if pid != self.server_pid:
                os.kill(pid, signal.SIGKILL)
        self.signal(signal.SIGKILL)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        # The server must not outlive the test either, even if the behaviour under test is broken.
        if "cluster" in self.reported:
            if not self.server_has_ended():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.server_pid, signal.SIGQUIT)
            wait_until(self.server_has_ended, "the server of a parent has ended")
