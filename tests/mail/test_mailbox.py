"""The local mailbox: mails without a mail server, shown on this machine and nowhere else."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from rowlock.base.dsns import Dsns
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.mail import post as posts
from rowlock.mail.model import About, Attachment, Mail
from rowlock.mail.pages import router
from rowlock.mail.post import Mailbox, Mails, Post, make_post

EVIL = "</pre></iframe><script>alert(1)</script>"


@pytest.fixture
def cells(dsns: Dsns) -> Cells:
    return Cells(DirectDatabase(dsns, application_name="test"))


@pytest.fixture
def post(cells: Cells) -> Post:
    return make_post(cells, None, None)


def client(cells: Cells, host: str = "127.0.0.1", url: str = "http://localhost") -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(router(Mailbox(cells)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=(host, 1)), base_url=url)


@pytest.fixture
async def here(cells: Cells) -> AsyncIterator[httpx.AsyncClient]:
    async with client(cells) as http:
        yield http


def mail(post: Post, number: int = 1) -> Mail:
    return Mail(
        to="anna@example.org",
        to_name="Anna",
        subject=f"Tickets {EVIL}",
        text=f"Hello {EVIL}",
        html=f"<html><body><script>alert(1)</script><a href='https://example.org'>x</a>{number}</body></html>",
        message_id=post.sender.message_id("test", number),
        attachments=[Attachment('a".html', "text/html", b"<script>alert(1)</script>")],
    )


async def send(post: Post, number: int = 1) -> None:
    await post.send(mail(post, number), About("test"), due_at=datetime.now(UTC))


async def test_a_mail_is_listed_and_shown_without_any_script(post: Post, here: httpx.AsyncClient) -> None:
    assert "No mail was sent yet." in (await here.get("/dev/mailbox")).text
    await send(post)

    listed = await here.get("/dev/mailbox")
    link = re.search(r'href="(/dev/mailbox/\d+)"', listed.text)
    assert link is not None
    shown = await here.get(link[1])
    framed = await here.get(f"{link[1]}/html")
    file = await here.get(f"{link[1]}/attachments/1")

    for page in (listed, shown):
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown.text
    assert framed.headers["content-security-policy"].startswith("sandbox allow-popups")
    assert "script-src" not in framed.headers["content-security-policy"]
    assert framed.text.startswith('<base target="_blank">')
    assert file.content == b"<script>alert(1)</script>"
    assert file.headers["content-disposition"] == 'attachment; filename="a-.html"'
    for page in (listed, shown, framed, file):
        assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/99", "/99/html", "/99/attachments/1", "/0", "/99999999999999999999"])
async def test_what_is_not_there_is_not_found(here: httpx.AsyncClient, path: str) -> None:
    assert (await here.get(f"/dev/mailbox{path}")).status_code == 404


@pytest.mark.parametrize(
    ("host", "url", "headers"),
    [
        ("203.0.113.9", "http://localhost", {}),
        ("127.0.0.1", "http://tickets.example.org", {}),
        ("127.0.0.1", "http://localhost", {"X-Forwarded-For": "203.0.113.9"}),
        ("127.0.0.1", "http://localhost", {"Forwarded": "for=203.0.113.9"}),
    ],
)
async def test_elsewhere_there_are_no_such_pages(
    post: Post, cells: Cells, host: str, url: str, headers: dict[str, str]
) -> None:
    await send(post)
    async with client(cells, host, url) as http:
        for path in ("", "/1", "/1/html", "/1/attachments/1"):
            assert (await http.get(f"/dev/mailbox{path}", headers=headers)).status_code == 404


@pytest.mark.parametrize(("host", "url"), [("::1", "http://[::1]:8000"), ("127.0.0.1", "http://127.0.0.1:8000")])
async def test_this_machine_has_several_names(post: Post, cells: Cells, host: str, url: str) -> None:
    async with client(cells, host, url) as http:
        assert (await http.get("/dev/mailbox")).status_code == 200


async def test_the_newest_stay_and_one_event_is_there_once(
    post: Post, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posts, "MAILBOX_LIMIT", 3)
    for number in (1, 2, 3, 4, 4, 5):
        await send(post, number)

    assert len(await Mailbox(cells).list()) == 3
    assert len(await Mails(cells).list_mails()) == 5
