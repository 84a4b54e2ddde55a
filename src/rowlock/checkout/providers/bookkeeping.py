"""What the sandbox and the manual provider share: payments that are kept in our own database, outside every order.

Calls are repeated by `rowlock.database.calls` after a lost connection; all of them can be.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from rowlock.base.ids import random_bytes
from rowlock.checkout.providers import store
from rowlock.checkout.providers.model import Change, Decide, KeptPayment, cancel, capture, settle
from rowlock.checkout.providers.payment_provider import (
    PaymentWish,
    ProviderPayment,
    ProviderRefund,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from rowlock.database.calls import BusyError, LoginMissingError, OutcomeUnknownError, call
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection

T = TypeVar("T")

_PAGE = 500
_REFERENCE_BYTES = 15


class Bookkeeping:
    """Everything of the protocol but webhooks, on the tables of one provider."""

    publishable_key: str | None = None
    is_live = False

    def __init__(self, cells: Cells, account: str, books: store.Books, prefix: str) -> None:
        self._database = cells.catalogue
        self._books = books
        self._prefix = prefix
        self.account = account

    async def create(self, wish: PaymentWish) -> ProviderPayment:
        """See PaymentProvider."""
        reference = self._new_reference("")
        if wish.amount_minor <= 0:
            raise ProviderRefusedError("a payment has an amount above 0", "amount")
        payment = await self._call(
            lambda connection: store.add_payment(connection, self._books, self.account, reference, wish)
        )
        return self._told(payment)

    async def fetch(self, reference: str) -> ProviderPayment | None:
        """See PaymentProvider."""
        payment = await self.kept(reference)
        return None if payment is None else self._told(payment)

    async def kept(self, reference: str) -> KeptPayment | None:
        """A payment as it is now."""
        payment = await self._call(
            lambda connection: store.find_payment(connection, self._books, self.account, reference)
        )
        if payment is not None and settle(payment).kinds:
            payment = await self._changed(reference, Change)
        return payment

    async def capture(self, reference: str, *, key: str) -> ProviderPayment:
        """See PaymentProvider. Its state makes it repeatable; the key is not needed."""
        return self._told(await self.change(reference, capture))

    async def cancel(self, reference: str, *, key: str) -> ProviderPayment:
        """See PaymentProvider. Its state makes it repeatable; the key is not needed."""
        return self._told(await self.change(reference, cancel))

    async def refund(self, reference: str, amount_minor: int, *, key: str) -> ProviderRefund:
        """See PaymentProvider."""
        new = self._new_reference("re_")
        refund = await self._call(
            lambda connection: store.add_refund(
                connection, self._books, self.account, new, key, payment=reference, amount_minor=amount_minor
            )
        )
        if refund is None:
            raise ProviderRefusedError(f"there is no payment {reference}", "not_found")
        return refund.told()

    async def fetch_refund(self, reference: str) -> ProviderRefund | None:
        """See PaymentProvider."""
        refund = await self._call(
            lambda connection: store.find_refund(connection, self._books, self.account, reference)
        )
        return None if refund is None else refund.told()

    async def list_since(self, since: datetime) -> AsyncIterator[ProviderPayment]:
        """See PaymentProvider. By age, in pages."""
        after = (since, "")
        while True:
            page = await self._page(after)
            for payment in page:
                yield self._told(settle(payment).payment)
            if len(page) < _PAGE:
                return
            after = (page[-1].created_at, page[-1].reference)

    async def close(self) -> None:
        """See PaymentProvider. The database is its owner's to close."""

    async def change(self, reference: str, decide: Decide) -> KeptPayment:
        """Change a payment under its lock. Raises ProviderRefusedError when there is none of this reference."""
        payment = await self._changed(reference, decide)
        if payment is None:
            raise ProviderRefusedError(f"there is no payment {reference}", "not_found")
        return payment

    def page_url(self, payment: KeptPayment) -> str | None:
        """Where the buyer pays."""
        return None

    def _told(self, payment: KeptPayment) -> ProviderPayment:
        return payment.told(self.page_url(payment))

    def _new_reference(self, kind: str) -> str:
        return f"{self._prefix}_{kind}{random_bytes(_REFERENCE_BYTES).hex()}"

    async def _changed(self, reference: str, decide: Decide) -> KeptPayment | None:
        return await self._call(
            lambda connection: store.change_payment(connection, self._books, self.account, reference, decide)
        )

    async def _page(self, after: tuple[datetime, str]) -> list[KeptPayment]:
        return await self._call(
            lambda connection: store.payments_since(connection, self._books, self.account, after, _PAGE)
        )

    async def _call(self, operation: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            return await call(self._database.worker, operation, repeatable=True)
        except (BusyError, OutcomeUnknownError) as error:
            raise ProviderUnavailableError(f"the database did not answer: {error}", 1.0) from error
        except LoginMissingError as error:
            raise ProviderUnavailableError(f"there is no login for money: {error}") from error
