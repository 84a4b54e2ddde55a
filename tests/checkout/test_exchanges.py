"""Exchanges: a ticket moves to another seat or show, the money follows, and no moment leaves two tickets or none."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rowlock.checkout import exchange_store, store
from rowlock.checkout.providers.payment_provider import PaymentStatus
from tests.checkout.exchange_world import CHEAP, DEAR, PRICE, ExchangeWorld
from tests.checkout.orders import rows
from tests.support.seatdb import SeatDb


@pytest.fixture
async def world(db: SeatDb) -> ExchangeWorld:
    return await ExchangeWorld.make(db)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same show", "another show"])
async def test_a_ticket_moves_to_a_seat_of_the_same_price(world: ExchangeWorld, elsewhere: bool) -> None:
    old = await world.buy(1, 2)
    before = world.provider.calls.count("create")

    done = await world.exchange(old, {1: 5}, to=world.there if elsewhere else None)

    assert (done.outcome, done.due_minor, done.surplus_minor) == ("OK", 0, 0)
    assert done.order is not None
    assert (done.order.status, done.order.total_minor, done.order.fee_minor, done.order.credit_minor) == (
        "paid",
        PRICE,
        0,
        PRICE,
    )
    assert await world.tickets() == {"here": [2] if elsewhere else [2, 5], "there": [5] if elsewhere else []}
    assert (await world.order(old.show_id, old.order_id)).status == "partially_refunded"
    assert world.provider.calls.count("create") == before
    assert 1 not in await world.db.claims(world.here)
    assert ("exchanged", [1], None) in await world.db.events(world.here)
    await world.assert_settled()


async def test_a_dearer_seat_is_paid_for_before_the_tickets_change(world: ExchangeWorld) -> None:
    old = await world.buy(1)

    done = await world.exchange(old, {1: 31}, to=world.there)

    assert (done.outcome, done.due_minor) == ("OK", DEAR - PRICE)
    assert done.order is not None
    assert done.order.status == "pending"
    assert await world.tickets() == {"here": [1], "there": []}
    await world.pay(done.order)
    assert await world.tickets() == {"here": [1], "there": []}
    await world.work_off()
    assert await world.tickets() == {"here": [], "there": [31]}
    assert world.provider.kept_minor() == DEAR + 150
    again = await world.exchange(old, {1: 31}, to=world.there)
    assert again.order is not None
    assert (again.outcome, again.order.order_id, again.order.status) == ("OK", done.order.order_id, "paid")
    await world.assert_settled()


async def test_for_a_cheaper_seat_the_surplus_goes_back(world: ExchangeWorld) -> None:
    old = await world.buy(1, 2)

    done = await world.exchange(old, {1: 21, 2: 22})

    assert (done.outcome, done.due_minor, done.surplus_minor) == ("OK", 0, 2 * (PRICE - CHEAP))
    assert (await world.order(old.show_id, old.order_id)).status == "refunded"
    await world.work_off()
    assert world.provider.kept_minor() == 2 * CHEAP + 150
    await world.assert_settled()


async def test_a_free_ticket_moves_and_one_that_was_paid_in_part_counts_for_what_is_left(world: ExchangeWorld) -> None:
    await world.db.owner.execute("update rowlock.show_prices set amount_minor = 0 where category = 2")
    free = await world.buy(21, holder="fritz")
    old = await world.buy(1)
    await world.db.refund(world.here, old.order_id, key="some", amount_minor=1000)

    moved = await world.exchange(free, {21: 22}, key="free")
    part = await world.exchange(old, {1: 2}, key="part")

    assert (moved.outcome, moved.due_minor) == ("OK", 0)
    # The fee is left of the payment, and is not part of what a seat is worth beyond its price.
    assert (part.outcome, part.due_minor) == ("OK", 1000 - 150)
    assert part.order is not None
    await world.pay(part.order)
    await world.work_off()
    assert await world.tickets() == {"here": [2, 22], "there": []}


async def test_a_free_ticket_moves_to_one_that_costs_something_only_when_that_is_paid(world: ExchangeWorld) -> None:
    await world.db.owner.execute("update rowlock.show_prices set amount_minor = 0 where category = 2")
    free = await world.buy(21)

    done = await world.exchange(free, {21: 1})

    assert done.order is not None
    assert done.due_minor == PRICE
    await world.pay(done.order)
    assert (await world.order(done.order.show_id, done.order.order_id)).status == "confirmed"
    await world.work_off()
    assert await world.tickets() == {"here": [1], "there": []}
    await world.assert_settled()


async def test_a_ticket_is_exchanged_again_and_refunded_from_every_payment(world: ExchangeWorld) -> None:
    old = await world.buy(1)
    dear = (await world.exchange(old, {1: 31}, to=world.there, key="a")).order
    assert dear is not None
    await world.pay(dear)
    await world.work_off()
    back = (
        await world.exchange(await world.order(dear.show_id, dear.order_id), {31: 32}, to=world.here, key="b")
    ).order
    assert back is not None
    assert (back.status, back.credit_minor) == ("paid", DEAR)

    refunded = await world.db.refund(world.here, back.order_id)
    repeated = await world.db.refund(world.here, back.order_id)

    assert (refunded.outcome, refunded.amount_minor, refunded.status) == ("OK", DEAR, "refunded")
    assert (repeated.refund_id, repeated.amount_minor) == (refunded.refund_id, DEAR)
    parts = await rows(world.db, "refunds", back.order_id)
    assert sorted(part["amount_minor"] for part in parts) == [DEAR - PRICE, PRICE]
    await world.work_off()
    assert world.provider.kept_minor() == 150
    assert await world.tickets() == {"here": [], "there": []}
    await world.assert_settled()


async def test_one_key_is_one_exchange(world: ExchangeWorld) -> None:
    old = await world.buy(1, 2)
    first = await world.exchange(old, {1: 5})

    again = await world.exchange(old, {1: 5})
    other = await world.exchange(old, {2: 6})

    assert first.order is not None
    assert again.order is not None
    assert (again.outcome, again.order.order_id, str(again.token)) == ("OK", first.order.order_id, str(first.token))
    assert other.outcome == "IDEMPOTENCY_KEY_REUSED"
    assert await world.tickets() == {"here": [2, 5], "there": []}


async def test_sixteen_requests_with_one_key_are_one_exchange(world: ExchangeWorld) -> None:
    old = await world.buy(1)

    answers = await asyncio.gather(*(world.staff().exchange(world.wish(old, {1: 5})) for _ in range(16)))

    assert len({answer.order.order_id for answer in answers if answer.order is not None}) == 1
    assert await world.tickets() == {"here": [5], "there": []}
    await world.assert_settled()


async def spoil_used(world: ExchangeWorld) -> None:
    await world.db.owner.execute("update rowlock.tickets set status = 'used', used_at = clock_timestamp()")


async def spoil_refunded(world: ExchangeWorld) -> None:
    [order] = await world.db._owner_rows("select order_id from rowlock.ticket_orders")
    await world.db.refund(world.here, order["order_id"], key="all")


async def spoil_refunded_seat(world: ExchangeWorld) -> None:
    [order] = await world.db._owner_rows("select order_id from rowlock.ticket_orders")
    await world.db.refund(world.here, order["order_id"], key="one", seat_ids=[1])


async def spoil_cancelled(world: ExchangeWorld) -> None:
    await world.db.owner.execute(
        "update rowlock.shows set status = 'cancelled' where show_id = %s", [world.here.show_id]
    )


async def spoil_disputed(world: ExchangeWorld) -> None:
    await world.db.owner.execute(
        "insert into rowlock.disputes (show_id, dispute_id, payment_intent_id, provider, provider_reference, "
        "provider_status, amount_minor, currency, reason) "
        "select show_id, gen_random_uuid(), payment_intent_id, provider, 'dp_1', 'needs_response', amount_minor, "
        "currency, 'fraudulent' from rowlock.payment_intents"
    )


async def spoil_organization(world: ExchangeWorld) -> None:
    await world.db.owner.execute(
        "update rowlock.shows set organization_id = "
        "(select max(organization_id::text)::uuid from rowlock.organizations) where show_id = %s",
        [world.there.show_id],
    )


async def spoil_currency(world: ExchangeWorld) -> None:
    await world.db.owner.execute("update rowlock.shows set currency = 'EUR' where show_id = %s", [world.there.show_id])


async def spoil_sales(world: ExchangeWorld) -> None:
    await world.db.set_show(world.there, status="paused")


async def spoil_seat(world: ExchangeWorld) -> None:
    await world.db.reserve(world.there, seats=[5], holder="ben")


async def spoil_price(world: ExchangeWorld) -> None:
    await world.db.owner.execute("delete from rowlock.show_prices where show_id = %s", [world.there.show_id])


@pytest.mark.parametrize(
    ("spoil", "outcome"),
    [
        (spoil_used, "TICKET_USED"),
        (spoil_refunded, "ORDER_NOT_EXCHANGEABLE"),
        (spoil_refunded_seat, "SEATS_NOT_FOUND"),
        (spoil_cancelled, "SHOW_NOT_ON_SALE"),
        (spoil_disputed, "PAYMENT_DISPUTED"),
        (spoil_organization, "SHOWS_DIFFER"),
        (spoil_currency, "SHOWS_DIFFER"),
        (spoil_sales, "SHOW_NOT_ON_SALE"),
        (spoil_seat, "SEATS_UNAVAILABLE"),
        (spoil_price, "PRICE_TYPE_NOT_FOUND"),
    ],
)
async def test_what_cannot_be_exchanged(
    world: ExchangeWorld, spoil: Callable[[ExchangeWorld], Awaitable[None]], outcome: str
) -> None:
    old = await world.buy(1, 2)
    await spoil(world)
    before = await world.tickets()

    done = await world.exchange(old, {1: 5}, to=world.there)

    assert (done.outcome, done.order) == (outcome, None)
    assert await world.tickets() == before
    assert set((await world.db.claims(world.there)).values()) <= {"ben"}


async def test_a_pending_order_cannot_be_exchanged(world: ExchangeWorld) -> None:
    order_id = await world.db.order(await world.db.reserve(world.here, seats=[1], holder="anna"), price_minor=PRICE)

    done = await world.exchange(await world.order(world.here.show_id, order_id), {1: 5})

    assert done.outcome == "ORDER_NOT_EXCHANGEABLE"


@pytest.mark.parametrize("at_once", [False, True], ids=["authorized", "captured at once"])
async def test_tickets_refunded_while_the_difference_is_paid_take_the_new_order_back(
    world: ExchangeWorld, at_once: bool
) -> None:
    world.provider.captures_at_once = at_once
    old = await world.buy(1)
    done = await world.exchange(old, {1: 31}, to=world.there)
    assert done.order is not None
    assert (await world.db.refund(world.here, old.order_id, keep_fees=True)).outcome == "OK"
    await world.pay(done.order)

    await world.work_off()

    assert (await world.order(done.order.show_id, done.order.order_id)).status == "voided"
    assert await world.tickets() == {"here": [], "there": []}
    assert world.provider.kept_minor() == 150
    assert (await world.exchange(old, {1: 31}, to=world.there)).outcome == "ORDER_NOT_EXCHANGEABLE"
    await world.assert_settled()


async def test_a_difference_that_is_never_paid_leaves_the_old_tickets(world: ExchangeWorld) -> None:
    old = await world.buy(1)
    done = await world.exchange(old, {1: 31})
    assert done.order is not None
    await world.db.owner.execute(
        "update rowlock.ticket_orders set expires_at = clock_timestamp() where status = 'pending'"
    )
    await world.db.owner.execute(
        "update rowlock.seat_reservations set created_at = created_at - interval '1 hour', "
        "expires_at = expires_at - interval '1 hour' where status = 'active'"
    )
    await world.db.owner.execute(
        "update rowlock.show_seats set reserved_until = reserved_until - interval '1 hour' where status = 'reserved'"
    )
    await world.db.cleanup()

    await world.work_off()

    assert (await world.exchange(old, {1: 31})).outcome == "ORDER_NOT_PAYABLE"
    assert await world.tickets() == {"here": [1], "there": []}
    await world.assert_settled()


async def test_a_capture_that_is_refused_leaves_the_old_tickets(world: ExchangeWorld) -> None:
    old = await world.buy(1)
    done = await world.exchange(old, {1: 31})
    assert done.order is not None
    outcome, payment = await world.checkout.pay(done.order)
    assert payment is not None, outcome
    assert payment.reference is not None
    world.provider.authorize(payment.reference)

    def gone(call: str) -> None:
        if call == "capture":
            world.provider._put(world.provider.payments[payment.reference or ""], status=PaymentStatus.FAILED)

    world.provider.fail = gone
    await world.checkout.confirm(done.order, payment.payment_intent_id)

    await world.work_off()
    assert await world.tickets() == {"here": [1], "there": []}
    assert (await world.order(done.order.show_id, done.order.order_id)).status == "voided"
    await world.assert_settled()


async def test_two_staff_exchange_one_ticket_at_once(world: ExchangeWorld) -> None:
    old = await world.buy(1)

    one, other = await asyncio.gather(
        world.staff().exchange(world.wish(old, {1: 5}, key="one")),
        world.staff().exchange(world.wish(old, {1: 6}, to=world.there, key="other")),
    )

    assert sorted([one.outcome == "OK", other.outcome == "OK"]) == [False, True]
    assert {one.outcome, other.outcome} <= {"OK", "ORDER_NOT_EXCHANGEABLE", "SEATS_NOT_FOUND"}
    tickets = await world.tickets()
    assert len(tickets["here"]) + len(tickets["there"]) == 1
    await world.assert_settled()


async def test_an_exchange_and_a_refund_of_the_old_ticket_at_once(world: ExchangeWorld) -> None:
    for attempt in range(4):
        old = await world.buy(1, 2, holder=f"anna {attempt}")
        async with world.db.another() as other:
            done, refunded = await asyncio.gather(
                world.staff().exchange(world.wish(old, {1: 5}, key=f"x{attempt}")),
                other.refund(world.here, old.order_id, key=f"r{attempt}", seat_ids=[1]),
            )
        assert (done.outcome == "OK") != (refunded.outcome == "OK"), (done.outcome, refunded.outcome)
        assert await world.tickets() == {"here": [2, 5] if done.outcome == "OK" else [2], "there": []}
        await world.assert_settled()
        left = "select order_id from rowlock.ticket_orders where status in ('paid', 'partially_refunded')"
        for order in await world.db._owner_rows(left):
            await world.db.refund(world.here, order["order_id"], key=f"end {order['order_id']}")


async def test_an_exchange_and_a_rival_for_the_new_seat_at_once(world: ExchangeWorld) -> None:
    old = await world.buy(1)

    async with world.db.another() as other:
        done, rival = await asyncio.gather(
            world.exchange(old, {1: 5}, to=world.there), other.reserve(world.there, seats=[5], holder="ben")
        )

    assert (done.outcome == "OK") != (rival.outcome == "OK")
    assert await world.tickets() == ({"here": [], "there": [5]} if done.outcome == "OK" else {"here": [1], "there": []})
    await world.assert_settled()


@pytest.mark.parametrize("which", ["here", "there"])
@pytest.mark.parametrize("when", ["pending", "confirmed"])
async def test_a_show_that_is_cancelled_meanwhile_gives_all_of_its_money_back(
    world: ExchangeWorld, which: str, when: str
) -> None:
    old = await world.buy(1)
    done = await world.exchange(old, {1: 31}, to=world.there)
    assert done.order is not None
    if when == "confirmed":
        await world.pay(done.order)
    await world.db.cancel_show(world.here if which == "here" else world.there)

    await world.work_off()

    assert await world.tickets() == ({"here": [], "there": []} if which == "here" else {"here": [1], "there": []})
    assert world.provider.kept_minor() == (0 if which == "here" else PRICE + 150)
    await world.assert_settled()


class CrashError(Exception):
    """The process is gone."""


STEPS = {
    "begin_exchange": exchange_store,
    "make_exchange_order": exchange_store,
    "complete_order": store,
    "give_up_tickets": exchange_store,
    "finish_exchange": exchange_store,
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("goes_on", ["by the same request", "by the worker"])
async def test_a_crash_at_any_step_leaves_one_ticket(
    world: ExchangeWorld, monkeypatch: pytest.MonkeyPatch, step: str, moment: str, goes_on: str
) -> None:
    old = await world.buy(1)
    real = getattr(STEPS[step], step)

    async def crashes(*given: Any, **named: Any) -> Any:
        if moment == "after":
            await real(*given, **named)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(STEPS[step], step, crashes)
        with pytest.raises(CrashError):
            await world.exchange(old, {1: 25}, to=world.there)

    if goes_on == "by the same request":
        assert (await world.staff().exchange(world.wish(old, {1: 25}, to=world.there))).outcome == "OK"
    await world.work_off()
    tickets = await world.tickets()
    sold = ["begin_exchange", "make_exchange_order", "complete_order"].index(step) if step in list(STEPS)[:3] else 3
    is_done = goes_on == "by the same request" or sold == 3 or (step, moment) == ("complete_order", "after")
    assert tickets == ({"here": [], "there": [25]} if is_done else {"here": [1], "there": []})
    await world.assert_settled()


async def test_a_show_cancelled_between_the_decision_and_the_end_gives_back_what_was_credited(
    world: ExchangeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await world.buy(1)
    done = await world.exchange(old, {1: 31}, to=world.there)
    assert done.order is not None
    await world.pay(done.order)

    async def crashes(*_: Any, **__: Any) -> Any:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(exchange_store, "finish_exchange", crashes)
        with pytest.raises(CrashError):
            await world.exchanges.finish(done.order.show_id, done.order.order_id)
    await world.db.cancel_show(world.there)

    await world.work_off()

    assert await world.tickets() == {"here": [], "there": []}
    assert world.provider.kept_minor() == 150
    await world.assert_settled()
