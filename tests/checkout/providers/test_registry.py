"""Which account an organization is paid on, and what stops the start."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr

from rowlock.base.dsns import Dsns
from rowlock.checkout.providers.manual import ManualProvider
from rowlock.checkout.providers.payment_provider import WebhookRefusedError
from rowlock.checkout.providers.provider_account import ProviderAccount, ProviderSettingsError
from rowlock.checkout.providers.registry import (
    ACCOUNTS_FILE,
    Installation,
    PaymentProviders,
    UnknownProviderError,
    make_providers,
)
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.providers.sandbox.signing import HEADER, sign
from rowlock.checkout.providers.stripe import StripeProvider
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.services import make_payment_providers, payment_loops
from rowlock.settings import Settings
from tests.support.stripe_simulator import signature

SECRET = "secret of the installation"
TEST_KEYS = {"secret_key": "sk_test_1", "publishable_key": "pk_test_1", "webhook_secret": "whsec_1"}
LIVE_KEYS = {"secret_key": "sk_live_1", "publishable_key": "pk_live_1", "webhook_secret": "whsec_live"}
MOONLIGHT = {"secret_key": "sk_test_moon", "publishable_key": "pk_test_moon", "webhook_secret": "whsec_moon"}

Make = Callable[..., PaymentProviders]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """The accounts of an installation with these settings, and a payment_accounts.json when there are accounts."""

    def make(
        provider: str = "sandbox",
        *,
        accounts: object = None,
        text: str | None = None,
        dsns: Dsns | None = None,
        **settings: Mapping[str, str],
    ) -> PaymentProviders:
        path = tmp_path / ACCOUNTS_FILE
        if accounts is not None or text is not None:
            path.write_text(text if text is not None else json.dumps(accounts), encoding="utf-8")
            path.chmod(0o600)
        cells = Cells(DirectDatabase(dsns or Dsns.same(""), application_name="rowlock test"))
        found = {name: dict(values) for name, values in settings.items()}
        return make_providers(
            Installation(provider, lambda name: found.get(name, {}), tmp_path, SECRET, "https://x.example.org", cells)
        )

    return make


async def organization(owner: psycopg.AsyncConnection, slug: str) -> object:
    cursor = await owner.execute(
        "insert into rowlock.organizations (name, slug) values (%s, %s) returning organization_id", [slug, slug]
    )
    row = await cursor.fetchone()
    assert row is not None
    return row[0]


async def test_without_settings_all_pay_in_the_sandbox(make: Make) -> None:
    providers = make()
    await providers.open()

    provider = providers.provider_of(uuid4())

    assert isinstance(provider, SandboxProvider)
    assert providers.every() == (provider,)
    await providers.close()


async def test_an_organization_is_paid_on_its_own_account_and_others_on_the_installations(
    make: Make, dsns: Dsns, owner: psycopg.AsyncConnection
) -> None:
    moonlight, playhouse, desk, other = [
        await organization(owner, slug) for slug in ("moonlight", "playhouse", "desk", "other")
    ]
    accounts = {
        "moonlight": {"provider": "stripe", **MOONLIGHT},
        str(playhouse): {"provider": "stripe", "stripe_account": "acct_playhouse"},
        "desk": {"provider": "manual"},
    }
    providers = make("stripe", accounts=accounts, dsns=dsns, stripe=TEST_KEYS)
    await providers.open()

    def at_stripe(organization_id: object) -> StripeProvider:
        provider = providers.provider_of(organization_id)  # type: ignore[arg-type] # It is a UUID.
        assert isinstance(provider, StripeProvider)
        return provider

    assert (at_stripe(moonlight).publishable_key, at_stripe(moonlight).stripe_account) == ("pk_test_moon", None)
    assert (at_stripe(playhouse).publishable_key, at_stripe(playhouse).stripe_account) == (
        "pk_test_1",
        "acct_playhouse",
    )
    assert (at_stripe(other).publishable_key, at_stripe(other).stripe_account) == ("pk_test_1", None)
    desk_provider = providers.provider_of(desk)  # type: ignore[arg-type] # It is a UUID.
    assert isinstance(desk_provider, ManualProvider)
    assert desk_provider.account == "desk"
    assert len(providers.named("stripe")) == 3
    await providers.close()


async def test_a_webhook_leads_to_the_account_that_it_is_from(
    make: Make, dsns: Dsns, owner: psycopg.AsyncConnection
) -> None:
    await organization(owner, "moonlight")
    accounts = {
        "moonlight": {"provider": "stripe", **MOONLIGHT},
        str(uuid4()): {"provider": "stripe", "stripe_account": "acct_playhouse"},
    }
    providers = make("stripe", accounts=accounts, dsns=dsns, stripe=TEST_KEYS)
    await providers.open()
    default, moonlight, playhouse = providers.every()
    now = datetime.now(UTC)

    def parse(event: Mapping[str, object], secret: str) -> object:
        content = {
            "object": "event",
            "id": "evt_1",
            "type": "payment_intent.succeeded",
            "livemode": False,
            "data": {"object": {"object": "payment_intent", "id": "pi_1"}},
            **event,
        }
        body = json.dumps(content).encode()
        return providers.parse_webhook("stripe", {"stripe-signature": signature(body, secret)}, body, now)[0]

    assert parse({}, "whsec_1") is default
    assert parse({}, "whsec_moon") is moonlight
    assert parse({"account": "acct_playhouse"}, "whsec_1") is playhouse
    for event, secret in (
        ({}, "whsec_x"),
        ({"account": "acct_else"}, "whsec_1"),
        ({"account": "acct_playhouse"}, "whsec_moon"),
    ):
        with pytest.raises(WebhookRefusedError):
            parse(event, secret)
    with pytest.raises(UnknownProviderError):
        providers.parse_webhook("sandbox", {}, b"", now)
    await providers.close()


async def test_an_account_whose_organization_is_not_there_stops_the_start(make: Make, dsns: Dsns) -> None:
    """Left out, its money would go to the installation's account."""
    providers = make("manual", accounts={"moonlihgt": {"provider": "manual"}}, dsns=dsns)

    with pytest.raises(ProviderSettingsError, match='slug "moonlihgt"'):
        await providers.open()


async def test_an_organization_cannot_have_two_accounts(make: Make, dsns: Dsns, owner: psycopg.AsyncConnection) -> None:
    id_ = await organization(owner, "moonlight")
    providers = make(
        "manual", accounts={"moonlight": {"provider": "manual"}, str(id_): {"provider": "manual"}}, dsns=dsns
    )

    with pytest.raises(ProviderSettingsError, match="two accounts"):
        await providers.open()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"provider": "acme"}, "ROWLOCK_PAYMENT_PROVIDER names the payment provider acme, which is not installed"),
        ({"provider": "stripe"}, "ROWLOCK_STRIPE_SECRET_KEY is missing"),
        ({"provider": "stripe", "stripe": {"secret_key": "sk_test_1"}}, "ROWLOCK_STRIPE_PUBLISHABLE_KEY is missing"),
        (
            {"provider": "stripe", "stripe": {**TEST_KEYS, "webhook_secret": " "}},
            "ROWLOCK_STRIPE_WEBHOOK_SECRET is missing",
        ),
        ({"provider": "stripe", "stripe": {**TEST_KEYS, "secret_key": "pk_test_1"}}, "has to begin with sk_ or rk_"),
        ({"provider": "stripe", "stripe": {**TEST_KEYS, "webhook_secret": "whsec_1,x"}}, "begin with whsec_"),
        ({"provider": "stripe", "stripe": {**TEST_KEYS, "secret_key": "sk_live_1"}}, "not of one mode"),
        ({"provider": "stripe", "stripe": {**TEST_KEYS, "api_base": "http://stripe.example"}}, "with https"),
        ({"provider": "stripe", "stripe": {**TEST_KEYS, "capture": "never"}}, "later or mixed"),
        ({"provider": "sandbox", "stripe": LIVE_KEYS}, "The sandbox does not run where a live provider"),
        (
            {"provider": "sandbox", "accounts": {"moonlight": {"provider": "stripe", **LIVE_KEYS}}},
            "The sandbox does not run where a live provider",
        ),
        (
            {"provider": "stripe", "stripe": LIVE_KEYS, "accounts": {"moonlight": {"provider": "sandbox"}}},
            "The sandbox does not run where a live provider",
        ),
        ({"accounts": {"moonlight": {}}}, 'has no "provider"'),
        ({"accounts": {"moonlight": {"provider": "acme"}}}, '"moonlight" in payment_accounts.json names'),
        ({"accounts": {"moonlight": {"provider": "stripe"}}}, '"secret_key" of "moonlight"'),
        ({"accounts": {"moonlight": {"provider": "stripe", "stripe_account": "acct_1"}}}, "needs the platform's keys"),
        (
            {"stripe": TEST_KEYS, "accounts": {"moonlight": {"provider": "stripe", "stripe_account": "moon"}}},
            "has to begin with acct_",
        ),
        (
            {"accounts": {"moonlight": {"provider": "stripe", "stripe_acount": "acct_1"}}},
            '"stripe_acount" of "moonlight"',
        ),
        ({"accounts": {"moonlight": {"provider": "manual", "iban": "x"}}}, "has none"),
        ({"accounts": {"moonlight": "manual"}}, "an object of texts"),
        ({"accounts": ["moonlight"]}, "has to be an object"),
        ({"text": '{"a": {"provider": "manual"}, "a": {"provider": "sandbox"}}'}, '"a" is there twice'),
        ({"text": '{"a": '}, "in line 1"),
    ],
)
def test_incomplete_settings_stop_the_start_with_what_is_wrong(
    make: Make, given: dict[str, object], message: str
) -> None:
    with pytest.raises(ProviderSettingsError) as refused:
        make(**given)

    assert message in str(refused.value)
    for secret in ("sk_test_1", "sk_live_1", "whsec_1", "whsec_live"):
        assert secret not in str(refused.value)


def test_a_file_that_others_can_read_is_refused(make: Make, tmp_path: Path) -> None:
    make(accounts={})
    (tmp_path / ACCOUNTS_FILE).chmod(0o640)

    with pytest.raises(ProviderSettingsError, match="chmod 600"):
        make()


def test_test_keys_of_stripe_and_the_sandbox_may_be_there_together(make: Make) -> None:
    make(stripe=TEST_KEYS, accounts={"moonlight": {"provider": "stripe", **MOONLIGHT}})


def test_nothing_shows_a_secret(make: Make, tmp_path: Path) -> None:
    providers = make("stripe", stripe=TEST_KEYS)
    cells = Cells(DirectDatabase(Dsns.same(""), application_name="rowlock test"))
    installation = Installation("stripe", lambda _: TEST_KEYS, tmp_path, SECRET, None, cells)
    account = ProviderAccount("stripe", "moonlight", MOONLIGHT, TEST_KEYS, SECRET.encode(), None, cells)

    shown = repr([providers, *providers.every(), installation, account])

    assert "moonlight" in shown
    for secret in ("sk_test", "whsec", SECRET):
        assert secret not in shown


async def test_sandbox_webhooks_are_signed_with_a_secret_of_the_installation(make: Make) -> None:
    """Derived from the installation's: who knows how a webhook is signed cannot make a cookie of it."""
    body = b"{}"
    now = datetime.now(UTC)

    with pytest.raises(WebhookRefusedError, match="not signed"):
        make().parse_webhook("sandbox", {HEADER: sign(body, SECRET.encode(), now)}, body, now)


async def test_a_worker_delivers_webhooks_where_an_account_is_at_the_sandbox(tmp_path: Path) -> None:
    cells = Cells(DirectDatabase(Dsns.same(""), application_name="rowlock test"))
    for name, loops in (("sandbox", ["sandbox webhooks"]), ("manual", [])):
        settings = Settings(payment_provider=name, data_dir=tmp_path)
        providers = make_payment_providers(settings, cells, SECRET)
        made = payment_loops(providers, cells, settings, secret_key="key")
        assert [loop.name for loop in made if "sandbox" in loop.name] == loops


def test_settings_of_an_installed_provider_are_its_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWLOCK_ACME_API_KEY", "a")
    monkeypatch.setenv("ROWLOCK_ACMETIC_API_KEY", "b")

    assert Settings().of_provider("acme") == {"api_key": "a"}
    assert Settings(stripe_secret_key=SecretStr("sk_test_1")).of_provider("stripe") == {
        "secret_key": "sk_test_1",
        "capture": "later",
    }
