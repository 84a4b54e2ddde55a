"""rowlock order: look at an order, refund it, and note that it was paid at the desk."""

from asyncio import to_thread

import pytest

from rowlock.cli.exits import ExitCode
from tests.checkout.orders import held, paid, rows
from tests.cli.conftest import Invoke
from tests.support.answers import Show
from tests.support.seatdb import SeatDb


async def test_an_order_is_shown_by_its_id_and_by_its_code(rowlock: Invoke, db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)
    await db.owner.execute("update rowlock.ticket_orders set order_code = 'K7M2XQ4T' where order_id = %s", [order_id])

    by_id = await to_thread(rowlock, "order", "show", order_id, "--json")
    by_code = await to_thread(rowlock, "order", "show", "k7m2-xq4t", "--json")
    text = (await to_thread(rowlock, "order", "show", "K7M2XQ4T")).out

    assert by_id.code == 0, by_id.err
    assert by_code.document["order_id"] == by_id.document["order_id"] == str(order_id)
    assert [line["seat_id"] for line in by_id.document["lines"]] == [1, 2]
    assert "paid" in text
    assert "K7M2XQ4T" in text
    assert "token" not in str(by_id.document)


@pytest.mark.parametrize("name", ["NOSUCH99", "00000000-0000-8000-8000-000000000000", "' or true"])
async def test_an_order_that_is_not_there_is_refused(rowlock: Invoke, db: SeatDb, show: Show, name: str) -> None:
    await paid(db, show, 1)

    for command in (("show", name), ("refund", name, "--reason", "ill"), ("mark-paid", name, "--by", "Mara")):
        done = await to_thread(rowlock, "order", *command)
        assert done.code == ExitCode.REFUSED
        assert "There is no order" in done.err


async def test_seats_are_refunded_once_with_a_key_and_never_more_than_was_paid(
    rowlock: Invoke, db: SeatDb, show: Show
) -> None:
    order_id = await paid(db, show, 1, 2)
    refund = ("order", "refund", order_id, "--reason", "ill", "--seat", "1", "--key", "ill-1", "--json")

    first, again = await to_thread(rowlock, *refund), await to_thread(rowlock, *refund)
    too_much = await to_thread(rowlock, "order", "refund", order_id, "--reason", "x", "--amount-minor", "99999999")
    both = await to_thread(rowlock, "order", "refund", order_id, "--reason", "x", "--amount-minor", "1", "--seat", "2")

    assert first.code == 0, first.err
    assert first.document == again.document
    assert len(await rows(db, "refunds", order_id)) == 1
    assert (too_much.code, both.code) == (ExitCode.REFUSED, ExitCode.REFUSED)
    assert "more than is left" in too_much.err
    assert sorted(await db.claims(show)) == [2]


async def test_an_order_is_marked_paid_where_its_organization_is_paid_by_hand(
    rowlock: Invoke, db: SeatDb, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, order_id = await held(db, show, 1)
    refused = await to_thread(rowlock, "order", "mark-paid", order_id, "--by", "Mara")
    monkeypatch.setenv("ROWLOCK_PAYMENT_PROVIDER", "manual")

    done = await to_thread(rowlock, "order", "mark-paid", order_id, "--by", "Mara", "--json")
    again = await to_thread(rowlock, "order", "mark-paid", order_id, "--by", "Mara", "--json")

    assert refused.code == ExitCode.REFUSED
    assert "not paid by hand" in refused.err
    assert done.code == 0, done.err
    assert done.document["status"] == again.document["status"] == "paid"
    [payment] = await rows(db, "payment_intents", order_id)
    assert (payment["provider"], payment["status"]) == ("manual", "captured")
    assert (await db.claims(show))[1] == "sold"


async def test_a_ticket_is_issued_again(rowlock: Invoke, db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)

    done = await to_thread(rowlock, "order", "reissue", order_id, "--seat", "2", "--reason", "stolen", "--json")
    text = await to_thread(rowlock, "order", "reissue", order_id, "--seat", "2", "--reason", "stolen")
    wrong = await to_thread(rowlock, "order", "reissue", order_id, "--seat", "3", "--reason", "stolen")

    assert done.document == {"order_id": str(order_id), "seat_id": 2, "revision": 2}
    assert "has a new code" in text.out
    assert (wrong.code, "no ticket for this seat" in wrong.err) == (ExitCode.REFUSED, True)
    assert {ticket["seat_id"]: ticket["revision"] for ticket in await rows(db, "tickets", order_id)} == {1: 1, 2: 3}
