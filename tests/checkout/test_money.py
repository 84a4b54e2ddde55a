"""Orders that are paid for: how a payment begins, completing, paying and voiding them."""

from typing import Any

import pytest

from rowlock.base.ids import mint_id, show_key
from tests.checkout.orders import PRICE, confirmed, held, paid, rows, violations
from tests.support.answers import Show
from tests.support.seatdb import SeatDb


async def test_tickets_are_issued_at_confirmed_and_the_order_is_paid_when_the_money_is_captured(
    db: SeatDb, show: Show
) -> None:
    hold, order_id = await held(db, show, 1, 2)
    intent = await db.intent(show, order_id)

    completed = await db.complete(show, order_id, intent)

    assert (completed.outcome, completed.status, len(completed.ticket_ids)) == ("OK", "confirmed", 2)
    assert {show_key(ticket) for ticket in completed.ticket_ids} == {show_key(show.show_id)}
    assert [m["kind"] for m in await rows(db, "outbox_messages", order_id)] == ["order_confirmed"]
    assert (await db.reservation(hold))["status"] == "completed"

    done = await db.pay(show, order_id, intent)

    assert (done.outcome, done.status, done.refund_id) == ("OK", "paid", None)
    assert [m["kind"] for m in await rows(db, "outbox_messages", order_id)] == ["order_confirmed", "order_paid"]
    assert (await db.pay(show, order_id, intent)).status == "paid"
    assert len(await rows(db, "outbox_messages", order_id)) == 2
    assert await db.check() == []


async def test_a_payment_that_is_captured_already_and_a_free_order_are_paid_at_once(db: SeatDb, show: Show) -> None:
    _, order_id = await held(db, show, 1)
    intent = await db.intent(show, order_id, status="captured")
    free = await db.order(await db.reserve(show, seats=[2], holder="ben"))

    assert (await db.complete(show, order_id, intent)).status == "paid"
    assert (await db.complete(show, free)).status == "paid"


@pytest.mark.parametrize("status", ["requires_payment", "sent", "in_doubt", "cancelled", "failed"])
async def test_no_ticket_without_an_authorized_payment(db: SeatDb, show: Show, status: str) -> None:
    _, order_id = await held(db, show, 1)
    intent = await db.intent(show, order_id, status=status)

    assert (await db.complete(show, order_id)).outcome == "PAYMENT_NOT_AUTHORIZED"
    assert (await db.complete(show, order_id, intent)).outcome == "PAYMENT_NOT_AUTHORIZED"
    assert await rows(db, "tickets", order_id) == []
    assert await db.claims(show) == {1: "anna"}


@pytest.mark.parametrize("wrong", [{"amount_minor": 1}, {"currency": "EUR"}])
async def test_a_payment_of_another_amount_or_currency_is_none(db: SeatDb, show: Show, wrong: dict[str, Any]) -> None:
    _, order_id = await held(db, show, 1)
    intent = await db.intent(show, order_id, **wrong)

    assert (await db.complete(show, order_id, intent)).outcome == "PAYMENT_NOT_AUTHORIZED"


async def test_the_payment_of_another_order_is_none(db: SeatDb, show: Show) -> None:
    _, order_id = await held(db, show, 1)
    _, another = await held(db, show, 2, by="ben")
    intent = await db.intent(show, another)

    assert (await db.complete(show, order_id, intent)).outcome == "PAYMENT_NOT_AUTHORIZED"
    assert (await db.pay(show, order_id, intent)).outcome == "PAYMENT_NOT_FOUND"


async def test_a_free_order_takes_no_payment(db: SeatDb, show: Show) -> None:
    order_id = await db.order(await db.reserve(show, seats=[1], holder="anna"))
    intent = await db.intent(show, order_id, amount_minor=0)

    assert (await db.complete(show, order_id, intent)).outcome == "PAYMENT_NOT_AUTHORIZED"


@pytest.mark.parametrize(
    "wrong",
    [
        {"total_minor": 1, "fee_minor": 0},
        {"total_minor": 2 * PRICE + 1},
        {"currency": "EUR"},
        {"seats": [1]},
        {"seats": [1, 2, 3]},
        {"seats": [1, 99_999]},
        {"seats": []},
    ],
)
async def test_an_order_that_is_not_what_it_has_to_be_is_not_payable(
    db: SeatDb, show: Show, wrong: dict[str, Any]
) -> None:
    hold = await db.reserve(show, seats=[1, 2], holder="anna")
    order_id = await db.order(hold, **({"price_minor": PRICE} | wrong))
    intent = await db.intent(show, order_id)

    assert (await db.complete(show, order_id, intent)).outcome == "ORDER_NOT_PAYABLE"
    assert await db.claims(show) == {1: "anna", 2: "anna"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("paused", "OK"), ("closed", "OK"), ("cancelled", "SHOW_NOT_ON_SALE"), ("draft", "SHOW_NOT_ON_SALE")],
)
async def test_a_paused_or_closed_show_completes_what_was_held_before(
    db: SeatDb, show: Show, status: str, outcome: str
) -> None:
    _, order_id = await held(db, show, 1)
    intent = await db.intent(show, order_id)
    await db.set_show(show, status=status)

    assert (await db.complete(show, order_id, intent)).outcome == outcome


async def test_a_replay_is_recognised_in_every_later_state(db: SeatDb, show: Show) -> None:
    order_id, intent = await confirmed(db, show, 1, 2)
    tickets = (await db.complete(show, order_id, intent)).ticket_ids
    states = []
    await db.pay(show, order_id, intent)
    states.append(await db.complete(show, order_id, intent))
    await db.refund(show, order_id, key="one", seat_ids=[1])
    states.append(await db.complete(show, order_id, intent))
    await db.refund(show, order_id, key="rest")
    states.append(await db.complete(show, order_id, intent))

    assert [(state.outcome, state.status) for state in states] == [
        ("OK", "paid"), ("OK", "partially_refunded"), ("OK", "refunded"),
    ]  # fmt: skip
    assert all(state.ticket_ids == tickets for state in states)


async def test_a_late_payer_takes_over_her_own_newer_hold(db: SeatDb, show: Show) -> None:
    hold, order_id = await held(db, show, 1, 2)
    intent = await db.intent(show, order_id)
    await db.age(hold, minutes=11)
    newer = await db.reserve(show, seats=[1, 2], holder="anna")

    completed = await db.complete(show, order_id, intent)

    assert (completed.outcome, await db.claims(show)) == ("OK", {1: "sold", 2: "sold"})
    assert (await db.reservation(hold))["status"] == "completed"
    assert (await db.reservation(newer))["status"] == "released"
    assert await db.check() == []


async def test_a_newer_hold_keeps_what_the_order_does_not_contain(db: SeatDb, show: Show) -> None:
    hold, order_id = await held(db, show, 1, 2)
    intent = await db.intent(show, order_id)
    await db.age(hold, minutes=11)
    newer = await db.reserve(show, seats=[2, 3], holder="anna")

    assert (await db.complete(show, order_id, intent)).outcome == "OK"

    assert await db.claims(show) == {1: "sold", 2: "sold", 3: "anna"}
    assert (await db.reservation(newer))["seat_ids"] == [3]
    assert await db.check() == []


async def test_a_refused_completion_leaves_every_expired_claim_as_it_was(db: SeatDb, show: Show) -> None:
    hold, order_id = await held(db, show, 1, 2, 3)
    intent = await db.intent(show, order_id)
    await db.age(hold, minutes=30)
    lapsed = await db.reserve(show, seats=[1], holder="ben")
    await db.age(lapsed, minutes=11)
    await db.reserve(show, seats=[3], holder="carl")
    before = await db.claim_rows(show)

    assert (await db.complete(show, order_id, intent)).unavailable_seat_ids == [3]
    assert await db.claim_rows(show) == before
    assert await db.check() == []


# While the provider has the payment, the seats stay as they are.


@pytest.mark.parametrize("status", ["sent", "in_doubt", "authorized", "captured"])
async def test_the_seats_of_an_order_that_is_being_paid_neither_change_nor_are_given_back(
    db: SeatDb, show: Show, status: str
) -> None:
    hold, order_id = await held(db, show, 1, 2)
    await db.intent(show, order_id, status=status)

    assert (await db.change(hold, add=[3])).outcome == "ORDER_BEING_PAID"
    assert (await db.change(hold, remove=[1])).outcome == "ORDER_BEING_PAID"
    assert (await db.release(hold)).outcome == "ORDER_BEING_PAID"
    assert (await db.extend(hold)).outcome == "OK"
    assert await db.claims(show) == {1: "anna", 2: "anna"}
    assert [o["status"] for o in await rows(db, "ticket_orders", order_id)] == ["pending"]


@pytest.mark.parametrize("end", ["change", "release"])
async def test_before_that_a_change_cancels_the_order_in_the_same_step(db: SeatDb, show: Show, end: str) -> None:
    hold, order_id = await held(db, show, 1, 2)
    intent = await db.intent(show, order_id, status="requires_payment")

    result = await (db.change(hold, add=[3]) if end == "change" else db.release(hold))

    assert result.outcome == "OK"
    assert [o["status"] for o in await rows(db, "ticket_orders", order_id)] == ["cancelled"]
    assert [i["status"] for i in await rows(db, "payment_intents", order_id)] == ["cancelled"]
    assert (await db.complete(show, order_id, intent)).outcome == "ORDER_NOT_PAYABLE"
    if end == "change":
        again = await db.order(hold, seats=[1, 2, 3], price_minor=PRICE)
        assert (await db.complete(show, again, await db.intent(show, again))).outcome == "OK"
    assert await db.check() == []


async def test_a_payment_begins_once(db: SeatDb, show: Show) -> None:
    hold, order_id = await held(db, show, 1)
    first, second = mint_id(show.show_id), mint_id(show.show_id)

    begun = await db.begin_payment(show, order_id, first)
    again = await db.begin_payment(show, order_id, second)

    assert (begun.outcome, begun.status, begun.amount_minor, begun.currency) == ("OK", "sent", PRICE + 150, "USD")
    assert (again.outcome, again.payment_intent_id) == ("OK", first)
    assert (await db.release(hold)).outcome == "ORDER_BEING_PAID"
    await db.set_intent(show, first, "failed")
    assert (await db.release(hold)).outcome == "OK"
    assert (await db.begin_payment(show, order_id, second)).outcome == "ORDER_NOT_PAYABLE"


# Voids and refunds.


async def test_a_confirmed_order_whose_money_cannot_be_had_is_voided(db: SeatDb, show: Show) -> None:
    order_id, intent = await confirmed(db, show, 1, 2)

    voided = await db.void(show, order_id)

    assert (voided.outcome, voided.status, voided.released_seat_ids) == ("OK", "voided", [1, 2])
    assert await db.claims(show) == {}
    assert {t["status"] for t in await rows(db, "tickets", order_id)} == {"void"}
    assert (await db.void(show, order_id)).outcome == "OK"
    assert (await db.complete(show, order_id, intent)).status == "voided"
    assert (await db.reserve(show, seats=[1, 2], holder="ben")).outcome == "OK"
    assert await db.check() == []


async def test_money_that_comes_after_a_void_is_given_back_by_itself(db: SeatDb, show: Show) -> None:
    order_id, intent = await confirmed(db, show, 1)
    await db.void(show, order_id)

    late, again = await db.pay(show, order_id, intent), await db.pay(show, order_id, intent)

    assert (late.status, late.refund_id is not None, again.refund_id) == ("voided", True, None)
    (refund,) = await rows(db, "refunds", order_id)
    assert (refund["status"], refund["amount_minor"]) == ("pending", PRICE + 150)


async def test_a_paid_order_is_not_voided(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1)

    assert (await db.void(show, order_id)).outcome == "ORDER_NOT_VOIDABLE"
    assert await db.claims(show) == {1: "sold"}


async def test_no_payment_begins_for_an_order_that_has_ended(db: SeatDb, show: Show) -> None:
    hold, order_id = await held(db, show, 1)
    intent = await db.intent(show, order_id, status="requires_payment")
    await db.release(hold)

    assert (await db.begin_payment(show, order_id, intent)).outcome == "ORDER_NOT_PAYABLE"


async def test_money_of_an_attempt_that_had_failed_is_recorded_beside_another_attempt(db: SeatDb, show: Show) -> None:
    _, order_id = await held(db, show, 1)
    failed = await db.intent(show, order_id, status="failed")
    live = await db.intent(show, order_id)
    assert (await db.complete(show, order_id, live)).status == "confirmed"

    first, second = await db.pay(show, order_id, failed), await db.pay(show, order_id, live)

    assert (first.status, first.refund_id, second.refund_id is not None) == ("paid", None, True)
    assert [r["amount_minor"] for r in await rows(db, "refunds", order_id)] == [PRICE + 150]
    assert await violations(db) == []


async def test_a_newer_hold_whose_order_is_being_paid_keeps_its_seats(db: SeatDb, show: Show) -> None:
    hold, order_id = await held(db, show, 1, 2)
    intent = await db.intent(show, order_id)
    await db.age(hold, minutes=60)
    newer, newer_order = await held(db, show, 2, 3)
    await db.intent(show, newer_order, status="sent")

    assert (await db.complete(show, order_id, intent)).unavailable_seat_ids == [2]
    assert (await db.reservation(newer))["seat_ids"] == [2, 3]
    assert await db.claims(show) == {2: "anna", 3: "anna"}


async def test_a_newer_hold_that_is_taken_over_loses_its_order(db: SeatDb, show: Show) -> None:
    hold, order_id = await held(db, show, 1, 2)
    intent = await db.intent(show, order_id)
    await db.age(hold, minutes=60)
    _, newer_order = await held(db, show, 2, 3)

    assert (await db.complete(show, order_id, intent)).outcome == "OK"
    assert [o["status"] for o in await rows(db, "ticket_orders", newer_order)] == ["cancelled"]
    assert await violations(db) == []
