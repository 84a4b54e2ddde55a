"""What is sent by mail, what became of it, and the two ways in which sending fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


class MailLaterError(OSError):
    """A mail could not be sent now: the server cannot be reached, or asks to try again later."""


class MailRefusedError(Exception):
    """A mail can never be sent: its recipient or its content was refused for good. The text says by whom, and why."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail. `content_type` is such as application/pdf."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one person, as text and as HTML.

    to          the address; to_name is the name shown with it.
    message_id  with angle brackets, see `message_id`. The same event has the same one, however often it is sent.
    """

    to: str
    to_name: str
    subject: str
    text: str
    html: str
    message_id: str
    attachments: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What a mail is about, for the record. `kind` is in lower case, such as order_paid."""

    kind: str
    show_id: UUID | None = None
    order_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class MailRecord:
    """What became of a mail. status: sent, refused or bounced; error says why for the last two."""

    message_id: str
    kind: str
    show_id: UUID | None
    order_id: UUID | None
    recipient: str
    subject: str
    status: str
    error: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A message of the outbox that failed for good. `message_id` is that of the outbox, and no mail's."""

    message_id: int
    kind: str
    show_id: UUID
    order_id: UUID | None
    error: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail in the local mailbox. `content` is the mail as it would be sent; in lists it is None."""

    mailbox_id: int
    recipient: str
    subject: str
    at: datetime
    content: bytes | None
