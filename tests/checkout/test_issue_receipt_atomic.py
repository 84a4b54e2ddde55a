"""issue_receipt_atomic: receipts and credit notes have numbers without a gap, whoever asks at the same time."""

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from psycopg.rows import dict_row

from rowlock.base.dsns import Dsns
from rowlock.base.ids import mint_id
from tests.checkout.orders import PRICE, confirmed, held, paid, rows
from tests.support.answers import Show
from tests.support.seatdb import SeatDb

Connection = psycopg.AsyncConnection

LOCK = "where c.organization_id = v_organization and c.year = v_year\n        for update;"


async def issue(connection: Connection, show: Show, order_id: UUID, refund_id: UUID | None = None) -> dict[str, Any]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "select * from rowlock.issue_receipt_atomic(%s, %s, %s)", [show.show_id, order_id, refund_id]
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


async def numbers(db: SeatDb) -> list[int]:
    cursor = await db.owner.execute("select number from rowlock.receipts order by number")
    return [number for (number,) in await cursor.fetchall()]


async def settled(db: SeatDb, show: Show, order_id: UUID, *, key: str, **wish: object) -> UUID:
    refund_id = (await db.refund(show, order_id, key=key, **wish)).refund_id
    await db.owner.execute(
        "select * from rowlock.settle_refund_atomic(%s, %s, 'succeeded', null, null)", [show.show_id, refund_id]
    )
    return refund_id


async def test_orders_and_refunds_get_the_next_number_and_keep_it(db: SeatDb, show: Show, worker: Connection) -> None:
    first, second = await paid(db, show, 1, 2), await paid(db, show, 3, by="ben")
    refund = await settled(db, show, first, key="one", seat_ids=[1])

    found = [
        await issue(worker, show, first),
        await issue(worker, show, second),
        await issue(worker, show, first, refund),
        await issue(worker, show, first),
        await issue(worker, show, first, refund),
    ]

    assert [(row["outcome"], row["number"]) for row in found] == [("OK", n) for n in (1, 2, 3, 1, 3)]
    assert found[0]["year"] == found[0]["issued_at"].year
    assert await numbers(db) == [1, 2, 3]
    receipt, credit = await rows(db, "receipts", first)
    assert (receipt["amount_minor"], receipt["currency"], receipt["refund_id"]) == (2 * PRICE + 150, "USD", None)
    assert (credit["amount_minor"], credit["refund_id"]) == (PRICE, refund)


async def test_each_organization_counts_by_itself(db: SeatDb, show: Show, worker: Connection) -> None:
    other = await db.make_show()

    assert (await issue(worker, show, await paid(db, show, 1)))["number"] == 1
    assert (await issue(worker, other, await paid(db, other, 1)))["number"] == 1
    assert (await issue(worker, show, await paid(db, show, 2, by="ben")))["number"] == 2


async def test_the_year_is_that_of_the_venue(db: SeatDb, show: Show, worker: Connection) -> None:
    order_id = await paid(db, show, 1)
    cursor = await db.owner.execute(
        "select name from pg_timezone_names where name like 'Etc/%' "
        "order by extract(year from clock_timestamp() at time zone name), name limit 1"
    )
    ((zone,),) = await cursor.fetchall()
    await db.owner.execute("update rowlock.venues set time_zone = %s", [zone])

    row = await issue(worker, show, order_id)

    cursor = await db.owner.execute(
        "select extract(year from %s::timestamptz at time zone %s)::integer", [row["issued_at"], zone]
    )
    assert [(row["year"],)] == await cursor.fetchall()


async def test_what_was_not_paid_has_no_receipt(db: SeatDb, show: Show, worker: Connection) -> None:
    _, pending = await held(db, show, 1)
    unpaid, _ = await confirmed(db, show, 2, by="ben")
    free = await db.order(await db.reserve(show, seats=[3], holder="carl"))
    await db.complete(show, free)
    sold = await paid(db, show, 4, by="dora")
    waiting = (await db.refund(show, sold, key="waits")).refund_id

    assert [(await issue(worker, show, order))["outcome"] for order in (pending, unpaid, free)] == [
        "RECEIPT_NOT_DUE"
    ] * 3
    assert (await issue(worker, show, sold, waiting))["outcome"] == "RECEIPT_NOT_DUE"
    assert (await issue(worker, show, mint_id(show.show_id)))["outcome"] == "ORDER_NOT_FOUND"
    assert (await issue(worker, show, sold, mint_id(show.show_id)))["outcome"] == "REFUND_NOT_FOUND"
    assert await numbers(db) == []


async def test_money_that_came_twice_is_no_sale_and_its_return_no_credit(
    db: SeatDb, show: Show, worker: Connection
) -> None:
    order_id = await paid(db, show, 1)
    twice = await db.intent(show, order_id)
    late = (await db.pay(show, order_id, twice)).refund_id
    await db.owner.execute(
        "select * from rowlock.settle_refund_atomic(%s, %s, 'succeeded', null, null)", [show.show_id, late]
    )

    assert (await issue(worker, show, order_id, late))["outcome"] == "RECEIPT_NOT_DUE"


async def test_sixteen_at_once_leave_no_gap_and_no_number_twice(db: SeatDb, show: Show, dsns: Dsns) -> None:
    """Each order is asked for by two workers, and every third transaction fails after it has its number."""
    orders = [await paid(db, show, seat, by=f"buyer {seat}") for seat in range(1, 17)]

    async def ask(order_id: UUID, fails: bool) -> None:
        async with await Connection.connect(dsns.worker) as connection:
            assert (await issue(connection, show, order_id))["outcome"] == "OK"
            await (connection.rollback() if fails else connection.commit())

    await asyncio.gather(
        *(ask(order_id, number % 3 == 0) for number, order_id in enumerate(orders)),
        *(ask(order_id, False) for order_id in orders),
    )

    assert await numbers(db) == list(range(1, 17))
    cursor = await db.owner.execute("select array_agg(distinct last_number) from rowlock.receipt_counters")
    assert await cursor.fetchone() == ([16],)


async def second_while_first_is_open(
    dsns: Dsns, db: SeatDb, show: Show, *, first_fails: bool
) -> tuple[list[int], BaseException | None]:
    """The third order asks while the transaction of the second is open. Returns the numbers in the end."""
    orders = [await paid(db, show, seat, by=f"buyer {seat}") for seat in (1, 2, 3)]
    async with (
        await Connection.connect(dsns.worker) as first,
        await Connection.connect(dsns.worker, autocommit=True) as second,
    ):
        # The counter of the year is there, as it is for all but the first.
        await issue(second, show, orders[0])
        await issue(first, show, orders[1])
        asking = asyncio.create_task(issue(second, show, orders[2]))
        while not asking.done():
            cursor = await db.owner.execute("select cardinality(pg_blocking_pids(%s)) > 0", [second.info.backend_pid])
            if await cursor.fetchone() == (True,):
                break
        await (first.rollback() if first_fails else first.commit())
        await asyncio.wait([asking])
    return await numbers(db), asking.exception()


async def test_the_next_one_waits_for_the_number_before(dsns: Dsns, db: SeatDb, show: Show) -> None:
    assert await second_while_first_is_open(dsns, db, show, first_fails=False) == ([1, 2, 3], None)


async def test_a_number_of_a_transaction_that_fails_is_given_to_the_next(dsns: Dsns, db: SeatDb, show: Show) -> None:
    assert await second_while_first_is_open(dsns, db, show, first_fails=True) == ([1, 2], None)


async def change_function(db: SeatDb, *changes: tuple[str, str]) -> None:
    cursor = await db.owner.execute("select pg_get_functiondef('rowlock.issue_receipt_atomic'::regproc)")
    ((text,),) = await cursor.fetchall()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    await db.owner.execute(text)


async def test_without_the_lock_two_get_one_number(dsns: Dsns, db: SeatDb, show: Show) -> None:
    """The control: the test above fails when the counter is not locked."""
    await change_function(db, (LOCK, LOCK.replace("\n        for update", "")))

    found, failure = await second_while_first_is_open(dsns, db, show, first_fails=False)

    assert (found, type(failure)) == ([1, 2], errors.UniqueViolation)


async def test_a_sequence_would_leave_a_gap(dsns: Dsns, db: SeatDb, show: Show) -> None:
    """The control of the other test: a number of a transaction that fails is lost to a sequence."""
    await db.owner.execute("create sequence rowlock.receipt_numbers")
    await change_function(
        db,
        (LOCK, LOCK.replace("\n        for update", "")),
        ("-- step: counter_locked", "v_last := nextval('rowlock.receipt_numbers') - 1;"),
    )

    found, _ = await second_while_first_is_open(dsns, db, show, first_fails=True)

    assert found == [1, 3]


@pytest.mark.parametrize("statement", ["update rowlock.receipts set number = 7", "delete from rowlock.receipts"])
async def test_the_worker_changes_no_receipt(db: SeatDb, show: Show, worker: Connection, statement: str) -> None:
    await issue(worker, show, await paid(db, show, 1))

    with pytest.raises(errors.InsufficientPrivilege):
        await worker.execute(statement.encode())
