"""Sends messages to a mail server, and tells what can be tried again from what never will be accepted."""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from time import monotonic

import aiosmtplib
import structlog

from rowlock.base.mail_settings import SmtpServer
from rowlock.mail.model import MailLaterError, MailRefusedError

ANSWER_SECONDS = 10.0
"""How long the server may take for one answer."""
SEND_SECONDS = 20.0
"""How long one mail may take. Well below the time that a worker has a message of the outbox for itself."""
REST_SECONDS = 5.0
"""After a failure to reach the server, mails fail at once for so long: what waits behind them is not held up."""
IDLE_SECONDS = 10.0
"""A connection that was not used for so long is closed, and a new one made."""

_log = structlog.get_logger(__name__)


class SmtpDelivery:
    """Delivers messages to one server, over one connection that is kept for a while; one message at a time."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        tls_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = monotonic,
        answer_seconds: float = ANSWER_SECONDS,
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        self._server = server
        self._tls_context = tls_context
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._send_seconds = send_seconds
        self._lock = asyncio.Lock()
        self._client: aiosmtplib.SMTP | None = None
        self._used_at = float("-inf")
        self._rests_until = float("-inf")
        self._reason = ""

    async def deliver(self, message: EmailMessage, sender: str, to: str) -> None:
        """Send a message. Returns once the server has taken it over. Raises MailLaterError or MailRefusedError."""
        async with self._lock:
            if self._clock() < self._rests_until:
                raise MailLaterError(f"the mail server failed a moment ago: {self._reason}")
            try:
                async with asyncio.timeout(self._send_seconds):
                    client = await self._connected()
                    await self._send(client, message, sender, to)
            except (MailRefusedError, _RecipientWaitsError):
                # An answer about this mail alone. The conversation was reset, and the next mail may go.
                self._used_at = self._clock()
                raise
            except (OSError, aiosmtplib.SMTPException, ValueError) as error:
                self._close()
                self._reason = _said(error)
                self._rests_until = self._clock() + REST_SECONDS
                _log.warning("mail_server_failed", host=self._server.host, error=self._reason)
                raise MailLaterError(f"the mail server {self._server.host} failed: {self._reason}") from error
            except BaseException:
                # Cancelled: it is not known where the conversation is.
                self._close()
                raise
            self._used_at = self._clock()

    async def close(self) -> None:
        """Say goodbye to the server."""
        async with self._lock:
            if self._client is not None and self._client.is_connected:
                with suppress(OSError, aiosmtplib.SMTPException):
                    await self._client.quit(timeout=1.0)
            self._close()

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is not None and self._clock() - self._used_at < IDLE_SECONDS:
            with suppress(OSError, aiosmtplib.SMTPException):
                # A server may have closed it meanwhile, which is better found out before a mail is on its way.
                await self._client.noop(timeout=1.0)
                return self._client
        self._close()
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=self._answer_seconds,
            use_tls=server.tls,
            start_tls=False if server.tls else server.starttls,
            tls_context=self._tls_context,
        )
        self._client = client
        await client.connect()
        if server.username is not None and server.password is not None:
            encrypted = client.get_transport_info("sslcontext") is not None
            if not encrypted and not server.is_here:
                raise MailLaterError("it does not offer TLS, and the password is not sent without it")
            await client.login(server.username, server.password)
        return client

    async def _send(self, client: aiosmtplib.SMTP, message: EmailMessage, sender: str, to: str) -> None:
        options = []
        if not to.isascii():
            if not client.supports_extension("smtputf8"):
                raise MailRefusedError(f"{to} is not ASCII before the @, and the mail server cannot send to it")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        try:
            await client.sendmail(sender, [to], message.as_bytes(), mail_options=options)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _judged(error.recipients[0], f"the mail server refused {to}") from error
        except aiosmtplib.SMTPDataError as error:
            raise _judged(error, f"the mail server refused the mail to {to}") from error


class _RecipientWaitsError(MailLaterError):
    """One recipient has to wait (greylisting, a full mailbox), which is no reason to let others wait too."""


def _judged(answer: aiosmtplib.SMTPResponseException, words: str) -> Exception:
    """What an answer about one mail means. 421 is about the server, which then closes the connection."""
    if answer.code == 421:
        return answer
    text = f"{words}: {_said(answer)}"
    return MailRefusedError(text) if 500 <= answer.code < 600 else _RecipientWaitsError(text)


def _said(error: BaseException) -> str:
    """What a server said, in one line; its code first."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"{error.code} {error.message}"
    elif isinstance(error, TimeoutError):
        text = "it took too long to answer"
    else:
        text = str(error) or type(error).__name__
    return re.sub(r"[\x00-\x20\x7f]+", " ", text).strip()[:500]
