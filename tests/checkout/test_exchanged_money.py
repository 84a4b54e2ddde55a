"""The money of exchanged tickets, at the sandbox and over HTTP: refunds, disputes, cancelled shows and crashes.

Whatever happens to it, ledger and provider agree, `rowlock reconcile` finds nothing and `rowlock check` is clean.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout import exchange_store, store
from rowlock.checkout.disputes.service import Disputes
from rowlock.checkout.providers.model import CardOutcome
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.reconciliation.model import ReconciliationReport
from rowlock.checkout.reconciliation.service import Reconciliation
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from tests.api.conftest import put_on_sale
from tests.api.test_orders import ORDERS, confirm, hold, intent, order
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, Api, outcome, problem, running
from tests.support.purchase_story import a_minute_passes, work_on
from tests.support.scripted_provider import OneProvider
from tests.support.seatdb import SeatDb

ADMIN = {"x-api-key": ADMIN_KEY}
FEE, DEAR, CHEAP = 150, 5000, 3000
"""The fee per order, and the prices of seats 1 to 20 and 21 to 40."""


@dataclass
class House:
    """Two shows of one organization, a buyer, staff, and the worker."""

    db: SeatDb
    here: Show
    there: Show
    client: Api
    cells: Cells
    sandbox: SandboxProvider

    async def buy(self, *seats: int) -> dict[str, Any]:
        """A paid order of the first show."""
        made = (await order(self.client, (await hold(self.client, self.here, *seats))["reservation_token"])).json()
        return await self.pay(made)

    async def pay(self, ordered: dict[str, Any]) -> dict[str, Any]:
        """What the buyer does: pay what is due; then the worker."""
        paying = (await intent(self.client, ordered["order_id"])).json()
        kept = await self.sandbox.find(paying["payment_intent_id"])
        assert kept is not None
        await self.sandbox.authorize(kept.reference, CardOutcome.SUCCEED)
        confirmed = await confirm(self.client, ordered["order_id"], paying["payment_intent_id"])
        assert confirmed.status_code == 200, confirmed.text
        await self.work()
        return await self.see(ordered)

    async def see(self, ordered: dict[str, Any]) -> dict[str, Any]:
        return dict((await self.client.get(f"{ORDERS}/{ordered['order_id']}", headers=ADMIN)).json())

    async def exchange(self, old: dict[str, Any], seats: dict[int, int], to: Show | None = None) -> Any:
        """Exchange the tickets of some seats; the answer."""
        tickets = {line["seat_id"]: one["ticket_id"] for line, one in zip(old["lines"], old["tickets"], strict=True)}
        body: dict[str, Any] = {
            "tickets": [{"ticket_id": tickets[was], "seat_id": seat} for was, seat in seats.items()],
            "reason": "asked",
        }
        if to is not None:
            body["show_id"] = str(to.show_id)
        return await self.client.post(f"{ORDERS}/{old['order_id']}/exchanges", json=body, headers=ADMIN)

    async def exchanged(self, old: dict[str, Any], seats: dict[int, int], to: Show | None = None) -> dict[str, Any]:
        """The new order, paid."""
        answer = await self.exchange(old, seats, to)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return await (self.pay(made) if made["due_minor"] else self.see(made))

    async def refund(self, ordered: dict[str, Any], **wish: Any) -> Any:
        return await self.client.post(
            f"{ORDERS}/{ordered['order_id']}/refunds", json={"reason": "ill", **wish}, headers=ADMIN
        )

    async def refunded(self, ordered: dict[str, Any], **wish: Any) -> int:
        """Refund, and let the worker give the money back; how much that was."""
        answer = await self.refund(ordered, **wish)
        assert answer.status_code == 201, answer.text
        await self.work()
        return int(answer.json()["amount_minor"])

    async def references(self) -> list[str]:
        """The payments at the sandbox, the oldest first."""
        cursor = await self.db.owner.execute("select reference from rowlock.sandbox_payments order by created_at")
        return [reference for (reference,) in await cursor.fetchall()]

    async def dispute(self, action: str) -> None:
        """The buyer's bank disputes the first payment, or ends its dispute; the worker looks for it."""
        await self.sandbox.dispute((await self.references())[0], action)
        await Disputes(self.cells, OneProvider(self.sandbox)).look_everywhere(datetime.now(UTC))

    async def cancel(self, show: Show) -> None:
        answer = await self.client.post(
            f"/api/admin/shows/{show.show_id}/cancel", json={"reason": "ill"}, headers=ADMIN
        )
        assert answer.status_code in (200, 202), answer.text
        await self.work()

    async def work(self) -> None:
        await a_minute_passes(self.db.owner)
        await work_on(self.cells, self.sandbox, rounds=3)

    async def kept(self) -> int:
        """What the sandbox has taken and not given back."""
        cursor = await self.db.owner.execute(
            "select coalesce(sum(captured_minor - refunded_minor), 0)::bigint from rowlock.sandbox_payments"
        )
        [(kept,)] = await cursor.fetchall()
        return int(kept)

    async def refunds(self) -> list[tuple[int, str]]:
        """Amount and state of each refund that the provider is asked for."""
        cursor = await self.db.owner.execute(
            "select amount_minor, status from rowlock.refunds where credited_order_id is null and amount_minor > 0 "
            "order by amount_minor, status"
        )
        return list(await cursor.fetchall())

    async def reconcile(self) -> ReconciliationReport:
        since = datetime.now(UTC) - timedelta(days=1)
        return await Reconciliation(self.cells, OneProvider(self.sandbox)).reconcile(since, "test")

    async def assert_agreed(self) -> None:
        """Nothing is left to set right: not by itself, and not by a person."""
        report = await self.reconcile()
        assert (report.resolved, report.left) == ([], []), report.as_text()
        cursor = await self.db.owner.execute(
            "select coalesce(sum(amount_minor) filter (where account = 'provider'), 0)::bigint, "
            "coalesce(sum(amount_minor) filter (where account in ('credit', 'owed')), 0)::bigint, "
            "coalesce(sum(amount_minor) filter (where account in ('disputed', 'fees')), 0)::bigint "
            "from rowlock.ledger_entries"
        )
        [(provider, between, disputed)] = await cursor.fetchall()
        assert (provider + disputed, between) == (await self.kept(), 0)
        assert await self.db.check() == []


@pytest.fixture
async def house(dsns: Dsns, owner: psycopg.AsyncConnection, db: SeatDb) -> AsyncIterator[House]:
    here, there = await put_on_sale(owner), await put_on_sale(owner, "Giselle")
    await owner.execute(
        "insert into rowlock.show_price_lists (show_id, price_version, fee_per_order_minor) "
        "select show_id, 1, 150 from rowlock.shows on conflict (show_id, price_version) do update "
        "set fee_per_order_minor = excluded.fee_per_order_minor"
    )
    cells = Cells(DirectDatabase(dsns, application_name="rowlock test"))
    sandbox = SandboxProvider(cells, "installation", secret=b"secret of the sandbox")
    async with running(dsns, providers=OneProvider(sandbox)) as application, application.client() as client:
        yield House(db, here, there, client, cells, sandbox)


MOVES: dict[str, tuple[int, int, bool]] = {
    "even": (1, 5, False),
    "dearer": (21, 5, False),
    "cheaper": (1, 25, False),
    "even, to another show": (1, 5, True),
    "dearer, to another show": (21, 5, True),
    "cheaper, to another show": (1, 25, True),
}


async def test_an_exchange_and_its_refund_agree_with_the_provider(house: House) -> None:
    for number, (move, (was, becomes, elsewhere)) in enumerate(MOVES.items()):
        price, fees = DEAR if becomes <= 20 else CHEAP, number * FEE
        old = await house.buy(was)

        new = await house.exchanged(old, {was: becomes}, house.there if elsewhere else None)
        await house.work()

        assert (new["status"], new["total_minor"]) == ("paid", price), move
        assert await house.kept() == fees + price + FEE, move
        await house.assert_agreed()
        assert await house.refunded(new) == price, move
        assert await house.kept() == fees + FEE, move
        await house.assert_agreed()


async def test_tickets_exchanged_twice_are_refunded_of_the_first_payment_and_the_differences(house: House) -> None:
    old = await house.buy(21, 22)
    middle = await house.exchanged(old, {21: 5, 22: 26}, house.there)
    await house.assert_agreed()
    new = await house.exchanged(middle, {5: 6, 26: 7}, house.here)
    await house.assert_agreed()
    assert await house.kept() == 2 * DEAR + FEE
    first, second, third = await house.references()

    assert await house.refunded(new, amount_minor=1000) == 1000
    await house.assert_agreed()
    assert await house.refunded(new, ticket_ids=[new["tickets"][0]["ticket_id"]]) == DEAR
    await house.assert_agreed()
    assert await house.refunded(new) == DEAR - 1000

    assert await house.kept() == FEE
    given_back = [
        (await house.sandbox.fetch(one)).refunded_minor  # type: ignore[union-attr]
        for one in (first, second, third)
    ]
    assert given_back == [2 * CHEAP, DEAR - CHEAP, DEAR - CHEAP]
    await house.assert_agreed()


async def test_a_part_of_an_order_is_exchanged_and_all_of_both_refunded(house: House) -> None:
    old = await house.buy(1, 2)
    new = await house.exchanged(old, {1: 25}, house.there)
    await house.work()

    assert await house.refunded(old) == DEAR + FEE
    assert await house.refunded(new) == CHEAP

    assert await house.kept() == 0
    await house.assert_agreed()
    assert outcome(await house.refund(new)) == (409, "ORDER_NOT_REFUNDABLE")


async def test_a_refund_by_hand_of_the_first_payment_is_left_for_a_person(house: House) -> None:
    old = await house.buy(1)
    new = await house.exchanged(old, {1: 5}, house.there)
    [reference] = await house.references()
    await house.sandbox.refund(reference, 1000, key="by hand")

    for _ in range(2):
        report = await house.reconcile()
        assert [one.kind.value for one in report.resolved] == []
        assert [one.kind.value for one in report.left] == ["refunded_there"]
    assert await house.refunds() == []

    # What is left at the provider is less than the tickets: the refund fails where staff see it.
    await house.refunded(new)
    assert await house.refunds() == [(DEAR, "failed")]
    assert await house.kept() == DEAR + FEE - 1000
    assert await house.db.check() == []


async def test_a_dispute_of_the_first_payment_keeps_its_money_wherever_it_is(house: House) -> None:
    old = await house.buy(1)
    new = await house.exchanged(old, {1: 5}, house.there)
    await house.dispute("open")

    [told] = (await house.see(new))["disputes"]
    assert (told["status"], told["amount_minor"]) == ("opened", DEAR + FEE)
    problem(await house.exchange(new, {5: 6}), 409, "PAYMENT_DISPUTED")
    problem(await house.refund(new), 409, "PAYMENT_DISPUTED")
    problem(await house.refund(new, amount_minor=1), 409, "PAYMENT_DISPUTED")
    await house.cancel(house.there)
    assert (await house.see(new))["status"] == "paid"
    assert await house.refunds() == []
    await house.assert_agreed()


async def test_a_lost_dispute_leaves_the_difference_and_the_seats_to_give_back(house: House) -> None:
    old = await house.buy(21)
    new = await house.exchanged(old, {21: 5}, house.there)
    await house.dispute("open")
    assert await house.refunded(new, amount_minor=500) == 500
    await house.dispute("lose")

    problem(await house.exchange(new, {5: 6}), 409, "PAYMENT_DISPUTED")
    assert await house.refunded(new) == DEAR - CHEAP - 500

    assert (await house.see(new))["status"] == "refunded"
    assert await house.db.claims(house.there) == {}
    # The bank has the first payment; the sandbox counts only what was refunded.
    assert await house.kept() == CHEAP + FEE
    await house.assert_agreed()


@pytest.mark.parametrize("which", ["before", "after"])
async def test_a_dispute_that_is_won_lets_a_cancelled_show_give_everything_back(house: House, which: str) -> None:
    old = await house.buy(1)
    new = await house.exchanged(old, {1: 5}, house.there)
    await house.dispute("open")
    if which == "after":
        await house.cancel(house.there)
    await house.dispute("win")
    if which == "after":
        # By this message a worker ends what the cancellation has left out.
        cursor = await house.db.owner.execute(
            "select show_id from rowlock.outbox_messages where kind = 'show_cancelled' order by message_id"
        )
        assert await cursor.fetchall() == 2 * [(house.there.show_id,)]
    await house.cancel(house.there)

    assert (await house.see(new))["status"] == "refunded"
    assert await house.refunds() == [(DEAR, "succeeded")]
    assert await house.kept() == FEE
    await house.assert_agreed()


async def test_a_small_dispute_is_borne_by_what_the_first_order_has_left(house: House) -> None:
    old = await house.buy(1, 2)
    new = await house.exchanged(old, {1: 5}, house.there)
    await house.db.owner.execute(
        "insert into rowlock.disputes (show_id, dispute_id, payment_intent_id, provider, provider_reference, "
        "provider_status, amount_minor, currency, reason) "
        "select show_id, gen_random_uuid(), payment_intent_id, provider, 'dp_1', 'needs_response', %s, currency, "
        "'fraud' from rowlock.payment_intents where provider = 'sandbox'",
        [DEAR + FEE + 1000],
    )

    problem(await house.refund(old, amount_minor=1), 409, "PAYMENT_DISPUTED")
    problem(await house.refund(new), 409, "PAYMENT_DISPUTED")
    problem(await house.refund(new, amount_minor=DEAR - 999), 409, "PAYMENT_DISPUTED")
    assert (await house.refund(new, amount_minor=DEAR - 1000)).status_code == 201


async def test_a_dispute_that_is_not_known_here_is_refused_by_the_provider(house: House) -> None:
    old = await house.buy(1)
    new = await house.exchanged(old, {1: 5}, house.there)
    [reference] = await house.references()
    await house.sandbox.dispute(reference, "open")

    await house.refunded(new)

    assert await house.refunds() == [(DEAR, "failed")]
    assert await house.kept() == DEAR + FEE
    assert [event for event, _, _ in await house.db.events(house.there)][-1] == "refund_failed"
    await house.assert_agreed()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same show", "another show"])
@pytest.mark.parametrize("was", [1, 21])
async def test_a_cancelled_show_gives_back_every_cent_of_exchanged_orders_once(
    house: House, elsewhere: bool, was: int
) -> None:
    old = await house.buy(was, 2)
    new = await house.exchanged(old, {was: 5}, house.there if elsewhere else None)
    for show in (house.here, house.there):
        await house.cancel(show)
        await house.cancel(show)

    assert {(await house.see(one))["status"] for one in (old, new)} == {"refunded"}
    assert await house.kept() == 0
    assert {status for _, status in await house.refunds()} == {"succeeded"}
    await house.assert_agreed()


class CrashError(Exception):
    """The process is gone."""


STEPS = {
    "the order is made": (exchange_store, "make_exchange_order"),
    "the difference is recorded as sent": (store, "begin_payment"),
    "the difference is made at the provider": (SandboxProvider, "create"),
    "the difference is authorized": (store, "record_payment"),
    "the seats are sold": (store, "complete_order"),
    "the difference is captured there": (SandboxProvider, "capture"),
    "the difference is captured here": (store, "pay_order"),
    "the old tickets are given up": (exchange_store, "give_up_tickets"),
    "the order is paid": (exchange_store, "finish_exchange"),
    "the refund is opened": (store, "open_refund"),
    "the money is back": (SandboxProvider, "refund"),
    "the refund is settled": (store, "settle_refund"),
}


@pytest.mark.soak("pg15", "pg18")
async def test_a_crash_after_any_step_ends_with_every_cent_accounted_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dearer seat, paid for and refunded, with the process gone after each step in turn; then everything again."""
    for number, (where, name) in enumerate(STEPS.values(), 1):
        with monkeypatch.context() as patch:
            old = await house.buy(21)
            crashed = dies_once(patch, where, name)
            with suppress(CrashError, AssertionError, KeyError):
                await dear_and_back(house, old)
            assert crashed == [name]
        await house.work()
        await house.reconcile()

        await dear_and_back(house, old)

        assert await house.kept() == number * FEE, name
        assert await house.db.claims(house.there) == {}, name
        await house.assert_agreed()


def dies_once(patch: pytest.MonkeyPatch, where: Any, name: str) -> list[str]:
    """Let the process be gone after the next call has done its work; the list has its name then."""
    real = getattr(where, name)
    crashed: list[str] = []

    async def crashes(*given: Any, **named: Any) -> Any:
        result = await real(*given, **named)
        if not crashed:
            crashed.append(name)
            raise CrashError
        return result

    patch.setattr(where, name, crashes)
    return crashed


async def dear_and_back(house: House, old: dict[str, Any]) -> None:
    """Exchange for a dearer seat, pay the difference, and have all of it refunded. Repeatable by its keys."""
    body = {
        "tickets": [{"ticket_id": old["tickets"][0]["ticket_id"], "seat_id": 5}],
        "reason": "asked",
        "show_id": str(house.there.show_id),
    }
    headers = {**ADMIN, "idempotency-key": old["order_id"]}
    answer = await house.client.post(f"{ORDERS}/{old['order_id']}/exchanges", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    new = answer.json()
    if new["status"] == "pending":
        await house.pay(new)
    await house.work()
    ill = {**ADMIN, "idempotency-key": new["order_id"]}
    refund = await house.client.post(f"{ORDERS}/{new['order_id']}/refunds", json={"reason": "ill"}, headers=ill)
    assert refund.status_code == 201, refund.text
    await house.work()
