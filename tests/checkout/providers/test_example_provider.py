"""The package of docs/how-to/write-a-payment-provider.md: found by its entry point, and held to the contract."""

import hmac
import json
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rowlock.base.dsns import Dsns
from rowlock.checkout.providers.payment_provider import PaymentProvider, ProviderUnavailableError, WebhookRefusedError
from rowlock.checkout.providers.provider_account import ProviderSettingsError
from rowlock.checkout.providers.registry import Installation, PaymentProviders, make_providers
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from tests.support.asgi_server import asgi_served
from tests.support.provider_contract import ProviderContract, wish
from tests.support.stripe_state import DECLINED_CARD, GOOD_CARD, StripeAccount, StripeError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "write-a-payment-provider.md"
SECRET = "acme webhooks"
STATUSES = {"requires_payment_method": "open", "requires_capture": "authorized", "succeeded": "captured"}


@dataclass
class Acme:
    """Acme Pay's server, on the state of another simulator."""

    state: StripeAccount = field(default_factory=StripeAccount)
    answers: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    url: str = ""
    down: bool = False

    async def serve(self, request: Request) -> Response:
        if self.down:
            return Response("", 503)
        body = await request.body()
        key, asked = request.headers.get("idempotency-key"), f"{request.url.path} {body!r}"
        try:
            if key in self.answers:
                if self.answers[key][0] != asked:
                    return JSONResponse({"code": "key_reused"}, 422)
                return JSONResponse(self.answers[key][1])
            answer = self._answer(request, json.loads(body) if body else {})
        except StripeError as error:
            return JSONResponse({"code": "not_found" if error.status == 404 else "refused"}, error.status)
        except KeyError:
            return JSONResponse({"code": "not_found"}, 404)
        if key is not None:
            self.answers[key] = (asked, answer)
        return JSONResponse(answer)

    def _answer(self, request: Request, body: dict[str, Any]) -> Any:
        match request.method, request.url.path.strip("/").split("/"):
            case "POST", ["payments"]:
                params = {"amount": body["amount"], "currency": body["currency"].lower(), "capture_method": "manual"}
                return self.payment(self.state.create_intent({**params, "metadata": body["labels"]}))
            case "GET", ["payments"]:
                since = int(request.query_params["since"])
                return [self.payment(intent) for intent in self.state.intents.values() if intent["created"] >= since]
            case "GET", ["payments", id_]:
                return self.payment(self.state.intent(id_))
            case "POST", ["payments", id_, ("capture" | "cancel") as what]:
                done = "succeeded" if what == "capture" else "canceled"
                if self.state.intent(id_)["status"] != done:
                    getattr(self.state, what)(id_)
                return self.payment(self.state.intent(id_))
            case "POST", ["payments", id_, "refunds"]:
                return self.refund(self.state.refund({"payment_intent": id_, "amount": body["amount"]}))
            case "GET", ["refunds", id_]:
                return self.refund(self.state.refunds[id_])
        raise KeyError(request.url.path)

    def payment(self, intent: dict[str, Any]) -> dict[str, Any]:
        charge = self.state.charges.get(intent["latest_charge"], {})
        error = intent["last_payment_error"]
        return {
            "id": intent["id"],
            "status": STATUSES.get(intent["status"], "cancelled"),
            "amount": intent["amount"],
            "currency": intent["currency"].upper(),
            "captured": intent["amount_received"],
            "refunded": charge.get("amount_refunded", 0),
            "page": None,
            "error": error and error["message"],
            "labels": intent["metadata"],
            "made_at": datetime.fromtimestamp(intent["created"], UTC).isoformat(),
        }

    @staticmethod
    def refund(found: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": found["id"],
            "status": found["status"],
            "amount": found["amount"],
            "currency": found["currency"].upper(),
        }


class WithAcme:
    """The buyer acts at Acme Pay."""

    def __init__(self, acme: Acme) -> None:
        self._acme = acme

    async def pay(self, reference: str) -> None:
        self._acme.state.confirm(reference, GOOD_CARD)

    async def try_declined_card(self, reference: str) -> None:
        with pytest.raises(StripeError):
            self._acme.state.confirm(reference, DECLINED_CARD)


@pytest.fixture(scope="module")
def acme() -> Iterator[Acme]:
    acme = Acme()
    with asgi_served(Starlette(routes=[Route("/{path:path}", acme.serve, methods=["GET", "POST"])])) as url:
        acme.url = url
        yield acme


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package of the page, as an installer leaves it: its module, and its entry points beside it."""
    blocks = re.findall(
        r"^```(?:toml|python)\n# ([\w.]+)\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    files = dict(blocks)
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    folder = tmp_path_factory.mktemp("site-packages")
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (about / "METADATA").write_text(metadata, encoding="utf-8")
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("acme_rowlock", None)


def found(tmp_path: Path, **settings: str) -> PaymentProviders:
    cells = Cells(DirectDatabase(Dsns.same(""), application_name="rowlock test"))
    of_acme = {"acme": settings}
    return make_providers(Installation("acme", lambda name: of_acme.get(name, {}), tmp_path, "secret", None, cells))


@pytest.fixture
async def provider(installed: None, acme: Acme, tmp_path: Path) -> AsyncIterator[PaymentProvider]:
    providers = found(tmp_path, api_key="test_1", webhook_secret=SECRET, base_url=acme.url)
    await providers.open()
    yield providers.provider_of(uuid4())
    await providers.close()


@pytest.fixture
def buyer(acme: Acme) -> WithAcme:
    return WithAcme(acme)


class TestExample(ProviderContract):
    async def test_it_is_found_by_its_name(self, provider: PaymentProvider) -> None:
        assert provider.name == "acme"
        assert type(provider).__module__ == "acme_rowlock"

    async def test_an_outage_is_told_apart_from_a_refusal(self, provider: PaymentProvider, acme: Acme) -> None:
        acme.down = True
        with pytest.raises(ProviderUnavailableError):
            await provider.create(wish())
        acme.down = False

    async def test_its_webhooks_are_read(self, provider: PaymentProvider, acme: Acme) -> None:
        made = await provider.create(wish())
        about = acme.payment(acme.state.intents[made.reference])
        body = json.dumps({"id": "1", "kind": "paid", "payment": about}).encode()
        now = datetime.now(UTC)
        sent_at = f"{now.timestamp():.0f}"
        digest = hmac.digest(SECRET.encode(), sent_at.encode() + b"." + body, sha256).hex()
        headers = {"acme-sent-at": sent_at, "acme-signature": digest}

        assert provider.parse_webhook(headers, body, now).payment_intent_id == made.payment_intent_id
        with pytest.raises(WebhookRefusedError):
            provider.parse_webhook(headers, body + b" ", now)


def test_a_missing_setting_is_named(installed: None, tmp_path: Path) -> None:
    with pytest.raises(ProviderSettingsError, match="ROWLOCK_ACME_WEBHOOK_SECRET is missing"):
        found(tmp_path, api_key="test_1")
