"""Many refunds at once, and a cancelled show whose worker is killed on the way: every cent goes back once."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import LiteralString

import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.base.ids import mint_id
from rowlock.catalogue.service import Catalogue
from rowlock.checkout.model import OrderWish
from rowlock.checkout.providers.model import CardOutcome
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.service import Checkout
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.pool import PooledDatabase
from tests.api.conftest import put_on_sale
from tests.checkout.test_crashes import assert_sound
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, running
from tests.support.purchase_story import (
    ORDERS,
    a_minute_passes,
    buy,
    money_at_the_sandbox,
    sandbox_on,
    work,
    worker_process,
)
from tests.support.scale import Scale
from tests.support.scripted_provider import OneProvider
from tests.support.seatdb import SeatDb

STAFF = 16
PART = 1250
TOTAL = 10_000
CHECK: LiteralString = "i.amount_minor - coalesce(sum(r.amount_minor), 0) - b.lost_minor"


async def refunds_of_staff(dsns: Dsns, db: SeatDb, show: Show) -> list[int]:
    """An order of two seats is bought, and 16 staff refund an eighth of it at the same moment: the statuses."""
    provider = sandbox_on(dsns)
    async with AsyncExitStack() as stack:
        application = await stack.enter_async_context(running(dsns, providers=OneProvider(provider)))
        client = await stack.enter_async_context(application.client())
        staff = await stack.enter_async_context(application.client(headers={"x-api-key": ADMIN_KEY}))
        hold = await client.reserve(show, [1, 2], by="anna")
        bought = await buy(client, provider, hold.json()["reservation_token"])
        assert bought["status"] == "paid"
        answers = await asyncio.gather(
            *(
                staff.post(
                    f"{ORDERS}/{bought['order_id']}/refunds",
                    json={"amount_minor": PART, "reason": "late start"},
                    headers={"idempotency-key": f"staff-{number}"},
                )
                for number in range(STAFF)
            )
        )
    assert {answer.json().get("code") for answer in answers} <= {None, "REFUND_EXCEEDS_PAYMENT", "ORDER_NOT_REFUNDABLE"}
    await asyncio.gather(*(work(dsns, provider) for _ in range(2)))
    return sorted(answer.status_code for answer in answers)


async def test_sixteen_staff_refund_parts_of_an_order_and_never_more_than_was_paid(dsns: Dsns, db: SeatDb) -> None:
    show = await put_on_sale(db.owner)

    assert await refunds_of_staff(dsns, db, show) == [201] * (TOTAL // PART) + [409] * (STAFF - TOTAL // PART)

    assert await money_at_the_sandbox(db.owner, show.show_id) == (1, TOTAL, TOTAL)
    await assert_sound(db, show)


async def test_without_the_check_more_is_refunded_than_was_paid(dsns: Dsns, db: SeatDb) -> None:
    """The control: what the test above looks at shows it when the database does not count other refunds."""
    cursor = await db.owner.execute("select pg_get_functiondef('rowlock.payments_left'::regproc)")
    [(text,)] = await cursor.fetchall()
    assert CHECK in text
    await db.owner.execute(text.replace(CHECK, "i.amount_minor - 0 * count(*) - b.lost_minor"))
    show = await put_on_sale(db.owner)

    assert await refunds_of_staff(dsns, db, show) == [201] * STAFF


async def paid_orders(db: SeatDb, show: Show, count: int) -> None:
    """So many orders of one seat each, paid at the sandbox."""
    database = PooledDatabase(db.dsns)
    await database.open()
    try:
        cells = Cells(database)
        provider = SandboxProvider(cells, "installation", secret=b"secret of the sandbox")
        checkout = Checkout(cells, OneProvider(provider), secret_key="key")

        async def pay(seat: int) -> None:
            holder, secret = f"holder {seat}", b"secret of a hold"
            cursor = await db.owner.execute(
                "select reservation_id from rowlock.reserve_seats_atomic(%s, %s::int[], %s, null, null, null, %s, %s)",
                [show.show_id, [seat], holder, mint_id(show.show_id), secret],
            )
            [(reservation_id,)] = await cursor.fetchall()
            wish = OrderWish(show.show_id, reservation_id, secret, "Anna", "anna@example.org", {})
            _, token = await checkout.order(wish, Holder(holder))
            assert token is not None
            order = await checkout.find(token)
            assert order is not None
            _, payment = await checkout.pay(order)
            assert payment is not None
            assert payment.reference is not None
            await provider.authorize(payment.reference, CardOutcome.SUCCEED)
            advanced = await checkout.confirm(order, payment.payment_intent_id)
            assert advanced is not None
            assert advanced.order.status == "paid"

        for first in range(1, count + 1, 4):
            await asyncio.gather(*(pay(seat) for seat in range(first, min(first + 4, count + 1))))
    finally:
        await database.close()


async def refunded(db: SeatDb, show: Show) -> int:
    cursor = await db.owner.execute(
        "select count(*) from rowlock.refunds where show_id = %s and status = 'succeeded'", [show.show_id]
    )
    [(count,)] = await cursor.fetchall()
    return int(count)


async def until_refunded(db: SeatDb, show: Show, count: int) -> None:
    """Wait for so many refunds of a worker in another process; time passes in the database."""
    deadline = time.monotonic() + 120
    while await refunded(db, show) < count:
        assert time.monotonic() < deadline, f"only {await refunded(db, show)} refunds in time"
        await asyncio.sleep(0.02)


@pytest.mark.soak
async def test_a_cancelled_show_refunds_each_order_once_though_its_worker_is_killed_twice(
    db: SeatDb, scale: Scale
) -> None:
    orders = scale.cancelled_orders
    show = await db.make_show(seats=max(40, orders))
    await db.owner.execute(
        "insert into rowlock.show_prices (show_id, category, amount_minor) values (%s, 0, 2500) "
        "on conflict (show_id, price_version, category, price_type) do update set amount_minor = 2500",
        [show.show_id],
    )
    await paid_orders(db, show, orders)
    await Catalogue(Cells(DirectDatabase(db.dsns, application_name="test"))).cancel_show(show.show_id, "ill", "staff")

    for killed_at in (orders // 4, orders // 2):
        process = worker_process(db.dsns)
        await until_refunded(db, show, killed_at)
        process.kill()
        process.join()
        assert await refunded(db, show) < orders, "the worker was done before it was killed"
        await a_minute_passes(db.owner)
    process = worker_process(db.dsns)
    try:
        await until_refunded(db, show, orders)
    finally:
        process.kill()
        process.join()

    assert await money_at_the_sandbox(db.owner, show.show_id) == (orders, orders * 2500, orders * 2500)
    found = await db._owner_rows(
        "select status, count(*) as n from rowlock.ticket_orders where show_id = %s group by status", show.show_id
    )
    assert found == [{"status": "refunded", "n": orders}]
    cursor = await db.owner.execute(
        "select count(*), count(distinct order_id), sum(amount_minor)::bigint from rowlock.refunds where show_id = %s",
        [show.show_id],
    )
    assert await cursor.fetchall() == [(orders, orders, orders * 2500)]
