"""The operating-system user that runs PostgreSQL's programs, and starting programs as that user.

PostgreSQL refuses to run as root, so a root process starts them as an existing unprivileged user. Users are never
created.
"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rowlock.embedded.errors import EmbeddedError

_SERVICE_USERS = ("postgres", "nobody")

# The only variables that PostgreSQL inherits. Others could expose the application's secrets in a process of another
# user, and PGDATA, PGPORT or PGOPTIONS of the caller would change the server's behaviour.
_PASSED_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Account:
    """The user that runs PostgreSQL. `switch` is true when it is not the user of this process."""

    name: str
    uid: int
    gid: int
    switch: bool


def service_account(owner_uid: int) -> Account:
    """The user to run PostgreSQL as, for data that belongs to `owner_uid`.

    An ordinary user runs it as itself. Root uses the owner of the data, so that after a start with `sudo` later starts
    work without it; for data that root owns it uses the system user `postgres`, or else `nobody`. Raises EmbeddedError
    when root finds none of them.
    """
    uid = os.geteuid()
    if uid != 0:
        return Account(_name_of(uid), uid, os.getegid(), switch=False)
    if owner_uid != 0:
        try:
            entry = pwd.getpwuid(owner_uid)
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)
        except KeyError:
            pass  # An id without a name, as on a container volume: initdb requires a user with a name.
    for name in _SERVICE_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and this system has no user named {' or '.join(_SERVICE_USERS)}. "
        "Start Rowlock as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def run(
    account: Account, command: Sequence[str | Path], *, text_input: str = "", timeout_seconds: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run a short program as `account` and return its exit code and output.

    Raises OSError when it cannot be executed and subprocess.TimeoutExpired when it takes too long.
    """
    return subprocess.run(  # noqa: S603 - a list, never a shell line; the programs are PostgreSQL's own.
        [str(part) for part in command],
        input=text_input,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_seconds,
        check=False,
        cwd="/",  # The account may have no access to our working directory, and initdb fails then.
        env=_environment(),
        start_new_session=True,
        user=account.uid if account.switch else None,
        group=account.gid if account.switch else None,
        extra_groups=[] if account.switch else None,
    )


def spawn(account: Account, command: Sequence[str | Path], *, stdin: int, output: int) -> subprocess.Popen[bytes]:
    """Start a long-running program as `account`; `output` receives both of its output streams.

    It gets its own session, so that Ctrl-C in the terminal signals only this process, which then stops the program.
    """
    return subprocess.Popen(  # noqa: S603 - a list, never a shell line; the programs are PostgreSQL's own.
        [str(part) for part in command],
        stdin=stdin,
        stdout=output,
        stderr=output,
        cwd="/",
        env=_environment(),
        start_new_session=True,
        user=account.uid if account.switch else None,
        group=account.gid if account.switch else None,
        extra_groups=[] if account.switch else None,
    )


def can_enter(account: Account, folder: Path) -> bool:
    """Whether `account` can enter `folder`. It is tried out, so that ACLs and mount options are included."""
    return run(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", folder]).returncode == 0


def can_run(account: Account, program: Path) -> bool:
    """Whether `account` can execute `program --version`, libraries included."""
    try:
        return run(account, [program, "--version"]).returncode == 0
    except OSError:
        return False


def _environment() -> dict[str, str]:
    variables = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    return {"PATH": os.defpath, **variables, "LC_ALL": "C"}
