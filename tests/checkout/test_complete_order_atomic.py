"""complete_order_atomic: the seats of a paid-for order become sold seats with tickets."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.answers import Show, said
from tests.support.seatdb import SeatDb


async def rows(db: SeatDb, table: str, order_id: UUID) -> list[dict[str, Any]]:
    return await db._owner_rows(f"select * from rowlock.{table} where order_id = %s", order_id)


async def test_a_completed_order_owns_its_seats_and_has_a_ticket_for_each(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna", session="s-1")
    await db.age(anna, minutes=4)
    order_id = await db.order(anna)

    completed = await db.complete(show, order_id)

    assert (completed.outcome, completed.seat_ids, completed.unavailable_seat_ids) == ("OK", [1, 2], None)
    assert await db.claim_rows(show) == {1: ("sold", order_id), 2: ("sold", order_id)}
    tickets = sorted(await rows(db, "tickets", order_id), key=lambda t: t["seat_id"])
    assert [(t["seat_id"], t["status"], t["ticket_id"]) for t in tickets] == [
        (1, "valid", completed.ticket_ids[0]),
        (2, "valid", completed.ticket_ids[1]),
    ]
    (order,) = await rows(db, "ticket_orders", order_id)
    assert (order["status"], order["paid_at"] is not None) == ("paid", True)
    assert [m["kind"] for m in await rows(db, "outbox_messages", order_id)] == ["order_paid"]
    row = await db.reservation(anna)
    assert (row["status"], row["seat_ids"], row["ended_at"]) == ("completed", [1, 2], order["paid_at"])
    audit = (await db.audit(show))[-1]
    assert (audit.event, audit.reservation_id, audit.order_id, audit.seat_ids, audit.session_id) == (
        "completed", anna.reservation_id, order_id, [1, 2], "s-1",
    )  # fmt: skip
    assert 240 <= audit.metadata["held_seconds"] < 270
    assert await db.check() == []


async def test_completing_again_answers_the_same_and_issues_nothing(db: SeatDb, show: Show) -> None:
    order_id = await db.order(await db.reserve(show, seats=[1, 2], holder="anna"))

    first, again = await db.complete(show, order_id), await db.complete(show, order_id)

    assert said(first) == said(again)
    assert len(await rows(db, "tickets", order_id)) == 2
    assert len(await rows(db, "outbox_messages", order_id)) == 1
    assert [event for event, _, _ in await db.events(show)] == ["created", "completed"]


async def test_sold_seats_stay_sold_however_old_their_hold(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")
    await db.complete(show, await db.order(anna))
    await db.age(anna, minutes=60)

    assert (await db.cleanup()).total_reservations_expired == 0
    assert (await db.reserve(show, seats=[1], holder="ben")).outcome == "SEATS_UNAVAILABLE"
    assert (await db.reserve(show, seats=[2], holder="anna")).outcome == "OK"


@pytest.mark.parametrize("end", ["lapsed", "retired"])
async def test_a_late_payment_gets_the_seats_when_all_are_still_free(db: SeatDb, show: Show, end: str) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    order_id = await db.order(anna)
    await db.age(anna, minutes=11)
    if end == "retired":
        await db.cleanup()

    assert (await db.complete(show, order_id)).outcome == "OK"
    assert await db.claims(show) == {1: "sold", 2: "sold"}
    assert await db.check() == []


@pytest.mark.parametrize("claim", ["hold", "sale", "block"])
async def test_a_late_payment_never_takes_a_seat_that_has_another_claim_now(db: SeatDb, show: Show, claim: str) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    order_id = await db.order(anna)
    await db.age(anna, minutes=11)
    if claim == "block":
        await db.block(show, seats=[2])
    else:
        ben = await db.reserve(show, seats=[2], holder="ben")
        if claim == "sale":
            await db.complete(show, await db.order(ben))
    before = await db.claims(show)

    refused = await db.complete(show, order_id)

    assert (refused.outcome, refused.unavailable_seat_ids, refused.ticket_ids) == ("SEATS_UNAVAILABLE", [2], [])
    assert await db.claims(show) == before
    assert [o["status"] for o in await rows(db, "ticket_orders", order_id)] == ["pending"]
    assert await rows(db, "tickets", order_id) == []
    assert await rows(db, "outbox_messages", order_id) == []
    assert (await db.events(show))[-1] == ("failed", [1, 2], "SEATS_UNAVAILABLE")
    assert await db.check() == []


async def test_a_late_payment_gets_a_seat_whose_later_hold_has_expired(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    order_id = await db.order(anna)
    await db.age(anna, minutes=30)
    ben = await db.reserve(show, seats=[2], holder="ben")
    await db.age(ben, minutes=11)

    assert (await db.complete(show, order_id)).outcome == "OK"
    assert (await db.extend(ben)).outcome == "RESERVATION_EXPIRED"
    assert await db.check() == []


async def test_an_order_contains_exactly_the_seats_of_its_hold(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2, 3], holder="anna")

    assert (await db.complete(show, await db.order(anna, seats=[2]))).outcome == "ORDER_NOT_PAYABLE"
    assert await db.claims(show) == {1: "anna", 2: "anna", 3: "anna"}


async def test_seats_that_were_released_are_not_had_by_paying_late(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    order_id = await db.order(anna)
    await db.release(anna)

    assert (await db.complete(show, order_id)).outcome == "ORDER_NOT_PAYABLE"
    assert await db.claims(show) == {}


async def test_the_hold_of_a_late_payer_is_completed_though_it_had_expired(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")
    order_id = await db.order(anna)
    await db.age(anna, minutes=11)
    await db.cleanup()

    await db.complete(show, order_id)

    assert (await db.reservation(anna))["status"] == "completed"


async def test_an_order_that_is_missing_is_not_found(db: SeatDb, show: Show) -> None:
    order_id = await db.order(await db.reserve(show, seats=[1], holder="anna"))

    assert (await db.complete(show, uuid4())).outcome == "ORDER_NOT_FOUND"
    assert (await db.complete(await db.make_show(), order_id)).outcome == "ORDER_NOT_FOUND"


@pytest.mark.parametrize("status", ["expired", "cancelled"])
async def test_an_order_that_has_ended_is_not_payable(db: SeatDb, show: Show, status: str) -> None:
    order_id = await db.order(await db.reserve(show, seats=[1], holder="anna"), status=status)

    assert (await db.complete(show, order_id)).outcome == "ORDER_NOT_PAYABLE"
    assert await db.claims(show) == {1: "anna"}
    assert (await db.events(show))[-1] == ("failed", [1], "ORDER_NOT_PAYABLE")


async def test_an_order_without_seats_is_not_payable(db: SeatDb, show: Show) -> None:
    order_id = await db.order(await db.reserve(show, seats=[1], holder="anna"), seats=[])

    assert (await db.complete(show, order_id)).outcome == "ORDER_NOT_PAYABLE"
