"""The states of orders, payments, refunds and tickets: one table that a trigger checks and a page draws."""

import re
from itertools import permutations
from typing import LiteralString

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from tests.checkout.orders import paid
from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from write_schema import STATES, drawn_states

# A table of the same name, with nothing but a state: what the others require of a row is tested elsewhere.
BARE: LiteralString = """
    create temporary table {table} (status text);
    create trigger state_change before update of status on {table}
    for each row when (old.status is distinct from new.status) execute function rowlock.refuse_state_change();
"""
STATES_OF: LiteralString = """
    select pg_get_constraintdef(k.oid) from pg_constraint as k
    where k.conrelid = ('rowlock.' || %s)::regclass and k.contype = 'c'
        and pg_get_constraintdef(k.oid) like 'CHECK ((status = ANY%%'
"""
subjects = pytest.mark.parametrize("subject", ["ticket_orders", "payment_intents", "refunds", "tickets"])


async def test_the_page_is_drawn_from_the_table(dsns: Dsns) -> None:
    page = STATES.read_text(encoding="utf-8")

    assert await drawn_states(dsns.owner, page) == page, "Run `make schema`."
    assert page.count("<!-- state_changes of ") == 4


@subjects
async def test_every_change_is_allowed_or_refused_as_the_table_says(db: SeatDb, subject: str) -> None:
    states, allowed = await states_of(db.owner, subject), await changes_of(db.owner, subject)
    await db.owner.execute(BARE.format(table=f"pg_temp.{subject}").encode())

    seen = set()
    refused = {}
    for before, after in permutations(states, 2):
        await db.owner.execute(f"truncate pg_temp.{subject}".encode())
        await db.owner.execute(f"insert into pg_temp.{subject} values (%s)".encode(), [before])
        try:
            await db.owner.execute(f"update pg_temp.{subject} set status = %s".encode(), [after])
        except psycopg.errors.CheckViolation as error:
            refused[before, after] = error.diag
        else:
            seen.add((before, after))

    assert seen == allowed
    assert {told.constraint_name for told in refused.values()} == {"state_changes"}
    assert {change: told.message_primary for change, told in refused.items()} == {
        (before, after): f"a row of {subject} that is {before} cannot become {after}" for before, after in refused
    }
    assert {state for change in allowed for state in change} <= states


@subjects
async def test_the_trigger_is_there(db: SeatDb, subject: str) -> None:
    cursor = await db.owner.execute(
        "select tgenabled::text from pg_trigger "
        "where tgrelid = ('rowlock.' || %s)::regclass and tgname = 'state_change'",
        [subject],
    )

    assert await cursor.fetchall() == [("O",)]


async def test_not_even_the_owner_brings_a_refunded_order_back(db: SeatDb) -> None:
    show: Show = await db.make_show()
    order = await paid(db, show, 1)
    await db.owner.execute("update rowlock.ticket_orders set status = 'refunded' where order_id = %s", [order])

    with pytest.raises(psycopg.errors.CheckViolation, match="that is refunded cannot become paid"):
        await db.owner.execute("update rowlock.ticket_orders set status = 'paid' where order_id = %s", [order])


async def states_of(connection: psycopg.AsyncConnection, subject: str) -> set[str]:
    [(definition,)] = await (await connection.execute(STATES_OF, [subject])).fetchall()
    return set(re.findall(r"'(\w+)'::text", definition))


async def changes_of(connection: psycopg.AsyncConnection, subject: str) -> set[tuple[str, str]]:
    cursor = await connection.execute(
        "select from_state, to_state from rowlock.state_changes where subject = %s", [subject]
    )
    return {(before, after) for before, after in await cursor.fetchall()}
