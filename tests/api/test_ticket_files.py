"""The tickets and the calendar entry of an order over HTTP: for whoever has its token or an address that we made."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout import order_documents
from rowlock.checkout.document_links import DocumentLinks
from rowlock.checkout.ticket_codes import TicketCode, verify
from rowlock.checkout.ticket_keys import read_keys
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.services import make_payment_providers, payment_loops
from rowlock.settings import Settings
from tests.support.answers import Show
from tests.support.http import SECRET_KEY, Api, Application, outcome, running
from tests.support.pdf import page_images, page_texts, qr_codes
from tests.support.scripted_provider import OneProvider, ScriptedProvider
from tests.support.seatdb import SeatDb

ORDERS = "/api/ticket-orders"


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def application(dsns: Dsns, provider: ScriptedProvider, tmp_path: Path) -> AsyncIterator[Application]:
    async with running(dsns, providers=OneProvider(provider), ticket_keys_file=tmp_path / "keys.json") as application:
        yield application


async def ordered(client: Api, show: Show, *seats: int) -> dict[str, Any]:
    made = (await client.reserve(show, seats, by=uuid4().hex)).json()
    body = {"reservation_token": made["reservation_token"], "customer": {"name": "Anna", "email": "anna@example.org"}}
    return dict((await client.post(ORDERS, json=body)).json())


async def paid(client: Api, show: Show, provider: ScriptedProvider, *seats: int) -> dict[str, Any]:
    order = await ordered(client, show, *seats)
    intent = (await client.post(f"{ORDERS}/payment-intent-v2", json={"order_id": order["order_id"]})).json()
    provider.authorize(list(provider.payments)[-1])
    wish = {"order_id": order["order_id"], "payment_intent_id": intent["payment_intent_id"]}
    confirmed = (await client.post(f"{ORDERS}/confirm", json=wish)).json()
    assert confirmed["status"] == "paid", confirmed
    return {**order, "tickets": confirmed["tickets"]}


def bearer(order: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {order['order_token']}"}


async def test_a_pdf_url_opens_one_ticket_whose_code_verifies_without_the_database(
    client: Api, show: Show, provider: ScriptedProvider, tmp_path: Path
) -> None:
    order = await paid(client, show, provider, 1, 2)
    second = order["tickets"][1]

    answer = await client.get(second["pdf_url"])

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["cache-control"] == "private, no-store"
    [page] = page_images(answer.content)
    [code] = qr_codes(page)
    found = verify(code, read_keys(tmp_path / "keys.json").public_keys)
    assert isinstance(found, TicketCode)
    assert (str(found.show_id), str(found.ticket_id)) == (str(show.show_id), second["ticket_id"])
    [text] = page_texts(answer.content)
    assert "Ticket 2 of 2" in text


async def test_the_token_of_an_order_opens_all_its_tickets_and_its_calendar_entry(
    client: Api, show: Show, provider: ScriptedProvider
) -> None:
    order = await paid(client, show, provider, 1, 2)

    tickets = await client.get(f"{ORDERS}/{order['order_id']}/tickets.pdf", headers=bearer(order))
    calendar = await client.get(f"{ORDERS}/{order['order_id']}/calendar.ics", headers=bearer(order))

    assert len(page_texts(tickets.content)) == 2
    assert calendar.headers["content-type"].startswith("text/calendar")
    assert calendar.text.startswith("BEGIN:VCALENDAR\r\n")
    assert f"UID:{show.show_id}\r\n" in calendar.text


async def test_an_order_that_is_not_paid_has_no_ticket_and_no_address_of_one(client: Api, show: Show) -> None:
    order = await ordered(client, show, 1)

    answer = await client.get(f"{ORDERS}/{order['order_id']}/tickets.pdf", headers=bearer(order))

    assert outcome(answer) == (404, "NOT_FOUND")
    assert order["tickets"] == []


async def test_a_ticket_that_was_given_back_is_not_printed(
    client: Api, show: Show, provider: ScriptedProvider, admin: Api
) -> None:
    order = await paid(client, show, provider, 1, 2)
    void, kept = order["tickets"]
    wish = {"reason": "ill", "ticket_ids": [void["ticket_id"]]}
    assert (await admin.post(f"{ORDERS}/{order['order_id']}/refunds", json=wish)).is_success

    seen = (await client.get(f"{ORDERS}/{order['order_id']}", headers=bearer(order))).json()["tickets"]
    whole = await client.get(f"{ORDERS}/{order['order_id']}/tickets.pdf", headers=bearer(order))

    assert outcome(await client.get(void["pdf_url"])) == (404, "NOT_FOUND")
    assert [(ticket["status"], ticket["pdf_url"]) for ticket in seen] == [("void", None), ("valid", kept["pdf_url"])]
    [text] = page_texts(whole.content)
    assert "Ticket 1 of 1" in text


async def test_whatever_else_is_sent_answers_as_a_missing_order(
    client: Api, show: Show, provider: ScriptedProvider
) -> None:
    mine, other = await paid(client, show, provider, 1), await paid(client, show, provider, 2)
    path, key = mine["tickets"][0]["pdf_url"].split("?key=")
    foreign = other["tickets"][0]["pdf_url"].split("?key=")[1]
    strange = [
        await client.get(path),
        await client.get(path, params={"key": ""}),
        await client.get(path, params={"key": foreign}),
        *[await client.get(path, params={"key": key[:-1] + last}) for last in "ABCDwxyz-_" if last != key[-1]],
        await client.get(path, params={"key": "9" + key}),
        await client.get(path, params={"key": "0" + key}),
        await client.get(path, params={"key": key.partition(".")[0]}),
        await client.get(path, params={"key": "ü.9.x"}),
        await client.get(path, headers=bearer(other)),
        await client.get(path, headers={"authorization": "Basic x"}),
        await client.get(path.replace(mine["order_id"], str(uuid4())), params={"key": key}),
    ]

    assert {outcome(answer) for answer in strange} == {(404, "ORDER_NOT_FOUND")}
    assert (await client.get(path, params={"key": key})).status_code == 200


async def test_documents_are_made_one_at_a_time_and_not_without_bound(
    client: Api, show: Show, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await paid(client, show, provider, 1)
    address, running, most = order["tickets"][0]["pdf_url"], 0, 0
    go_on = threading.Event()

    def slow(*_: object, **__: object) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        assert go_on.wait(30)
        running -= 1
        return b"%PDF"

    monkeypatch.setattr(order_documents, "render_tickets", slow)
    waiting = [asyncio.ensure_future(client.get(address)) for _ in range(3 * order_documents.MOST_WAITING)]
    for refused in asyncio.as_completed(waiting):
        await refused
        if sum(future.done() for future in waiting) == 2 * order_documents.MOST_WAITING:
            break
    go_on.set()
    answers = await asyncio.gather(*waiting)

    assert most == 1
    assert {answer.status_code for answer in answers} == {200, 503}
    assert outcome(next(answer for answer in answers if answer.status_code == 503)) == (503, "BUSY")
    assert sum(answer.status_code == 200 for answer in answers) == order_documents.MOST_WAITING


async def test_a_mail_leads_to_the_tickets_until_the_show_is_over(
    client: Api, show: Show, provider: ScriptedProvider, db: SeatDb, tmp_path: Path
) -> None:
    starts_at = datetime.now(UTC) + timedelta(days=90)
    await db.owner.execute("update rowlock.shows set starts_at = %s where show_id = %s", [starts_at, show.show_id])
    order = await paid(client, show, provider, 1, 2)

    site = "https://tickets.example.org"
    mail = await mailed(order, db.dsns, Settings(data_dir=tmp_path, public_url=site))

    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    [address] = re.findall(rf"{site}(/\S+)", text)
    tickets = await client.get(address)
    assert (tickets.status_code, tickets.headers["content-type"]) == (200, "application/pdf")
    links, order_id = DocumentLinks(SECRET_KEY, site), UUID(order["order_id"])
    key = address.partition("?key=")[2]
    assert links.opens(key, order_id, now=starts_at + timedelta(days=1))
    assert not links.opens(key, order_id, now=starts_at + timedelta(days=3))


async def test_without_a_public_url_a_mail_has_no_link(
    client: Api, show: Show, provider: ScriptedProvider, db: SeatDb, tmp_path: Path
) -> None:
    order = await paid(client, show, provider, 1)

    mail = await mailed(order, db.dsns, Settings(data_dir=tmp_path))

    assert "key=" not in mail.as_string()


async def mailed(order: dict[str, Any], dsns: Dsns, settings: Settings) -> EmailMessage:
    """The mail of an order that one round of a worker's outbox leaves in the local mailbox."""
    cells = Cells(DirectDatabase(dsns, application_name="rowlock test"))
    providers = make_payment_providers(settings, cells, SECRET_KEY)
    loops = payment_loops(providers, cells, settings, secret_key=SECRET_KEY)
    async with await psycopg.AsyncConnection.connect(dsns.worker, autocommit=True) as worker:
        [outbox] = [loop for loop in loops if loop.name == "outbox"]
        await outbox.work(worker)
    async with await psycopg.AsyncConnection.connect(dsns.owner) as owner:
        cursor = await owner.execute(
            "select content from rowlock.mailbox_messages where message_id like %s", [f"%{order['order_id']}%"]
        )
        [(content,)] = await cursor.fetchall()
    mail = message_from_bytes(content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def test_an_address_expires_after_a_week() -> None:
    links, order_id = DocumentLinks("secret", "https://tickets.example.org/"), UUID(int=7)
    made_at = datetime(2026, 12, 1, 23, 59, tzinfo=UTC)
    address = links.tickets(order_id, now=made_at)
    key = address.partition("?key=")[2]

    assert address.startswith(f"https://tickets.example.org/api/ticket-orders/{order_id}/tickets.pdf?key=")
    assert links.opens(key, order_id, now=made_at + timedelta(days=7))
    assert not links.opens(key, order_id, now=made_at + timedelta(days=8, minutes=1))
    assert not DocumentLinks("another").opens(key, order_id, now=made_at)


async def test_staff_issue_a_ticket_again_and_its_pdf_has_the_new_code(
    client: Api, admin: Api, show: Show, provider: ScriptedProvider, tmp_path: Path
) -> None:
    order = await paid(client, show, provider, 1, 2)
    ticket = order["tickets"][0]
    wish = {"ticket_id": ticket["ticket_id"], "reason": "stolen", "revision": 1}

    before = await code_in(client, ticket["pdf_url"], tmp_path / "keys.json")
    first = await admin.post(f"{ORDERS}/{order['order_id']}/reissues", json=wish)
    again = await admin.post(f"{ORDERS}/{order['order_id']}/reissues", json=wish)
    after = await code_in(client, ticket["pdf_url"], tmp_path / "keys.json")

    assert (first.status_code, first.json()) == (
        200,
        {
            "success": True,
            "order_id": order["order_id"],
            "ticket_id": ticket["ticket_id"],
            "seat_id": 1,
            "revision": 2,
        },
    )
    assert again.json() == first.json()
    assert (before.revision, after.revision) == (1, 2)
    assert before.ticket_id == after.ticket_id == UUID(ticket["ticket_id"])


async def test_who_is_not_staff_cannot(client: Api, admin: Api, show: Show, provider: ScriptedProvider) -> None:
    order = await paid(client, show, provider, 1)
    path, wish = (
        f"{ORDERS}/{order['order_id']}/reissues",
        {"ticket_id": order["tickets"][0]["ticket_id"], "reason": "x"},
    )

    bearer = {"authorization": f"Bearer {order['order_token']}"}
    assert outcome(await client.post(path, json=wish)) == (404, "ORDER_NOT_FOUND")
    assert outcome(await client.post(path, json=wish, headers=bearer)) == (404, "ORDER_NOT_FOUND")
    assert outcome(await client.post(path, json=wish, headers={"x-api-key": "wrong" * 8})) == (401, "UNAUTHORIZED")


async def test_what_cannot_be_is_refused_by_name(
    client: Api, admin: Api, show: Show, provider: ScriptedProvider
) -> None:
    order = await paid(client, show, provider, 1)
    other = await paid(client, show, provider, 2)
    path, ticket_id = f"{ORDERS}/{order['order_id']}/reissues", order["tickets"][0]["ticket_id"]

    foreign = await admin.post(path, json={"ticket_id": other["tickets"][0]["ticket_id"], "reason": "x"})
    early = await admin.post(path, json={"ticket_id": ticket_id, "reason": "x", "revision": 7})
    empty = await admin.post(path, json={"ticket_id": ticket_id, "reason": ""})
    nowhere = await admin.post(f"{ORDERS}/{UUID(int=9)}/reissues", json={"ticket_id": ticket_id, "reason": "x"})

    assert outcome(foreign) == (404, "TICKET_NOT_FOUND")
    assert outcome(early) == (409, "TICKET_REVISION_DIFFERS")
    assert outcome(empty) == (400, "INVALID_INPUT")
    assert outcome(nowhere) == (404, "ORDER_NOT_FOUND")


async def code_in(client: Api, address: str, keys: Path) -> TicketCode:
    """What the code of a ticket says, read from its PDF."""
    [image] = page_images((await client.get(address)).content)
    [text] = qr_codes(image)
    found = verify(text, read_keys(keys).public_keys)
    assert isinstance(found, TicketCode)
    return found
