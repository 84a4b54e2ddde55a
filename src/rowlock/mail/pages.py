"""The pages of the local mailbox: /dev/mailbox. For developers, on the machine itself and nowhere else.

What stands in a mail came from a buyer or an organizer, so a mail is shown in a frame that runs no script and loads
nothing.
"""

import re
from collections.abc import Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import escape
from ipaddress import ip_address

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from rowlock.mail.model import KeptMail
from rowlock.mail.post import Mailbox

_PAGE = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; frame-ancestors 'none'; form-action 'none'"
_FRAME = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; frame-ancestors 'self'; form-action 'none'"
)
# What a proxy on this machine adds. A client elsewhere would come through one from a loopback address.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
li { padding: .5rem 0; } small { opacity: .75; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
iframe { width: 100%; height: 44rem; border: 1px solid #8888; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; overflow-wrap: anywhere; }
"""


def router(mailbox: Mailbox) -> APIRouter:
    """The pages. Only where the sandbox provider takes payments and no mail server is set: the caller decides."""
    pages = APIRouter(prefix="/dev/mailbox", include_in_schema=False, dependencies=[Depends(_is_here)])

    async def find(mailbox_id: int) -> tuple[KeptMail, EmailMessage]:
        kept = await mailbox.find(mailbox_id) if 0 < mailbox_id < 2**63 else None
        if kept is None or kept.content is None:
            raise HTTPException(404)
        message = message_from_bytes(kept.content, policy=default)
        assert isinstance(message, EmailMessage), "the policy makes them"
        return kept, message

    @pages.get("")
    async def list_mails() -> Response:
        return _page("Mailbox", _list(await mailbox.list()))

    @pages.get("/{mailbox_id}")
    async def show_mail(mailbox_id: int) -> Response:
        kept, message = await find(mailbox_id)
        return _page(str(message["Subject"]), _mail(kept, message))

    @pages.get("/{mailbox_id}/html")
    async def show_html(mailbox_id: int) -> Response:
        _, message = await find(mailbox_id)
        part = message.get_body(("html",))
        text = "" if part is None else str(part.get_content())
        # Links open outside the frame, in which they could load nothing.
        return _answer('<base target="_blank">' + text, _FRAME)

    @pages.get("/{mailbox_id}/attachments/{number}")
    async def get_attachment(mailbox_id: int, number: int) -> Response:
        _, message = await find(mailbox_id)
        parts = list(message.iter_attachments())
        if not 1 <= number <= len(parts):
            raise HTTPException(404)
        content = parts[number - 1].get_payload(decode=True)
        return Response(
            content if isinstance(content, bytes) else b"",
            media_type=parts[number - 1].get_content_type(),
            headers={
                "Content-Disposition": f'attachment; filename="{_file_name(parts[number - 1], number)}"',
                "Content-Security-Policy": "sandbox; default-src 'none'",
                **_SAFE,
            },
        )

    return pages


def _is_here(request: Request) -> None:
    """Refuses, as if there were no such page, who is not on this machine, and a site that goes by our address."""
    host = request.url.hostname or ""
    client = request.client.host if request.client is not None else ""
    if not (_is_loopback(client) and _is_loopback(host)) or any(name in request.headers for name in _FORWARDED):
        raise HTTPException(404)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def _answer(html: str, policy: str) -> Response:
    headers = {"Content-Security-Policy": policy, **_SAFE}
    return Response(html.encode(errors="replace"), media_type="text/html; charset=utf-8", headers=headers)


def _page(title: str, body: str) -> Response:
    return _answer(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Mailbox</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        _PAGE,
    )


def _list(mails: Sequence[KeptMail]) -> str:
    if not mails:
        return "<p>No mail was sent yet.</p>"
    lines = "".join(
        f'<li><a href="/dev/mailbox/{mail.mailbox_id}">{escape(mail.subject)}</a><br>'
        f"<small>To {escape(mail.recipient)}, {mail.at.isoformat(timespec='seconds')}</small></li>"
        for mail in mails
    )
    return f"<p>No mail server is set, so mails land here and are sent nowhere.</p><ul>{lines}</ul>"


def _mail(kept: KeptMail, message: EmailMessage) -> str:
    plain = message.get_body(("plain",))
    facts = {
        "From": message["From"],
        "To": message["To"],
        "Sent": kept.at.isoformat(timespec="seconds"),
        "Message-ID": message["Message-ID"],
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    files = "".join(
        f'<li><a href="/dev/mailbox/{kept.mailbox_id}/attachments/{number}">{escape(_file_name(part, number))}</a></li>'
        for number, part in enumerate(message.iter_attachments(), start=1)
    )
    return (
        f'<p><a href="/dev/mailbox">All mails</a></p><dl>{listed}</dl>'
        f"{f'<h2>Attachments</h2><ul>{files}</ul>' if files else ''}"
        f'<h2>As HTML</h2><iframe title="The mail as HTML" sandbox="allow-popups allow-popups-to-escape-sandbox" '
        f'src="/dev/mailbox/{kept.mailbox_id}/html"></iframe>'
        f"<h2>As text</h2><pre>{escape('' if plain is None else str(plain.get_content()))}</pre>"
    )


def _file_name(part: EmailMessage, number: int) -> str:
    """The name of an attachment as a header may have it."""
    name = re.sub(r"[^A-Za-z0-9._ -]+", "-", part.get_filename() or "").strip(" .-")
    return name or f"attachment-{number}"
