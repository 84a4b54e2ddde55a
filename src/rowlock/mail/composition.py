"""Makes the message of a mail, as RFC 5322 has it. No text that comes from a person can add a header or a recipient."""

import re
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from rowlock.base.mail_settings import Sender
from rowlock.mail.model import Mail, MailRefusedError

SUBJECT_LENGTH = 200
NAME_LENGTH = 60
ADDRESS_LENGTH = 254
"""RFC 5321: a path has at most 256 characters, the angle brackets included."""

# Control and format characters, line ends and lone surrogates among them: no header has use for one, and some reorder
# the text around them.
_NOT_IN_HEADERS = re.compile(
    "[\x00-\x20\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+@[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+")
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")


def one_line(text: str, length: int) -> str:
    """A text as a header may have it: without control characters, and cut where it is too long.

    What looks like an encoded word (RFC 2047) is taken apart: the email package would decode it, line ends included.
    """
    plain = _NOT_IN_HEADERS.sub(" ", text).replace("=?", "= ?").strip()
    return plain if len(plain) <= length else plain[: length - 1].rstrip() + "…"


def wire_address(text: str) -> str:
    """An address as mail servers take it, with the domain in ASCII. Raises MailRefusedError."""
    local, _, domain = text.rpartition("@")
    if len(text) > ADDRESS_LENGTH or not _ADDRESS.fullmatch(text):
        raise MailRefusedError(f"{text[:ADDRESS_LENGTH]!r} is no mail address")
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError as error:
        raise MailRefusedError(f"{text!r} is no mail address: its domain cannot be") from error


def compose(mail: Mail, sender: Sender, at: datetime | None = None) -> EmailMessage:
    """The message of a mail, at an instant. Raises MailRefusedError when the address is none."""
    address = wire_address(mail.to)
    message = EmailMessage(policy=SMTP if address.isascii() else SMTPUTF8)
    try:
        message["From"] = _address(sender.name, sender.address)
        message["To"] = _address(one_line(mail.to_name, NAME_LENGTH), address)
    except (ValueError, IndexError, MessageError) as error:
        raise MailRefusedError(f"{mail.to!r} is no mail address: {error}") from error
    message["Subject"] = one_line(mail.subject, SUBJECT_LENGTH)
    message["Date"] = format_datetime(at or datetime.now(UTC))
    message["Message-ID"] = mail.message_id
    # RFC 3834: no robot answers, so that absence notes do not come back to the seller.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(_text(mail.text), cte="quoted-printable")
    message.add_alternative(_text(mail.html), subtype="html", cte="quoted-printable")
    for attachment in mail.attachments:
        if not _TYPE.fullmatch(attachment.content_type):
            raise ValueError(f"{attachment.content_type!r} is no type of content")
        main, _, sub = attachment.content_type.partition("/")
        name = one_line(attachment.name, NAME_LENGTH).replace("/", "-").replace("\\", "-")
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=name)
    return message


def _address(name: str, address: str) -> Address:
    if address.isascii():
        return Address(name, addr_spec=address)
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


def _text(text: str) -> str:
    # Lone surrogates cannot be encoded; a database has none, and a template has no use for one.
    return text.encode(errors="replace").decode()
