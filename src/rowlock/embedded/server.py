"""Runs one PostgreSQL server on its own data folder: the first start, later starts, and the stop.

The server is a direct child of this process and ends with it: on `stop`, at normal exit, and by a watchdog
when this process is killed. The migrations create the tables.
"""

import atexit
import contextlib
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from rowlock.base.dsns import Dsns
from rowlock.embedded import cluster, configuration, data_folder, postmaster
from rowlock.embedded.account import Account, service_account, spawn
from rowlock.embedded.binaries import Binaries, executable_by, find_binaries, version_of
from rowlock.embedded.bootstrap import DATABASE, bootstrap
from rowlock.embedded.data_folder import FolderLock, Home
from rowlock.embedded.errors import EmbeddedError, StartError
from rowlock.embedded.postmaster import Watchdog

_DEFAULT_PORT = 5432  # Only a part of the socket's file name, unless listen_addresses is overridden.
_POLL_SECONDS = 0.02
_LOG_LINES_IN_ERRORS = 15

_log = logging.getLogger(__name__)


class EmbeddedServer:
    """A private PostgreSQL server with its data in `data_dir`, which is created if it does not exist.

    bin_dir        folder of PostgreSQL's programs; searched for by default, see `find_binaries`.
    settings       overrides of single server settings, for tests and benchmarks.
    start_seconds  how long the server may take to become ready, crash recovery included.
    stop_seconds   how long a fast shutdown may take before an immediate one; committed data is safe either way.
    system_dir     root's folder for a home that the service user could not enter in `data_dir`.

    Usable as a context manager. Methods block. One object belongs to one process and one thread at a time; a
    forked child cannot stop its parent's server.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        start_seconds: float = 60,
        stop_seconds: float = 60,
        system_dir: Path = data_folder.SYSTEM_DIR,
    ) -> None:
        self._data_dir = data_dir.expanduser().resolve()
        self._bin_dir = None if bin_dir is None else bin_dir.expanduser().absolute()
        self._settings = dict(settings or {})
        configuration.check_overrides(self._settings)
        self._port = int(self._settings.get("port", _DEFAULT_PORT))
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._system_dir = system_dir
        self._run: _Run | None = None
        self._undo = contextlib.ExitStack()
        self._starter_pid = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def dsns(self) -> Dsns:
        """The connection strings of the running server; raises EmbeddedError when it was not started."""
        run = self._started()
        return _dsns(run.passwords, run.socket_dir, self._port)

    @property
    def superuser_dsn(self) -> str:
        """The superuser's connection string, for backups, upgrades and tests, never for the application."""
        run = self._started()
        return _dsn("postgres", run.passwords["postgres"], run.socket_dir, self._port, "postgres")

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._started().process.pid

    @property
    def home(self) -> Path:
        """The folder with cluster, passwords and log: the data folder, or the relocated home of root."""
        return self._started().home.path

    @property
    def log_path(self) -> Path:
        """The server's log file."""
        return self._started().home.log

    @property
    def binaries(self) -> Binaries:
        """The programs that run this server."""
        return self._started().binaries

    def is_alive(self) -> bool:
        """Whether the server process that `start` started is still running."""
        return self._run is not None and self._run.process.poll() is None

    def start(self) -> Dsns:
        """Start the server, the first time with an empty database, and return once every role can connect.

        Does nothing while it runs; starts it again after it has died. Raises AlreadyRunningError when another
        process runs one on this folder, BinariesNotFoundError, StartError, or EmbeddedError for other problems
        that the caller can correct.
        """
        if self.is_alive():
            return self.dsns
        self.stop()
        with contextlib.ExitStack() as undo:
            self._start(undo)
            self._undo = undo.pop_all()
        self._starter_pid = os.getpid()
        atexit.register(self.stop)
        return self.dsns

    def stop(self) -> None:
        """Shut the server down and wait for its end; open transactions are rolled back. Repeatable.

        Raises EmbeddedError when the server does not end in time, even after an immediate shutdown.
        """
        if self._run is None or self._starter_pid != os.getpid():
            return
        atexit.unregister(self.stop)
        self._run = None
        self._undo.close()

    def _started(self) -> "_Run":
        if self._run is None:
            raise EmbeddedError(f"The embedded server in {self._data_dir} was not started. Call start() first.")
        return self._run

    def _start(self, undo: contextlib.ExitStack) -> None:
        data_folder.make_data_dir(self._data_dir)
        _take(FolderLock(self._data_dir / "lock"), undo)
        account, home = self._settle()
        if home.path != self._data_dir:
            # A copied data folder points to the same home as its original.
            _take(FolderLock(home.lock), undo)
        binaries = self._choose_binaries(home, account)
        orphan = postmaster.stop_orphan(home.cluster, self._stop_seconds)
        if orphan is not None:
            _log.warning("stopped PostgreSQL process %d, which an earlier run left behind", orphan)
        passwords = data_folder.ensure_passwords(home)
        if not home.cluster.exists():
            cluster.create(home, account, binaries, passwords["postgres"])
        cluster.configure(home, account, binaries)
        sockets = data_folder.socket_dir(home, account, self._port, self._system_dir)
        if sockets.parent != home.path:
            undo.callback(_remove_if_empty, sockets)
        for stale_socket in sockets.glob(".s.PGSQL.*"):
            # A socket without a listener: this process holds the lock, and the old server has ended.
            stale_socket.unlink(missing_ok=True)
        log = data_folder.open_log(home)
        undo.callback(os.close, log)
        command = self._server_command(home, binaries, sockets)
        superuser = _dsn("postgres", passwords["postgres"], sockets, self._port, "postgres")
        process = self._launch(undo, account, home, command, log, superuser)
        try:
            bootstrap(superuser, passwords)
        except psycopg.Error as error:
            raise StartError(
                f"PostgreSQL runs in {home.path}, but Rowlock's roles and database cannot be set up: "
                f"{error}. If the password was refused, restore {home.passwords} from a backup."
            ) from error
        state = {"pid": process.pid, "socket_dir": str(sockets), "port": self._port}
        data_folder.write_file(home.state, json.dumps(state) + "\n", mode=0o644)
        undo.callback(home.state.unlink, missing_ok=True)
        self._run = _Run(process, home, sockets, passwords, binaries)

    def _settle(self) -> tuple[Account, Home]:
        home = data_folder.find_home(self._data_dir, self._system_dir)
        existing_folder = home.cluster if home.cluster.exists() else home.path
        account = service_account(existing_folder.stat().st_uid)
        return account, data_folder.settle_home(self._data_dir, account, self._system_dir)

    def _choose_binaries(self, home: Home, account: Account) -> Binaries:
        major = cluster.major_of(home)
        if self._bin_dir is None:
            binaries = find_binaries(major=major)
        else:
            binaries = Binaries(self._bin_dir, version_of(self._bin_dir), "given by the caller")
        if major is not None and binaries.version.major != major:
            raise EmbeddedError(
                f"The database in {home.cluster} was made by PostgreSQL {major}, and {binaries.bin_dir} is "
                f"{binaries.version}. Use programs of version {major}, or transfer the data with pg_dump or "
                "pg_upgrade."
            )
        return executable_by(binaries, account, self._system_dir)

    def _server_command(self, home: Home, binaries: Binaries, sockets: Path) -> list[str]:
        fixed_settings = {
            "config_file": str(home.config),
            "hba_file": str(home.access_rules),
            "unix_socket_directories": f'"{sockets}"',  # A list, so a path with spaces needs quotes.
            "logging_collector": "off",  # The server writes to the descriptor that it inherits.
        }
        options = [f"{name}={value}" for name, value in {**self._settings, **fixed_settings}.items()]
        flags = [word for option in options for word in ("-c", option)]
        return [str(binaries.bin_dir / "postgres"), "-D", str(home.cluster), *flags]

    def _launch(
        self, undo: contextlib.ExitStack, account: Account, home: Home, command: list[str], log: int, dsn: str
    ) -> subprocess.Popen[bytes]:
        deadline = time.monotonic() + self._start_seconds
        while True:
            postmaster.replace_stale_pid(home.cluster, account)
            log_start = os.fstat(log).st_size
            with contextlib.ExitStack() as attempt:
                process = spawn(account, command, stdin=subprocess.DEVNULL, output=log)
                watchdog = Watchdog()
                attempt.callback(self._end, process, watchdog)
                watchdog.begin(account, home.cluster, process.pid)
                if _wait_until_ready(process, dsn, deadline):
                    undo.push(attempt.pop_all())
                    return process
                exited = process.poll() is not None
            log_text = _log_since(home.log, log_start)
            # PostgreSQL refuses to start until the backends of a killed server have ended, which may take a moment.
            if "shared memory block" not in log_text or time.monotonic() > deadline:
                raise self._start_error(home, log_text, exited=exited)
            time.sleep(_POLL_SECONDS * 5)

    def _start_error(self, home: Home, log_text: str, *, exited: bool) -> StartError:
        lines = log_text.splitlines()[-_LOG_LINES_IN_ERRORS:]
        slow = f"did not become ready within {self._start_seconds:g} seconds"
        what = "ended while starting" if exited else slow
        return StartError(
            f"PostgreSQL {what} in {home.path}. The last lines of {home.log}:\n"
            + "\n".join(f"  {line}" for line in lines or ["(nothing was written)"])
            + "\nCorrect what they report, most often a full disk, the permissions of the folder "
            "or a setting, then start again; recovery after a crash may need a larger start_seconds."
        )

    def _end(self, process: subprocess.Popen[bytes], watchdog: Watchdog) -> None:
        try:
            for number, seconds in (
                (signal.SIGINT, self._stop_seconds),
                (signal.SIGQUIT, postmaster.IMMEDIATE_STOP_SECONDS),
            ):
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                    return
                _log.warning("PostgreSQL process %d did not stop within %g seconds", process.pid, seconds)
        finally:
            watchdog.end(server_has_stopped=process.poll() is not None)
        raise EmbeddedError(
            f"PostgreSQL (process {process.pid}) does not stop. Look at what it is doing, then kill -QUIT "
            f"{process.pid}."
        )


class _Run:
    """The state of a running server."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        home: Home,
        socket_dir: Path,
        passwords: Mapping[str, str],
        binaries: Binaries,
    ) -> None:
        self.process = process
        self.home = home
        self.socket_dir = socket_dir
        self.passwords = passwords
        self.binaries = binaries


def running(data_dir: Path, *, system_dir: Path = data_folder.SYSTEM_DIR) -> Dsns | None:
    """Connection strings of the server that a process runs on `data_dir`, None when none answers there.

    The state file is used only if the server process is alive and answers on its socket. Raises EmbeddedError when
    one runs but its passwords cannot be read.
    """
    home = data_folder.find_home(data_dir.expanduser().resolve(), system_dir)
    try:
        state = json.loads(home.state.read_text(encoding="utf-8"))
        pid, sockets, port = int(state["pid"]), Path(state["socket_dir"]), int(state["port"])
    except PermissionError as error:
        raise data_folder.not_ours(home.path) from error
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    if not postmaster.is_postmaster(pid, home.cluster):
        return None
    dsns = _dsns(data_folder.read_passwords(home), sockets, port)
    return dsns if _answers(dsns.owner) else None


def _take(lock: FolderLock, undo: contextlib.ExitStack) -> None:
    lock.acquire()
    undo.callback(lock.release)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _wait_until_ready(process: subprocess.Popen[bytes], dsn: str, deadline: float) -> bool:
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(dsn):
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _answers(dsn: str) -> bool:
    """Whether a server accepts connections there. No session is opened, so a server without free ones answers too."""
    return PGconn.ping(make_conninfo(dsn, connect_timeout=2).encode()) == Ping.OK


def _log_since(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def _dsns(passwords: Mapping[str, str], socket_dir: Path, port: int) -> Dsns:
    names = ("owner", "app", "office", "worker", "v1")
    roles = {name: f"rowlock_{name}" for name in names}
    return Dsns(**{name: _dsn(role, passwords[role], socket_dir, port, DATABASE) for name, role in roles.items()})


def _dsn(role: str, password: str, socket_dir: Path, port: int, database: str) -> str:
    host = quote(str(socket_dir), safe="")
    return f"postgresql://{role}:{quote(password, safe='')}@/{database}?host={host}&port={port}"
