"""The sandbox over HTTP: what a program sends, and the page on which a person pays."""

import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser

import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout.providers.model import CardOutcome
from rowlock.checkout.providers.payment_provider import PaymentStatus
from rowlock.checkout.providers.sandbox import SandboxProvider, pages
from rowlock.checkout.providers.sandbox.pages import CARDS
from tests.checkout.providers.test_sandbox import sandbox_on, status
from tests.support.http import Api, problem, running
from tests.support.provider_contract import wish
from tests.support.servers import TestServer


@pytest.fixture(scope="module")
def dsns(server: TestServer) -> Iterator[Dsns]:
    """One database for the file: each test makes payments of its own."""
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture
def provider(dsns: Dsns) -> SandboxProvider:
    return sandbox_on(dsns)


@pytest.fixture
async def client(dsns: Dsns) -> AsyncIterator[Api]:
    async with running(dsns) as application, application.client() as client:
        yield client


async def test_a_program_pays_by_the_id_of_the_intent_or_the_reference(provider: SandboxProvider, client: Api) -> None:
    wanted = wish()
    made = await provider.create(wanted)
    path = "/api/sandbox/payment-intents/{}/authorize"

    declined = await client.post(path.format(wanted.payment_intent_id), json={"outcome": "decline"})
    paid = await client.post(path.format(made.reference), json={"outcome": "succeed"})
    again = await client.post(path.format(made.reference), json={"outcome": "succeed"})

    assert (declined.status_code, declined.json()["status"]) == (200, "open")
    assert declined.json()["last_error"]
    assert paid.status_code == 200
    assert (
        paid.json()
        == again.json()
        == {
            "success": True,
            "reference": made.reference,
            "payment_intent_id": str(wanted.payment_intent_id),
            "status": "authorized",
            "amount_minor": 8500,
            "currency": "EUR",
            "last_error": None,
            "page_url": f"/sandbox/pay/{made.reference}",
        }
    )


async def test_a_program_is_refused(provider: SandboxProvider, client: Api) -> None:
    made = await provider.create(wish())
    path = f"/api/sandbox/payment-intents/{made.reference}/authorize"
    await provider.cancel(made.reference, key="cancel")

    problem(await client.post(path, json={"outcome": "succeed"}), 409, "PAYMENT_NOT_OPEN")
    problem(await client.post(path, json={"outcome": "rob the bank"}), 400, "INVALID_INPUT")
    problem(await client.post(path, json={"outcome": "delay", "after_seconds": -1}), 400, "INVALID_INPUT")
    problem(await client.post(path.replace("sbx_", "sbx_0"), json={"outcome": "succeed"}), 404, "NOT_FOUND")


class Page(HTMLParser):
    """What a page has, for those who do not see it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


async def test_the_page_has_a_button_for_each_test_card_and_no_script(provider: SandboxProvider, client: Api) -> None:
    made = await provider.create(wish(description="<b>Swan & Lake</b>"))

    answer = await client.get(f"/sandbox/pay/{made.reference}")

    page = Page(answer.text)
    assert answer.status_code == 200
    assert [button["value"] for button in page.all("button")] == [card.outcome for card in CARDS]
    assert {card.outcome for card in CARDS} == set(CardOutcome)
    assert not page.all("script")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    assert page.all("meta")[1]["content"] == "width=device-width, initial-scale=1"
    assert "<b>Swan & Lake</b>" in page.text, "as text, not as HTML"
    assert "Pay 85.00 EUR" in page.text
    assert "No real card, no real money." in page.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy
    assert answer.headers["cache-control"] == "no-store"


async def test_the_page_leads_through_a_decline_a_step_of_the_bank_and_back_to_the_order(
    provider: SandboxProvider, client: Api
) -> None:
    back = "https://tickets.example.org/orders/K7M2?paid"
    made = await provider.create(wish(return_url=back))
    path = f"/sandbox/pay/{made.reference}"

    async def press(outcome: str) -> str:
        answer = await client.post(path, data={"outcome": outcome})
        assert answer.status_code == 303
        return answer.headers["location"]

    declined = await client.get(await press("decline"))
    assert 'role="alert"' in declined.text
    assert "<title>Declined" in declined.text
    assert 'role="alert"' not in (await client.get(path)).text, "it has not just happened"
    assert "Your bank asks" in (await client.get(await press("three_d_secure"))).text
    assert await press("succeed") == back
    assert "form-action 'self' https://tickets.example.org;" in declined.headers["content-security-policy"]
    agreed = await client.get(path)
    assert Page(agreed.text).all("a")[0]["href"] == back
    assert await press("decline") == path, "an old page changes nothing"
    assert await press("nonsense") == path
    await provider.capture(made.reference, key="capture")
    assert "There is nothing more to do here" in (await client.get(path)).text


async def test_there_is_a_page_for_every_state_and_for_none(provider: SandboxProvider, client: Api) -> None:
    slow, ended = [(await provider.create(wish())).reference for _ in range(2)]
    await provider.authorize(slow, CardOutcome.LATE)
    await provider.cancel(ended, key="cancel")

    assert "Your bank is taking its time" in (await client.get(f"/sandbox/pay/{slow}")).text
    assert "This payment has ended" in (await client.get(f"/sandbox/pay/{ended}")).text
    for method in ("GET", "POST"):
        for reference in ("sbx_nothing", "%00", "%F0%9F%8E%AD", "x" * 5000, "'--"):
            missing = await client.request(method, f"/sandbox/pay/{reference}")
            assert missing.status_code == 404
            assert "There is no such payment" in missing.text


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"&" * 500, b"a=1&" * 50, b"outcome=", b'{"outcome": "succeed"}'])
async def test_what_is_no_form_of_the_page_changes_nothing(provider: SandboxProvider, client: Api, body: bytes) -> None:
    made = await provider.create(wish())
    path = f"/sandbox/pay/{made.reference}"

    answer = await client.post(path, content=body)

    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert await status(provider, made.reference) is PaymentStatus.OPEN


def luminance(colour: str) -> float:
    parts = [
        int(part, 16) / 255
        for part in re.findall("..", colour.ljust(6, colour[-1]) if len(colour) == 6 else colour * 2)
    ]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["_LIGHT", "_DARK"])
def test_every_pair_of_colours_can_be_read(theme: str) -> None:
    colours = dict(re.findall(r"--([\w-]+):#([0-9a-f]{3,6})", getattr(pages, theme)))
    pairs = [("ink", "bg"), ("ink", "surface"), ("ink-2", "bg"), ("ink-2", "surface"), ("on-brand", "brand")]
    pairs += [("danger", "danger-soft"), ("ok", "ok-soft"), ("warn", "warn-soft"), ("link", "surface")]
    for front, back in pairs:
        light, dark = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, back)
