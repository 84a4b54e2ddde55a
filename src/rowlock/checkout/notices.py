"""What buyers are told by mail, for each kind of message of the outbox, and the receipts that are issued with it.

Each handler may be called again: an order has one receipt, and a mail that was sent is not sent twice. Between the
sending and its record is a moment in which a worker may die; then the mail goes out again with the same Message-ID.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid5

import structlog

from rowlock.checkout import exchange_store, notice_texts, store
from rowlock.checkout.jobs import Handler, NeverError
from rowlock.checkout.model import Message, NoticeRefund, NoticeShow, Order, Receipt
from rowlock.checkout.notice_texts import Facts, NoticeText
from rowlock.database.calls import call
from rowlock.database.cells import Cells
from rowlock.mail.model import About, Attachment, Mail, MailLaterError, MailRefusedError
from rowlock.mail.post import GIVE_UP_AFTER, Post

Documents = Callable[[str, Order, Receipt | None], Awaitable[Sequence[Attachment]]]
"""The files for a mail: given the kind of the message (order_paid, refund_succeeded), the order, and its receipt or the
credit note of the refund. None for a free order."""

Links = Callable[[Order, NoticeShow], str | None]
"""The address of the tickets of an order, with whatever proves that the reader may see them."""

MOVED_BATCH = 100
"""Orders of a moved show that get their messages in one step."""

_log = structlog.get_logger(__name__)


async def no_documents(_kind: str, _order: Order, _receipt: Receipt | None) -> Sequence[Attachment]:
    """Mails without attachments."""
    return ()


def no_link(_order: Order, _show: NoticeShow) -> str | None:
    """Mails without a link."""
    return None


def mail_handlers(
    cells: Cells, post: Post, *, documents: Documents = no_documents, links: Links = no_link
) -> dict[str, list[Handler]]:
    """What is mailed for each kind of message. To be called after what is done with the money."""
    notices = Notices(cells, post, documents, links)
    return {
        "order_paid": [notices.order_paid],
        "order_lost": [notices.order_lost],
        "order_voided": [notices.order_voided],
        "ticket_reissued": [notices.ticket_reissued],
        "refund_succeeded": [notices.refund_succeeded],
        "refund_failed": [notices.refund_failed],
        "show_moved": [notices.show_moved],
        "order_moved": [notices.order_moved],
    }


class Notices:
    """The handlers. They raise MailLaterError, BusyError and OutcomeUnknownError to be called again, and NeverError."""

    def __init__(self, cells: Cells, post: Post, documents: Documents, links: Links) -> None:
        self._cells = cells
        self._post = post
        self._documents = documents
        self._links = links

    async def order_paid(self, message: Message) -> None:
        """The confirmation with the tickets, and the number of the receipt."""
        order = await self._order(message)
        receipt = await self.issue_receipt(message.show_id, order.order_id)
        facts = await self._facts(order, receipt)
        attachments = await self._attachments(message, order, receipt)
        if order.exchange_of_show_id is None or order.exchange_of_order_id is None:
            link = self._links(order, facts.show)
            text = notice_texts.tickets(facts, [attachment.name for attachment in attachments], link)
        else:
            old = await self._order_of(order.exchange_of_show_id, order.exchange_of_order_id)
            attachments = (*attachments, *await self._credit_notes(message, order, old))
            text = notice_texts.exchanged(facts, await self._show(old.show_id), await self._given_up(order, old))
        await self._send(message, order, text, order.order_id, attachments)

    async def order_lost(self, message: Message) -> None:
        """The seats are gone; the buyer is not charged, or gets the money back."""
        order = await self._order(message)
        taken = await self._money_was_taken(order)
        reason = str(message.payload.get("reason", ""))
        text = notice_texts.lost(await self._facts(order), reason=reason, money_was_taken=taken)
        await self._send(message, order, text, order.order_id)

    async def order_voided(self, message: Message) -> None:
        """The money could not be had, or the show was cancelled before."""
        order = await self._order(message)
        taken = order.exchange_of_order_id is not None and await self._money_was_taken(order)
        text = notice_texts.voided(await self._facts(order), money_was_taken=taken)
        await self._send(message, order, text, order.order_id)

    async def show_moved(self, message: Message) -> None:
        """A message for each buyer with tickets, a batch at a time."""
        await call(
            self._cells.of(message.show_id).worker,
            lambda connection: store.tell_buyers_of_move(
                connection, message.show_id, message.message_id, limit=MOVED_BATCH
            ),
            repeatable=True,
        )

    async def order_moved(self, message: Message) -> None:
        """When the show was to begin and when it does, with tickets and a calendar entry that say so."""
        order = await self._order(message)
        facts = await self._facts(order)
        try:
            move_id = UUID(str(message.payload["move_id"]))
            before = _instant(message.payload["starts_at"]), _instant(message.payload.get("doors_at"))
        except (KeyError, ValueError) as error:
            raise NeverError("the message does not say what was moved") from error
        starts_before, doors_before = before
        if starts_before is None:
            raise NeverError("the message does not say what was moved")
        has_tickets = any(line.ticket is not None and line.ticket.status != "void" for line in order.lines)
        if not has_tickets or facts.show.status == "cancelled" or before == (facts.show.starts_at, facts.show.doors_at):
            return  # It was refunded, cancelled or moved back meanwhile.
        attachments = await self._attachments(message, order, None)
        text = notice_texts.moved(facts, starts_before, doors_before, [attachment.name for attachment in attachments])
        await self._send(message, order, text, uuid5(move_id, str(order.order_id)), attachments)

    async def ticket_reissued(self, message: Message) -> None:
        """The tickets once more, one of them with a new code."""
        order = await self._order(message)
        ticket_id, revision = UUID(str(message.payload["ticket_id"])), str(message.payload["revision"])
        label = next(
            (line.label for line in order.lines if line.ticket is not None and line.ticket.ticket_id == ticket_id), None
        )
        if label is None:
            raise NeverError(f"the order has no ticket {ticket_id}")
        facts = await self._facts(order)
        attachments = await self._attachments(message, order, None)
        text = notice_texts.reissued(facts, label, self._links(order, facts.show), has_files=bool(attachments))
        # Each revision is an event of its own.
        await self._send(message, order, text, uuid5(ticket_id, revision), attachments)

    async def refund_succeeded(self, message: Message) -> None:
        """The money went back, with the number of the credit note."""
        order, refund = await self._order(message), await self._refund(message)
        # The receipt first: its message may still wait, and a credit note is of a receipt.
        if await self.issue_receipt(message.show_id, order.order_id) is None:
            receipt = None
        else:
            receipt = await self.issue_receipt(message.show_id, order.order_id, refund.refund_id)
        attachments = () if receipt is None else await self._attachments(message, order, receipt)
        text = notice_texts.refunded(await self._facts(order, receipt), refund)
        await self._send(message, order, text, refund.refund_id, attachments)

    async def refund_failed(self, message: Message) -> None:
        """Nothing for the buyer: staff have to act. The message stays listed with its error."""
        order, refund = await self._order(message), await self._refund(message)
        if refund.status != "failed":
            _log.info("refund_was_tried_again", refund_id=str(refund.refund_id), status=refund.status)
            return
        raise NeverError(
            f"The refund {refund.refund_id} of order {order.order_code} failed at the provider: "
            f"{refund.failure or 'no reason was given'}. Open it again, or pay the buyer back in another way."
        )

    async def issue_receipt(self, show_id: UUID, order_id: UUID, refund_id: UUID | None = None) -> Receipt | None:
        """The receipt of an order or the credit note of a refund, made if need be; None where none is due."""
        worker = self._cells.of(show_id).worker
        outcome, _, _ = await call(
            worker,
            lambda connection: store.issue_receipt(connection, show_id, order_id, refund_id),
            repeatable=True,
        )
        if outcome == "RECEIPT_NOT_DUE":
            return None
        assert outcome == "OK", "orders and refunds are never deleted"
        receipts = await call(
            worker,
            lambda connection: store.receipts_of_order(connection, show_id, order_id),
            repeatable=True,
            reads=True,
        )
        return next(receipt for receipt in receipts if receipt.refund_id == refund_id)

    async def _send(
        self,
        message: Message,
        order: Order,
        text: NoticeText,
        subject_id: UUID,
        attachments: Sequence[Attachment] = (),
    ) -> None:
        mail = Mail(
            to=order.customer_email,
            to_name=notice_texts.name_of(order),
            subject=text.subject,
            text=text.text,
            html=text.html,
            message_id=self._post.sender.message_id(message.kind, subject_id),
            attachments=attachments,
        )
        about = About(message.kind, message.show_id, order.order_id)
        try:
            await self._post.send(mail, about, due_at=message.created_at)
        except MailRefusedError as error:
            raise NeverError(str(error)) from error

    async def _attachments(
        self, message: Message, order: Order, receipt: Receipt | None, *, kind: str | None = None
    ) -> Sequence[Attachment]:
        try:
            return await self._documents(kind or message.kind, order, receipt)
        except Exception as error:
            _log.exception("documents_failed", order_id=str(order.order_id))
            text = f"The documents of order {order.order_code} could not be made: {type(error).__name__}: {error}"
            if datetime.now(UTC) - message.created_at >= GIVE_UP_AFTER:
                raise NeverError(text) from error
            raise MailLaterError(text) from error

    async def _facts(self, order: Order, receipt: Receipt | None = None) -> Facts:
        return Facts(order, await self._show(order.show_id), receipt)

    async def _show(self, show_id: UUID) -> NoticeShow:
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: store.notice_show(connection, show_id),
            repeatable=True,
            reads=True,
        )

    async def _money_was_taken(self, order: Order) -> bool:
        return await call(
            self._cells.of(order.show_id).worker,
            lambda connection: store.money_was_taken(connection, order.show_id, order.order_id),
            repeatable=True,
            reads=True,
        )

    async def _given_up(self, order: Order, old: Order) -> tuple[str, ...]:
        """The labels of the seats that were given up for an order."""
        decided = await call(
            self._cells.of(old.show_id).worker,
            lambda connection: exchange_store.decision(connection, old.show_id, order.order_id),
            repeatable=True,
            reads=True,
        )
        assert decided is not None, "exchanges are never deleted"
        return tuple(line.label for line in old.lines if line.seat_id in decided.seat_ids)

    async def _credit_notes(self, message: Message, order: Order, old: Order) -> Sequence[Attachment]:
        """The credit notes of the old tickets, whose money is that of the new ones now."""
        refunds = await call(
            self._cells.of(old.show_id).worker,
            lambda connection: exchange_store.credits_of(connection, old.show_id, order.order_id),
            repeatable=True,
            reads=True,
        )
        made: list[Attachment] = []
        for refund_id in refunds:
            if await self.issue_receipt(old.show_id, old.order_id) is not None:
                note = await self.issue_receipt(old.show_id, old.order_id, refund_id)
                made += await self._attachments(message, old, note, kind="refund_succeeded")
        return made

    async def _order(self, message: Message) -> Order:
        order_id = message.order_id
        if order_id is None:
            raise NeverError("the message has no order")
        return await self._order_of(message.show_id, order_id)

    async def _order_of(self, show_id: UUID, order_id: UUID) -> Order:
        order = await call(
            self._cells.of(show_id).worker,
            lambda connection: store.order_details(connection, show_id, order_id),
            repeatable=True,
            reads=True,
        )
        if order is None:
            raise NeverError(f"there is no order {order_id}")
        return order

    async def _refund(self, message: Message) -> NoticeRefund:
        try:
            refund_id = UUID(str(message.payload["refund_id"]))
        except (KeyError, ValueError) as error:
            raise NeverError("the message has no refund_id") from error
        refund = await call(
            self._cells.of(message.show_id).worker,
            lambda connection: store.notice_refund(connection, message.show_id, refund_id),
            repeatable=True,
            reads=True,
        )
        if refund is None:
            raise NeverError(f"there is no refund {refund_id}")
        return refund


def _instant(text: object) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text))
