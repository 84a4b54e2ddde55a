"""Sending to a real mail server: what arrives, what is tried again, and what never is."""

import asyncio
import ssl
import subprocess
from pathlib import Path
from time import monotonic

import pytest

from rowlock.base.mail_settings import Sender, SmtpServer
from rowlock.mail.composition import compose
from rowlock.mail.model import Attachment, Mail, MailLaterError, MailRefusedError
from rowlock.mail.smtp import IDLE_SECONDS, REST_SECONDS, SmtpDelivery
from tests.support.mail_sink import body, mail_sink

# The sink would rather have TLS with every login.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

SENDER = Sender.parse("Moonlight <tickets@example.org>")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def delivery(url: str, clock: Clock | None = None, tls_context: ssl.SSLContext | None = None) -> SmtpDelivery:
    return SmtpDelivery(
        SmtpServer.parse(url), clock=clock or monotonic, tls_context=tls_context, answer_seconds=2.0, send_seconds=3.0
    )


async def send(to: SmtpDelivery, address: str = "anna@example.org", **changes: object) -> None:
    given: dict[str, object] = {
        "to": address,
        "to_name": "Anna",
        "subject": "Ihre Karten: Ödipus",
        "text": "Grüße\n.\n..dots\n" + "long " * 400,
        "html": "<p>Grüße</p>",
        "message_id": SENDER.message_id("order_paid", 7),
    }
    mail = Mail(**(given | changes))  # type: ignore[arg-type]
    await to.deliver(compose(mail, SENDER), SENDER.address, address)


async def test_a_mail_arrives_with_text_html_and_attachment() -> None:
    pdf = bytes(range(256)) * 500
    async with mail_sink() as sink:
        to = delivery(sink.url)
        await send(to, attachments=[Attachment("tickets.pdf", "application/pdf", pdf)])
        await to.close()

    (mail,) = sink.mails
    assert (sink.recipients, sink.senders) == (["anna@example.org"], ["tickets@example.org"])
    assert mail["Subject"] == "Ihre Karten: Ödipus"
    assert body(mail, "plain") == "Grüße\n.\n..dots\n" + "long " * 400 + "\n"
    assert body(mail, "html") == "<p>Grüße</p>\n"
    (attached,) = mail.iter_attachments()
    assert attached.get_payload(decode=True) == pdf


async def test_mails_go_over_one_connection_until_it_was_idle() -> None:
    clock = Clock()
    async with mail_sink() as sink:
        to = delivery(sink.url, clock)
        await send(to)
        await send(to)
        assert sink.connections == 1
        clock.now += IDLE_SECONDS
        await send(to)
        assert (sink.connections, len(sink.mails)) == (2, 3)
        await to.close()


async def test_a_connection_that_the_server_has_closed_is_replaced() -> None:
    async with mail_sink() as sink:
        to = delivery(sink.url)
        await send(to)
        assert to._client is not None
        assert to._client.transport is not None
        to._client.transport.close()
        await send(to)
        assert len(sink.mails) == 2
        await to.close()


@pytest.mark.parametrize("answer", ["550 5.1.1 no such user", "553 5.1.3 bad address"])
async def test_a_refused_recipient_is_refused_for_good_and_others_get_theirs(answer: str) -> None:
    async with mail_sink() as sink:
        sink.answer_to = lambda address: answer if address.startswith("ben") else "250 OK"
        to = delivery(sink.url)
        with pytest.raises(MailRefusedError, match=answer[:9]):
            await send(to, "ben@example.org")
        await send(to)
        await to.close()

    assert sink.recipients == ["anna@example.org"]
    assert sink.connections == 1


async def test_a_mail_whose_content_is_refused_is_refused_for_good() -> None:
    async with mail_sink() as sink:
        sink.answer_data = lambda: "554 5.7.1 spam"
        to = delivery(sink.url)
        with pytest.raises(MailRefusedError, match="554"):
            await send(to)
        await to.close()


async def test_greylisting_is_for_later_and_holds_up_no_other_recipient() -> None:
    async with mail_sink() as sink:
        sink.answer_to = lambda address: "450 4.2.0 greylisted" if address.startswith("ben") else "250 OK"
        to = delivery(sink.url)
        with pytest.raises(MailLaterError, match="450"):
            await send(to, "ben@example.org")
        await send(to)
        await to.close()

    assert sink.recipients == ["anna@example.org"]


@pytest.mark.parametrize("answer", ["550 5.7.1 you may not send", "451 4.3.0 not now"])
async def test_a_refused_sender_is_no_fault_of_the_recipient_and_for_later(answer: str) -> None:
    async with mail_sink() as sink:
        sink.answer_from = lambda: answer
        to = delivery(sink.url)
        with pytest.raises(MailLaterError, match=answer[:3]):
            await send(to)
        await to.close()


async def test_after_a_failure_mails_fail_at_once_for_a_while() -> None:
    clock = Clock()
    async with mail_sink() as sink:
        sink.answer_data = lambda: "421 4.3.2 shutting down"
        to = delivery(sink.url, clock)
        with pytest.raises(MailLaterError, match="421"):
            await send(to)
        sink.answer_data = lambda: "250 OK"
        with pytest.raises(MailLaterError, match="a moment ago"):
            await send(to)
        assert len(sink.asked) == 1
        clock.now += REST_SECONDS
        await send(to)
        assert len(sink.mails) == 1
        await to.close()


async def test_a_server_that_is_not_there_or_does_not_answer_is_for_later() -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    to = SmtpDelivery(SmtpServer.parse(f"smtp://127.0.0.1:{port}"), answer_seconds=0.2, send_seconds=0.5)
    began = monotonic()
    with pytest.raises(MailLaterError):
        await send(to)
    assert monotonic() - began < 2
    server.close()
    with pytest.raises(MailLaterError):
        await send(SmtpDelivery(SmtpServer.parse(f"smtp://127.0.0.1:{port}")))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(pem)),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return pem, key


def server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


async def test_tls_is_begun_where_it_is_offered_and_the_certificate_is_checked(certificate: tuple[Path, Path]) -> None:
    async with mail_sink(tls=server_context(certificate), auth=True) as sink:
        url = sink.url.replace("smtp://", "smtp://anna:p%40ss@")
        with pytest.raises(MailLaterError, match="certificate"):
            await send(delivery(url))
        assert sink.logins == []
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        to = delivery(url, tls_context=trusted)
        await send(to)
        assert sink.logins == ["anna:p@ss"]
        await to.close()

    assert len(sink.mails) == 1


async def test_required_tls_that_is_not_offered_sends_nothing() -> None:
    async with mail_sink() as sink:
        with pytest.raises(MailLaterError):
            await send(delivery(sink.url + "?starttls=required"))

    assert sink.asked == []


async def test_a_wrong_password_is_for_later_and_is_told_without_it() -> None:
    async with mail_sink(auth=True) as sink:
        with pytest.raises(MailLaterError, match="535") as caught:
            await send(delivery(sink.url.replace("smtp://", "smtp://anna:hunter2@")))

    assert "hunter2" not in str(caught.value)
    assert sink.asked == []


async def test_a_password_does_not_cross_a_network_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SmtpServer, "is_here", property(lambda _: False))
    async with mail_sink(auth=True) as sink:
        with pytest.raises(MailLaterError, match="does not offer TLS"):
            await send(delivery(sink.url.replace("smtp://", "smtp://anna:p%40ss@")))

    assert sink.logins == []


async def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    async with mail_sink() as sink:
        to = delivery(sink.url)
        await send(to, "jörg@example.org")
        await to.close()

    assert sink.recipients == ["jörg@example.org"]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 587, None, False, None)),
        ("smtp://a%40b:p%3Aw@mail.example.org:25", ("mail.example.org", 25, "a@b", False, None)),
        ("smtps://a:b@mail.example.org", ("mail.example.org", 465, "a", True, None)),
        ("smtp://mail.example.org?starttls=required", ("mail.example.org", 587, None, False, True)),
        ("smtp://[::1]:25?starttls=never", ("::1", 25, None, False, False)),
    ],
)
def test_a_url_is_read(url: str, server: tuple[object, ...]) -> None:
    found = SmtpServer.parse(url)

    assert (found.host, found.port, found.username, found.tls, found.starttls) == server


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "mail.example.org:25",
            "http://mail.example.org",
            "smtp://",
            "smtp://h:0",
            "smtp://h:99999",
            "smtp://h:x",
        ),
        *("smtp://user@h", "smtp://h/path", "smtp://h?tls=1", "smtps://h?starttls=never", "smtp://h?starttls=perhaps"),
    ],
)
def test_a_url_that_says_something_else_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="USER:PASSWORD"):
        SmtpServer.parse(url.replace("h", "u:hunter2@h", 1) if url.startswith("smtp://h") else url)


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(SmtpServer.parse("smtp://a:hunter2@mail.example.org"))
