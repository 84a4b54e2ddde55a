"""How services get connections: the error of a command that cannot connect, and one connection for several services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.catalogue import store
from rowlock.catalogue.model import ALL_CATEGORIES, ShowInput
from rowlock.database import calls
from rowlock.database.access import CannotConnectError, DirectDatabase
from rowlock.database.calls import BusyError, call
from rowlock.database.connections import Connection
from rowlock.reservations.model import Intent, ReservationToken
from tests.support.answers import Show
from tests.support.halls import hall, services_on
from tests.support.seatdb import SeatDb

UNREACHABLE = "postgresql://rowlock:secret@127.0.0.1:1/rowlock"


@pytest.mark.parametrize(
    ("error", "message", "sqlstate"),
    [
        (psycopg.errors.InvalidPassword("password authentication failed\n"), "password authentication failed", "28P01"),
        (psycopg.errors.TooManyConnections("sorry, too many clients"), "sorry, too many clients", "53300"),
        (psycopg.OperationalError("connection refused"), "connection refused", None),
        (OSError("no route to host"), "no route to host", None),
        (TimeoutError(), "TimeoutError", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_error_has_the_message_and_the_sqlstate_of_the_driver(
    error: Exception, message: str, sqlstate: str | None
) -> None:
    made = CannotConnectError(error)

    assert (str(made), made.sqlstate) == (message, sqlstate)


async def attempts(monkeypatch: pytest.MonkeyPatch, error: Exception, expected: type[Exception]) -> int:
    """How often `call` tries to connect when each attempt fails with `error`, until it raises `expected`."""
    monkeypatch.setattr(calls, "PAUSES_SECONDS", (0, 0, 0))
    made = 0

    @asynccontextmanager
    async def connections() -> AsyncIterator[Connection]:
        nonlocal made
        made += 1
        raise error
        yield

    async def operation(_: Connection) -> None:
        raise AssertionError("There is no connection.")

    with pytest.raises(expected):
        await call(connections, operation, repeatable=True, reads=True)
    return made


async def test_a_command_that_cannot_connect_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = psycopg.OperationalError("connection refused")

    assert await attempts(monkeypatch, CannotConnectError(refused), CannotConnectError) == 1
    # The same failure in a server, whose connections are from a pool, is retried.
    assert await attempts(monkeypatch, refused, BusyError) == 4


@pytest.mark.parametrize("role", ["app", "v1", "owner"])
async def test_a_database_that_cannot_be_reached_is_this_error_for_each_role(role: str) -> None:
    database = DirectDatabase(Dsns.same(UNREACHABLE), application_name="rowlock check")

    with pytest.raises(CannotConnectError, match=r"127\.0\.0\.1") as caught:
        async with getattr(database, role)():
            raise AssertionError("There is no connection.")

    assert isinstance(caught.value.__cause__, psycopg.OperationalError)
    assert str(caught.value) == str(caught.value.__cause__).strip()
    assert "secret" not in str(caught.value)


async def sell_a_seat(owner: Connection) -> Show:
    """A plan, a show, a blocked seat and a hold, by the services of two packages on one connection."""
    services = services_on(owner)
    imported = await services.catalogue.import_plan(hall(10, crew=2), source_format="test", venue="Playhouse")
    starts_at = datetime.now(UTC) + timedelta(days=30)
    given = ShowInput(imported.plan.plan_id, "Swan Lake", starts_at, {ALL_CATEGORIES: 2500})
    show = Show((await services.catalogue.create_show(given)).show_id, 10)
    result = await services.reservations.reserve(
        Intent(ReservationToken.mint(show.show_id), Holder(uuid4().hex), (1, 2))
    )
    assert result.outcome == "OK"
    return show


async def test_services_on_one_connection_are_rolled_back_together(owner: Connection, db: SeatDb) -> None:
    async with owner.transaction(force_rollback=True):
        show = await sell_a_seat(owner)
        assert sorted(await db.claims(show)) == [1, 2, 9, 10]  # The same connection, so it sees what is not committed.
        async with await psycopg.AsyncConnection.connect(db.dsns.owner) as other:
            assert await store.list_every_show(other) == []

    assert await store.list_plans(owner) == []
    assert await store.list_every_show(owner) == []
    assert await db.claim_rows(show) == {}
    assert await db.audit(show) == []


async def test_services_on_one_connection_are_committed_together(owner: Connection, db: SeatDb) -> None:
    async with owner.transaction():
        show = await sell_a_seat(owner)

    async with await psycopg.AsyncConnection.connect(db.dsns.owner) as other:
        assert [listed.show_id for listed in await store.list_every_show(other)] == [show.show_id]
    assert sorted(await db.claims(show)) == [1, 2, 9, 10]
    assert await db.check(show) == []
