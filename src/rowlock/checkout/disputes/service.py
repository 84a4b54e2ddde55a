"""Chargebacks. An event is a hint: the dispute is fetched from its provider, and what it says is written down.

Tickets and seats stay as they are. What to do with them is for staff to decide.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from rowlock.base.ids import mint_id
from rowlock.checkout import store as checkout_store
from rowlock.checkout.disputes import store
from rowlock.checkout.model import Dispute, Payment
from rowlock.checkout.providers.payment_provider import (
    PaymentProvider,
    ProviderDispute,
    ProviderError,
    Providers,
    TellsDisputes,
)
from rowlock.database.calls import call
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection

log = structlog.get_logger(__name__)

LISTED = 1000
LOOK_BACK = timedelta(days=30)
"""How old the disputes are that are looked for without a webhook. Open ones are asked about however old they are."""
EVERY_SECONDS = 600.0


class Disputes:
    """The operations on disputes. Methods raise database.calls.BusyError when the database cannot answer.

    providers  payment accounts; without them disputes can be listed, and none recorded.
    """

    def __init__(self, cells: Cells, providers: Providers | None = None) -> None:
        self._cells = cells
        self._providers = providers

    async def all(self, *, include_ended: bool = False) -> list[Dispute]:
        """The open disputes of all shows, or all of them; at most LISTED of a cell."""
        found: list[Dispute] = []
        for cell in self._cells.each():
            found += await call(
                cell.worker,
                lambda connection: store.open_or_all(connection, include_ended=include_ended, limit=LISTED),
                repeatable=True,
                reads=True,
            )
        return found

    async def of_order(self, show_id: UUID, order_id: UUID) -> list[Dispute]:
        """The disputes of an order, the first one first."""
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: store.of_order(connection, show_id, order_id),
            repeatable=True,
            reads=True,
        )

    async def follow(self, show_id: UUID, payment_intent_id: UUID, reference: str) -> None:
        """Fetch a dispute of a payment from its provider, and write down what it says. Raises ProviderError."""
        assert self._providers is not None, "this process has no payment providers"
        payment = await self._payment(show_id, payment_intent_id)
        provider = self._providers.of(payment.organization_id, payment.provider, payment.account)
        told = await provider.fetch_dispute(reference) if isinstance(provider, TellsDisputes) else None
        if told is not None:
            await self._record(payment, told)

    async def look_for(self, account: str, provider: PaymentProvider, since: datetime) -> int:
        """Write down every dispute of an account that was opened since then. Returns how many there are of ours.

        Raises ProviderError.
        """
        if not isinstance(provider, TellsDisputes):
            return 0
        count = 0
        async for told in provider.list_disputes(since):
            payment = None if told.payment is None else await self._named(provider.name, told.payment)
            if payment is None or payment.account not in (None, account):
                continue
            await self._record(payment, told)
            count += 1
        return count

    async def look_everywhere(self, now: datetime) -> None:
        """Look for disputes at every account, and ask about those that are open. What fails is logged."""
        assert self._providers is not None, "this process has no payment providers"
        for account, provider in self._providers.accounts().items():
            try:
                await self.look_for(account, provider, now - LOOK_BACK)
            except ProviderError as error:
                log.warning("disputes_not_listed", account=account, provider=provider.name, error=str(error))
        for dispute in await self.all():
            try:
                await self.follow(dispute.show_id, dispute.payment_intent_id, dispute.reference)
            except ProviderError as error:
                log.warning("dispute_not_fetched", dispute_id=str(dispute.dispute_id), error=str(error))

    async def _record(self, payment: Payment, told: ProviderDispute) -> None:
        outcome = await call(
            self._cells.of(payment.show_id).worker,
            lambda connection: store.record(
                connection, payment.show_id, payment.payment_intent_id, mint_id(payment.show_id), told
            ),
            repeatable=True,
        )
        if outcome != "OK":
            log.error("dispute_not_recorded", reference=told.reference, outcome=outcome)

    async def _named(self, provider: str, reference: str) -> Payment | None:
        for cell in self._cells.each():
            found = await call(
                cell.worker,
                lambda connection: checkout_store.payment_of_reference(connection, provider, reference),
                repeatable=True,
                reads=True,
            )
            if found is not None:
                return await self._payment(found[0], found[2])
        return None

    async def _payment(self, show_id: UUID, payment_intent_id: UUID) -> Payment:
        payment = await call(
            self._cells.of(show_id).worker,
            lambda connection: checkout_store.payment(connection, show_id, payment_intent_id),
            repeatable=True,
            reads=True,
        )
        assert payment is not None, "payments are never deleted"
        return payment


class DisputeLoop:
    """Looks for disputes, also when no webhook ever comes."""

    def __init__(self, disputes: Disputes, clock: Callable[[], datetime]) -> None:
        self._disputes = disputes
        self._clock = clock

    async def work(self, connection: Connection) -> float:
        """Look at every account. Returns the seconds until the next call."""
        await self._disputes.look_everywhere(self._clock())
        return EVERY_SECONDS
