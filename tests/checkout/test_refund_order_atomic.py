"""refund_order_atomic: seats, fees and amounts go back once, and never more than was paid."""

from typing import Any

import pytest

from tests.checkout.orders import PRICE, paid, rows
from tests.support.answers import Show
from tests.support.seatdb import SeatDb


async def test_a_refund_of_seats_gives_back_their_price_and_with_the_last_the_fee(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)

    first = await db.refund(show, order_id, key="a", seat_ids=[1])
    last = await db.refund(show, order_id, key="b", seat_ids=[2])

    assert (first.outcome, first.status, first.amount_minor) == ("OK", "partially_refunded", PRICE)
    assert (last.outcome, last.status, last.amount_minor) == ("OK", "refunded", PRICE + 150)
    assert await db.claims(show) == {}
    assert await db.check() == []


async def test_fees_can_be_kept_and_seats_go_to_the_house(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)

    refunded = await db.refund(show, order_id, keep_fees=True, give_back="house")

    assert (refunded.amount_minor, refunded.seat_ids) == (2 * PRICE, [1, 2])
    assert await db.claims(show) == {1: "blocked", 2: "blocked"}
    assert await db.check() == []


async def test_an_amount_alone_keeps_the_seats_and_never_exceeds_the_payment(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)

    some = await db.refund(show, order_id, key="a", amount_minor=1000)
    much = await db.refund(show, order_id, key="b", amount_minor=2 * PRICE + 150 - 999)
    rest = await db.refund(show, order_id, key="c")

    assert (some.outcome, some.status) == ("OK", "partially_refunded")
    assert (much.outcome, await db.claims(show) if rest.outcome != "OK" else {}) == ("REFUND_EXCEEDS_PAYMENT", {})
    assert (rest.outcome, rest.amount_minor, rest.status) == ("OK", 2 * PRICE + 150 - 1000, "refunded")
    assert (await db.refund(show, order_id, key="d")).outcome == "ORDER_NOT_REFUNDABLE"


async def test_all_of_the_money_alone_leaves_the_seats_to_be_given_back_later(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)

    money = await db.refund(show, order_id, key="a", amount_minor=2 * PRICE + 150)
    assert (money.outcome, money.status, await db.claims(show)) == ("OK", "partially_refunded", {1: "sold", 2: "sold"})
    assert await db.check() == []
    seats = await db.refund(show, order_id, key="b")

    assert (seats.outcome, seats.amount_minor, seats.status, await db.claims(show)) == ("OK", 0, "refunded", {})
    assert await db.check() == []


async def test_a_refund_that_failed_is_opened_again_with_its_key(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)
    first = await db.refund(show, order_id, key="a")
    await db.owner.execute("update rowlock.refunds set status = 'failed' where refund_id = %s", [first.refund_id])

    again = await db.refund(show, order_id, key="a")

    assert (again.outcome, again.refund_id) == ("OK", first.refund_id)
    assert [r["status"] for r in await rows(db, "refunds", order_id)] == ["pending"]
    kinds = [m["kind"] for m in await rows(db, "outbox_messages", order_id)]
    assert kinds.count("refund_requested") == 2


async def test_a_key_belongs_to_the_refund_of_one_order(db: SeatDb, show: Show) -> None:
    one, other = await paid(db, show, 1), await paid(db, show, 2, by="ben")
    await db.refund(show, one, key="k")

    assert (await db.refund(show, other, key="k")).outcome == "IDEMPOTENCY_KEY_REUSED"
    assert await db.claims(show) == {2: "sold"}


async def test_a_repeated_refund_answers_the_same_and_another_wish_is_refused(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)

    first = await db.refund(show, order_id, key="k", seat_ids=[1])
    again = await db.refund(show, order_id, key="k", seat_ids=[1])
    other = await db.refund(show, order_id, key="k", seat_ids=[2])

    assert (again.outcome, again.refund_id, again.amount_minor) == ("OK", first.refund_id, first.amount_minor)
    assert (other.outcome, other.refund_id) == ("IDEMPOTENCY_KEY_REUSED", first.refund_id)
    assert await db.claims(show) == {2: "sold"}
    assert (await db.refund(show, order_id, key="l", seat_ids=[1])).outcome == "SEATS_NOT_FOUND"


@pytest.mark.parametrize(
    "wish",
    [
        {"give_back": None},
        {"seat_ids": [1], "amount_minor": 5},
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"seat_ids": []},
        {"give_back": "x"},
    ],
)
async def test_a_refund_that_makes_no_sense_is_refused(db: SeatDb, show: Show, wish: dict[str, Any]) -> None:
    order_id = await paid(db, show, 1)

    assert (await db.refund(show, order_id, **wish)).outcome == "INVALID_INPUT"


async def test_a_free_order_is_given_back_without_money(db: SeatDb, show: Show) -> None:
    order_id = await db.order(await db.reserve(show, seats=[1], holder="anna"))
    await db.complete(show, order_id)

    refunded = await db.refund(show, order_id)

    assert (refunded.outcome, refunded.amount_minor, refunded.status) == ("OK", 0, "refunded")
    assert [r["status"] for r in await rows(db, "refunds", order_id)] == ["succeeded"]
    assert await db.claims(show) == {}
