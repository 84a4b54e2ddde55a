"""cancel_show_atomic: every hold and order of the show ends, and what was paid goes back."""

import pytest

from rowlock.base.ids import mint_id
from tests.checkout.orders import PRICE, confirmed, held, paid, rows
from tests.support.answers import Show
from tests.support.seatdb import SeatDb


async def test_a_cancelled_show_ends_everything_and_refunds_every_paid_order(db: SeatDb, show: Show) -> None:
    live = await db.reserve(show, seats=[1], holder="anna")
    _, pending = await held(db, show, 2, by="ben")
    unpaid, intent = await confirmed(db, show, 3, by="carl")
    sold = await paid(db, show, 4, 5, by="dora")
    partly = await paid(db, show, 6, 7, by="eve")
    await db.refund(show, partly, key="x", seat_ids=[6])
    await db.block(show, seats=[9])

    first = await db.cancel_show(show, limit=2)
    while (left := await db.cancel_show(show, limit=2)).orders_left:
        assert left.outcome == "OK"

    assert (first.outcome, first.holds_released, first.orders_left) == ("OK", 2, 2)
    states = {pending: "cancelled", unpaid: "voided", sold: "refunded", partly: "refunded"}
    for order_id, status in states.items():
        assert [o["status"] for o in await rows(db, "ticket_orders", order_id)] == [status]
    assert sum(r["amount_minor"] for r in await rows(db, "refunds", sold)) == 2 * PRICE + 150
    assert sum(r["amount_minor"] for r in await rows(db, "refunds", partly)) == 2 * PRICE + 150
    assert await db.claims(show) == {9: "blocked"}
    assert (await db.reservation(live))["status"] == "released"
    assert (await db.pay(show, unpaid, intent)).refund_id is not None
    assert (await db.reserve(show, seats=[20], holder="finn")).outcome == "SHOW_NOT_ON_SALE"
    assert await db.check() == []


async def test_money_of_a_pending_order_is_given_back_when_its_show_is_cancelled(db: SeatDb, show: Show) -> None:
    _, order_id = await held(db, show, 1)
    await db.intent(show, order_id, status="captured")

    await db.cancel_show(show)

    assert [r["amount_minor"] for r in await rows(db, "refunds", order_id)] == [PRICE + 150]


@pytest.mark.parametrize("status", ["requires_payment", None])
async def test_no_payment_begins_in_a_cancelled_show(db: SeatDb, show: Show, status: str | None) -> None:
    _, order_id = await held(db, show, 1)
    intent = mint_id(show.show_id) if status is None else await db.intent(show, order_id, status=status)
    await db.cancel_show(show)

    assert (await db.begin_payment(show, order_id, intent)).outcome == "SHOW_NOT_ON_SALE"
    assert {i["status"] for i in await rows(db, "payment_intents", order_id)} <= {"cancelled"}
