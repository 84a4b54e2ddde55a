"""Which tests a run has, and what every test may use: servers of both supported versions, databases, connections.

`--soak` runs the tests that are marked `soak`, at full size. There are two kinds. `@pytest.mark.soak` is for a test
with a size (tests/support/scale.py): a plain run has a small instance of it. `@pytest.mark.soak("pg15")` is for a test
that a plain run has on the other version only.

What is about the meaning of SQL (`ABOUT_SQL`) runs on both versions each time. All other tests reach the database by
the same functions and statements. A plain run has all of them on the newest version and one in four on the oldest; the
full soak has the rest there.
"""

import os
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.refusals import resource_refusals
from tests.support.scale import PLAIN, SHORT_SOAK, SOAK, Scale, scale_of
from tests.support.servers import ServerNotAvailableError, TestServer, TestServers

pytest_plugins = ["tests.support.seatdb", "tests.support.clean_check"]

OLDEST = "pg15"
VERSIONS = ("pg18", OLDEST)

HERE = Path(__file__).parent
# Their tests start servers of their own, most of them in other processes.
STARTS_SERVERS = [HERE / folder for folder in ("cli", "embedded")]
ABOUT_SQL = [HERE / folder for folder in ("database", "concurrency", "property", "reservations/functions")]
SAMPLED = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rowlock")
    group.addoption("--soak", action="store_true", help="run what is marked `soak`, at full size")
    group.addoption("--short", action="store_true", help="with --soak: in a few minutes, without what a plain run does")


def pytest_report_header(config: pytest.Config) -> str:
    scale = scale_of(config)
    if scale is PLAIN:
        return f"{scale}. What is marked `soak` runs in full with --soak."
    return f"{'short ' if scale is SHORT_SOAK else ''}soak, {scale}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker("database" if needs_database(item) else "unit")
        # For `pytest -n 2 --dist loadgroup`: a file's tests on one version run in one process, with one server.
        item.add_marker(pytest.mark.xdist_group(f"{version_of(item) or 'any'}-{item.path.relative_to(HERE)}"))
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.timeout(scale_of(config).seconds_limit), append=False)
    chosen = {item: belongs(item, scale_of(config)) for item in items}
    config.hook.pytest_deselected(items=[item for item in items if not chosen[item]])
    items[:] = [item for item in items if chosen[item]]


def belongs(item: pytest.Item, scale: Scale) -> bool:
    """Whether a test is part of a run of this scale."""
    marker = item.get_closest_marker("soak")
    if marker is None:
        if "scale" in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(
                f"{item.nodeid} has a size, so it has to be marked `soak`, or it never has the full one."
            )
        return scale is (SOAK if is_left_to_the_soak(item) else PLAIN)
    has_size = not marker.args
    version = version_of(item)
    if scale is PLAIN:
        return version not in marker.args
    return scale is SOAK or (not marker.kwargs.get("full") and (has_size or version in marker.args))


def version_of(item: pytest.Item) -> str | None:
    """The version of PostgreSQL that a test runs on, where it runs on each."""
    version: str | None = item.callspec.params.get("server") if hasattr(item, "callspec") else None
    return version


def is_left_to_the_soak(item: pytest.Item) -> bool:
    """Whether a test is one of the three in four that a plain run has on the newest version only."""
    if version_of(item) != OLDEST or item.path.stem.endswith("_atomic"):
        return False
    about_sql = any(item.path.is_relative_to(folder) for folder in ABOUT_SQL)
    return not about_sql and zlib.crc32(item.nodeid.encode()) % SAMPLED != 0


def needs_database(item: pytest.Item) -> bool:
    """Tests that start a server by themselves, in this process, are marked `database`."""
    return (
        not {"server", "servers"}.isdisjoint(getattr(item, "fixturenames", ()))
        or any(item.path.is_relative_to(folder) for folder in STARTS_SERVERS)
        or item.get_closest_marker("database") is not None
    )


@pytest.fixture(scope="session")
def scale(pytestconfig: pytest.Config) -> Scale:
    """How much a test with a size is to do."""
    return scale_of(pytestconfig)


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


@pytest.fixture(autouse=True)
def nothing_was_refused() -> None:
    """What a database refused in one test is not told in the next."""
    resource_refusals.forget()


@pytest.fixture
async def app(dsns: Dsns) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of the application's role, in autocommit."""
    async with await psycopg.AsyncConnection.connect(dsns.app, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def worker(dsns: Dsns) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of the worker's role, in autocommit."""
    async with await psycopg.AsyncConnection.connect(dsns.worker, autocommit=True) as connection:
        yield connection
