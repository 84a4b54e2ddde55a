"""Pay at the desk, or by invoice: staff say that the money is there. Nothing is sent to anyone.

A payment is OPEN until it is marked paid, and then CAPTURED: there is nothing to authorize. A refund is a note that
staff have given the money back.
"""

from collections.abc import Mapping
from datetime import datetime

from rowlock.checkout.providers import store
from rowlock.checkout.providers.bookkeeping import Bookkeeping
from rowlock.checkout.providers.model import receive
from rowlock.checkout.providers.payment_provider import (
    ProviderEvent,
    ProviderPayment,
    ProviderRefusedError,
    WebhookRefusedError,
)
from rowlock.checkout.providers.provider_account import ProviderAccount
from rowlock.database.cells import Cells

MOST_NAME = 200


class ManualProvider(Bookkeeping):
    """Payments that staff mark paid."""

    name = "manual"
    keeps_no_records = True

    def __init__(self, cells: Cells, account: str) -> None:
        super().__init__(cells, account, store.MANUAL, "man")

    async def mark_paid(self, reference: str, *, by: str) -> ProviderPayment:
        """The money of an open payment is there. `by` is who says so. A payment that was marked before stays as it is.

        Raises ProviderRefusedError for a cancelled payment.
        """
        if not 0 < len(by) <= MOST_NAME:
            raise ProviderRefusedError(f"who marks a payment paid is named in 1 to {MOST_NAME} characters", "by")
        return self._told(await self.change(reference, lambda payment: receive(payment, by)))

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """There are none."""
        raise WebhookRefusedError("manual payments have no webhooks")


def make(account: ProviderAccount) -> ManualProvider:
    """The entry point."""
    account.refuse_unknown()
    return ManualProvider(account.cells, account.label)
