"""The way of an opened refund: the provider is asked for it, and asked again until it is done or has failed.

A refund may be pending at the provider for days, and no webhook need ever come. As in a purchase, every step is written
down before the next, so any process can take it up, and two may do so at once.
"""

from uuid import UUID

import structlog

from rowlock.checkout import store
from rowlock.checkout.model import Refund
from rowlock.checkout.provider_calls import PaymentUnavailableError, ProviderCalls
from rowlock.checkout.providers.payment_provider import (
    ProviderRefund,
    ProviderRefusedError,
    Providers,
    ProviderUnavailableError,
    RefundStatus,
)
from rowlock.database.calls import call
from rowlock.database.cells import Cells

log = structlog.get_logger(__name__)

_STATUSES = {
    RefundStatus.PENDING: "pending",
    RefundStatus.SUCCEEDED: "succeeded",
    RefundStatus.FAILED: "failed",
}


class Refunds:
    """Moves refunds on. Methods raise database.calls.BusyError, and PaymentUnavailableError where they say so."""

    def __init__(self, cells: Cells, providers: Providers, *, limit_seconds: float) -> None:
        self._cells = cells
        self._calls = ProviderCalls(providers, limit_seconds)

    async def advance(self, show_id: UUID, refund_id: UUID) -> None:
        """Ask the provider for an opened refund, or what has become of it there.

        Raises PaymentUnavailableError. The refund stays open then; that it was looked at is written down all the same,
        so that others get their turn.
        """
        self._calls.wait_from_now()
        refund = await call(
            self._cells.of(show_id).worker,
            lambda connection: store.refund(connection, show_id, refund_id),
            repeatable=True,
            reads=True,
        )
        if refund is None or refund.status not in ("pending", "in_doubt") or refund.provider is None:
            return
        try:
            told = await self._ask(refund)
        except ProviderUnavailableError as error:
            # Whether it was made is in doubt, unless the provider has told of it before.
            await self._settle(refund, "in_doubt" if refund.refund_reference is None else refund.status)
            raise PaymentUnavailableError.of(error) from error
        except PaymentUnavailableError:
            await self._settle(refund, refund.status)
            raise
        except ProviderRefusedError as error:
            log.warning("refund_refused", refund_id=str(refund_id), error=str(error))
            await self._settle(refund, "failed", failure=str(error))
        else:
            await self._settle(refund, _STATUSES[told.status], reference=told.reference, failure=told.failure)

    async def _ask(self, refund: Refund) -> ProviderRefund:
        """The refund at its provider, made if need be. Its key makes it the same refund each time.

        Raises ProviderUnavailableError; ProviderRefusedError when the provider will not make it; and
        PaymentUnavailableError when the provider cannot be asked before a person has mended something.
        """
        if refund.reference is None:
            raise PaymentUnavailableError("it has not told of the payment yet")
        provider = self._calls.account(refund.organization_id, refund.provider, refund.account)
        if refund.refund_reference is None:
            made = provider.refund(refund.reference, refund.amount_minor, key=refund.key)
            return await self._calls.within(made)
        try:
            told = await self._calls.within(provider.fetch_refund(refund.refund_reference))
        except ProviderRefusedError as error:
            raise PaymentUnavailableError.of(error) from error
        if told is None:
            # It was made there, so these are the keys of another account. The money must not be given back twice.
            raise PaymentUnavailableError(f"it has no refund {refund.refund_reference}", needs_operator=True)
        return told

    async def _settle(
        self, refund: Refund, status: str, *, reference: str | None = None, failure: str | None = None
    ) -> None:
        await call(
            self._cells.of(refund.show_id).worker,
            lambda connection: store.settle_refund(
                connection, refund.show_id, refund.refund_id, status, reference=reference, failure=failure
            ),
            repeatable=True,
        )
