"""Processes that are killed with `kill -9` at each recovery point of a purchase.

Each point is a moment after something became durable and before the next step. The process kills itself there; another
one takes over, with a buyer who comes back or without. Time passes in the database, not on a clock.
"""

from collections.abc import Iterator

import pytest
from psycopg.rows import dict_row

from rowlock.base.dsns import Dsns
from rowlock.base.ids import mint_id
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.operations.service import Operations
from rowlock.reservations.model import ReservationToken
from tests.api.conftest import put_on_sale
from tests.support import purchase_story
from tests.support.answers import Reserved, Show
from tests.support.purchase_story import (
    BEFORE_THE_BUYER_PAYS,
    POINTS,
    a_minute_passes,
    killed_in_the_story,
    money_at_the_sandbox,
    refund_with_new_keys,
    sandbox_on,
    story,
    work,
)
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

IN_THE_SOAK = pytest.mark.soak("pg18", "pg15", full=True)
# A plain run kills at the points where the next process finds something half done.
PLAIN = {
    "the payment is recorded as sent",
    "the payment is made at the provider",
    "the seats are sold",
    "the money is captured",
    "the money is back",
}
SOME = [pytest.param(point, marks=IN_THE_SOAK if number % 2 else ()) for number, point in enumerate(POINTS)]
SOME_WITHOUT_BUYER = [pytest.param(point, marks=() if point in PLAIN else IN_THE_SOAK) for point in POINTS]
SECRET = b"secret of a hold"
PRICE = 5000
LEFT = """
    select
        (select array_agg(status) from rowlock.ticket_orders where show_id = %(show)s) as orders,
        (select array_agg(status order by status) from rowlock.tickets where show_id = %(show)s) as tickets,
        (select array_agg(kind order by kind) from rowlock.mails where show_id = %(show)s) as mails,
        (select count(*) from rowlock.payment_intents where show_id = %(show)s and status <> 'captured') as open,
        (select count(*) from rowlock.outbox_messages where show_id = %(show)s and done_at is null) as to_do,
        (
            select count(*) from rowlock.payment_idempotency_keys
            where show_id = %(show)s and locked_until > clock_timestamp()
        ) as locked
"""


@pytest.fixture(scope="module")
def dsns(server: TestServer) -> Iterator[Dsns]:
    """One database for the file: each crash has a show of its own."""
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture
async def show(db: SeatDb) -> Show:
    return await put_on_sale(db.owner)


async def held_seats(db: SeatDb, show: Show) -> tuple[Reserved, str]:
    """A hold of two seats, and its token."""
    hold = await db.reserve(show, seats=[1, 2], holder="anna", reservation_id=mint_id(show.show_id), secret=SECRET)
    assert hold.outcome == "OK"
    return hold, str(ReservationToken(show.show_id, hold.reservation_id, SECRET))


async def assert_bought_and_refunded_once(db: SeatDb, show: Show) -> None:
    """One charge, one refund of one ticket, one set of tickets, one mail of each kind, and nothing left to do."""
    assert await money_at_the_sandbox(db.owner, show.show_id) == (1, 2 * PRICE, PRICE)
    async with db.owner.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LEFT, {"show": show.show_id})
        found = await cursor.fetchall()
    assert found == [
        {
            "orders": ["partially_refunded"],
            "tickets": ["valid", "void"],
            "mails": ["order_paid", "refund_succeeded"],
            "open": 0,
            "to_do": 0,
            "locked": 0,
        }
    ]
    await assert_sound(db, show)


async def assert_sound(db: SeatDb, show: Show) -> None:
    """The ledger is what the provider says, and no invariant is broken."""
    _, captured, refunded = await money_at_the_sandbox(db.owner, show.show_id)
    cursor = await db.owner.execute(
        "select coalesce(sum(amount_minor) filter (where account = 'provider'), 0)::bigint, "
        "coalesce(sum(amount_minor), 0)::bigint from rowlock.ledger_entries where show_id = %s",
        [show.show_id],
    )
    assert await cursor.fetchall() == [(captured - refunded, 0)]
    report = await Operations(Cells(DirectDatabase(db.dsns, application_name="test"))).check_invariants()
    assert [one for one in report.results if one.violations_total] == []
    assert await db.check() == []


@pytest.mark.soak("pg15", full=True)
@pytest.mark.parametrize("point", SOME)
async def test_a_buyer_who_comes_back_after_a_crash_has_bought_once(db: SeatDb, show: Show, point: str) -> None:
    _, hold_token = await held_seats(db, show)

    assert killed_in_the_story(db.dsns, hold_token, point)
    await a_minute_passes(db.owner)
    await story(db.dsns, hold_token)

    await assert_bought_and_refunded_once(db, show)


@pytest.mark.soak("pg15", full=True)
@pytest.mark.parametrize("point", SOME_WITHOUT_BUYER)
async def test_a_purchase_ends_by_itself_when_the_buyer_does_not_come_back(db: SeatDb, show: Show, point: str) -> None:
    hold, hold_token = await held_seats(db, show)
    assert killed_in_the_story(db.dsns, hold_token, point)

    for _ in range(3):
        await a_minute_passes(db.owner)
        await work(db.dsns, sandbox_on(db.dsns))
    if point in BEFORE_THE_BUYER_PAYS:
        await db.age(hold, minutes=120)
        await db.owner.execute(
            "update rowlock.ticket_orders set created_at = created_at - interval '2 hours', "
            "expires_at = expires_at - interval '2 hours' where show_id = %s",
            [show.show_id],
        )
        for _ in range(3):
            await a_minute_passes(db.owner)
            await work(db.dsns, sandbox_on(db.dsns))

    payments, captured, _ = await money_at_the_sandbox(db.owner, show.show_id)
    paid = point not in BEFORE_THE_BUYER_PAYS
    assert (payments, captured) == ((1, 2 * PRICE) if paid else (0, 0))
    found = await db._owner_rows(
        "select o.status, (select count(*) from rowlock.tickets as t where t.show_id = o.show_id) as tickets, "
        "(select count(*) from rowlock.payment_intents as i where i.show_id = o.show_id "
        "and i.status in ('requires_payment', 'sent', 'in_doubt', 'authorized')) as on_their_way "
        "from rowlock.ticket_orders as o where o.show_id = %s",
        show.show_id,
    )
    [order] = found
    refunded = list(POINTS).index(point) >= list(POINTS).index("a refund is opened")
    status = ("partially_refunded" if refunded else "paid") if paid else "expired"
    assert order == {"status": status, "tickets": 2 if paid else 0, "on_their_way": 0}
    await assert_sound(db, show)


@pytest.mark.soak("pg15", full=True)
async def test_a_key_of_a_process_that_died_is_free_after_thirty_seconds(db: SeatDb, show: Show) -> None:
    _, hold_token = await held_seats(db, show)
    assert killed_in_the_story(db.dsns, hold_token, "the key is claimed")

    cursor = await db.owner.execute(
        "select locked_until <= clock_timestamp() + interval '30 seconds' from rowlock.payment_idempotency_keys "
        "where show_id = %s",
        [show.show_id],
    )
    assert await cursor.fetchall() == [(True,)]


@pytest.mark.soak("pg15", full=True)
async def test_a_refund_whose_key_changes_is_found(db: SeatDb, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: where a repeated refund is a new one, the tests above fail."""
    _, hold_token = await held_seats(db, show)
    assert killed_in_the_story(db.dsns, hold_token, "the money is back", mistake=True)
    refund_with_new_keys(monkeypatch.setattr)

    await a_minute_passes(db.owner)
    await story(db.dsns, hold_token)

    assert await money_at_the_sandbox(db.owner, show.show_id) == (1, 2 * PRICE, 2 * PRICE), (
        "the ticket, given back twice"
    )
    with pytest.raises(AssertionError, match=f"{2 * PRICE} != {PRICE}"):
        await assert_bought_and_refunded_once(db, show)


@pytest.mark.soak("pg18", "pg15", full=True)
async def test_a_crash_after_any_statement_leaves_one_purchase(db: SeatDb) -> None:
    for statement in range(1, 10_000):
        show = await put_on_sale(db.owner)
        _, hold_token = await held_seats(db, show)
        was_killed = killed_in_the_story(db.dsns, hold_token, statement)
        await a_minute_passes(db.owner)
        await purchase_story.story(db.dsns, hold_token)
        await assert_bought_and_refunded_once(db, show)
        if not was_killed:
            assert statement > len(POINTS)
            return
