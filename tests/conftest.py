"""Fixtures that every test may use: servers of both supported PostgreSQL versions, databases, connections."""

import os
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from tests.support.servers import ServerNotAvailableError, TestServer, TestServers

pytest_plugins = ["tests.support.seatdb"]

# With `pytest -n 2 --dist loadgroup` each worker runs the tests of one version, so it starts one server only.
VERSIONS = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("pg18", "pg15")]


@pytest.fixture(scope="session")
def servers() -> Iterator[TestServers]:
    """The servers of this process. They stay until the end, in whatever order tests ask for them."""
    running = TestServers()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session", params=VERSIONS)
def server(request: pytest.FixtureRequest, servers: TestServers) -> TestServer:
    """A running server: the test runs once on each version."""
    try:
        return servers.get(request.param)
    except ServerNotAvailableError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """Connection strings of a fresh, migrated database."""
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture
def empty_dsns(server: TestServer) -> Iterator[Dsns]:
    """Connection strings of a database without any table."""
    with server.database(template="template0") as name:
        yield server.dsns(name)


@pytest.fixture
async def owner(dsns: Dsns) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of the owner, in autocommit."""
    async with await psycopg.AsyncConnection.connect(dsns.owner, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def app(dsns: Dsns) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of the application's role, in autocommit."""
    async with await psycopg.AsyncConnection.connect(dsns.app, autocommit=True) as connection:
        yield connection
