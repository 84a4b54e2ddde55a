"""The Stripe adapter once more, against localstripe: a simulator that none of us wrote, as far as it reaches.

It knows neither idempotency keys, nor automatic payment methods, nor connected accounts. What it does not know is taken
out of our requests on the way, and the card that a buyer would enter in the browser is put in.
"""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rowlock.checkout.providers.payment_provider import PaymentStatus, ProviderRefusedError, RefundStatus
from rowlock.checkout.providers.stripe import StripeProvider
from tests.support.asgi_server import asgi_served
from tests.support.inbox import Inbox, inbox_running
from tests.support.provider_contract import wish

VARIABLE = "ROWLOCK_TEST_LOCALSTRIPE"
KEY = "sk_test_12345"
SECRET = "whsec_localstripe"
UNKNOWN = ("automatic_payment_methods", "description", "cancellation_reason", "expand")
GOOD, DECLINED = "4242424242424242", "4000000000000341"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def localstripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running localstripe."""
    python = os.environ.get(VARIABLE)
    if not python:
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"{VARIABLE} is not set")
        pytest.skip(f"{VARIABLE} is not set: `make test-tools` sets it.")
    port = free_port()
    log = tmp_path_factory.mktemp("localstripe") / "log"
    command = [python, "-m", "localstripe", "--from-scratch", "--port", str(port)]
    with Path(log).open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            until = time.monotonic() + 30
            while True:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, "localstripe did not start"
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


class OnTheWay:
    """Passes requests on, without what localstripe does not know, and with the buyer's card."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.card = GOOD

    async def serve(self, request: Request) -> Response:
        headers = {"authorization": request.headers["authorization"]}
        async with httpx.AsyncClient(base_url=self._url, headers=headers) as client:
            fields = [(k, v) for k, v in parse_qsl((await request.body()).decode()) if k.split("[")[0] not in UNKNOWN]
            if (request.method, request.url.path) == ("POST", "/v1/payment_intents"):
                fields.append(("payment_method", await self._method(client)))
            address = f"{request.url.path}?{request.url.query.replace('expand[0]', 'expand[]')}"
            answer = await client.request(
                request.method,
                address,
                content=urlencode(fields) or None,
                headers={"content-type": "application/x-www-form-urlencoded"},
            )
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def _method(self, client: httpx.AsyncClient) -> str:
        card = {"card[number]": self.card, "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123"}
        answer = await client.post("/v1/payment_methods", data={"type": "card", **card})
        return str(answer.json()["id"])


@pytest.fixture
def way(localstripe: str) -> OnTheWay:
    return OnTheWay(localstripe)


@pytest.fixture
async def provider(way: OnTheWay) -> AsyncIterator[StripeProvider]:
    with asgi_served(Starlette(routes=[Route("/{path:path}", way.serve, methods=["GET", "POST"])])) as url:
        provider = StripeProvider(KEY, publishable_key=None, webhook_secrets=(SECRET,), api_base=url)
        yield provider
        await provider.close()


async def confirm(localstripe: str, reference: str) -> int:
    """The buyer confirms on the page."""
    async with httpx.AsyncClient(base_url=localstripe, headers={"authorization": f"Bearer {KEY}"}) as client:
        return (await client.post(f"/v1/payment_intents/{reference}/confirm")).status_code


async def test_a_purchase_and_a_refund(provider: StripeProvider, localstripe: str) -> None:
    wanted = wish()
    made = await provider.create(wanted)
    assert (made.status, made.amount_minor, made.currency) == (PaymentStatus.OPEN, 8500, "EUR")
    assert made.payment_intent_id == wanted.payment_intent_id
    assert await confirm(localstripe, made.reference) == 200
    authorized = await provider.fetch(made.reference)
    assert authorized is not None
    assert authorized.status is PaymentStatus.AUTHORIZED

    assert (await provider.capture(made.reference, key="c")).status is PaymentStatus.CAPTURED
    refund = await provider.refund(made.reference, 3000, key="r")

    assert (refund.status, refund.amount_minor, refund.currency) == (RefundStatus.SUCCEEDED, 3000, "EUR")
    assert await provider.fetch_refund(refund.reference) == refund
    assert await provider.refund(made.reference, 3000, key="r") == refund, "found by its key, without Stripe's help"


async def test_an_authorized_payment_is_let_go(provider: StripeProvider, localstripe: str) -> None:
    made = await provider.create(wish())
    await confirm(localstripe, made.reference)

    assert (await provider.cancel(made.reference, key="x")).status is PaymentStatus.CANCELLED
    assert (await provider.cancel(made.reference, key="x")).status is PaymentStatus.CANCELLED


async def test_a_declined_card_leaves_it_open(provider: StripeProvider, way: OnTheWay, localstripe: str) -> None:
    way.card = DECLINED
    made = await provider.create(wish())
    assert await confirm(localstripe, made.reference) == 402

    declined = await provider.fetch(made.reference)

    assert declined is not None
    assert declined.status is PaymentStatus.OPEN
    assert declined.last_error


async def test_nothing_is_found_where_nothing_is(provider: StripeProvider) -> None:
    with pytest.raises(ProviderRefusedError):
        await provider.capture("pi_nothing", key="c")


async def test_its_webhooks_are_read(provider: StripeProvider, localstripe: str) -> None:
    with inbox_running() as inbox:
        async with httpx.AsyncClient(base_url=localstripe, headers={"authorization": f"Bearer {KEY}"}) as client:
            await client.post("/_config/webhooks/rowlock", data={"url": inbox.url, "secret": SECRET})
        wanted = wish()
        made = await provider.create(wanted)
        await confirm(localstripe, made.reference)
        await provider.capture(made.reference, key="c")
        headers, body = await about(inbox, made.reference)

    event = provider.parse_webhook(headers, body, datetime.now(UTC))

    assert (event.kind, event.reference) == ("payment_intent.succeeded", made.reference)
    assert event.payment_intent_id == wanted.payment_intent_id


async def about(inbox: Inbox, reference: str) -> tuple[dict[str, str], bytes]:
    async with asyncio.timeout(30):
        while True:
            for headers, body in list(inbox.received):
                if b"payment_intent.succeeded" in body and reference.encode() in body:
                    return headers, body
            await asyncio.sleep(0.02)
