"""What buyers are told by mail: the outbox with these handlers, on a real database and to a real mail server."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.mail_settings import Sender, SmtpServer
from rowlock.checkout import jobs, store
from rowlock.checkout.jobs import OutboxLoop
from rowlock.checkout.model import Order, Receipt
from rowlock.checkout.notices import mail_handlers
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.mail.model import Attachment
from rowlock.mail.post import GIVE_UP_AFTER, Delivery, Mails, Post
from rowlock.mail.smtp import SmtpDelivery
from tests.checkout.orders import PRICE, confirmed, held, paid, rows
from tests.support.answers import Show
from tests.support.mail_sink import MailSink, body, mail_sink
from tests.support.seatdb import SeatDb

Connection = psycopg.AsyncConnection

SENDER = Sender.parse("Moonlight <tickets@example.org>")


async def pdf(kind: str, order: Order, receipt: Receipt | None) -> Sequence[Attachment]:
    number = "none" if receipt is None else receipt.label
    return [Attachment(f"{kind}.pdf", "application/pdf", f"%PDF {order.order_code} {number}".encode())]


@dataclass
class World:
    """The sink, a worker with its handlers, and what both left behind."""

    db: SeatDb
    show: Show
    sink: MailSink
    connection: Connection
    cells: Cells
    post: Post
    delivery: SmtpDelivery

    def loop(self, documents: Any = pdf) -> OutboxLoop:
        links = lambda order: f"https://tickets.example.org/orders/{order.order_id}?a=1&b=2"  # noqa: E731 - one line.
        return OutboxLoop(mail_handlers(self.cells, self.post, documents=documents, links=links))

    async def work(self, documents: Any = pdf) -> list[EmailMessage]:
        """One round of the worker; the mails that arrived in it."""
        before = len(self.sink.mails)
        await self.loop(documents).work(self.connection)
        return self.sink.mails[before:]

    async def due_again(self) -> None:
        """Messages that wait to be tried again are due now."""
        await self.db.owner.execute(
            "update rowlock.outbox_messages set next_attempt_at = '2000-01-01' "
            "where done_at is null and next_attempt_at <> '9999-12-31 00:00:00+00'"
        )

    async def errors(self) -> list[str]:
        cursor = await self.db.owner.execute(
            "select last_error from rowlock.outbox_messages where last_error is not null order by message_id"
        )
        return [text for (text,) in await cursor.fetchall()]

    async def settle_refunds(self, status: str = "succeeded") -> None:
        cursor = await self.db.owner.execute("select refund_id from rowlock.refunds where status = 'pending'")
        for (refund_id,) in await cursor.fetchall():
            await self.db.owner.execute(
                "select * from rowlock.settle_refund_atomic(%s, %s, %s, null, 'card closed')",
                [self.show.show_id, refund_id, status],
            )


@pytest.fixture
async def world(db: SeatDb, dsns: Dsns, worker: Connection) -> AsyncIterator[World]:
    show = await db.make_show()
    await db.owner.execute(
        "update rowlock.venues set name = 'Playhouse', address = E'12 Harbor Street\\nPortland', "
        "time_zone = 'America/New_York'"
    )
    await db.owner.execute("update rowlock.organizations set name = 'Moonlight Dance Studio'")
    await db.owner.execute(
        "update rowlock.shows set title = 'An Evening of Dance', starts_at = '2026-12-20 00:30+00', "
        "doors_at = '2026-12-20 00:00+00'"
    )
    async with mail_sink() as sink:
        cells = Cells(DirectDatabase(dsns, application_name="test"))
        delivery = SmtpDelivery(SmtpServer.parse(sink.url), answer_seconds=2.0, send_seconds=3.0)
        yield World(db, show, sink, worker, cells, Post(cells, delivery, SENDER), delivery)
        await delivery.close()


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


class WorkerDiedError(BaseException):
    """Ends a worker as a signal does: nothing catches it."""


@dataclass
class DiesAfterwards:
    """Delivers, and ends the worker before it can write anything down."""

    delivery: Delivery

    async def deliver(self, message: EmailMessage, sender: str, to: str) -> None:
        await self.delivery.deliver(message, sender, to)
        raise WorkerDiedError


async def test_a_worker_that_dies_before_it_has_finished_leaves_one_message_id(world: World) -> None:
    """It dies after the mail server has the mail, and before that is on record: the mail goes out again."""
    order_id = await paid(world.db, world.show, 1)
    dying = Post(world.cells, DiesAfterwards(world.delivery), SENDER)
    for _ in range(2):
        with pytest.raises(WorkerDiedError):
            await OutboxLoop(mail_handlers(world.cells, dying)).work(world.connection)
        await world.due_again()
    assert await Mails(world.cells).list_mails() == []

    await world.work()
    await world.due_again()
    assert await world.work() == []

    assert len(world.sink.mails) == 3
    assert len({mail["Message-ID"] for mail in world.sink.mails}) == 1
    assert len(await Mails(world.cells).list_mails()) == 1
    assert [row["number"] for row in await rows(world.db, "receipts", order_id)] == [1]


WORKER = """
import asyncio, sys
from rowlock.base.dsns import Dsns
from rowlock.checkout.jobs import OutboxLoop
from rowlock.checkout.notices import mail_handlers
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.connections import connect
from rowlock.mail.post import make_post

async def main(dsn, url):
    cells = Cells(DirectDatabase(Dsns.same(dsn), application_name="worker"))
    post = make_post(cells, url, "Moonlight <tickets@example.org>")
    async with await connect(dsn, application_name="worker") as connection:
        await OutboxLoop(mail_handlers(cells, post)).work(connection)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_worker_that_is_killed_while_its_mail_is_taken_leaves_one_message_id(world: World, dsns: Dsns) -> None:
    await paid(world.db, world.show, 1)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, dsns.worker, world.sink.url)

    def kill() -> str:
        process.kill()
        return "250 OK"

    world.sink.answer_data = kill
    assert await process.wait() == -signal.SIGKILL
    world.sink.answer_data = lambda: "250 OK"
    assert await Mails(world.cells).list_mails() == []
    await world.due_again()

    await world.work()

    assert len(world.sink.mails) == 2
    assert len({mail["Message-ID"] for mail in world.sink.mails}) == 1
    assert [mail.status for mail in await Mails(world.cells).list_mails()] == ["sent"]


async def test_a_worker_that_dies_after_the_record_sends_nothing_twice(world: World) -> None:
    await paid(world.db, world.show, 1)
    (message,) = [
        one for one in await store.take_messages(world.connection, limit=20, seconds=60) if one.kind == "order_paid"
    ]
    handlers = mail_handlers(world.cells, world.post)
    await handlers["order_paid"][0](message)

    await world.due_again()
    await world.work()

    assert len(world.sink.mails) == 1
    assert await world.errors() == []


async def test_greylisting_is_tried_again_until_the_mail_is_taken(world: World) -> None:
    await paid(world.db, world.show, 1)
    answers = iter(["450 4.2.0 greylisted", "450 4.2.0 greylisted", "250 OK"])
    world.sink.answer_to = lambda _: next(answers)

    assert await world.work() == []
    assert ["450" in error for error in await world.errors()] == [True]
    assert await world.work() == []  # Not due yet.
    assert len(world.sink.asked) == 1
    await world.due_again()
    assert await world.work() == []
    await world.due_again()
    assert len(await world.work()) == 1
    assert await world.errors() == []


async def test_a_refused_recipient_is_recorded_and_listed_and_not_tried_again(world: World) -> None:
    order_id = await paid(world.db, world.show, 1)
    world.sink.answer_to = lambda _: "550 5.1.1 no such user"

    assert await world.work() == []
    await world.due_again()
    assert await world.work() == []

    assert len(world.sink.asked) == 1
    (failed,) = await Mails(world.cells).list_mails(failed=True)
    assert (failed.status, failed.recipient, failed.order_id) == ("refused", "anna@example.org", order_id)
    assert "550 5.1.1 no such user" in (failed.error or "")
    (given_up,) = await Mails(world.cells).list_given_up()
    assert (given_up.kind, given_up.order_id) == ("order_paid", order_id)


async def test_a_mail_that_is_put_off_for_days_counts_as_refused(world: World) -> None:
    await paid(world.db, world.show, 1)
    world.sink.answer_to = lambda _: "452 4.2.2 mailbox full"
    await world.work()
    assert await Mails(world.cells).list_mails(failed=True) == []
    await world.db.owner.execute(
        "update rowlock.outbox_messages set created_at = created_at - %s", [GIVE_UP_AFTER + timedelta(minutes=1)]
    )

    await world.due_again()
    await world.work()

    (failed,) = await Mails(world.cells).list_mails(failed=True)
    assert "452 4.2.2 mailbox full" in (failed.error or "")


async def test_a_mail_that_came_back_is_listed(world: World) -> None:
    await paid(world.db, world.show, 1)
    (mail,) = await world.work()

    assert await Mails(world.cells).note_bounce(mail["Message-ID"], "550 5.1.1 gone")
    assert not await Mails(world.cells).note_bounce("<no.such@example.org>", "550")

    (failed,) = await Mails(world.cells).list_mails(failed=True)
    assert (failed.status, failed.error) == ("bounced", "550 5.1.1 gone")
    await world.due_again()
    assert await world.work() == []


async def test_documents_that_cannot_be_made_stop_no_other_mail(world: World) -> None:
    broken = await paid(world.db, world.show, 1)
    await paid(world.db, world.show, 2, by="ben")

    async def documents(kind: str, order: Order, receipt: Receipt | None) -> Sequence[Attachment]:
        if order.order_id == broken:
            raise ZeroDivisionError("no page")
        return await pdf(kind, order, receipt)

    assert len(await world.work(documents)) == 1
    assert ["no page" in error for error in await world.errors()] == [True]
    await world.due_again()
    assert len(await world.work()) == 1


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


async def test_a_round_with_a_slow_mail_server_ends_while_its_messages_are_still_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ROUND_SECONDS", 0.0)
    await paid(world.db, world.show, 1)
    await paid(world.db, world.show, 2, by="ben")

    assert len(await world.work()) <= 1
    for _ in range(6):
        await world.due_again()
        await world.work()

    assert len({mail["Message-ID"] for mail in world.sink.mails}) == len(world.sink.mails) == 2


async def test_two_workers_at_once_send_each_mail_once(world: World, dsns: Dsns) -> None:
    for seat in range(1, 13):
        await paid(world.db, world.show, seat, by=f"buyer {seat}")
    async with await Connection.connect(dsns.worker, autocommit=True) as other:
        first, second = world.loop(), world.loop()
        await asyncio.gather(
            *(loop.work(connection) for loop, connection in ((first, world.connection), (second, other)))
        )
        await asyncio.gather(first.work(world.connection), second.work(other))

    ids = [mail["Message-ID"] for mail in world.sink.mails]
    assert len(ids) == len(set(ids)) == 12
    cursor = await world.db.owner.execute("select array_agg(number order by number) from rowlock.receipts")
    assert await cursor.fetchone() == (list(range(1, 13)),)


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
