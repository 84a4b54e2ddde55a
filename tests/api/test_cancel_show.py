"""A show that is cancelled over HTTP: at once for buyers, and to the end by a worker, whoever dies on the way."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue import service
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.services import make_payment_providers, payment_loops
from rowlock.settings import Settings
from tests.api.conftest import UNKNOWN_ID
from tests.checkout.orders import paid, violations
from tests.support.answers import Show
from tests.support.http import Api, outcome
from tests.support.seatdb import SeatDb


def path(show: Show) -> str:
    return f"/api/admin/shows/{show.show_id}/cancel"


@pytest.fixture
async def outbox(dsns: Dsns, tmp_path: Path) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(dsns.worker, autocommit=True) as connection:
        yield connection


async def work(dsns: Dsns, connection: psycopg.AsyncConnection, data_dir: Path) -> None:
    """One round of a worker's outbox, with everything that an installation has."""
    settings = Settings(data_dir=data_dir)
    cells = Cells(DirectDatabase(dsns, application_name="rowlock test"))
    providers = make_payment_providers(settings, cells, "secret")
    await providers.open()
    [loop] = [loop for loop in payment_loops(providers, cells, settings, secret_key="key") if loop.name == "outbox"]
    await loop.work(connection)
    await providers.close()


async def test_staff_cancel_a_show_and_may_ask_again(client: Api, admin: Api, show: Show, db: SeatDb) -> None:
    await client.reserve(show, [1], by="anna")
    await paid(db, show, 5, 6, by="ben")

    first = await admin.post(path(show), json={"reason": "The singer is ill"})
    again = await admin.post(path(show), json={"reason": "The singer is ill"})

    assert first.json() == {
        "success": True,
        "show_id": str(show.show_id),
        "holds_released": 1,
        "orders_ended": 1,
        "holds_left": 0,
        "orders_left": 0,
    }
    assert [again.json()[name] for name in ("holds_released", "orders_ended")] == [0, 0]
    assert outcome(await client.reserve(show, [9], by="cleo")) == (409, "SHOW_NOT_ON_SALE")
    assert await db.claims(show) == {}
    assert await violations(db) == []


async def test_only_staff_cancel_a_show_and_only_with_a_reason(client: Api, admin: Api, show: Show) -> None:
    wish = {"reason": "spite"}

    assert outcome(await client.post(path(show), json=wish)) == (401, "UNAUTHORIZED")
    assert outcome(await admin.post(path(show), json={"reason": " "})) == (400, "INVALID_INPUT")
    assert outcome(await admin.post(path(show), json={})) == (400, "INVALID_INPUT")
    assert outcome(await admin.post(f"/api/admin/shows/{UNKNOWN_ID}/cancel", json=wish)) == (404, "SHOW_NOT_FOUND")
    assert (await client.get(f"/api/shows/{show.show_id}")).json()["status"] == "on_sale"


async def test_a_worker_ends_what_is_left_of_a_cancelled_show(
    admin: Api,
    show: Show,
    db: SeatDb,
    dsns: Dsns,
    outbox: psycopg.AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody calls again: as if the process had been killed after its first transaction."""
    monkeypatch.setattr(service, "CANCEL_BATCH", 2)
    for seat in range(1, 8):
        await db.reserve(show, seats=[seat], holder=f"holder-{seat}")
    orders = [await paid(db, show, seat, by=f"buyer-{seat}") for seat in (21, 22, 23)]

    first = (await admin.post(path(show), json={"reason": "fire"})).json()
    assert (first["holds_left"], first["orders_left"]) == (5, 1)
    await work(dsns, outbox, tmp_path)

    assert await db.claims(show) == {}
    of_show = [show.show_id]
    cursor = await db.owner.execute(
        "select count(*), count(distinct order_id) from rowlock.refunds where show_id = %s", of_show
    )
    assert await cursor.fetchone() == (len(orders), len(orders))
    cursor = await db.owner.execute(
        "select count(*) from rowlock.outbox_messages where show_id = %s and kind = 'show_cancelled'", of_show
    )
    assert await cursor.fetchone() == (1,), "one message, however often the function is called"
    assert await violations(db) == []
