"""Finds the server process of a cluster by pid file and process table, and stops it.

Pid files can remain after their servers and process ids are reused, so a process is taken for the server only if its
command line is `postgres -D <this cluster>`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rowlock.embedded.account import Account, run, spawn
from rowlock.embedded.errors import EmbeddedError

IMMEDIATE_STOP_SECONDS = 15

# The watchdog ends when it reads a line: the server has stopped. If its standard input closes without a line, this
# process has died, so it requests a fast shutdown of the server. The loop waits for a new server to write its pid file.
_WATCHDOG = """
trap '' HUP INT QUIT TERM
read -r word && exit 0
for attempt in 1 2 3 4 5; do
    if read -r running < "$1/postmaster.pid"; then
        if [ "$running" = "$2" ]; then kill -INT "$2"; fi
        exit 0
    fi
    sleep 1
done
"""


class Watchdog:
    """A small process that shuts the server down when this process dies, which closes its standard input.

    PR_SET_PDEATHSIG of Linux is not an alternative: it signals the child when the thread that started it ends.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, account: Account, cluster: Path, pid: int) -> None:
        """Start the watchdog of this process."""
        command = ["/bin/sh", "-c", _WATCHDOG, "rowlock-watchdog", str(cluster), str(pid)]
        self._process = spawn(account, command, stdin=subprocess.PIPE, output=subprocess.DEVNULL)

    def end(self, *, server_has_stopped: bool) -> None:
        """End the watchdog; if the server still runs, the watchdog first tries once more to stop it."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            if server_has_stopped:
                self._process.stdin.write(b"stopped\n")
            self._process.stdin.close()
        self._process.wait()
        self._process = None


def command_line(pid: int) -> list[str]:
    """The command line of a process; empty when there is none, or only a zombie."""
    if sys.platform == "linux":
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [os.fsdecode(word) for word in raw.split(b"\0") if word]
    result = subprocess.run(  # noqa: S603 - fixed words and a number.
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return result.stdout.split()


def is_postmaster(pid: int, cluster: Path) -> bool:
    """Whether `pid` is alive and is the PostgreSQL server of `cluster`."""
    words = command_line(pid)
    if not words or Path(words[0]).name != "postgres":
        return False
    # Without /proc a path with spaces is split into several words.
    return f"-D {cluster} " in " ".join([*words[1:], ""])


def recorded_pid(cluster: Path) -> int | None:
    """The process id in postmaster.pid, None without a readable one. The process may have ended."""
    try:
        first_line = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return None
    return int(first_line) if first_line.strip().isdigit() else None


def stop_orphan(cluster: Path, stop_seconds: float) -> int | None:
    """Shut down a server of `cluster` whose parent was killed. Returns its process id, None when there was none.

    The caller holds the lock, so no other process controls that server. Raises EmbeddedError when it does not stop.
    """
    pid = recorded_pid(cluster)
    if pid is None or not is_postmaster(pid, cluster):
        return None
    for number, seconds in ((signal.SIGINT, stop_seconds), (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return pid
        if _wait_for_end(pid, cluster, seconds):
            return pid
    raise EmbeddedError(
        f"A PostgreSQL server of an earlier run (process {pid}) still uses {cluster} and does not stop. "
        f"Look at what it is doing, end it with kill -QUIT {pid}, then start again."
    )


def _wait_for_end(pid: int, cluster: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_postmaster(pid, cluster):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def replace_stale_pid(cluster: Path, account: Account) -> None:
    """Replace the process id in the pid file of a killed server; the caller knows that no server of `cluster` runs.

    The id may belong to another program by now, or to a zombie; PostgreSQL would take either for a server and refuse
    to start. Deleting the file would also delete the id of the old shared memory, by which PostgreSQL detects old
    backends that still run. So only the process id is replaced, by that of this process: PostgreSQL ignores the id
    of its parent.
    """
    path = cluster / "postmaster.pid"
    pid = recorded_pid(cluster)
    if pid == os.getpid() or not path.exists():
        return
    if pid is None:
        script, text = 'rm -f -- "$1"', ""  # Truncated by a power failure: it contains nothing useful.
    else:
        script = 'cat > "$1.new" && mv -f -- "$1.new" "$1"'
        text = f"{os.getpid()}\n" + path.read_text(encoding="utf-8", errors="replace").partition("\n")[2]
    # Run as the service user, because root must not follow symbolic links that this user may have placed.
    run(account, ["/bin/sh", "-c", script, "sh", path], text_input=text)
