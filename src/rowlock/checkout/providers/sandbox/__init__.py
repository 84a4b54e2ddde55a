"""The sandbox: a payment provider for trying out and for tests, with test cards, play money and real webhooks.

Its state is in the database, so that a restart loses nothing. It never runs beside a live provider.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from rowlock.checkout.providers import store
from rowlock.checkout.providers.bookkeeping import Bookkeeping
from rowlock.checkout.providers.model import CardOutcome, KeptDispute, KeptPayment, authorize
from rowlock.checkout.providers.payment_provider import ProviderDispute, ProviderEvent, WebhookRefusedError
from rowlock.checkout.providers.provider_account import ProviderAccount
from rowlock.checkout.providers.sandbox.jobs import SandboxDeliveries
from rowlock.checkout.providers.sandbox.signing import HEADER, verify
from rowlock.database.cells import Cells

PAGE = "/sandbox/pay"


class SandboxProvider(Bookkeeping):
    """Payments with test cards.

    secret      signs its webhooks.
    public_url  where its page is; without it, page addresses have no host.
    """

    name = "sandbox"

    def __init__(self, cells: Cells, account: str, *, secret: bytes, public_url: str | None = None) -> None:
        super().__init__(cells, account, store.SANDBOX, "sbx")
        self._secret = secret
        self._base = (public_url or "").rstrip("/")

    def page_url(self, payment: KeptPayment) -> str | None:
        """See Bookkeeping."""
        return self.page_of(payment.reference)

    def page_of(self, reference: str) -> str:
        """See HasPaymentPage."""
        return f"{self._base}{PAGE}/{reference}"

    async def authorize(
        self, reference: str, outcome: CardOutcome, *, after_seconds: float | None = None
    ) -> KeptPayment:
        """Pay with a test card. `after_seconds` is how long a delay lasts.

        Raises ProviderRefusedError when there is no such payment, PaymentNotOpenError when it takes no card now.
        """
        return await self.change(reference, lambda payment: authorize(payment, outcome, after_seconds))

    async def dispute(self, reference: str, action: str) -> KeptDispute | None:
        """What the buyer's bank does: `open` takes the money back, `win` gives it to the seller again, `lose` does not.

        Returns None where there is no payment, or nothing to decide. Raises ProviderRefusedError when no money is left.
        """
        if action == "open":
            new = self._new_reference("dp_")
            return await self._call(
                lambda connection: store.open_dispute(connection, self.account, reference, new, "fraudulent")
            )
        status = {"win": "won", "lose": "lost"}[action]
        return await self._call(lambda connection: store.end_dispute(connection, self.account, reference, status))

    async def fetch_dispute(self, reference: str) -> ProviderDispute | None:
        """See TellsDisputes."""
        found = await self._call(lambda connection: store.find_dispute(connection, self.account, reference))
        return None if found is None else found.told()

    async def list_disputes(self, since: datetime) -> AsyncIterator[ProviderDispute]:
        """See TellsDisputes."""
        for found in await self._call(lambda connection: store.disputes_since(connection, self.account, since)):
            yield found.told()

    def deliveries(self, base_url: str, public_url: str | None = None) -> SandboxDeliveries:
        """The work that delivers webhooks, of every account of the sandbox, to a server of this installation."""
        return SandboxDeliveries(self._secret, base_url, public_url)

    async def find(self, id_: str) -> KeptPayment | None:
        """A payment of this account as it is now, by its reference or by the id of our payment intent."""
        payment_intent_id = None
        with suppress(ValueError):
            payment_intent_id = UUID(id_)
        reference = await self._call(
            lambda connection: store.find_sandbox_payment(connection, self.account, id_, payment_intent_id)
        )
        return None if reference is None else await self.kept(reference)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """See PaymentProvider."""
        verify(headers.get(HEADER), body, self._secret, now)
        try:
            content = json.loads(body)
            payment = content["payment"]
            if content["account"] != self.account:
                raise WebhookRefusedError("the webhook is about another account")
            return ProviderEvent(
                event_id=str(content["id"]),
                kind=str(content["kind"]),
                payload=content,
                reference=str(payment["reference"]),
                show_id=UUID(payment["show_id"]),
                payment_intent_id=UUID(payment["payment_intent_id"]),
                dispute_reference=content.get("dispute"),
            )
        except (ValueError, LookupError, TypeError) as error:
            raise WebhookRefusedError("the webhook is no event of the sandbox") from error


def make(account: ProviderAccount) -> SandboxProvider:
    """The entry point."""
    account.refuse_unknown()
    return SandboxProvider(account.cells, account.label, secret=account.secret, public_url=account.public_url)
