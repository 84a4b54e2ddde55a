"""Chargebacks: what is recorded of them, what they do to refunds, and what the ledger has of their money."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from rowlock.base.ids import mint_id
from rowlock.database.connections import WORKER_ROLE
from tests.checkout.orders import PRICE, confirmed, rows, violations
from tests.support.answers import Show
from tests.support.seatdb import SeatDb

DUE = datetime.now(UTC) + timedelta(days=7)


async def paid(db: SeatDb, show: Show, *seats: int) -> tuple[UUID, UUID]:
    order_id, intent = await confirmed(db, show, *seats)
    assert (await db.pay(show, order_id, intent)).status == "paid"
    return order_id, intent


async def dispute(
    db: SeatDb,
    show: Show,
    intent: UUID,
    status: str = "opened",
    *,
    amount: int = 2 * PRICE + 150,
    withdrawn: int | None = None,
    fee: int = 1500,
    currency: str = "USD",
    reference: str = "dp_1",
) -> dict[str, Any]:
    taken = (0 if status == "won" else amount) if withdrawn is None else withdrawn
    async with db.in_role(WORKER_ROLE), db.app.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "select * from rowlock.record_dispute_atomic(%s, %s, %s, %s, %s, 'as told', %s, %s, %s, %s, 'fraud', %s)",
            [
                show.show_id, intent, mint_id(show.show_id), reference, status, amount, taken, fee, currency, DUE,
            ],
        )  # fmt: skip
        [row] = await cursor.fetchall()
    return row


async def ledger(db: SeatDb, show: Show) -> dict[str, int]:
    """What is on each account of the ledger."""
    cursor = await db.owner.execute(
        "select account, sum(amount_minor)::bigint from rowlock.ledger_entries where show_id = %s group by account",
        [show.show_id],
    )
    return dict(await cursor.fetchall())


async def test_an_open_dispute_is_recorded_once_and_leaves_seats_and_tickets(db: SeatDb, show: Show) -> None:
    order_id, intent = await paid(db, show, 1, 2)
    total = 2 * PRICE + 150

    first = await dispute(db, show, intent)
    again = await dispute(db, show, intent)

    assert (first["outcome"], first["status"]) == ("OK", "opened")
    assert again["dispute_id"] == first["dispute_id"]
    assert await db.claims(show) == {1: "sold", 2: "sold"}
    assert {ticket["status"] for ticket in await rows(db, "tickets", order_id)} == {"valid"}
    assert [event for event, _, _ in await db.events(show)].count("disputed") == 1
    assert await ledger(db, show) == {"provider": -1500, "sales": -total, "disputed": total, "fees": 1500}
    assert await violations(db) == []


async def test_a_won_dispute_brings_the_money_back_and_is_not_opened_again(db: SeatDb, show: Show) -> None:
    _, intent = await paid(db, show, 1, 2)
    total = 2 * PRICE + 150
    await dispute(db, show, intent)

    won = await dispute(db, show, intent, "won")
    stale = await dispute(db, show, intent, "opened")

    assert won["status"] == stale["status"] == "won"
    assert await ledger(db, show) == {"provider": total - 1500, "sales": -total, "disputed": 0, "fees": 1500}
    assert [event for event, _, _ in await db.events(show)][-1] == "dispute_won"
    assert await violations(db) == []


async def test_an_inquiry_takes_no_money(db: SeatDb, show: Show) -> None:
    _, intent = await paid(db, show, 1, 2)
    total = 2 * PRICE + 150

    await dispute(db, show, intent, withdrawn=0, fee=0)

    assert await ledger(db, show) == {"provider": total, "sales": -total}
    assert await violations(db) == []


async def test_what_is_disputed_is_not_refunded_and_the_rest_is(db: SeatDb, show: Show) -> None:
    order_id, intent = await paid(db, show, 1, 2)
    await dispute(db, show, intent, amount=PRICE)

    whole = await db.refund(show, order_id, key="whole")
    seat = await db.refund(show, order_id, key="seat", seat_ids=[1])

    assert (whole.outcome, seat.outcome) == ("PAYMENT_DISPUTED", "OK")
    assert await db.claims(show) == {2: "sold"}
    assert await violations(db) == []


async def test_after_a_lost_dispute_a_refund_gives_the_seats_back_and_no_money(db: SeatDb, show: Show) -> None:
    order_id, intent = await paid(db, show, 1, 2)
    await dispute(db, show, intent)
    assert (await db.refund(show, order_id, key="open")).outcome == "PAYMENT_DISPUTED"
    await dispute(db, show, intent, "lost")
    assert await db.claims(show) == {1: "sold", 2: "sold"}

    money = await db.refund(show, order_id, key="money", amount_minor=1)
    given = await db.refund(show, order_id, key="lost")

    assert money.outcome == "REFUND_EXCEEDS_PAYMENT"
    assert (given.outcome, given.amount_minor, given.status) == ("OK", 0, "refunded")
    assert await db.claims(show) == {}
    assert await violations(db) == []


async def test_after_a_won_dispute_everything_can_be_refunded(db: SeatDb, show: Show) -> None:
    order_id, intent = await paid(db, show, 1, 2)
    await dispute(db, show, intent)
    await dispute(db, show, intent, "won")

    assert (await db.refund(show, order_id)).outcome == "OK"


async def test_a_cancelled_show_leaves_a_disputed_order_until_its_dispute_ends(db: SeatDb, show: Show) -> None:
    order_id, intent = await paid(db, show, 1, 2)
    await dispute(db, show, intent)

    assert (await db.cancel_show(show)).orders_left == 0
    [waiting] = await rows(db, "ticket_orders", order_id)
    await dispute(db, show, intent, "won")
    cursor = await db.owner.execute("select count(*) from rowlock.outbox_messages where kind = 'show_cancelled'")
    assert await cursor.fetchall() == [(2,)]  # The second one has a worker cancel what is left.
    await db.cancel_show(show)

    assert waiting["status"] == "paid"
    [ended] = await rows(db, "ticket_orders", order_id)
    assert ended["status"] == "refunded"
    assert await violations(db) == []


async def test_what_is_no_dispute_of_this_payment_is_refused(db: SeatDb, show: Show) -> None:
    _, intent = await paid(db, show, 1, 2)
    _, other = await confirmed(db, show, 3, by="ben")
    await dispute(db, show, intent)

    assert (await dispute(db, show, other))["outcome"] == "INVALID_INPUT"
    assert (await dispute(db, show, intent, currency="EUR", reference="dp_2"))["outcome"] == "INVALID_INPUT"
    assert (await dispute(db, show, intent, amount=0, reference="dp_2"))["outcome"] == "INVALID_INPUT"
    assert (await dispute(db, show, mint_id(show.show_id)))["outcome"] == "PAYMENT_NOT_FOUND"
