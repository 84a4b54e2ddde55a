"""Pay at the desk, or by invoice."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout.providers.manual import ManualProvider
from rowlock.checkout.providers.payment_provider import PaymentStatus, ProviderRefusedError, WebhookRefusedError
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from tests.support.provider_contract import ProviderContract, wish


class AtTheDesk:
    """The buyer pays, and staff say so."""

    def __init__(self, provider: ManualProvider) -> None:
        self._provider = provider

    async def pay(self, reference: str) -> None:
        await self._provider.mark_paid(reference, by="box office")

    async def try_declined_card(self, reference: str) -> None:
        raise AssertionError("there are no cards")


@pytest.fixture
def cells(dsns: Dsns) -> Cells:
    return Cells(DirectDatabase(dsns, application_name="rowlock test"))


@pytest.fixture
async def provider(cells: Cells) -> AsyncIterator[ManualProvider]:
    provider = ManualProvider(cells, "installation")
    yield provider
    await provider.close()


@pytest.fixture
def buyer(provider: ManualProvider) -> AtTheDesk:
    return AtTheDesk(provider)


class TestManual(ProviderContract):
    authorizes = False

    async def test_a_payment_is_marked_paid_once(self, provider: ManualProvider) -> None:
        made = await provider.create(wish())

        paid = await provider.mark_paid(made.reference, by="Mara at the desk")

        assert (paid.status, paid.captured_minor) == (PaymentStatus.CAPTURED, 8500)
        assert await provider.mark_paid(made.reference, by="someone else") == paid
        kept = await provider.kept(made.reference)
        assert kept is not None
        assert kept.received_by == "Mara at the desk"

    async def test_a_cancelled_payment_cannot_be_marked_paid(self, provider: ManualProvider) -> None:
        made = await provider.create(wish())
        await provider.cancel(made.reference, key="cancel")

        with pytest.raises(ProviderRefusedError):
            await provider.mark_paid(made.reference, by="Mara")
        with pytest.raises(ProviderRefusedError):
            await provider.mark_paid(made.reference, by="")

    async def test_there_are_no_webhooks(self, provider: ManualProvider) -> None:
        with pytest.raises(WebhookRefusedError):
            provider.parse_webhook({}, b"{}", datetime.now(UTC))

    async def test_an_account_does_not_see_the_payments_of_another(
        self, provider: ManualProvider, cells: Cells
    ) -> None:
        other = ManualProvider(cells, "moonlight")
        made = await provider.create(wish())

        assert await other.fetch(made.reference) is None
        with pytest.raises(ProviderRefusedError):
            await other.mark_paid(made.reference, by="Mara")
