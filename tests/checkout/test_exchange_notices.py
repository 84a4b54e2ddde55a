"""What the buyer of exchanged tickets is told: the mail in text and HTML, and the documents that come with it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rowlock.checkout.model import Message, Order
from rowlock.checkout.notices import mail_handlers, no_link
from rowlock.checkout.order_documents import OrderDocuments
from rowlock.checkout.ticket_keys import TicketKeys
from rowlock.mail.model import Mail
from rowlock.mail.post import make_post
from tests.checkout.exchange_world import CHEAP, DEAR, FEE, PRICE, ExchangeWorld
from tests.support.answers import Show
from tests.support.pdf import page_texts
from tests.support.seatdb import SeatDb


@dataclass
class Letters:
    """An exchange world whose mails are kept."""

    world: ExchangeWorld
    keys: Path
    sent: list[Mail] = field(default_factory=list)

    async def exchange(self, old: Order, seats: dict[int, int], *, to: Show | None = None) -> Order:
        """The new order, paid, with everything done that a worker does; no mail is sent."""
        done = await self.world.exchange(old, seats, to=to)
        assert done.order is not None, done
        if done.due_minor:
            await self.world.pay(done.order)
        await self.world.work_off()
        return await self.world.order(done.order.show_id, done.order.order_id)

    async def mail_of(self, order: Order, kind: str) -> Mail:
        """The newest mail of this kind about an order."""
        cells = self.world.cells
        post = make_post(cells, None, None)
        documents = OrderDocuments(cells, TicketKeys(self.keys))
        handlers = mail_handlers(cells, post, documents=documents.attachments, links=no_link)
        cursor = await self.world.db.owner.execute(
            "select message_id, show_id, order_id, kind, payload, attempts, created_at from rowlock.outbox_messages "
            "where order_id = %s and kind = %s order by message_id desc limit 1",
            [order.order_id, kind],
        )
        [row] = await cursor.fetchall()
        kept: list[Mail] = []
        send = post.send

        async def keep(mail: Mail, *about: object, **more: object) -> None:
            kept.append(mail)
            await send(mail, *about, **more)  # type: ignore[arg-type]

        post.send = keep  # type: ignore[method-assign]
        for handler in handlers[kind]:
            await handler(Message(*row))
        [mail] = kept
        return mail


@pytest.fixture
async def letters(db: SeatDb, tmp_path: Path) -> Letters:
    world = await ExchangeWorld.make(db)
    await db.owner.execute("update rowlock.shows set title = 'Giselle' where show_id = %s", [world.there.show_id])
    await db.owner.execute("update rowlock.shows set title = 'Swan Lake' where show_id = %s", [world.here.show_id])
    return Letters(world, tmp_path / "keys.json")


def amount(minor: int) -> str:
    return f"{minor / 100:.2f} USD"


def words(text: str) -> str:
    return " ".join(text.split())


async def test_new_tickets_come_with_what_was_counted_and_what_was_paid(letters: Letters) -> None:
    old = await letters.world.buy(1)
    new = await letters.exchange(old, {1: 31}, to=letters.world.there)

    mail = await letters.mail_of(new, "order_paid")

    assert mail.subject.startswith("Your new tickets: Giselle")
    labels = [line.label for line in old.lines]
    for told in (
        "Your tickets were exchanged, as you asked.",
        "The old tickets for Swan Lake",
        *labels,
        "are void now: their codes no longer open the door.",
        f"{amount(PRICE)} that you had paid for them were counted.",
        "Credit for the old tickets",
        "Paid now",
        amount(DEAR - PRICE),
        new.order_code,
    ):
        assert told in words(mail.text), told
        assert told in words(mail.html), told
    assert [one.name.split("-")[0] for one in mail.attachments] == [
        "tickets",
        f"{new.order_code}.ics",
        "receipt",
        "credit",
    ]
    receipt, note = (page_texts(one.content)[0] for one in mail.attachments[2:])
    assert f"{amount(PRICE)} of this total were credited from order {old.order_code}." in words(receipt)
    assert f"Credited to order {new.order_code}" in words(note)
    assert "Total returned" not in note
    assert amount(PRICE) in note


async def test_what_goes_back_for_cheaper_tickets_has_a_credit_note_of_its_own(letters: Letters) -> None:
    old = await letters.world.buy(1)
    new = await letters.exchange(old, {1: 21})

    paid = await letters.mail_of(new, "order_paid")
    back = await letters.mail_of(old, "refund_succeeded")

    assert "Paid now: 0.00 USD" in words(paid.text)
    assert back.subject.startswith(f"Returned: {amount(PRICE - CHEAP)}")
    for mail_text in (back.text, back.html):
        assert "You exchanged tickets for Swan Lake for ones that cost less. This is the difference." in words(
            mail_text
        )
    [note] = [page_texts(one.content)[0] for one in back.attachments]
    assert "Total returned" in words(note)
    assert "Credited to" not in note
    [credit] = [page_texts(one.content)[0] for one in paid.attachments if one.name.startswith("credit")]
    assert f"Credited to order {new.order_code}" in words(credit)


async def test_a_credit_note_of_a_later_refund_is_of_money_that_went_back(letters: Letters) -> None:
    old = await letters.world.buy(1)
    new = await letters.exchange(old, {1: 5}, to=letters.world.there)
    await letters.world.db.refund(letters.world.there, new.order_id, key="ill")
    await letters.world.work_off()

    mail = await letters.mail_of(new, "refund_succeeded")

    [note] = [page_texts(one.content)[0] for one in mail.attachments]
    assert "Total returned" in words(note)
    assert letters.world.provider.kept_minor() == FEE


async def test_a_free_ticket_that_moves_has_tickets_and_no_money_in_its_mail(letters: Letters) -> None:
    await letters.world.db.owner.execute("update rowlock.show_prices set amount_minor = 0")
    await letters.world.db.owner.execute("update rowlock.show_price_lists set fee_per_order_minor = 0")
    old = await letters.world.buy(1)
    new = await letters.exchange(old, {1: 5})

    mail = await letters.mail_of(new, "order_paid")

    assert "counted" not in mail.text
    assert "Paid now" not in mail.text
    assert [one.content_type for one in mail.attachments] == ["application/pdf", "text/calendar"]
