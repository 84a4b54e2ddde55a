"""What a client is answered when the server refuses to write: without resources, read-only, or with other defaults."""

from collections.abc import AsyncIterator, Awaitable, Iterator

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from rowlock.base.dsns import Dsns
from rowlock.database import calls, pool
from rowlock.database.connections import Connection
from rowlock.database.refusals import resource_refusals
from tests.support.answers import Show
from tests.support.failing import failing_writes, forbid_writing
from tests.support.http import Api, outcome, problem, running, session
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

pytestmark = pytest.mark.usefixtures("clean_check")


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: its settings and its tables are changed."""
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PAUSES_SECONDS", (0.01, 0.01, 0.2))


@pytest.fixture
async def superuser(server: TestServer) -> AsyncIterator[psycopg.AsyncConnection]:
    """A superuser, in a database of its own."""
    async with await psycopg.AsyncConnection.connect(server.superuser_dsn(), autocommit=True) as connection:
        yield connection


def writes(client: Api, show: Show, token: str) -> dict[str, Awaitable[httpx.Response]]:
    """Every call that writes for a buyer; `token` is that of a hold of seat 1."""
    return {
        "reserve-v2": client.reserve(show, [3], by="carl"),
        "reserve": client.reserve(show, [4], by="dora", version=1),
        "best-available": client.best(show, 2, session_id=session("emil")),
        "change": client.change(token, add=[5]),
        "extend": client.extend(token),
        "release-v2": client.release(reservation_token=token),
        "release": client.release(reservation_token=token, version=1),
    }


@pytest.mark.parametrize("sqlstate", ["53100", "53200", "58030"])
async def test_without_disk_or_memory_every_write_is_busy_and_changes_nothing(
    dsns: Dsns, owner: psycopg.AsyncConnection, show: Show, db: SeatDb, sqlstate: str
) -> None:
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]

        async with failing_writes(owner, sqlstate):
            answers = {name: outcome(await call) for name, call in writes(client, show, token).items()}

        assert answers == dict.fromkeys(answers, (503, "BUSY"))
        assert await db.claims(show) == {1: session("anna")}
        told = problem(await client.get("/health/ready"), 503, "NOT_READY")
        assert told["detail"] == "The database refuses to write: planted."
        assert outcome(await client.reserve(show, [3], by="carl")) == (201, None)
        resource_refusals.forget()  # As it is forgotten after some seconds.
        assert (await client.get("/health/ready")).status_code == 200
    assert await db.check(show) == []


class Failover:
    """While `standby` is set, new sessions cannot write. Sessions keep what they were made with."""

    def __init__(self) -> None:
        self.standby = False

    async def configure(self, connection: Connection) -> None:
        """What the pool does with each new connection."""
        connection.prepare_threshold = 0
        if self.standby:
            await forbid_writing(connection)


@pytest.fixture
def failover(monkeypatch: pytest.MonkeyPatch) -> Failover:
    """Decides what the sessions of the application's pools can do."""
    made = Failover()
    monkeypatch.setattr(pool, "_prepare_at_once", made.configure)
    return made


async def test_after_a_failover_the_connections_to_the_old_primary_are_replaced(
    dsns: Dsns, show: Show, db: SeatDb, failover: Failover
) -> None:
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]
    failover.standby = True
    for name, status in (("reserve-v2", 201), ("reserve", 201), ("change", 200), ("extend", 200), ("release", 200)):
        failover.standby = True
        async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
            failover.standby = False  # The primary is another server from now on; the open connection is to the old.
            calls_ = writes(client, show, token)
            answer = await calls_.pop(name)
            for unused in calls_.values():
                unused.close()  # type: ignore[attr-defined] # Coroutines that no test awaits.

            assert answer.status_code == status, (name, answer.text)

    assert await db.claims(show) == {3: session("carl"), 4: session("dora")}
    assert await db.check(show) == []


async def test_where_no_server_can_write_every_write_is_busy_and_the_server_not_ready(
    dsns: Dsns, show: Show, db: SeatDb, failover: Failover
) -> None:
    async with running(dsns) as application, application.client() as client:
        token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]
    failover.standby = True
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        answers = {name: outcome(await call) for name, call in writes(client, show, token).items()}

        assert answers == dict.fromkeys(answers, (503, "BUSY"))
        assert "read-only" in problem(await client.get("/health/ready"), 503, "NOT_READY")["detail"]
        assert await db.claims(show) == {1: session("anna")}

        # No request writes while it is not ready, so the probe itself has to get it new connections.
        failover.standby = False
        answer = await client.get("/health/ready")
        while answer.status_code != 200:
            answer = await client.get("/health/ready")
        assert outcome(await client.reserve(show, [3], by="carl")) == (201, None)


async def test_a_pool_of_version_1_that_cannot_write_is_not_ready(dsns: Dsns, show: Show, failover: Failover) -> None:
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        assert (await client.get("/health/ready")).status_code == 200
        failover.standby = True  # The pool of version 1 is opened by its first request.
        problem(await client.reserve(show, [1], by="anna", version=1), 503, "BUSY")

        assert "read-only" in problem(await client.get("/health/ready"), 503, "NOT_READY")["detail"]


@pytest.mark.parametrize("target", ["role", "database", "role in database"])
async def test_defaults_of_roles_and_of_the_database_do_not_change_how_seats_are_sold(
    dsns: Dsns, superuser: psycopg.AsyncConnection, show: Show, db: SeatDb, target: str
) -> None:
    database = str(conninfo_to_dict(dsns.app)["dbname"])
    roles = ("rowlock_app", "rowlock_v1")
    targets = {
        "role": [f"role {role}" for role in roles],
        "database": [f"database {database}"],
        "role in database": [f"role {role} in database {database}" for role in roles],
    }[target]
    defaults = {"read_only": "on", "isolation": "serializable", "deferrable": "on"}
    try:
        for each in targets:
            for name, value in defaults.items():
                await superuser.execute(f"alter {each} set default_transaction_{name} = {value}".encode())
        async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
            assert outcome(await client.reserve(show, [1], by="anna")) == (201, None)
            assert outcome(await client.reserve(show, [2], by="ben", version=1)) == (201, None)
    finally:
        for each in targets:
            for name in defaults:
                await superuser.execute(f"alter {each} reset default_transaction_{name}".encode())
    assert await db.claims(show) == {1: session("anna"), 2: session("ben")}
