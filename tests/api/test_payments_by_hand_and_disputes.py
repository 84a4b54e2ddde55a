"""Over HTTP: an order that staff mark paid, version 1 of payment-intent, the sandbox's page, and disputes."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout.disputes.service import Disputes
from rowlock.checkout.jobs import InboxLoop
from rowlock.checkout.providers.manual import ManualProvider
from rowlock.checkout.providers.model import CardOutcome
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.providers.sandbox.signing import HEADER, sign
from rowlock.checkout.purchase import Purchases
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.schema import rollback
from tests.api.conftest import put_on_sale
from tests.api.test_orders import ORDERS, confirm, hold, intent, order
from tests.support.http import ADMIN_KEY, outcome, problem, running
from tests.support.scripted_provider import OneProvider, ScriptedProvider
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer
from tests.support.steps import functions

ADMIN = {"x-api-key": ADMIN_KEY}
PAID_BY = {"received_by": "Mara"}


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: functions belong to all of it."""
    with server.database() as name:
        yield server.dsns(name)


def cells_of(dsns: Dsns) -> Cells:
    return Cells(DirectDatabase(dsns, application_name="rowlock test"))


async def test_staff_mark_an_order_paid_once(dsns: Dsns, owner: psycopg.AsyncConnection, db: SeatDb) -> None:
    show = await put_on_sale(owner)
    provider = OneProvider(ManualProvider(cells_of(dsns), "installation"))
    async with running(dsns, providers=provider) as application, application.client() as client:
        made = (await order(client, (await hold(client, show, 1, 2))["reservation_token"])).json()
        address = f"{ORDERS}/{made['order_id']}/mark-paid"
        asked = await intent(client, made["order_id"])

        foreign = await client.post(address, json=PAID_BY)
        malformed = await client.post(address, json={"received_by": " "}, headers=ADMIN)
        answers = await asyncio.gather(*(client.post(address, json=PAID_BY, headers=ADMIN) for _ in range(4)))
        again = await client.post(address, json={"received_by": "Ben"}, headers=ADMIN)

    assert asked.json()["page_url"] is None
    problem(foreign, 404, "ORDER_NOT_FOUND")
    problem(malformed, 400, "INVALID_INPUT")
    assert {(answer.status_code, answer.json()["status"]) for answer in (*answers, again)} == {(200, "paid")}
    assert len(again.json()["tickets"]) == 2
    cursor = await owner.execute("select status, account from rowlock.payment_intents")
    assert await cursor.fetchall() == [("captured", "installation")]
    assert await db.check(show) == []


async def test_an_order_that_is_paid_by_card_is_not_marked(dsns: Dsns, owner: psycopg.AsyncConnection) -> None:
    show = await put_on_sale(owner)
    async with running(dsns, providers=OneProvider(ScriptedProvider())) as application, application.client() as client:
        made = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()

        refused = await client.post(f"{ORDERS}/{made['order_id']}/mark-paid", json=PAID_BY, headers=ADMIN)

    problem(refused, 409, "PAYMENT_NOT_MANUAL")


async def test_version_1_makes_one_live_payment_and_works_without_functions(
    dsns: Dsns, owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    show = await put_on_sale(owner)
    provider = ScriptedProvider()
    address = f"{ORDERS}/payment-intent"
    async with (
        running(dsns, providers=OneProvider(provider), v2_rollout_percent=0) as application,
        application.client() as client,
    ):
        first = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()
        second = (await order(client, (await hold(client, show, 2))["reservation_token"])).json()
        late = (await order(client, (await hold(client, show, 3))["reservation_token"])).json()
        await rollback.full(owner)
        body = {"order_id": first["order_id"]}
        both = [client.post(address, json=body) for _ in range(12)]
        both += [intent(client, first["order_id"]) for _ in range(4)]
        answers = await asyncio.gather(*both)
        assert {answer.status_code for answer in answers} == {200}
        [payment_id] = {answer.json()["payment_intent_id"] for answer in answers}
        assert len(provider.payments) == 1
        [reference] = provider.payments
        provider.authorize(reference)
        assert (await confirm(client, first["order_id"], payment_id)).json()["status"] == "paid"

        await owner.execute(
            "update rowlock.seat_reservations set expires_at = clock_timestamp() + interval '2 minutes' "
            "where seat_ids = '{2}'"
        )
        await owner.execute(
            "update rowlock.show_seats as c set reserved_until = r.expires_at from rowlock.seat_reservations as r "
            "where r.seat_ids = '{2}' and c.reservation_id = r.reservation_id"
        )
        await owner.execute(
            "update rowlock.seat_reservations set expires_at = clock_timestamp() - interval '1 second' "
            "where seat_ids = '{3}'"
        )
        for name in functions():
            await owner.execute(f"drop function if exists rowlock.{name}".encode())
        bearer = {"authorization": f"Bearer {second['order_token']}"}
        foreign = {"authorization": f"Bearer {first['order_token']}"}
        stranger = await client.post(address, json={"order_id": second["order_id"]}, headers=foreign)
        problem(stranger, 404, "ORDER_NOT_FOUND")
        keyed = {**bearer, "idempotency-key": "once"}
        paying = await client.post(address, json={"order_id": second["order_id"]}, headers=keyed)
        again = await client.post(address, json={"order_id": second["order_id"]}, headers=keyed)
        assert (paying.status_code, paying.content) == (200, again.content)
        assert paying.json()["client_secret"] is not None
        assert outcome(await client.post(address, json={"order_id": late["order_id"]})) == (410, "RESERVATION_EXPIRED")
        assert outcome(await client.post(address, json={"order_id": first["order_id"]}))[0] == 200
        problem(await intent(client, second["order_id"]), 503, "FUNCTIONS_MISSING")
    cursor = await owner.execute(
        "select a.has_grace, a.expires_at > clock_timestamp() + interval '4 minutes', c.reserved_until = a.expires_at "
        "from rowlock.seat_reservations as a join rowlock.show_seats as c using (show_id, reservation_id) "
        "where a.seat_ids = '{2}'"
    )
    assert await cursor.fetchall() == [(True, True, True)]


async def test_a_sandbox_payment_has_a_page_and_its_disputes_are_told_to_staff(
    dsns: Dsns, owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    show = await put_on_sale(owner)
    cells = cells_of(dsns)
    secret = b"secret of the sandbox"
    sandbox = SandboxProvider(cells, "installation", secret=secret, public_url="https://tickets.example")
    providers = OneProvider(sandbox)
    async with running(dsns, providers=providers) as application, application.client() as client:
        made = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()
        paying = (await intent(client, made["order_id"])).json()
        cursor = await owner.execute("select reference from rowlock.sandbox_payments")
        [(reference,)] = await cursor.fetchall()
        assert paying["page_url"] == f"https://tickets.example/sandbox/pay/{reference}"
        await sandbox.authorize(reference, CardOutcome.SUCCEED)
        assert (await confirm(client, made["order_id"], paying["payment_intent_id"])).json()["status"] == "paid"
        disputes = Disputes(cells, providers)
        loop = InboxLoop(Purchases(cells, providers), disputes)

        for action, status in (("open", "opened"), ("lose", "lost")):
            await sandbox.dispute(reference, action)
            cursor = await owner.execute(
                "select body from rowlock.sandbox_events order by created_at desc, event_id desc limit 1"
            )
            [(body,)] = await cursor.fetchall()
            headers = {HEADER: sign(body.encode(), secret, datetime.now(UTC)), "content-type": "application/json"}
            sent = await client.post("/api/webhooks/sandbox", content=body.encode(), headers=headers)
            assert sent.status_code == 200, sent.text
            async with cells.of(show.show_id).worker() as connection:
                await loop.work(connection)
            [told] = (await client.get(f"{ORDERS}/{made['order_id']}", headers=ADMIN)).json()["disputes"]
            assert (told["status"], told["amount_minor"]) == (status, 5000)
            if status == "opened":
                refund = {"reason": "x"}
                refused = await client.post(f"{ORDERS}/{made['order_id']}/refunds", json=refund, headers=ADMIN)
                problem(refused, 409, "PAYMENT_DISPUTED")
        bearer = {"authorization": f"Bearer {made['order_token']}"}
        assert "disputes" not in (await client.get(f"{ORDERS}/{made['order_id']}", headers=bearer)).json()
    await disputes.look_everywhere(datetime.now(UTC))
    assert [one.status for one in await disputes.all(include_ended=True)] == ["lost"]
    assert await disputes.all() == []
    assert await db.check(show) == []
