"""Version 1 of `payment-intent`: what Purchases.begin does, without stored functions, on the role of version 1.

It is the fallback when the functions are gone. What comes after, from `confirm` on, sells seats and takes money: it is
not done without them.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from rowlock.base.ids import mint_id
from rowlock.checkout.model import Order, OrderToken, Payment, PaymentBegun
from rowlock.checkout.providers.payment_provider import Providers
from rowlock.checkout.purchase import Purchases
from rowlock.checkout.service import Begin
from rowlock.checkout.version1 import store
from rowlock.database.calls import FunctionsMissingError, call
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection

log = structlog.get_logger(__name__)

Served = Callable[[str], Awaitable[bool]]
"""Whether the calls of a session are served by version 2."""


class PlainPurchases(Purchases):
    """Begins payments in plain SQL."""

    async def _open(self, order: Order, provider: str, account: str) -> PaymentBegun:
        payment_intent_id = mint_id(order.show_id)

        async def operation(connection: Connection) -> PaymentBegun:
            async with connection.transaction():
                return await store.begin_payment(
                    connection, order.show_id, order.order_id, payment_intent_id, provider, account
                )

        return await call(self._cells.of(order.show_id).v1, operation, repeatable=True)

    async def _record(
        self,
        payment: Payment,
        status: str,
        *,
        reference: str | None = None,
        client_secret: str | None = None,
        failure: str | None = None,
    ) -> str | None:
        async def operation(connection: Connection) -> str | None:
            async with connection.transaction():
                return await store.record_payment(
                    connection,
                    payment.show_id,
                    payment.payment_intent_id,
                    status,
                    reference=reference,
                    client_secret=client_secret,
                    failure=failure,
                )

        return await call(self._cells.of(payment.show_id).v1, operation, repeatable=True)


class Version1Payments:
    """Begins payments by version 2 for the share of the rollout, and by version 1 for the others.

    begin     as version 2 does it: the outcome, and the payment when it is OK.
    is_served_by_version2  of a session. Here that is the order, which has one buyer.
    """

    def __init__(
        self,
        cells: Cells,
        providers: Providers,
        *,
        begin: Begin,
        organization_of: Callable[[UUID], Awaitable[UUID]],
        is_served_by_version2: Served,
        public_url: str | None = None,
    ) -> None:
        self._cells = cells
        self._purchases = PlainPurchases(cells, providers, public_url=public_url)
        self._begin = begin
        self._organization_of = organization_of
        self._is_served_by_version2 = is_served_by_version2

    async def pay(self, order: Order) -> tuple[str, Payment | None]:
        """Begin to pay an order, or take up its live payment. Raises purchase.PaymentUnavailableError."""
        if await self._is_served_by_version2(str(order.order_id)):
            try:
                return await self._begin(order)
            except FunctionsMissingError:
                log.warning("version1_serves_because_functions_are_missing")
        organization_id = await self._organization_of(order.show_id)
        begun, payment = await self._purchases.begin(order, organization_id)
        return begun.outcome, payment

    async def owns(self, token: OrderToken) -> bool:
        """Whether a token is that of its order."""
        return await call(
            self._cells.of(token.show_id).v1,
            lambda connection: store.owns_order(connection, token),
            repeatable=True,
            reads=True,
        )
