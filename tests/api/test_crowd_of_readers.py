"""Who looks does not keep those waiting who reserve, and a crowd that looks at the same costs one reading.

Before, 500 reading connections made a buyer wait for 1.3 s instead of 13 ms.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.catalogue import service, store
from rowlock.database import pool
from rowlock.database.calls import BusyError, call
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection
from rowlock.database.pool import PooledDatabase
from rowlock.reservations.availability import api
from rowlock.reservations.model import Intent, ReservationToken
from rowlock.services import make_services
from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import Api, outcome, running
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")


async def _one(connection: Connection) -> int:
    row = await (await connection.execute("select 1")).fetchone()
    assert row is not None
    return int(row[0])


async def test_readers_wait_for_connections_of_their_own_and_only_so_many(
    dsns: Dsns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "READS_WAITING", 5)
    database = PooledDatabase(dsns)
    await database.open()
    try:
        async with AsyncExitStack() as readers:
            for _ in range(pool.OFFICE_CONNECTIONS):
                await readers.enter_async_context(database.reads())
            waiting = [asyncio.create_task(call(database.reads, _one, repeatable=True, reads=True)) for _ in range(5)]
            await asyncio.sleep(0)  # They have asked for a connection.

            with pytest.raises(BusyError):
                await call(database.reads, _one, repeatable=True, reads=True)
            assert await call(database.app, _one, repeatable=True) == 1
        assert await asyncio.gather(*waiting) == [1] * 5
    finally:
        await database.close()


async def test_who_looks_at_a_hold_takes_no_connection_of_a_buyer(dsns: Dsns, show: Show) -> None:
    database = PooledDatabase(dsns, pool_size=1)
    await database.open()
    reservations = make_services(Cells(database)).reservations
    token, holder = ReservationToken.mint(show.show_id), Holder("anna")
    try:
        await reservations.reserve(Intent(token, holder, (3,)))
        async with database.app():
            found = [await reservations.find(token), await reservations.find_live(show.show_id, holder)]
    finally:
        await reservations.close()
        await database.close()

    assert [hold and hold.reservation_id for hold in found] == [token.reservation_id] * 2


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The readings of lists and shows, which are kept here for longer than any test lasts."""
    monkeypatch.setattr(service, "BRIEF_SECONDS", 3_600.0)
    made: list[str] = []

    def counted(name: str) -> None:
        original = getattr(store, name)

        async def count(*arguments: Any) -> Any:
            made.append(name)
            return await original(*arguments)

        monkeypatch.setattr(store, name, count)

    for name in ("list_public_shows", "public_show", "plan_version"):
        counted(name)
    return made


@pytest.mark.parametrize(
    ("path", "status", "reading"),
    [
        ("/api/shows", 200, "list_public_shows"),
        ("/api/shows/{show}", 200, "public_show"),
        (f"/api/shows/{UNKNOWN_ID}", 404, "public_show"),
        (f"/api/shows/{UNKNOWN_ID}/seat-map", 404, "plan_version"),
    ],
)
async def test_what_a_crowd_asks_for_is_read_once(
    db: SeatDb, show: Show, readings: list[str], path: str, status: int, reading: str
) -> None:
    async with running(db.dsns) as application, application.client() as client:
        asked = [client.get(path.format(show=show.show_id)) for _ in range(100)]
        answers = await asyncio.gather(*asked)

    assert {answer.status_code for answer in answers} == {status}
    assert readings.count(reading) == 1


async def test_the_json_of_the_seats_is_made_once_for_each_version(
    client: Api, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before: for each request, 3 ms in a hall of 5,000 seats, in which the process serves nobody else."""
    made: list[int] = []
    seat_status = api.SeatStatus

    def counted(seat_id: int, status: str) -> api.SeatStatus:
        made.append(seat_id)
        return seat_status(seat_id, status)

    monkeypatch.setattr(api, "SeatStatus", counted)
    first = [(await client.get(f"/api/shows/{show.show_id}/seats")).json() for _ in range(5)]
    assert len(made) == 40
    assert outcome(await client.reserve(show, [7], by="anna")) == (201, None)
    second = [(await client.get(f"/api/shows/{show.show_id}/seats")).json() for _ in range(5)]

    assert len(made) == 80
    assert [told["seats"][6] for told in (first[0], second[-1])] == [
        {"seat_id": 7, "status": "available"},
        {"seat_id": 7, "status": "reserved"},
    ]
    assert first[0]["server_time"] < first[-1]["server_time"], "The time is of each answer."
