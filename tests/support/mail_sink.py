"""A mail server for tests, in this process: it keeps what it takes, and answers as a test says.

The protocol is that of aiosmtpd, which none of us wrote.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class MailSink:
    """The mails that arrived. `answer_to` is asked for each recipient, and `answer_data` at the end of each mail."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    connections: int = 0
    asked: list[str] = field(default_factory=list)
    answer_to: Callable[[str], str] = lambda _: "250 OK"
    answer_data: Callable[[], str] = lambda: "250 OK"
    answer_from: Callable[[], str] = lambda: "250 OK"
    logins: list[str] = field(default_factory=list)

    # aiosmtpd calls these by their names.

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answer_from()
        if answer.startswith("2"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return answer

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked.append(address)
        answer = self.answer_to(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.answer_data()
        if answer.startswith("2"):
            assert isinstance(envelope.content, bytes)
            message = message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.mails.append(message)
            self.recipients += envelope.rcpt_tos
            self.senders.append(envelope.mail_from or "")
        return answer

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append(f"{given.login.decode()}:{given.password.decode()}")
        return AuthResult(success=given.password == b"p@ss", handled=False)


def body(mail: EmailMessage, kind: str) -> str:
    """The text of a mail, as plain or html."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@asynccontextmanager
async def mail_sink(*, tls: ssl.SSLContext | None = None, auth: bool = False) -> AsyncIterator[MailSink]:
    """A mail server on a free port. With `tls` it offers STARTTLS, with `auth` it wants a login."""
    sink = MailSink()

    def protocol() -> SMTP:
        return SMTP(
            sink,
            enable_SMTPUTF8=True,
            hostname="sink.example.org",
            tls_context=tls,
            auth_required=auth,
            auth_require_tls=False,
            authenticator=sink.authenticate if auth else None,
        )

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    sink.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield sink
    finally:
        server.close()
