"""What PostgreSQL's pid file and the process table say about the server of one cluster, and how to end it.

Pid files outlive their servers and process ids are used again, so a process counts as ours only when it was
started as `postgres -D <this cluster>`.
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

# The watchdog ends when it is told that the server has stopped. When its standard input just closes, our
# process has died, so it asks the server for a fast shutdown. A new server may not have written its pid file
# yet.
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
    """A small process that shuts the server down once its standard input closes without a line: when we die.

    Linux could signal a child by itself (PR_SET_PDEATHSIG), but does so when the thread ends that started it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, account: Account, cluster: Path, pid: int) -> None:
        """Start watching for our own death."""
        command = ["/bin/sh", "-c", _WATCHDOG, "rowlock-watchdog", str(cluster), str(pid)]
        self._process = spawn(account, command, stdin=subprocess.PIPE, output=subprocess.DEVNULL)

    def end(self, *, server_has_stopped: bool) -> None:
        """Send it home; when the server still runs, leave it to make one more attempt at stopping that."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            if server_has_stopped:
                self._process.stdin.write(b"stopped\n")
            self._process.stdin.close()
        self._process.wait()
        self._process = None


def command_line(pid: int) -> list[str]:
    """The words a process was started with; empty when there is none, or only a zombie."""
    if sys.platform == "linux":
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [os.fsdecode(word) for word in raw.split(b"\0") if word]
    done = subprocess.run(  # noqa: S603 - fixed words and a number.
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.split()


def is_postmaster(pid: int, cluster: Path) -> bool:
    """Whether `pid` is alive and is the PostgreSQL server of `cluster`."""
    words = command_line(pid)
    if not words or Path(words[0]).name != "postgres":
        return False
    # Without /proc the words of a path with spaces are not kept apart.
    return f"-D {cluster} " in " ".join([*words[1:], ""])


def recorded_pid(cluster: Path) -> int | None:
    """The process id in postmaster.pid, None without a readable one. Says nothing about whether it lives."""
    try:
        first_line = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return None
    return int(first_line) if first_line.strip().isdigit() else None


def stop_left_behind(cluster: Path, stop_seconds: float) -> int | None:
    """Shut down a server of `cluster` whose parent was killed; its process id, None when there was none.

    The caller holds the lock, so nobody else is in charge of that server. Raises EmbeddedError when it stays.
    """
    pid = recorded_pid(cluster)
    if pid is None or not is_postmaster(pid, cluster):
        return None
    for number, seconds in ((signal.SIGINT, stop_seconds), (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return pid
        if _wait_until_gone(pid, cluster, seconds):
            return pid
    raise EmbeddedError(
        f"A PostgreSQL server of an earlier run (process {pid}) still uses {cluster} and does not stop. "
        f"Look at what it is doing, end it with kill -QUIT {pid}, then start again."
    )


def _wait_until_gone(pid: int, cluster: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_postmaster(pid, cluster):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def disown_stale_pid(cluster: Path, account: Account) -> None:
    """Make a pid file harmless that a killed server left; the caller knows that no server of `cluster` runs.

    Its process id may belong to some other program by now, or to a zombie, and PostgreSQL would take either
    for a server and refuse to start. Deleting the file would also delete the number of the old shared memory,
    by which PostgreSQL finds out whether old backends are still at work. So only the process id is replaced,
    by ours: PostgreSQL knows that its parent is no server.
    """
    path = cluster / "postmaster.pid"
    pid = recorded_pid(cluster)
    if pid == os.getpid() or not path.exists():
        return
    if pid is None:
        script, text = 'rm -f -- "$1"', ""  # Cut short by a power failure: nothing in it is worth keeping.
    else:
        script = 'cat > "$1.new" && mv -f -- "$1.new" "$1"'
        text = f"{os.getpid()}\n" + path.read_text(encoding="utf-8", errors="replace").partition("\n")[2]
    # Done by the service user itself, because root must not follow what that user may have put there.
    run(account, ["/bin/sh", "-c", script, "sh", path], text_input=text)
