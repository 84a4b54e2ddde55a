"""Compares every payment at every account with the ledger, and sets right what can be set right without a person.

What a provider says is the truth about its money. So money that it has captured is followed as the worker would have
done (`Purchases.advance`), refunds on their way are asked about, and a refund that was made there by hand is written
down. Sold seats and tickets stay as they are in that last case.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog

from rowlock.base.ids import mint_id
from rowlock.checkout.disputes.service import Disputes
from rowlock.checkout.provider_calls import WORKER_LIMIT_SECONDS, PaymentUnavailableError
from rowlock.checkout.providers.payment_provider import (
    KeepsNoRecords,
    PaymentProvider,
    PaymentStatus,
    ProviderError,
    ProviderPayment,
    Providers,
)
from rowlock.checkout.purchase import Purchases
from rowlock.checkout.reconciliation import store
from rowlock.checkout.reconciliation.model import (
    AccountReport,
    CreditRefund,
    Difference,
    DifferenceKind,
    Position,
    ReconciliationReport,
    compare,
    unknown,
)
from rowlock.database.access import Database
from rowlock.database.calls import call
from rowlock.database.cells import Cells

log = structlog.get_logger(__name__)

BATCH = 100
PAGE = 1000
LOOKS = 3
"""How often a payment that differs is looked at, until nothing has changed here between two looks."""
BY_HAND = "Refunded at the provider by hand."
_FIRST_ID = UUID(int=0)


class Reconciliation:
    """Compares providers with the ledger. Methods raise database.calls.BusyError when the database cannot answer."""

    def __init__(self, cells: Cells, providers: Providers | None = None) -> None:
        self._cells = cells
        self._providers = providers

    async def reconcile(self, since: datetime, actor: str) -> ReconciliationReport:
        """Compare what was paid since then, at every account. `actor` is who is named with what is set right."""
        assert self._providers is not None, "this process has no payment providers"
        report = ReconciliationReport(since)
        accounts = self._providers.accounts()
        for account, provider in accounts.items():
            await _Account(self._cells, self._providers, report, account, provider, actor).reconcile()
        for provider_name, of, payments in await self._used_accounts(since):
            known = of is None or (of in accounts and accounts[of].name == provider_name)
            if not known:
                what = f"{payments} payments were made at {provider_name} for {of}, which has no account there."
                report.left.append(Difference(DifferenceKind.ACCOUNT_GONE, str(of), provider_name, what))
        return report

    async def _used_accounts(self, since: datetime) -> list[tuple[str, str | None, int]]:
        found: list[tuple[str, str | None, int]] = []
        for cell in self._cells.each():
            found += await call(
                cell.worker,
                lambda connection: store.accounts_since(connection, since),
                repeatable=True,
                reads=True,
            )
        return found


class _Account:
    """The reconciliation of one account."""

    def __init__(
        self,
        cells: Cells,
        providers: Providers,
        report: ReconciliationReport,
        account: str,
        provider: PaymentProvider,
        actor: str,
    ) -> None:
        self._cells = cells
        self._providers = providers
        self._purchases = Purchases(cells, providers, limit_seconds=WORKER_LIMIT_SECONDS)
        self._disputes = Disputes(cells, providers)
        self._report = report
        self._account = account
        self._provider = provider
        self._actor = actor
        self._found = AccountReport(account, provider.name)
        self._seen: set[str] = set()

    async def reconcile(self) -> None:
        """Compare both ways: what the provider lists, and what is recorded here and was not among it."""
        self._report.accounts.append(self._found)
        if isinstance(self._provider, KeepsNoRecords) and self._provider.keeps_no_records:
            self._found.note = "it keeps no records of its own, so there is nothing to compare"
            return
        try:
            await self._compare_listed()
            await self._compare_recorded()
            self._found.disputes = await self._disputes.look_for(self._account, self._provider, self._report.since)
        except (ProviderError, PaymentUnavailableError) as error:
            what = f"{self._provider.name} cannot be asked about {self._account}: {error}."
            self._report.left.append(Difference(DifferenceKind.NOT_ASKED, self._account, self._provider.name, what))

    async def _compare_listed(self) -> None:
        batch: list[ProviderPayment] = []
        async for told in self._provider.list_since(self._report.since):
            batch.append(told)
            if len(batch) == BATCH:
                await self._compare_batch(batch)
                batch = []
        await self._compare_batch(batch)

    async def _compare_batch(self, batch: list[ProviderPayment]) -> None:
        ids = [told.payment_intent_id for told in batch if told.payment_intent_id is not None]
        positions = await self._positions([told.reference for told in batch], ids)
        by_reference = {position.reference: position for position in positions}
        by_id = {position.payment_intent_id: position for position in positions if position.reference is None}
        for told in batch:
            self._seen.add(told.reference)
            position = by_reference.get(told.reference)
            if position is None and told.payment_intent_id is not None:
                position = by_id.get(told.payment_intent_id)
            if position is not None:
                await self._judge(told, position)
            elif told.payment_intent_id is None:
                self._found.foreign += 1
            elif told.captured_minor > told.refunded_minor or told.status is PaymentStatus.AUTHORIZED:
                self._report.left.append(unknown(told, self._account, self._provider.name))

    async def _compare_recorded(self) -> None:
        for cell in self._cells.each():
            after = (self._report.since, _FIRST_ID)
            is_last = False
            while not is_last:
                page = await self._page(cell, after)
                await self._compare_missing(reference for _, _, reference in page)
                is_last = len(page) < PAGE
                if not is_last:
                    after = (page[-1][0], page[-1][1])

    async def _page(self, cell: Database, after: tuple[datetime, UUID]) -> list[tuple[datetime, UUID, str]]:
        return await call(
            cell.worker,
            lambda connection: store.references_since(connection, self._provider.name, after, PAGE),
            repeatable=True,
            reads=True,
        )

    async def _compare_missing(self, references: Iterable[str]) -> None:
        left = [reference for reference in references if reference not in self._seen]
        for position in await self._positions(left, []) if left else []:
            if self._is_here(position):
                await self._judge(None, position)

    def _is_here(self, position: Position) -> bool:
        """Whether a payment was made at this account: one of an earlier release is where its organization is paid."""
        if position.account is not None:
            return position.account == self._account
        with suppress(ProviderError):
            return self._providers.of(position.organization_id, position.provider) is self._provider
        return False

    async def _judge(self, told: ProviderPayment | None, position: Position) -> None:
        """Compare one payment; where it differs, look again at both, set right what can be, and tell the rest."""
        if told is not None and position.reference is not None and not compare(told, position, self._account):
            self._found.add(told)
            return
        reference = position.reference or (told.reference if told is not None else "")
        told, position = await self._look(reference, position)
        before = compare(told, position, self._account)
        for _ in range(LOOKS):
            if told is None or not compare(told, position, self._account):
                break
            if not await self._set_right(told, position):
                break
            told, position = await self._look(reference, position)
        if told is not None:
            self._found.add(told)
        left = compare(told, position, self._account)
        self._report.left += left
        kinds = {difference.kind for difference in left}
        self._report.resolved += [difference for difference in before if difference.kind not in kinds]

    async def _look(self, reference: str, position: Position) -> tuple[ProviderPayment | None, Position]:
        """A payment there and here, at one moment: what is recorded has not changed while the provider was asked."""
        told = None
        for _ in range(LOOKS):
            told = await self._provider.fetch(reference)
            [now] = await self._positions([], [position.payment_intent_id])
            if now == position:
                break
            position = now
        return told, position

    async def _set_right(self, told: ProviderPayment, position: Position) -> bool:
        """Do what follows from what the provider says. Returns whether anything could be done."""
        kinds = {difference.kind for difference in compare(told, position, self._account)}
        try:
            if kinds & {DifferenceKind.CAPTURED_THERE, DifferenceKind.AUTHORIZED_THERE}:
                if position.status == "captured":
                    return False
                await self._purchases.advance(position.show_id, position.payment_intent_id)
                return True
            if DifferenceKind.REFUNDED_THERE in kinds and DifferenceKind.CAPTURED_HERE not in kinds:
                on_their_way = [(position.show_id, refund_id) for refund_id in position.open_refunds]
                on_their_way += [(refund.show_id, refund.refund_id) for refund in position.credits if refund.is_open]
                for show_id, refund_id in on_their_way:
                    await self._purchases.refunds.advance(show_id, refund_id)
                return bool(on_their_way) or await self._record_refund(told, position)
        except (ProviderError, PaymentUnavailableError) as error:
            log.warning("payment_not_set_right", reference=told.reference, error=str(error))
        return False

    async def _record_refund(self, told: ProviderPayment, position: Position) -> bool:
        refunded_minor = told.refunded_minor - (position.given_back_minor - position.refunded_minor)
        outcome, amount_minor = await call(
            self._cells.of(position.show_id).worker,
            lambda connection: store.record_refund(
                connection,
                position,
                mint_id(position.show_id),
                refunded_minor,
                reason=BY_HAND,
                actor=self._actor,
            ),
            repeatable=True,
        )
        return outcome == "OK" and amount_minor > 0

    async def _positions(self, references: list[str], ids: list[UUID]) -> list[Position]:
        found: list[Position] = []
        for cell in self._cells.each():
            found += await call(
                cell.worker,
                lambda connection: store.positions(connection, self._provider.name, references, ids),
                repeatable=True,
                reads=True,
            )
        return await self._with_credits(found)

    async def _with_credits(self, positions: list[Position]) -> list[Position]:
        """Positions with the refunds of what exchanges have moved to orders of any database."""
        references = [position.reference for position in positions if position.reference is not None]
        found: list[CreditRefund] = []
        for cell in self._cells.each():
            found += await call(
                cell.worker,
                lambda connection: store.refunds_of_credits(connection, self._provider.name, references),
                repeatable=True,
                reads=True,
            )
        return [
            replace(position, credits=tuple(refund for refund in found if refund.reference == position.reference))
            for position in positions
        ]
