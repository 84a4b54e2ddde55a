"""`rowlock up` as a process: the real server with its worker and its demonstration, for the length of a block."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rowlock.base.dsns import Dsns
from tests.cli.conftest import Running

READY = "Rowlock is ready at "


@dataclass(frozen=True)
class Up:
    """Where it listens, and the operator's key that it printed."""

    url: str
    admin_key: str


@contextmanager
def rowlock_up(dsns: Dsns) -> Iterator[Up]:
    """Rowlock on this database and a free port of 127.0.0.1, with the sandbox as its payment provider."""
    with (
        tempfile.TemporaryDirectory(prefix="rowlock-up-") as data_dir,
        Running("up", "--port", 0, "--data-dir", data_dir, env={"DATABASE_URL": dsns.owner}) as started,
    ):
        url = started.line_with(READY).partition(READY)[2]
        yield Up(url, started.line_with("Admin key").rpartition(" ")[2])
