"""PostgreSQL servers for tests: one of each supported end of the version range, and databases cloned on them.

Every database is a clone of a template that was migrated once, so a test has its own for a few milliseconds.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from rowlock.base.dsns import Dsns
from rowlock.database.schema.migrate import migrate
from rowlock.embedded import Binaries, EmbeddedServer, find_binaries, version_of
from rowlock.embedded.bootstrap import revoke_large_objects

T = TypeVar("T")

DEBIAN_PG15_BIN = "/usr/lib/postgresql/15/bin"
TEMPLATE = "rowlock_test_template"
IN_MEMORY = Path("/dev/shm")
_PREFIX = "rowlock-tests-"
_END_SESSIONS: LiteralString = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
_SESSIONS_END_SECONDS = 0.5

# These servers test what statements mean, not what survives a power failure, so nothing is flushed to disk.
# Autovacuum is off because it consumes transaction ids and may look into a database while it is cloned.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_connections": "120",
    "deadlock_timeout": "200ms",
    "log_min_duration_statement": "-1",
    "log_lock_waits": "off",
}


class ServerNotAvailableError(Exception):
    """This machine has no programs of the PostgreSQL version that a test asks for."""


class TestServer:
    """A running server; `version` is its major version, `name` what test ids call it."""

    __test__ = False  # It is no test class, though its name looks like one.

    def __init__(self, name: str, folder: Path, embedded: EmbeddedServer) -> None:
        self.name = name
        self.folder = folder
        self.embedded = embedded
        self.version = embedded.binaries.version.major
        # Kept open: a connection for each statement would take longer than cloning a database.
        self._superuser = psycopg.connect(self.superuser_dsn(), autocommit=True)

    def superuser_dsn(self, dbname: str = "postgres") -> str:
        """A connection string of the superuser."""
        return make_conninfo(self.embedded.superuser_dsn, dbname=dbname)

    def dsns(self, dbname: str) -> Dsns:
        """The connection strings of Rowlock's roles for a database."""
        return self.embedded.dsns.each(lambda dsn: make_conninfo(dsn, dbname=dbname))

    def create_database(self, *, template: str = TEMPLATE, name: str | None = None) -> str:
        """Create a database that belongs to rowlock_owner, with the access rights of an embedded server's own.

        Copied from `template`: by default the migrated one, `template0` for an empty database.
        """
        name = name or f"test_{secrets.token_hex(6)}"
        # Copying the files is quicker than writing each page to the log, and it copies the cache file with which the
        # first connection to the template sped up those after it.
        self._superuser.execute(
            sql.SQL("create database {} owner rowlock_owner template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        # A clone has neither the access rights nor the settings of its template.
        self._superuser.execute(
            sql.SQL(
                "revoke all on database {name} from public;"
                "grant connect on database {name} to rowlock_app, rowlock_office, rowlock_worker, rowlock_v1;"
                "alter database {name} set search_path = rowlock, public"
            ).format(name=sql.Identifier(name))
        )
        if template == "template0":
            with psycopg.connect(self.superuser_dsn(name), autocommit=True) as superuser:
                revoke_large_objects(superuser)
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database and end what is still connected to it."""
        # `drop database … with (force)` looks every 100 ms only whether the sessions that it ends, or that end by
        # themselves, are gone. They are gone within a few.
        deadline = time.monotonic() + _SESSIONS_END_SECONDS
        while time.monotonic() < deadline and self._superuser.execute(_END_SESSIONS, [name]).fetchone():
            time.sleep(0.001)
        self._superuser.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Stop the server and remove its data."""
        try:
            self._superuser.close()
            self.embedded.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def database(self, *, template: str = TEMPLATE) -> Iterator[str]:
        """A database for the length of a block."""
        name = self.create_database(template=template)
        try:
            yield name
        finally:
            self.drop_database(name)


class TestServers:
    """The servers of one test process, each started when the first test needs it."""

    __test__ = False

    def __init__(self) -> None:
        self._running: dict[str, TestServer] = {}

    def get(self, name: str) -> TestServer:
        """The server called pg18 or pg15. Raises ServerNotAvailableError."""
        if name not in self._running:
            self._running[name] = _start(name, _BINARIES[name]())
        return self._running[name]

    def stop(self) -> None:
        """Stop all running servers and remove their data."""
        while self._running:
            self._running.popitem()[1].stop()


def _start(name: str, binaries: Binaries) -> TestServer:
    place = _place()
    _remove_folders_of_killed_tests(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-{name}-", dir=place))
    folder.chmod(0o711)  # When root runs the tests, the server's own user has to get to its data.
    embedded = EmbeddedServer(folder / "data", bin_dir=binaries.bin_dir, settings=SETTINGS)
    try:
        embedded.start()
        server = TestServer(name, folder, embedded)
        server.create_database(template="template0", name=TEMPLATE)
        run_in_thread(lambda: _migrate(server.dsns(TEMPLATE).owner))
    except BaseException:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return server


def _place() -> Path:
    """A file system in memory, where cloning takes a tenth of the time, if it has space for two servers; else disk."""
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > 2 * 1024**3:
        return IN_MEMORY
    return Path(tempfile.gettempdir())


def _remove_folders_of_killed_tests(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            continue  # It runs, as another user.


async def _migrate(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await migrate(connection)


def run_in_thread(make: Callable[[], Coroutine[None, None, T]]) -> T:
    """Run a coroutine to its end in a thread of its own, because this thread may have an event loop of pytest."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(lambda: asyncio.run(make())).result()


def _pg18() -> Binaries:
    return find_binaries(major=18, environ={})


def _pg15() -> Binaries:
    folder = Path(os.environ.get("ROWLOCK_TEST_PG15_BIN", DEBIAN_PG15_BIN))
    if not folder.is_dir():
        raise ServerNotAvailableError(
            f"No PostgreSQL 15 in {folder}, so this test was not run on the oldest supported version. Install "
            "Debian's postgresql-15, or let ROWLOCK_TEST_PG15_BIN name a folder with its postgres and initdb."
        )
    found = version_of(folder)
    if found.major != 15:
        raise ServerNotAvailableError(f"{folder} holds PostgreSQL {found}; ROWLOCK_TEST_PG15_BIN must be 15.")
    return Binaries(folder, found, "tests")


_BINARIES: dict[str, Callable[[], Binaries]] = {"pg18": _pg18, "pg15": _pg15}
