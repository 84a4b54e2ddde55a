"""What buyers are told by mail: the outbox with these handlers, on a real database and to a real mail server."""

import pytest

from rowlock.catalogue.service import Catalogue
from rowlock.checkout import notices, store
from rowlock.mail.post import Mails
from tests.checkout.notice_world import World
from tests.checkout.orders import PRICE, confirmed, held, paid, rows
from tests.support.mail_sink import body


async def test_a_paid_order_is_confirmed_with_its_tickets_and_the_number_of_its_receipt(world: World) -> None:
    order_id = await paid(world.db, world.show, 1, 2)

    (mail,) = await world.work()

    (order,) = await rows(world.db, "ticket_orders", order_id)
    (receipt,) = await rows(world.db, "receipts", order_id)
    assert mail["Subject"] == "Your tickets: An Evening of Dance, Dec 19"
    assert mail["To"] == "Anna <anna@example.org>"
    assert mail["Message-ID"] == f"<order_paid.{order_id}@example.org>"
    text, html = body(mail, "plain"), body(mail, "html")
    for told in (
        "Moonlight Dance Studio",
        "See you on December 19",
        "Saturday, December 19, 2026, 7:30 PM (America/New_York, UTC-05:00)",
        "Doors open at 7:00 PM",
        "12 Harbor Street",
        "25.00 USD",
        "1.50 USD",
        "51.50 USD",
        f"Receipt {receipt['year']}-000001",
        order["order_code"],
    ):
        assert told in text
        assert told in html
    assert f"https://tickets.example.org/orders/{order_id}?a=1&b=2" in text
    assert f"https://tickets.example.org/orders/{order_id}?a=1&amp;b=2" in html
    (attached,) = mail.iter_attachments()
    assert attached.get_filename() == "order_paid.pdf"
    assert str(receipt["year"]).encode() in (attached.get_payload(decode=True) or b"")
    assert await world.work() == []
    (record,) = await Mails(world.cells).list_mails()
    assert (record.status, record.kind, record.order_id) == ("sent", "order_paid", order_id)
    assert await world.db.check() == []


async def test_a_free_order_gets_its_tickets_and_no_receipt(world: World) -> None:
    order_id = await world.db.order(await world.db.reserve(world.show, seats=[1], holder="anna"))
    await world.db.complete(world.show, order_id)

    (mail,) = await world.work()

    assert "There is nothing to pay." in body(mail, "plain")
    assert "Receipt" not in body(mail, "plain")
    assert len(list(mail.iter_attachments())) == 1


async def test_a_buyer_whose_seats_are_gone_is_told_that_there_is_no_charge(world: World) -> None:
    _, order_id = await held(world.db, world.show, 1)
    await world.db.owner.execute(
        "select * from rowlock.end_order_atomic(%s, %s, 'SEATS_UNAVAILABLE')", [world.show.show_id, order_id]
    )

    (mail,) = await world.work()

    assert mail["Subject"] == "No tickets, no charge: An Evening of Dance, Dec 19"
    assert "another buyer has them now" in " ".join(body(mail, "plain").split())
    assert "You are not charged." in body(mail, "html")
    assert await rows(world.db, "receipts", order_id) == []


async def test_a_buyer_who_has_paid_already_is_told_that_the_money_comes_back(world: World) -> None:
    _, order_id = await held(world.db, world.show, 1)
    intent = await world.db.intent(world.show, order_id)
    await world.db.owner.execute(
        "select * from rowlock.end_order_atomic(%s, %s, 'SEATS_UNAVAILABLE')", [world.show.show_id, order_id]
    )
    await world.db.pay(world.show, order_id, intent)

    (mail,) = await world.work()
    await world.settle_refunds()
    (refund,) = await world.work()

    assert mail["Subject"] == "No tickets, money back: An Evening of Dance, Dec 19"
    assert refund["Subject"] == "Returned: 26.50 USD for An Evening of Dance, Dec 19"
    assert "came after your order had ended" in " ".join(body(refund, "plain").split())
    assert await rows(world.db, "receipts", order_id) == []


async def test_a_payment_problem_is_told(world: World) -> None:
    order_id, _ = await confirmed(world.db, world.show, 1)
    await world.db.void(world.show, order_id)

    (mail,) = await world.work()

    assert mail["Subject"] == "Payment problem, no tickets: An Evening of Dance, Dec 19"
    assert "You are not charged." in body(mail, "plain")


async def test_a_refund_is_told_with_its_credit_note(world: World) -> None:
    order_id = await paid(world.db, world.show, 1, 2)
    await world.work()
    await world.db.refund(world.show, order_id, key="one", seat_ids=[2])
    await world.settle_refunds()

    (mail,) = await world.work()

    _, credit = await rows(world.db, "receipts", order_id)
    assert mail["Subject"] == "Returned: 25.00 USD for An Evening of Dance, Dec 19"
    assert f"Credit note {credit['year']}-000002" in body(mail, "plain")
    assert "Your ticket for An Evening of Dance was returned and is void now." in " ".join(body(mail, "html").split())
    assert [part.get_filename() for part in mail.iter_attachments()] == ["refund_succeeded.pdf"]


async def test_a_refund_that_is_worked_on_before_the_confirmation_gets_the_later_number(world: World) -> None:
    order_id = await paid(world.db, world.show, 1)
    await world.db.refund(world.show, order_id)
    await world.settle_refunds()
    await world.db.owner.execute(
        "update rowlock.outbox_messages set next_attempt_at = clock_timestamp() + interval '1 hour' "
        "where kind = 'order_paid'"
    )

    await world.work()

    receipt, credit = sorted(await rows(world.db, "receipts", order_id), key=lambda row: row["number"])
    assert (receipt["refund_id"], credit["number"]) == (None, 2)
    assert credit["refund_id"] is not None


async def test_a_refund_that_failed_is_told_to_staff_and_not_to_the_buyer(world: World) -> None:
    order_id = await paid(world.db, world.show, 1)
    await world.work()
    await world.db.refund(world.show, order_id)
    await world.settle_refunds("failed")

    assert await world.work() == []

    (given_up,) = await Mails(world.cells).list_given_up()
    assert given_up.kind == "refund_failed"
    assert "card closed" in (given_up.error or "")


async def test_everyone_is_told_of_a_cancelled_show(world: World) -> None:
    await paid(world.db, world.show, 1, 2)
    await confirmed(world.db, world.show, 3, by="ben")
    free = await world.db.order(await world.db.reserve(world.show, seats=[4], holder="carl"))
    await world.db.complete(world.show, free)
    await world.work()
    await world.db.cancel_show(world.show)
    await world.settle_refunds()

    mails = await world.work()

    subjects = sorted(mail["Subject"] for mail in mails)
    assert subjects == [
        "Cancelled, no charge: An Evening of Dance, Dec 19",
        "Cancelled: An Evening of Dance, Dec 19",
        "Cancelled: An Evening of Dance, Dec 19",
    ]
    texts = [" ".join(body(mail, "plain").split()) for mail in mails]
    assert all("An Evening of Dance was cancelled" in text for text in texts)
    assert sum("51.50 USD is on its way back" in text for text in texts) == 1
    assert sum("Your tickets are void." in text for text in texts) == 2


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1) //",
    "</title></style><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<!--[if mso]><a href=http://evil.example>x</a><![endif]-->",
    "\u202egnp.exe",
    "x\r\nBcc: eve@example.org\r\n\r\n<b>",
    "=?utf-8?q?x=0D=0ABcc=3A_eve=40example=2Eorg?=",
]


async def test_names_and_titles_are_text_and_nothing_else(world: World) -> None:
    for seat, text in enumerate(HOSTILE, start=1):
        order_id = await paid(world.db, world.show, seat, by=f"buyer {seat}")
        await world.db.owner.execute("update rowlock.shows set title = %s", [text])
        await world.db.owner.execute("update rowlock.venues set name = %s, address = %s", [text, text])
        await world.db.owner.execute("update rowlock.organizations set name = %s", [text])
        await world.db.owner.execute("update rowlock.seats set label = %s where seat_id = %s", [text, seat])
        await world.db.owner.execute(
            "update rowlock.ticket_orders set customer_name = %s where order_id = %s", [text, order_id]
        )

        (mail,) = await world.work()

        html = body(mail, "html").lower()
        assert mail["Bcc"] is None
        assert world.sink.recipients[-1:] == ["anna@example.org"]
        assert [tag for tag in ("<script", "<img", "<svg", "<!--", "</title></style>") if tag in html] == []
        assert html.count("<a ") == 1
        assert "\u202e" not in html
    assert len(world.sink.recipients) == len(HOSTILE)
    assert "{{ 7 * 7 }}{% raw %}" in body(world.sink.mails[4], "plain")


async def test_a_name_that_looks_like_a_link_is_left_out(world: World) -> None:
    order_id = await paid(world.db, world.show, 1)
    await world.db.owner.execute(
        "update rowlock.ticket_orders set customer_name = 'Win at evil.example now' where order_id = %s", [order_id]
    )

    (mail,) = await world.work()

    assert "evil" not in str(mail["To"]) + body(mail, "plain") + body(mail, "html")
    assert body(mail, "plain").count("Hello,") == 1


@pytest.mark.parametrize(("currency", "told"), [("JPY", "2,500 JPY"), ("EUR", "25.00 EUR"), ("KWD", "2.500 KWD")])
async def test_money_has_the_digits_of_its_currency(world: World, currency: str, told: str) -> None:
    await world.db.owner.execute("update rowlock.shows set currency = %s", [currency])
    hold = await world.db.reserve(world.show, seats=[1], holder="anna")
    order_id = await world.db.order(hold, price_minor=PRICE, currency=currency)
    intent = await world.db.intent(world.show, order_id)
    await world.db.complete(world.show, order_id, intent)
    await world.db.pay(world.show, order_id, intent)

    (mail,) = await world.work()

    assert told in body(mail, "plain")
    assert told in body(mail, "html")


async def test_a_ticket_that_was_issued_again_is_mailed_once_for_each_new_code(world: World) -> None:
    order_id = await paid(world.db, world.show, 1, 2)
    await world.work()
    tickets = await rows(world.db, "tickets", order_id)
    ticket_id = next(ticket["ticket_id"] for ticket in tickets if ticket["seat_id"] == 2)

    mails = []
    for _ in range(2):
        await world.db.owner.execute(
            "select * from rowlock.reissue_ticket_atomic(%s, %s, %s, null, 'stolen')",
            [world.show.show_id, order_id, ticket_id],
        )
        mails += await world.work()

    assert len(mails) == len({mail["Message-ID"] for mail in mails}) == 2
    text, html = body(mails[0], "plain"), body(mails[0], "html")
    assert mails[0]["Subject"] == "Your new ticket: An Evening of Dance, Dec 19"
    for told in ("Your ticket has a new code", "no longer open the door", ", 2, has a new code"):
        assert told in text
        assert told in html
    (attached,) = mails[0].iter_attachments()
    assert attached.get_filename() == "ticket_reissued.pdf"
    assert await world.work() == []


async def move(world: World, starts_at: str) -> None:
    """As staff do: `rowlock show update`."""
    catalogue = Catalogue(world.cells)
    await catalogue.update_show(world.show.show_id, {"starts_at": starts_at, "doors_at": None})


async def test_buyers_of_a_moved_show_are_told_once_what_was_and_what_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [await paid(world.db, world.show, seat, by=f"buyer {seat}") for seat in range(1, 6)]
    refunded = await paid(world.db, world.show, 6, by="refunded")
    await world.db.refund(world.show, refunded)
    await held(world.db, world.show, 7, by="not paid")
    await world.db.owner.execute("update rowlock.outbox_messages set done_at = clock_timestamp()")
    monkeypatch.setattr(notices, "MOVED_BATCH", 2)

    await move(world, "2026-12-21T19:00")

    mails = [mail for _ in range(6) for mail in await world.work()]
    assert [mail["Subject"] for mail in mails] == ["Moved: An Evening of Dance, Dec 21"] * 5
    assert len({mail["Message-ID"] for mail in mails}) == 5
    assert {record.order_id for record in await Mails(world.cells).list_mails()} == set(orders)
    for kind in ("plain", "html"):
        assert "It was: Saturday, December 19, 2026, 7:30 PM (America/New_York" in body(mails[0], kind)
        assert "It is now: Monday, December 21, 2026, 7:00 PM (America/New_York" in body(mails[0], kind)
    assert [attached.get_filename() for attached in mails[0].iter_attachments()] == ["order_moved.pdf"]
    assert await world.db.check() == []


async def test_a_worker_that_dies_while_it_tells_of_a_move_tells_each_buyer_once(world: World) -> None:
    await paid(world.db, world.show, 1)
    await world.db.owner.execute("update rowlock.outbox_messages set done_at = clock_timestamp()")
    await move(world, "2026-12-21T19:00")
    cursor = await world.db.owner.execute("select message_id from rowlock.outbox_messages where kind = 'show_moved'")
    [(message_id,)] = await cursor.fetchall()

    # It had made the messages, and died before it knew; another takes the message up again.
    assert [
        await store.tell_buyers_of_move(world.connection, world.show.show_id, message_id, limit=100) for _ in range(2)
    ] == [1, 0]
    first = await world.work()
    await world.db.owner.execute("update rowlock.outbox_messages set done_at = null where kind = 'order_moved'")
    again = await world.work()

    assert len(first) == 1
    assert again == []


@pytest.mark.parametrize("case", ["moved back", "cancelled", "draft", "over", "only the title"])
async def test_there_is_nothing_to_tell_of_a_move_that_no_buyer_sees(world: World, case: str) -> None:
    await paid(world.db, world.show, 1)
    await world.db.owner.execute("update rowlock.outbox_messages set done_at = clock_timestamp()")
    if case == "moved back":
        await move(world, "2026-12-21T19:00")
        await world.db.owner.execute(
            "update rowlock.shows set starts_at = '2026-12-20 00:30+00', doors_at = '2026-12-20 00:00+00'"
        )
    elif case == "only the title":
        await Catalogue(world.cells).update_show(world.show.show_id, {"title": "Dance"})
    elif case == "over":
        await world.db.owner.execute(
            "update rowlock.shows set starts_at = '2020-01-01 00:00+00', doors_at = null, ends_at = null"
        )
        async with world.cells.of(world.show.show_id).office() as office:
            await office.execute(
                "select rowlock.announce_show_moved(%s, '2020-01-02 00:00+00', null)", [world.show.show_id]
            )
    else:
        await world.db.set_show(world.show, status=case)
        async with world.cells.of(world.show.show_id).office() as office:
            await office.execute(
                "select rowlock.announce_show_moved(%s, '2026-12-01 00:00+00', null)", [world.show.show_id]
            )

    assert [mail for _ in range(3) for mail in await world.work()] == []
