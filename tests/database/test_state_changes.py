"""The states of orders, payments, refunds and tickets: a table, from which a page is drawn."""

import re
from typing import LiteralString

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from tests.checkout.orders import paid
from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from tests.support.state_guard import GUARDED, guard_states
from write_schema import STATES, drawn_states

STATES_OF: LiteralString = """
    select pg_get_constraintdef(k.oid) from pg_constraint as k
    where k.conrelid = ('rowlock.' || %s)::regclass and k.contype = 'c'
        and pg_get_constraintdef(k.oid) like 'CHECK ((status = ANY%%'
"""


async def test_the_page_is_drawn_from_the_table(dsns: Dsns) -> None:
    page = STATES.read_text(encoding="utf-8")

    assert await drawn_states(dsns.owner, page) == page, "Run `make schema`."
    assert page.count("<!-- state_changes of ") == len(GUARDED)


@pytest.mark.parametrize("subject", GUARDED)
async def test_the_table_names_every_state_and_no_other(owner: psycopg.AsyncConnection, subject: str) -> None:
    [(definition,)] = await (await owner.execute(STATES_OF, [subject])).fetchall()
    cursor = await owner.execute("select from_state, to_state from rowlock.state_changes where subject = %s", [subject])

    named = {state for change in await cursor.fetchall() for state in change}

    assert named == set(re.findall(r"'(\w+)'::text", definition))


async def test_the_guard_of_the_tests_sees_a_change_that_is_not_listed(db: SeatDb, show: Show) -> None:
    await guard_states(db.owner)
    order_id = await paid(db, show, 1)
    await db.refund(show, order_id)

    with pytest.raises(psycopg.errors.RaiseException, match="that is refunded cannot become paid"):
        await db.owner.execute("update rowlock.ticket_orders set status = 'paid' where order_id = %s", [order_id])


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [
        ("sent", "sent", "sent"),
        ("sent", "authorized", "authorized"),
        ("authorized", "sent", "authorized"),
        ("authorized", "in_doubt", "in_doubt"),
        ("in_doubt", "sent", "sent"),
        ("in_doubt", "failed", "failed"),
        ("captured", "cancelled", "captured"),
        ("cancelled", "authorized", "cancelled"),
        ("failed", "sent", "failed"),
    ],
)
async def test_a_providers_word_changes_a_payment_as_the_table_says(
    db: SeatDb, show: Show, before: str, told: str, after: str
) -> None:
    hold = await db.reserve(show, seats=[1], holder="anna")
    intent = await db.intent(show, await db.order(hold, price_minor=1000), status=before)

    [answer] = await db._owner_rows(
        "select status from rowlock.record_payment_atomic(%s, %s, %s, null, null, null)", show.show_id, intent, told
    )

    assert answer["status"] == after
