"""A real PgBouncer before a test's database, on a free port of 127.0.0.1, for the length of a block."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rowlock.base.dsns import Dsns

VARIABLE = "ROWLOCK_TEST_PGBOUNCER"
DEBIAN_PGBOUNCER = "/usr/sbin/pgbouncer"
STARTS_WITHIN_SECONDS = 10.0


class PgBouncerMissingError(Exception):
    """This machine has no PgBouncer."""


@dataclass(frozen=True)
class PgBouncer:
    """A running pooler. `dsns` lead through it; the logins and passwords are those of the server."""

    dsns: Dsns


@contextmanager
def pgbouncer(
    dsns: Dsns, mode: str, settings: Mapping[str, str] = MappingProxyType({}), *, size: int = 2, processes: int = 1
) -> Iterator[PgBouncer]:
    """PgBouncer in `mode` (transaction or session), with at most `size` server connections for each login.

    Several processes share the port, and each has a pool of its own.
    """
    program = _program()
    folder = Path(tempfile.mkdtemp(prefix="rowlock-pgbouncer-"))
    log = folder / "log"
    started: list[subprocess.Popen[bytes]] = []
    try:
        port = _free_port()
        basics = {"listen_port": str(port), "pool_mode": mode, "default_pool_size": str(size)}
        _configure(folder, dsns, {**basics, "so_reuseport": str(int(processes > 1)), **settings})
        account = _hand_over(folder)
        with log.open("ab") as output:
            for _ in range(processes):
                command = [program, str(folder / "ini")]
                started.append(
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, user=account)
                )
        _await_start(started, log)
        yield PgBouncer(dsns.each(lambda dsn: _through(dsn, port)))
    finally:
        for process in started:
            process.kill()  # Its connections are not waited for.
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str:
    program = os.environ.get(VARIABLE, DEBIAN_PGBOUNCER)
    if not Path(program).is_file():
        reason = f"No PgBouncer in {program}. Install Debian's pgbouncer, or let {VARIABLE} name the program."
        if os.environ.get("CI") == "true":
            raise PgBouncerMissingError(reason)
        pytest.skip(reason)
    return program


def _configure(folder: Path, dsns: Dsns, settings: Mapping[str, str]) -> None:
    target = conninfo_to_dict(dsns.owner)
    # It logs in with SCRAM at both ends, for which it needs the passwords themselves.
    logins = [conninfo_to_dict(dsn) for dsn in (dsns.owner, dsns.app, dsns.office, dsns.worker, dsns.v1)]
    users = {str(login["user"]): str(login["password"]) for login in logins}
    (folder / "users").write_text("".join(f'"{user}" "{users[user]}"\n' for user in users), encoding="utf-8")
    lines = {
        "listen_addr": "127.0.0.1",
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(folder / "users"),
        "max_client_conn": "500",
        "logfile": "",
        "pidfile": "",
        **settings,
    }
    (folder / "ini").write_text(
        f"[databases]\n* = host={target['host']} port={target.get('port', 5432)}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in lines.items()),
        encoding="utf-8",
    )


def _hand_over(folder: Path) -> str | None:
    """Give the folder to a user that PgBouncer may run as: it refuses root. None when the tests are not root's."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)
    return account.pw_name


def _through(dsn: str, port: int) -> str:
    return make_conninfo(dsn, host="127.0.0.1", hostaddr="127.0.0.1", port=port)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await_start(started: "Sequence[subprocess.Popen[bytes]]", log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and all(process.poll() is None for process in started):
        if log.read_text(encoding="utf-8").count("process up:") == len(started):
            return
        time.sleep(0.01)
    raise AssertionError(f"PgBouncer did not start: {log.read_text(encoding='utf-8')}")
