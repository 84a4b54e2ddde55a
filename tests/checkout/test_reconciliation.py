"""Reconciliation: what differs between a provider and the ledger, what is set right, and what a person decides."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rowlock.base.ids import mint_id
from rowlock.checkout.providers.payment_provider import (
    PaymentStatus,
    ProviderPayment,
    ProviderUnavailableError,
)
from rowlock.checkout.reconciliation.model import ReconciliationReport
from rowlock.checkout.reconciliation.service import Reconciliation
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from tests.checkout.orders import rows
from tests.checkout.test_purchases import PRICE, assert_settled, buyer, work_off
from tests.checkout.test_purchases import show as show
from tests.support.answers import Show
from tests.support.scripted_provider import OneProvider, ScriptedProvider
from tests.support.seatdb import SeatDb


async def reconcile(db: SeatDb, provider: ScriptedProvider) -> ReconciliationReport:
    cells = Cells(DirectDatabase(db.dsns, application_name="rowlock test"))
    since = datetime.now(UTC) - timedelta(days=1)
    return await Reconciliation(cells, OneProvider(provider)).reconcile(since, "test")


def kinds(report: ReconciliationReport) -> tuple[list[str], list[str]]:
    """What was set right, and what is left."""
    return [one.kind.value for one in report.resolved], [one.kind.value for one in report.left]


async def test_what_agrees_is_clean(db: SeatDb, show: Show) -> None:
    provider = ScriptedProvider()
    anna = await buyer(db, show, provider, 1, 2)
    provider.authorize(anna.reference)
    await anna.confirm()
    await buyer(db, show, provider, 3, holder="ben")
    await db.refund(show, anna.order.order_id, seat_ids=[1])
    await work_off(db, provider, show)

    report = await reconcile(db, provider)

    assert kinds(report) == ([], [])
    assert report.is_clean
    [account] = report.accounts
    assert (account.compared, account.totals) == (2, {"USD": (2 * PRICE, PRICE)})
    assert "agrees to the cent" in report.as_text()


async def test_money_that_was_captured_there_and_not_here_sells_the_seats(db: SeatDb, show: Show) -> None:
    provider = ScriptedProvider(captures_at_once=True)
    anna = await buyer(db, show, provider, 1)
    provider.authorize(anna.reference)

    report = await reconcile(db, provider)

    assert kinds(report) == (["captured_there"], [])
    assert await anna.status() == "paid"
    await assert_settled(db, provider, show)


async def test_an_authorization_without_an_order_is_let_go(db: SeatDb, show: Show) -> None:
    provider = ScriptedProvider()
    anna = await buyer(db, show, provider, 1)
    provider.authorize(anna.reference)
    await db.set_intent(show, anna.payment_id, "cancelled")

    report = await reconcile(db, provider)

    assert kinds(report) == (["authorized_there"], [])
    assert provider.payments[anna.reference].status == PaymentStatus.CANCELLED


async def test_a_refund_that_was_made_by_hand_is_written_down(db: SeatDb, show: Show) -> None:
    provider = ScriptedProvider()
    anna = await buyer(db, show, provider, 1, 2)
    provider.authorize(anna.reference)
    await anna.confirm()
    provider._put(provider.payments[anna.reference], refunded_minor=700)

    report = await reconcile(db, provider)
    again = await reconcile(db, provider)

    assert kinds(report) == (["refunded_there"], [])
    assert kinds(again) == ([], [])
    [refund] = await rows(db, "refunds", anna.order.order_id)
    assert (refund["amount_minor"], refund["status"], refund["give_back"]) == (700, "succeeded", "nothing")
    assert await anna.status() == "partially_refunded"
    assert await db.claims(show) == {1: "sold", 2: "sold"}
    assert [m["kind"] for m in await rows(db, "outbox_messages", anna.order.order_id)][-1] == "refund_succeeded"


async def test_a_refund_on_its_way_is_asked_about_and_not_written_down_twice(db: SeatDb, show: Show) -> None:
    provider = ScriptedProvider()
    anna = await buyer(db, show, provider, 1, 2)
    provider.authorize(anna.reference)
    await anna.confirm()
    opened = await db.refund(show, anna.order.order_id, seat_ids=[1])
    await provider.refund(anna.reference, PRICE, key=f"refund-{opened.refund_id}")  # Done, and its answer was lost.

    report = await reconcile(db, provider)

    assert kinds(report) == (["refunded_there"], [])
    [refund] = await rows(db, "refunds", anna.order.order_id)
    assert (refund["amount_minor"], refund["status"]) == (PRICE, "succeeded")
    assert provider.payments[anna.reference].refunded_minor == PRICE


async def test_what_a_person_has_to_decide(db: SeatDb, show: Show) -> None:
    provider = ScriptedProvider()
    anna = await buyer(db, show, provider, 1, 2)
    ben = await buyer(db, show, provider, 3, holder="ben")
    carl = await buyer(db, show, provider, 4, holder="carl")
    for one in (anna, ben, carl):
        provider.authorize(one.reference)
        await one.confirm()
    known = provider.payments[anna.reference]
    provider._put(known, captured_minor=0, status=PaymentStatus.CANCELLED)
    del provider.payments[ben.reference]
    provider._put(provider.payments[carl.reference], amount_minor=1, captured_minor=1)
    provider.payments["lost"] = replace(known, reference="lost", payment_intent_id=mint_id(show.show_id))
    provider.payments["shop"] = replace(known, reference="shop", payment_intent_id=None, order_id=None)

    report = await reconcile(db, provider)

    set_right, left = kinds(report)
    assert set_right == []
    assert sorted(left) == ["amount_differs", "captured_here", "missing_there", "unknown_here"]
    assert report.accounts[0].foreign == 1
    assert not report.is_clean
    text = report.as_text()
    assert f"Payment {ben.reference} of order {ben.order.order_code} is not known to the provider." in text
    assert "4 left since" in text
    assert {one["kind"] for one in report.as_json()["left"]} == set(left)


async def test_a_refund_that_failed_there_later_is_told(db: SeatDb, show: Show) -> None:
    provider = ScriptedProvider()
    anna = await buyer(db, show, provider, 1)
    provider.authorize(anna.reference)
    await anna.confirm()
    await db.refund(show, anna.order.order_id)
    await work_off(db, provider, show)
    provider._put(provider.payments[anna.reference], refunded_minor=0)

    assert kinds(await reconcile(db, provider)) == ([], ["refunded_here"])


async def test_a_provider_that_does_not_answer_is_no_agreement(
    db: SeatDb, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = ScriptedProvider()
    await buyer(db, show, provider, 1)

    async def fails(since: datetime) -> AsyncIterator[ProviderPayment]:
        for payment in provider.payments.values():
            yield payment
            raise ProviderUnavailableError("no answer")

    monkeypatch.setattr(provider, "list_since", fails)

    assert kinds(await reconcile(db, provider)) == ([], ["not_asked"])


async def test_a_payment_whose_account_is_gone_is_told(db: SeatDb, show: Show) -> None:
    provider = ScriptedProvider()
    anna = await buyer(db, show, provider, 1)
    await db.owner.execute(
        "update rowlock.payment_intents set account = %s where payment_intent_id = %s",
        [str(mint_id(show.show_id)), anna.payment_id],
    )
    provider.payments.clear()

    assert kinds(await reconcile(db, provider)) == ([], ["account_gone"])
