"""Refunds that have failed are tried again, also those of money that came too late."""

from typing import Any
from uuid import UUID, uuid4

import psycopg

from rowlock.operations.service import Operations
from tests.checkout.test_purchases import PRICE, buyer
from tests.checkout.test_refunds_on_their_way import Back, back_with, paid, provider_sum, refund_of, show
from tests.support.answers import Show
from tests.support.scripted_provider import ScriptedProvider
from tests.support.seatdb import SeatDb

Connection = psycopg.AsyncConnection
__all__ = ["show"]


async def retry(worker: Connection, show: Show, order_id: UUID) -> tuple[Any, ...]:
    cursor = await worker.execute(
        "select outcome, cardinality(refund_ids), amount_minor from rowlock.retry_refunds_atomic(%s, %s, 'Mara')",
        [show.show_id, order_id],
    )
    [row] = await cursor.fetchall()
    return row


async def fail(back: Back, provider: ScriptedProvider) -> None:
    """What is pending at the provider fails there."""
    await back.outbox()
    provider.fail_refunds("no balance")
    await back.reconcile()
    provider.refunds_pending = False


async def test_a_failed_refund_is_tried_again_and_a_repeated_call_changes_nothing(
    db: SeatDb, show: Show, worker: Connection
) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    one = await refund_of(db, show, provider)
    await fail(back, provider)
    assert await back.statuses() == ["failed"]

    done = await retry(worker, show, one.order.order_id)
    again = await retry(worker, show, one.order.order_id)
    await back.outbox()

    assert (done, again) == (("OK", 1, PRICE), ("OK", 0, 0))
    assert await back.statuses() == ["succeeded"]
    assert await provider_sum(db) == provider.kept_minor() == 0
    assert await retry(worker, show, one.order.order_id) == ("OK", 0, 0)
    logged = [row for row in await db.audit(show) if (row.metadata or {}).get("operation") == "retry_refunds"]
    assert [(row.event, row.actor) for row in logged] == [("refunded", "Mara")]
    assert await db.check() == []


async def test_money_that_came_too_late_is_given_back_at_the_second_try(
    db: SeatDb, show: Show, worker: Connection
) -> None:
    provider = ScriptedProvider(refunds_pending=True, captures_at_once=True)
    back = back_with(db, worker, provider)
    one = await buyer(db, show, provider, 1, holder="late")
    await db.owner.execute("update rowlock.ticket_orders set status = 'expired'")
    provider.authorize(one.reference)
    assert await one.confirm() == "expired"
    await fail(back, provider)
    assert await back.statuses() == ["failed"]

    done = await retry(worker, show, one.order.order_id)
    await back.outbox()

    assert done == ("OK", 1, PRICE)
    assert await back.statuses() == ["succeeded"]
    assert await provider_sum(db) == provider.kept_minor() == 0


async def test_what_was_given_back_in_another_way_meanwhile_is_not_given_back_again(
    db: SeatDb, show: Show, worker: Connection
) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    one = await refund_of(db, show, provider)
    await fail(back, provider)
    await db.owner.execute(
        "select rowlock.record_refund_atomic(show_id, payment_intent_id, gen_random_uuid(), 1, 'by hand', 'Mara') "
        "from rowlock.payment_intents"
    )

    assert await retry(worker, show, one.order.order_id) == ("REFUND_EXCEEDS_PAYMENT", 0, 0)
    assert "failed" in await back.statuses()


async def test_what_a_bank_wants_back_is_not_refunded(db: SeatDb, show: Show, worker: Connection) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)
    one = await refund_of(db, show, provider)
    await fail(back, provider)
    await db.owner.execute(
        "select rowlock.record_dispute_atomic(show_id, payment_intent_id, gen_random_uuid(), 'dp_1', 'opened', "
        "'as told', amount_minor, amount_minor, 0, currency, 'fraud', null) from rowlock.payment_intents"
    )

    assert await retry(worker, show, one.order.order_id) == ("PAYMENT_DISPUTED", 0, 0)


async def test_an_order_that_is_not_there_is_told(show: Show, worker: Connection) -> None:
    assert await retry(worker, show, uuid4()) == ("ORDER_NOT_FOUND", 0, 0)


async def test_the_doctor_warns_of_refunds_that_failed_or_wait_for_days(
    db: SeatDb, show: Show, worker: Connection
) -> None:
    provider = ScriptedProvider(refunds_pending=True)
    back = back_with(db, worker, provider)

    async def told() -> tuple[str, str]:
        found = await Operations(back.cells).examine_database(db.dsns.owner, pool_size=4)
        [refunds] = [diagnosis for diagnosis in found if diagnosis.name == "refunds"]
        return refunds.verdict, refunds.found

    assert (await told())[0] == "ok"
    await refund_of(db, show, provider)
    await fail(back, provider)
    provider.refunds_pending = True
    await paid(db, show, provider, 2)
    await refund_of(db, show, provider, 3)
    await back.outbox()
    assert await told() == ("warning", "1 failed within 30 days, 0 not settled after 3 days")
    await db.owner.execute("update rowlock.refunds set created_at = created_at - interval '73 hours'")
    assert await told() == ("warning", "1 failed within 30 days, 1 not settled after 3 days")
