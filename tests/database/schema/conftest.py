"""What tests of migrations share: connections to empty databases, and copies of sql/ that a test may change."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.schema.definitions import SQL_DIR

Connect = Callable[[str], Awaitable[psycopg.AsyncConnection]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens connections, in autocommit, that are closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_one(dsn: str) -> psycopg.AsyncConnection:
            connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
            return await stack.enter_async_context(connection)

        yield open_one


@pytest.fixture
async def empty(empty_dsns: Dsns, connect: Connect) -> psycopg.AsyncConnection:
    """A connection of the owner to a database without any table."""
    return await connect(empty_dsns.owner)


@pytest.fixture
def sql_dir(tmp_path: Path) -> Path:
    """A copy of sql/ without what is not part of the schema."""
    target = tmp_path / "sql"
    shutil.copytree(SQL_DIR, target, ignore=shutil.ignore_patterns("queries", "optional", "schema.sql"))
    return target
