"""rowlock order exchange, and what rowlock order show, disputes and reconcile say of exchanged orders."""

from asyncio import to_thread
from uuid import UUID

import pytest

from rowlock.base.ids import mint_id
from rowlock.cli.exits import ExitCode
from tests.checkout.orders import confirmed, held, rows
from tests.cli.conftest import Invoke
from tests.support.answers import Show
from tests.support.seatdb import SeatDb

PRICE = 2500


@pytest.fixture
async def paid(db: SeatDb, show: Show) -> UUID:
    """A paid order for seats 1 and 2, at a price that all seats have; its payment is known at the sandbox as pay_1."""
    await db.owner.execute(
        "insert into rowlock.show_prices (show_id, category, price_type, amount_minor) "
        "select distinct s.show_id, t.category, 'adult', %s from rowlock.shows as s "
        "join rowlock.seats as t using (plan_id) "
        "on conflict (show_id, price_version, category, price_type) do update set amount_minor = excluded.amount_minor",
        [PRICE],
    )
    order_id, intent = await confirmed(db, show, 1, 2)
    await db.owner.execute(
        "update rowlock.payment_intents set provider = 'sandbox', provider_reference = 'pay_1', "
        "account = 'installation'"
    )
    assert (await db.pay(show, order_id, intent)).status == "paid"
    return order_id


async def test_a_ticket_is_exchanged_once_with_a_key_and_both_orders_tell_of_it(
    rowlock: Invoke, db: SeatDb, show: Show, paid: UUID
) -> None:
    command = ("order", "exchange", paid, "--seat", "1=5", "--reason", "asked", "--key", "x1", "--json")

    first, again = await to_thread(rowlock, *command), await to_thread(rowlock, *command)

    assert first.code == 0, first.err
    assert first.document == again.document
    assert (first.document["status"], first.document["credit_minor"], first.document["due_minor"]) == ("paid", PRICE, 0)
    new = first.document["order_id"]
    assert await db.claims(show) == {2: "sold", 5: "sold"}
    old_text = (await to_thread(rowlock, "order", "show", paid)).out
    new_text = (await to_thread(rowlock, "order", "show", new)).out
    assert f"seat 1 for order {new}: 25.00 USD credited" in old_text
    assert f"order {paid}, 25.00 USD of it credited" in new_text
    [link] = (await to_thread(rowlock, "order", "show", paid, "--json")).document["exchanges"]
    assert (link["order_id"], link["status"], link["credit_minor"]) == (new, "given_up", PRICE)


async def test_a_dispute_is_told_at_both_orders_and_in_the_list(
    rowlock: Invoke, db: SeatDb, show: Show, paid: UUID
) -> None:
    made = await to_thread(rowlock, "order", "exchange", paid, "--seat", "1=5", "--reason", "asked", "--json")
    [payment] = await rows(db, "payment_intents", paid)
    await db.owner.execute(
        "select rowlock.record_dispute_atomic(%s, %s, %s, 'dp_1', 'opened', 'needs_response', 5150, 5150, 0, 'USD', "
        "'fraudulent', null)",
        [show.show_id, payment["payment_intent_id"], mint_id(show.show_id)],
    )

    for order in (paid, made.document["order_id"]):
        shown = await to_thread(rowlock, "order", "show", order)
        assert "opened: 51.50 USD, fraudulent" in shown.out
        [told] = (await to_thread(rowlock, "order", "show", order, "--json")).document["disputes"]
        assert (told["reference"], told["order_id"]) == ("dp_1", str(paid))
    refused = await to_thread(
        rowlock, "order", "exchange", made.document["order_id"], "--seat", "5=6", "--reason", "asked"
    )
    refund = await to_thread(rowlock, "order", "refund", made.document["order_id"], "--reason", "ill")
    assert (refused.code, refund.code) == (ExitCode.REFUSED, ExitCode.REFUSED)
    assert "bank has taken the money back" in refused.err
    assert "bank has taken the money back" in refund.err
    listed = await to_thread(rowlock, "disputes")
    assert "dp_1" in listed.out
    assert "51.50 USD" in listed.out
    assert [one["reference"] for one in (await to_thread(rowlock, "disputes", "--json")).document] == ["dp_1"]
    assert (await to_thread(rowlock, "disputes", "--all", "--json")).document[0]["status"] == "opened"


async def test_what_cannot_be_exchanged_is_refused_in_words(
    rowlock: Invoke, db: SeatDb, show: Show, paid: UUID
) -> None:
    _, pending = await held(db, show, 7, by="ben")
    for order, seats, reason in (
        (paid, "1", "Write seats as OLD=NEW"),
        (paid, "1=x", "x is no seat id"),
        (paid, "9=5", "has no seat 9"),
        (paid, "1=7", "is paid:"),
        (pending, "7=8", "Only tickets that were paid"),
    ):
        done = await to_thread(rowlock, "order", "exchange", order, "--seat", seats, "--reason", "asked")
        assert done.code == ExitCode.REFUSED, seats
        assert reason in done.err
    twice = ("order", "exchange", paid, "--seat", "1=5", "--seat", "2=5", "--reason", "asked")
    assert "named twice" in (await to_thread(rowlock, *twice)).err
    assert await db.claims(show) == {1: "sold", 2: "sold", 7: "ben"}


async def test_reconcile_says_what_agrees_and_exits_with_1_when_something_does_not(
    rowlock: Invoke, db: SeatDb, show: Show, paid: UUID
) -> None:
    differs = await to_thread(rowlock, "reconcile", "--json")
    text = await to_thread(rowlock, "reconcile")
    await db.owner.execute(
        "insert into rowlock.sandbox_payments (reference, account, create_key, show_id, order_id, payment_intent_id, "
        "amount_minor, currency, description, status, captured_minor) "
        "select provider_reference, account, 'k', show_id, order_id, payment_intent_id, amount_minor, currency, 'x', "
        "'captured', amount_minor from rowlock.payment_intents"
    )
    made = await to_thread(rowlock, "order", "exchange", paid, "--seat", "1=5", "--reason", "asked", "--json")
    agrees = await to_thread(rowlock, "reconcile", "--json")
    wrong = await to_thread(rowlock, "reconcile", "--since", "tomorrow")

    assert differs.code == ExitCode.REFUSED
    assert [one["kind"] for one in differs.document["left"]] == ["missing_there"]
    assert "For you to decide:" in text.out
    assert made.code == 0, made.err
    assert (agrees.code, agrees.document["ok"], agrees.document["left"]) == (0, True, [])
    assert agrees.document["accounts"][0]["payments_compared"] == 1
    assert (wrong.code, "--since is a day or an instant" in wrong.err) == (ExitCode.USAGE, True)
