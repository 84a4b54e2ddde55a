"""What a message looks like on the wire, whatever people wrote into names, titles and addresses."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowlock.base.mail_settings import Sender
from rowlock.mail.composition import NAME_LENGTH, SUBJECT_LENGTH, compose, one_line, wire_address
from rowlock.mail.model import Attachment, Mail, MailRefusedError

SENDER = Sender.parse("Théâtre <tickets@example.org>")


def mail(**changes: object) -> Mail:
    kept: dict[str, object] = {
        "to": "anna@example.org",
        "to_name": "Anna",
        "subject": "Your tickets",
        "text": "Hello\n",
        "html": "<p>Hello</p>",
        "message_id": SENDER.message_id("order_paid", 7),
    }
    return Mail(**(kept | changes))  # type: ignore[arg-type]


def read(one: Mail) -> EmailMessage:
    message = message_from_bytes(compose(one, SENDER).as_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_has_text_html_and_attachments() -> None:
    message = read(mail(attachments=[Attachment("Karten für Ödipus.pdf", "application/pdf", b"%PDF-1.7\r\n.\r\n")]))

    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == "Hello\n"
    assert html.get_content().strip() == "<p>Hello</p>"
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "Karten für Ödipus.pdf"
    assert attached.get_payload(decode=True) == b"%PDF-1.7\r\n.\r\n"
    assert message["From"] == "Théâtre <tickets@example.org>"
    assert message["Message-ID"] == "<order_paid.7@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("name", ["Zoë Łukasiewicz", "李小龙", 'O\'Brien, "Pat" <x@y>', "👩‍🎤 Star", ""])
def test_names_of_any_language_arrive(name: str) -> None:
    message = read(mail(to_name=name))

    assert [address.addr_spec for address in message["To"].addresses] == ["anna@example.org"]
    assert message["To"].addresses[0].display_name == one_line(name, NAME_LENGTH)


def test_a_name_without_end_is_cut() -> None:
    message = read(mail(to_name="Maria " * 50))

    assert message["To"].addresses[0].display_name.startswith("Maria Maria")
    assert len(message["To"].addresses[0].display_name) <= NAME_LENGTH + 1


HOSTILE = [
    "x\r\nBcc: eve@example.org",
    "x\nBcc: eve@example.org",
    "x\r\n\r\n<script>",
    "x\u2028Bcc: eve@example.org",
    "x\x00\x0b\x0c\x85Bcc: eve@example.org",
    "=?utf-8?q?x=0D=0ABcc=3A_eve=40example=2Eorg?=",
    "\u202egro.elpmaxe@eve",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_and_no_subject_adds_a_header_or_a_recipient(text: str) -> None:
    message = read(mail(subject=text, to_name=text, attachments=[Attachment(text, "text/calendar", b"")]))

    assert message["Bcc"] is None
    assert sorted(message.keys()) == sorted(read(mail(attachments=[Attachment("x", "text/calendar", b"")])).keys())
    assert [address.addr_spec for address in message["To"].addresses] == ["anna@example.org"]


@given(st.text(max_size=400), st.text(max_size=200))
def test_any_subject_and_name_can_be_sent(subject: str, name: str) -> None:
    message = read(mail(subject=subject, to_name=name))

    assert message["Bcc"] is None
    assert len(str(message["Subject"])) <= SUBJECT_LENGTH
    assert [address.addr_spec for address in message["To"].addresses] == ["anna@example.org"]


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("anna@example.org", "anna@example.org"),
        ("anna+tickets@müller.example", "anna+tickets@xn--mller-kva.example"),
    ],
)
def test_addresses_are_sent_to_as_servers_take_them(address: str, wire: str) -> None:
    assert wire_address(address) == wire
    assert [one.addr_spec for one in read(mail(to=address))["To"].addresses] == [wire]


def test_an_address_beyond_ascii_is_sent_as_utf_8() -> None:
    assert wire_address("jörg@example.org") == "jörg@example.org"
    assert "To: Anna <jörg@example.org>\r\n".encode() in compose(mail(to="jörg@example.org"), SENDER).as_bytes()


@pytest.mark.parametrize(
    "address",
    [
        "anna",
        "anna@",
        "@example.org",
        "anna@example.org\r\nBcc: eve@example.org",
        "anna@example.org, eve@example.org",
        "anna <anna@example.org>",
        "anna@exa mple.org",
        "anna@example..org",
        f"{'a' * 250}@example.org",
        "",
    ],
)
def test_what_is_no_address_is_refused_for_good(address: str) -> None:
    with pytest.raises(MailRefusedError):
        compose(mail(to=address), SENDER)


def test_one_event_has_one_message_id() -> None:
    assert SENDER.message_id("order_paid", 7) == SENDER.message_id("order_paid", 7)
    assert SENDER.message_id("order_paid", 7) != SENDER.message_id("order_paid", 8)


@pytest.mark.parametrize("text", ["", "Moonlight", "a@b\r\nBcc: c@d", "tickets@", "x <jörg@example.org>", "a@b, c@d"])
def test_a_sender_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Sender.parse(text)
