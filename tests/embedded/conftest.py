"""Folders that the service user can reach, and servers that are stopped also when a test fails."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.embedded.support import Parent, ParentMaker, ServerMaker

from rowlock.embedded import EmbeddedServer


def memory_place() -> str | None:
    """A file system in memory, where flushing costs nothing; None when it is too small or programs cannot run there.

    No test simulates a power failure, so a real disk would prove nothing more.
    """
    place = "/dev/shm"
    if not os.access(place, os.W_OK):
        return None
    system = os.statvfs(place)
    free_bytes = system.f_bavail * system.f_frsize
    return place if free_bytes > 2 * 1024**3 and not system.f_flag & os.ST_NOEXEC else None


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="rowlock-test-", dir=memory_place()))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """The folders tests make themselves are open to the service user, whatever the umask of the shell."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder every user may enter; pytest's own are closed to all but the user who runs the tests."""
    with open_folder() as made:
        yield made


@pytest.fixture(scope="session")
def stopped_server() -> Iterator[Path]:
    """The data folder of a server that was started once: copying it takes a fraction of making it."""
    with open_folder() as made:
        with EmbeddedServer(made / "data"):
            pass
        yield made / "data"


@pytest.fixture
def empty_dir(folder: Path) -> Path:
    """The path of a data folder that does not exist yet."""
    return folder / "data"


@pytest.fixture
def data_dir(empty_dir: Path, stopped_server: Path) -> Path:
    """A data folder with the database of a first start."""
    subprocess.run(["cp", "-a", stopped_server, empty_dir], check=True)
    return empty_dir


@pytest.fixture
def system_dir(folder: Path) -> Path:
    return folder / "system"


@pytest.fixture
def make_server(folder: Path) -> Iterator[ServerMaker]:
    made: list[EmbeddedServer] = []

    def make(data_dir: Path, **arguments: Any) -> EmbeddedServer:
        made.append(EmbeddedServer(data_dir, **arguments))
        return made[-1]

    with contextlib.ExitStack() as stack:
        yield make
        for server in made:
            stack.callback(server.stop)


@pytest.fixture
def make_parent(folder: Path) -> Iterator[ParentMaker]:
    with contextlib.ExitStack() as stack:

        def make(*arguments: str) -> Parent:
            parent = Parent(*arguments)
            stack.callback(parent.close)
            return parent

        yield make


@pytest.fixture
def server(make_server: ServerMaker, data_dir: Path) -> EmbeddedServer:
    """A running server with nothing in its database yet."""
    made = make_server(data_dir)
    made.start()
    return made
