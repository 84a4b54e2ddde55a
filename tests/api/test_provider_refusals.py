"""A provider that refuses to tell of a payment, or whose account is gone: requests are told the truth, and never 500.

What is tried: each endpoint that asks a provider, with each way in which asking can fail, and loops that meet it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout import jobs
from rowlock.checkout.exchanges import Exchanges
from rowlock.checkout.jobs import InboxLoop, OutboxLoop, ReconcileLoop, money_handlers
from rowlock.checkout.providers.manual import ManualProvider
from rowlock.checkout.providers.payment_provider import (
    PaymentProvider,
    ProviderError,
    ProviderEvent,
    ProviderPayment,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from rowlock.checkout.purchase import Purchases
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from tests.api.conftest import put_on_sale
from tests.api.test_orders import ORDERS, confirm, hold, intent, order
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, Api, problem, running
from tests.support.scripted_provider import ScriptedProvider
from tests.support.servers import TestServer

ADMIN = {"x-api-key": ADMIN_KEY}
REFUSED = ProviderRefusedError("the key sk_test_canary may not read this", "not_permitted")
DOWN = ProviderUnavailableError("no answer", 7.0)


@dataclass
class Accounts:
    """One account for all, which `gone` takes away from payments that are named; `all_gone` from all."""

    provider: PaymentProvider
    gone: set[str] = field(default_factory=set)
    all_gone: bool = False
    name: str = "installation"

    def accounts(self) -> Mapping[str, PaymentProvider]:
        return {self.name: self.provider}

    def account_of(self, organization_id: UUID) -> str:
        return self.name

    def of(self, organization_id: UUID, name: str | None = None, account: str | None = None) -> PaymentProvider:
        if self.all_gone or account in self.gone:
            raise ProviderRefusedError(f"there is no account at {name} for {account} any more", "no_account")
        return self.provider

    def parse_webhook(
        self, name: str, headers: Mapping[str, str], body: bytes, now: Any
    ) -> tuple[PaymentProvider, ProviderEvent]:
        return self.provider, self.provider.parse_webhook(headers, body, now)


class Answers:
    """What comes instead of the provider's answer to each of its calls: an error, or None for what it does not have."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self.instead: dict[str, ProviderError | None] = {}

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._provider, name)
        if name not in self.instead:
            return real
        error = self.instead[name]

        async def answer(*_: object, **__: object) -> ProviderPayment | None:
            if error is not None:
                raise error
            return None

        return answer


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: loops look at all of it."""
    with server.database() as name:
        yield server.dsns(name)


WAYS: dict[str, dict[str, ProviderError | None] | None] = {
    "the account is gone": None,
    "it is refused": {"fetch": REFUSED, "create": REFUSED},
    "it is refused later": {"capture": REFUSED, "cancel": REFUSED},
    "it is not known there": {"fetch": None},
    "it is down": {"fetch": DOWN, "create": DOWN},
    "it goes down later": {"capture": DOWN, "cancel": DOWN},
}
FIRST = {"the account is gone": 503, "it is refused": 402, "it is down": 503}
AGAIN = {"the account is gone": 503}
AUTHORIZED = {
    "the account is gone": 503,
    "it is refused": 503,
    "it is refused later": 402,
    "it is not known there": 503,
    "it is down": 503,
    "it goes down later": 503,
}


def cells_of(dsns: Dsns) -> Cells:
    return Cells(DirectDatabase(dsns, application_name="rowlock test"))


def break_it(accounts: Accounts, answers: Answers, way: str) -> None:
    instead = WAYS[way]
    if instead is None:
        accounts.all_gone = True
    else:
        answers.instead = dict(instead)


def check(answer: httpx.Response, status: int) -> None:
    """The answer is what it should be; a refusal says when to come back, and nothing of what the provider said."""
    assert answer.status_code == status, answer.text
    if status == 503:
        told = problem(answer, 503, "PAYMENT_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1
        assert "canary" not in answer.text
        assert "charged twice" in told["detail"]
    if status == 402:
        problem(answer, 402, "PAYMENT_FAILED")


@pytest.mark.parametrize(("way", "version"), list(product(WAYS, (1, 2))))
async def test_a_payment_that_begins_or_goes_on(dsns: Dsns, show: Show, way: str, version: int) -> None:
    provider = Answers(ScriptedProvider())
    accounts = Accounts(provider)
    path = f"{ORDERS}/payment-intent" if version == 1 else f"{ORDERS}/payment-intent-v2"
    percent = 0 if version == 1 else 100
    async with (
        running(dsns, providers=accounts, v2_rollout_percent=percent) as application,
        application.client() as client,
    ):
        known = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()
        fresh = (await order(client, (await hold(client, show, 2))["reservation_token"])).json()
        keyed = {"idempotency-key": f"page-{uuid4()}"}
        assert (await client.post(path, json={"order_id": known["order_id"]})).status_code == 200
        break_it(accounts, provider, way)

        again = await client.post(path, json={"order_id": known["order_id"]})
        first = await client.post(path, json={"order_id": fresh["order_id"]}, headers=keyed)

        check(again, AGAIN.get(way, 200))
        check(first, FIRST.get(way, 200))
        accounts.all_gone = False
        provider.instead.clear()
        # The refusal was not kept with the key.
        assert (await client.post(path, json={"order_id": fresh["order_id"]}, headers=keyed)).status_code == 200


@pytest.mark.parametrize("way", WAYS)
async def test_a_payment_that_is_confirmed(dsns: Dsns, show: Show, way: str) -> None:
    scripted = ScriptedProvider()
    provider = Answers(scripted)
    accounts = Accounts(provider)
    async with running(dsns, providers=accounts) as application, application.client() as client:
        made = (await order(client, (await hold(client, show, 1, 2))["reservation_token"])).json()
        paying = (await intent(client, made["order_id"])).json()
        scripted.authorize(next(iter(scripted.payments)))
        break_it(accounts, provider, way)

        check(await confirm(client, made["order_id"], paying["payment_intent_id"]), AUTHORIZED[way])
        read = await client.get(f"{ORDERS}/{made['order_id']}", headers=ADMIN)
        assert read.status_code == 200

        accounts.all_gone = False
        provider.instead.clear()
        if way != "it is refused later":
            confirmed = await confirm(client, made["order_id"], paying["payment_intent_id"])
            assert confirmed.json()["status"] == "paid", confirmed.text
            assert scripted.kept_minor() == 2 * 5000


@pytest.mark.parametrize("way", ["the account is gone", "it is not known there", "its database is down"])
async def test_a_payment_that_is_marked_paid(dsns: Dsns, show: Show, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts(ManualProvider(cells_of(dsns), "installation"))
    async with running(dsns, providers=accounts) as application, application.client() as client:
        made = (await order(client, (await hold(client, show, 1))["reservation_token"])).json()
        address = f"{ORDERS}/{made['order_id']}/mark-paid"
        assert (await intent(client, made["order_id"])).status_code == 200
        with monkeypatch.context() as broken:
            if way == "the account is gone":
                accounts.gone = {"installation"}
            elif way == "it is not known there":
                broken.setattr(ManualProvider, "fetch", _nothing)
            else:
                broken.setattr(ManualProvider, "mark_paid", _down)

            check(await client.post(address, json={"received_by": "Mara"}, headers=ADMIN), 503)

        accounts.gone.clear()
        paid = await client.post(address, json={"received_by": "Mara"}, headers=ADMIN)
        assert paid.json()["status"] == "paid", paid.text


async def _nothing(*_: object) -> None:
    return None


async def _down(*_: object, **__: object) -> None:
    raise DOWN


async def bought(client: Api, show: Show, scripted: ScriptedProvider, seat: int) -> dict[str, Any]:
    """An order whose payment is authorized and not confirmed."""
    made: dict[str, Any] = (await order(client, (await hold(client, show, seat))["reservation_token"])).json()
    before = set(scripted.payments)
    made["payment_intent_id"] = (await intent(client, made["order_id"])).json()["payment_intent_id"]
    [made["reference"]] = set(scripted.payments) - before
    scripted.authorize(made["reference"])
    return made


async def time_passes(owner: psycopg.AsyncConnection) -> None:
    await owner.execute("update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'")
    for table in (b"outbox_messages", b"webhook_events"):
        await owner.execute(
            b"update rowlock." + table + b" set next_attempt_at = next_attempt_at - interval '1 minute'"
        )


@pytest.mark.parametrize("loop", ["reconciler", "inbox", "outbox"])
async def test_loops_go_on_with_the_payments_of_other_accounts(
    dsns: Dsns, owner: psycopg.AsyncConnection, worker: psycopg.AsyncConnection, loop: str
) -> None:
    show = await put_on_sale(owner)
    scripted = ScriptedProvider()
    accounts = Accounts(scripted)
    async with running(dsns, providers=accounts) as application, application.client() as client:
        lost = await bought(client, show, scripted, 1)
        good = await bought(client, show, scripted, 2)
        await owner.execute(
            "update rowlock.payment_intents set account = 'elsewhere' where payment_intent_id = %s",
            [lost["payment_intent_id"]],
        )
        accounts.gone = {"elsewhere"}
        for made in (lost, good):
            event = {"id": f"evt_{made['reference']}", "kind": "payment", "reference": made["reference"]}
            sent = await client.post("/api/webhooks/scripted", json=event, headers={"scripted-signature": "right"})
            assert sent.status_code == 200
    if loop == "outbox":
        await owner.execute(
            "insert into rowlock.outbox_messages (show_id, order_id, kind) "
            "select %s, unnest(%s::uuid[]), 'order_confirmed'",
            [show.show_id, [lost["order_id"], good["order_id"]]],
        )
    await time_passes(owner)
    cells = cells_of(dsns)
    purchases = Purchases(cells, accounts)
    loops = {
        "reconciler": ReconcileLoop(purchases, lambda: 0.0).work,
        "inbox": InboxLoop(purchases).work,
        "outbox": OutboxLoop(money_handlers(purchases, Exchanges(cells))).work,
    }

    await loops[loop](worker)

    cursor = await owner.execute(
        "select status from rowlock.ticket_orders where show_id = %s order by order_id = %s",
        [show.show_id, good["order_id"]],
    )
    assert await cursor.fetchall() == [("pending",), ("paid",)]


async def test_an_order_with_payments_at_two_accounts_is_settled_at_the_one_that_is_there(
    dsns: Dsns, owner: psycopg.AsyncConnection
) -> None:
    """What was authorized at one account is let go of, although the older payment is at an account that is gone."""
    show = await put_on_sale(owner)
    scripted = ScriptedProvider()
    accounts = Accounts(scripted)
    async with running(dsns, providers=accounts) as application, application.client() as client:
        made = await bought(client, show, scripted, 1)
    await owner.execute(
        "insert into rowlock.payment_intents "
        "(show_id, payment_intent_id, order_id, provider, provider_reference, account, amount_minor, currency, status, "
        "created_at) "
        "select show_id, gen_random_uuid(), order_id, provider, 'lost', 'elsewhere', amount_minor, currency, "
        "'cancelled', created_at - interval '1 hour' from rowlock.payment_intents where show_id = %s",
        [show.show_id],
    )
    accounts.gone = {"elsewhere"}
    purchases = Purchases(cells_of(dsns), accounts)

    with pytest.raises(Exception, match="no account at scripted for elsewhere"):
        await purchases.settle(show.show_id, UUID(made["order_id"]))

    assert scripted.payments[made["reference"]].status == "captured"


async def test_payments_that_can_never_be_asked_about_do_not_keep_others_from_their_turn(
    dsns: Dsns, owner: psycopg.AsyncConnection, worker: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and however long the reconciler has run: those it has looked at go to the end."""
    monkeypatch.setattr(jobs, "BATCH", 2)
    show = await put_on_sale(owner)
    scripted = ScriptedProvider()
    accounts = Accounts(scripted)
    async with running(dsns, providers=accounts) as application, application.client() as client:
        lost = [await bought(client, show, scripted, seat) for seat in (1, 2, 3)]
        await bought(client, show, scripted, 4)
    await owner.execute(
        "update rowlock.payment_intents set account = 'elsewhere' where payment_intent_id = any(%s::uuid[])",
        [[made["payment_intent_id"] for made in lost]],
    )
    accounts.gone = {"elsewhere"}
    # Each reading is two minutes after the one before: what was put off in memory is due again in each round.
    clock = iter(range(0, 100_000, 120))
    monkeypatch.setattr(jobs, "ROUND_SECONDS", 100_000)
    loop = ReconcileLoop(Purchases(cells_of(dsns), accounts), lambda: float(next(clock)))

    for _ in range(2):
        await time_passes(owner)
        await loop.work(worker)

    cursor = await owner.execute("select status from rowlock.ticket_orders order by created_at")
    assert await cursor.fetchall() == [("pending",), ("pending",), ("pending",), ("paid",)]
