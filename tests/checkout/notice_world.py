"""A worker with the handlers of notices, a real mail server, and what both left behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import psycopg

from rowlock.base.mail_settings import Sender
from rowlock.checkout.jobs import OutboxLoop
from rowlock.checkout.model import Order, Receipt
from rowlock.checkout.notices import mail_handlers
from rowlock.database.cells import Cells
from rowlock.mail.model import Attachment
from rowlock.mail.post import Post
from rowlock.mail.smtp import SmtpDelivery
from tests.support.answers import Show
from tests.support.mail_sink import MailSink
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
        links = lambda order, _: f"https://tickets.example.org/orders/{order.order_id}?a=1&b=2"  # noqa: E731 - one line.
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
