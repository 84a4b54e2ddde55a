"""Sends mails and keeps the record: what is sent once is not sent again, and what was refused is listed.

Sending is at least once: a process that dies after the mail server has taken a mail, and before that is written down,
leaves it to be sent again, with the same Message-ID. Most mail programs then show it once.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Protocol

import structlog

from rowlock.base.mail_settings import Sender, SmtpServer
from rowlock.database.access import Database
from rowlock.database.calls import call
from rowlock.database.cells import Cells
from rowlock.mail import store
from rowlock.mail.composition import ADDRESS_LENGTH, SUBJECT_LENGTH, compose, one_line, wire_address
from rowlock.mail.model import About, GivenUp, KeptMail, Mail, MailLaterError, MailRecord, MailRefusedError
from rowlock.mail.smtp import SmtpDelivery

GIVE_UP_AFTER = timedelta(days=2)
"""A mail that a server has put off for so long counts as refused: staff have to know, and can tell the buyer."""
MAILBOX_LIMIT = 500
LIST_LIMIT = 1_000
_ERROR_LENGTH = 500
DEFAULT_SENDER = Sender("Rowlock", "tickets@rowlock.invalid")
"""Whom mails in the local mailbox come from, where ROWLOCK_MAIL_FROM is not set. They are never sent."""

_log = structlog.get_logger(__name__)


class Delivery(Protocol):
    """Where messages go."""

    async def deliver(self, message: EmailMessage, sender: str, to: str) -> None:
        """Hand a message over. Raises MailLaterError or MailRefusedError."""


class Mailbox:
    """The local mailbox, for installations without a mail server: mails are kept in the database, and sent nowhere."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def deliver(self, message: EmailMessage, sender: str, to: str) -> None:
        """Keep a message; the oldest beyond MAILBOX_LIMIT are deleted."""
        message_id, subject, content = str(message["Message-ID"]), str(message["Subject"]), message.as_bytes()
        await call(
            self._cells.catalogue.worker,
            lambda connection: store.keep(connection, message_id, to, subject, content, limit=MAILBOX_LIMIT),
            repeatable=True,
        )

    async def list(self) -> Sequence[KeptMail]:
        """The mails, the newest first, without their content."""
        return await call(self._cells.catalogue.worker, store.mailbox, repeatable=True, reads=True)

    async def find(self, mailbox_id: int) -> KeptMail | None:
        """One mail, or None."""
        return await call(
            self._cells.catalogue.worker,
            lambda connection: store.mailbox_message(connection, mailbox_id),
            repeatable=True,
            reads=True,
        )


class Post:
    """Sends the mails of an installation. Raises database.calls.BusyError when the database cannot answer."""

    def __init__(self, cells: Cells, delivery: Delivery, sender: Sender) -> None:
        self._cells = cells
        self._delivery = delivery
        self.sender = sender

    async def send(self, mail: Mail, about: About, *, due_at: datetime) -> None:
        """Send a mail, unless it was sent before. `due_at` is when it was to be sent for the first time.

        Raises MailLaterError when it has to be tried again, and MailRefusedError once that is of no use; the latter is
        on record then.
        """
        if await self._status(mail, about) in ("sent", "bounced"):
            _log.info("mail_was_sent_before", message_id=mail.message_id, kind=about.kind)
            return
        try:
            message = compose(mail, self.sender)
            await self._delivery.deliver(message, self.sender.address, wire_address(mail.to))
        except MailRefusedError as error:
            await self._record(mail, about, str(error))
            raise
        except MailLaterError as error:
            if datetime.now(UTC) - due_at < GIVE_UP_AFTER:
                raise
            text = f"given up after {GIVE_UP_AFTER.days} days: {error}"
            await self._record(mail, about, text)
            raise MailRefusedError(text) from error
        await self._record(mail, about, None)
        _log.info("mail_sent", message_id=mail.message_id, kind=about.kind)

    async def _status(self, mail: Mail, about: About) -> str | None:
        return await call(
            self._cell(about).worker,
            lambda connection: store.status_of(connection, mail.message_id),
            repeatable=True,
            reads=True,
        )

    async def _record(self, mail: Mail, about: About, error: str | None) -> None:
        if error is not None:
            _log.error("mail_refused", message_id=mail.message_id, kind=about.kind, error=error)
        await call(
            self._cell(about).worker,
            lambda connection: store.record(
                connection,
                mail,
                about,
                recipient=one_line(mail.to, ADDRESS_LENGTH),
                subject=one_line(mail.subject, SUBJECT_LENGTH),
                error=None if error is None else one_line(error, _ERROR_LENGTH),
            ),
            repeatable=True,
        )

    def _cell(self, about: About) -> Database:
        return self._cells.catalogue if about.show_id is None else self._cells.of(about.show_id)


def make_post(cells: Cells, smtp_url: str | None, mail_from: str | None) -> Post:
    """The post of an installation: over its mail server, or, without one, into the local mailbox."""
    sender = DEFAULT_SENDER if mail_from is None else Sender.parse(mail_from)
    delivery = Mailbox(cells) if smtp_url is None else SmtpDelivery(SmtpServer.parse(smtp_url))
    return Post(cells, delivery, sender)


class Mails:
    """The record of mails, for staff."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def list_mails(self, *, failed: bool = False, limit: int = LIST_LIMIT) -> list[MailRecord]:
        """Mails, the newest first; with `failed` those that were refused or came back."""
        found = [
            record
            for cell in self._cells.each()
            for record in await call(
                cell.office,
                lambda connection: store.list_mails(connection, failed=failed, limit=limit),
                repeatable=True,
                reads=True,
            )
        ]
        return sorted(found, key=lambda record: record.at, reverse=True)[:limit]

    async def list_given_up(self, *, limit: int = LIST_LIMIT) -> list[GivenUp]:
        """Messages of the outbox that failed for good, the newest first."""
        found = [
            message
            for cell in self._cells.each()
            for message in await call(
                cell.office,
                lambda connection: store.list_given_up(connection, limit=limit),
                repeatable=True,
                reads=True,
            )
        ]
        return sorted(found, key=lambda message: message.at, reverse=True)[:limit]

    async def note_bounce(self, message_id: str, error: str) -> bool:
        """Write down that a mail came back. Returns False when no such mail was sent."""
        found = [
            await call(
                cell.office,
                lambda connection: store.note_bounce(connection, message_id, one_line(error, _ERROR_LENGTH)),
                repeatable=True,
            )
            for cell in self._cells.each()
        ]
        return any(found)
