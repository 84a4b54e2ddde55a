"""The SQL of mail: the record of what was sent, and the local mailbox."""

from collections.abc import Sequence

from psycopg.rows import class_row

from rowlock.database.connections import Connection
from rowlock.database.queries import query
from rowlock.mail.model import About, GivenUp, KeptMail, Mail, MailRecord


async def status_of(connection: Connection, message_id: str) -> str | None:
    """What became of a mail: sent, refused or bounced; None when neither."""
    cursor = await connection.execute(query("mail.status"), (message_id,))
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def record(
    connection: Connection, mail: Mail, about: About, *, recipient: str, subject: str, error: str | None = None
) -> None:
    """Write down that a mail was sent, or refused with an error."""
    await connection.execute(
        query("mail.record"),
        {
            "message_id": mail.message_id,
            "kind": about.kind,
            "show_id": about.show_id,
            "order_id": about.order_id,
            "recipient": recipient,
            "subject": subject,
            "status": "sent" if error is None else "refused",
            "error": error,
        },
    )


async def note_bounce(connection: Connection, message_id: str, error: str) -> bool:
    """Write down that a mail came back. Returns False when no such mail was sent."""
    cursor = await connection.execute(query("mail.bounce"), {"message_id": message_id, "error": error})
    return await cursor.fetchone() is not None


async def list_mails(connection: Connection, *, failed: bool, limit: int) -> list[MailRecord]:
    """Mails, or only those that were refused or came back; the newest first."""
    async with connection.cursor(row_factory=class_row(MailRecord)) as cursor:
        await cursor.execute(query("mail.listing"), {"failed": failed, "limit": limit})
        return await cursor.fetchall()


async def list_given_up(connection: Connection, *, limit: int) -> list[GivenUp]:
    """Messages of the outbox that failed for good, the newest first."""
    async with connection.cursor(row_factory=class_row(GivenUp)) as cursor:
        await cursor.execute(query("mail.given_up"), {"limit": limit})
        return await cursor.fetchall()


async def keep(
    connection: Connection, message_id: str, recipient: str, subject: str, content: bytes, *, limit: int
) -> None:
    """Put a mail into the local mailbox, which keeps the newest `limit` of them."""
    await connection.execute(query("mail.keep"), (message_id, recipient, subject, content))
    await connection.execute(query("mail.forget"), (limit,))


async def mailbox(connection: Connection) -> Sequence[KeptMail]:
    """The mails of the local mailbox, the newest first, without their content."""
    async with connection.cursor(row_factory=class_row(KeptMail)) as cursor:
        await cursor.execute(query("mail.mailbox"))
        return await cursor.fetchall()


async def mailbox_message(connection: Connection, mailbox_id: int) -> KeptMail | None:
    """One mail of the local mailbox, or None."""
    async with connection.cursor(row_factory=class_row(KeptMail)) as cursor:
        await cursor.execute(query("mail.mailbox_message"), (mailbox_id,))
        return await cursor.fetchone()
