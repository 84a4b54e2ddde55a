"""Checkout: orders for holds, their payments, and refunds.

The database decides what an order costs and whether it can be paid; `purchase` moves a payment on.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from rowlock.base.holder import Holder
from rowlock.base.ids import mint_id, show_key
from rowlock.base.outcomes import Outcome
from rowlock.checkout import refund_store, store
from rowlock.checkout.model import (
    NewOrder,
    Order,
    OrderMade,
    OrderOutcome,
    OrderToken,
    OrderWish,
    Payment,
    RefundOpened,
    RefundWish,
    Reissued,
    ReissueWish,
    TicketState,
)
from rowlock.checkout.provider_calls import PaymentUnavailableError
from rowlock.checkout.providers.manual import ManualProvider
from rowlock.checkout.providers.payment_provider import HasPaymentPage, Providers, ProviderUnavailableError
from rowlock.checkout.purchase import Advanced, Purchases
from rowlock.checkout.refund_store import Retried
from rowlock.database.calls import call
from rowlock.database.cells import Cells

Begin = Callable[[Order], Awaitable[tuple[str, Payment | None]]]
"""Begins to pay an order: the outcome, and the payment when it is OK."""
CODE_ATTEMPTS = 5
KEY_LENGTH = 255


class KeyConflictError(Exception):
    """An idempotency key was used before: for another order, for another wish, or its first request still runs.

    `code` is IDEMPOTENCY_KEY_CONFLICT, IDEMPOTENCY_KEY_REUSED or IN_PROGRESS.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Checkout:
    """The operations on orders. Methods raise database.calls.BusyError when the database cannot answer."""

    def __init__(
        self, cells: Cells, providers: Providers | None = None, *, secret_key: str = "", public_url: str | None = None
    ) -> None:
        self._cells = cells
        self._providers = providers
        self._secret_key = secret_key.encode()
        self._purchases = None if providers is None else Purchases(cells, providers, public_url=public_url)

    @property
    def purchases(self) -> Purchases:
        """What moves purchases on. Only where there are payment providers."""
        assert self._purchases is not None, "this process has no payment providers"
        return self._purchases

    async def order(self, wish: OrderWish, holder: Holder) -> tuple[OrderMade, OrderToken | None]:
        """Order the seats of a hold. A free order is completed at once.

        Returns the outcome, and the token of the live order when it is OK: also when it was made before.
        """
        worker = self._cells.of(wish.show_id).worker
        made = OrderMade(OrderOutcome.ORDER_CODE_TAKEN, None, False, None)
        for _ in range(CODE_ATTEMPTS):
            new = NewOrder.of(wish, self._secret_key)
            made = await self._create(new, holder)
            if made.outcome != OrderOutcome.ORDER_CODE_TAKEN:
                break
        if made.outcome != Outcome.OK or made.order_id is None:
            return made, None
        order_id = made.order_id
        token = OrderToken.of_hold(wish.show_id, order_id, wish.hold_secret, self._secret_key)
        order = await self.find(token)
        if order is not None and order.status == "pending" and order.total_minor == 0:
            await call(
                worker,
                lambda connection: store.complete_order(connection, wish.show_id, order_id, None),
                repeatable=True,
            )
        return made, token

    async def _create(self, new: NewOrder, holder: Holder) -> OrderMade:
        return await call(
            self._cells.of(new.wish.show_id).app,
            lambda connection: store.create_order(connection, new, holder),
            repeatable=True,
        )

    async def find(self, token: OrderToken) -> Order | None:
        """The order of a token, or None."""
        return await call(
            self._cells.of(token.show_id).app,
            lambda connection: store.find_order(connection, token),
            repeatable=True,
            reads=True,
        )

    async def find_for_staff(self, order_id: UUID) -> Order | None:
        """An order by its id, for staff and for what only acts on it; None when there is none."""
        for show_id in await self._shows_of(order_id):
            found = await self._details(show_id, order_id)
            if found is not None:
                return found
        return None

    async def find_by_name(self, name: str) -> list[Order]:
        """The orders that staff mean by a code, with or without hyphens and capitals, or by an id."""
        with suppress(ValueError):
            found = await self.find_for_staff(UUID(name))
            return [] if found is None else [found]
        code = "".join(character for character in name.upper() if character.isalnum())
        orders = []
        for cell in self._cells.each():
            named = await call(
                cell.worker, lambda connection: store.orders_of_code(connection, code), repeatable=True, reads=True
            )
            orders += [await self._details(show_id, order_id) for show_id, order_id in named]
        return [order for order in orders if order is not None]

    async def mark_paid(self, order: Order, received_by: str) -> tuple[str, Advanced | None]:
        """Write down that the money of an order came at the desk or by invoice, and sell its seats. Repeatable.

        Only where the organization is paid by the manual provider. Raises purchase.PaymentUnavailableError, and
        ProviderRefusedError when its payment was cancelled.
        """
        organization_id = await self.organization_of(order.show_id)
        if not isinstance(self.purchases.provider_for(organization_id), ManualProvider):
            return OrderOutcome.PAYMENT_NOT_MANUAL, None
        begun, payment = await self.purchases.begin(order, organization_id)
        if payment is None:
            return begun.outcome, None
        provider = self.purchases.provider_of(payment)
        if not isinstance(provider, ManualProvider) or payment.reference is None:
            return OrderOutcome.PAYMENT_NOT_MANUAL, None
        try:
            await provider.mark_paid(payment.reference, by=received_by)
        except ProviderUnavailableError as error:
            raise PaymentUnavailableError.of(error) from error
        return Outcome.OK, await self.confirm(order, payment.payment_intent_id)

    async def organization_of(self, show_id: UUID) -> UUID:
        """The organization that sells a show."""
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: store.organization_of(connection, show_id),
            repeatable=True,
            reads=True,
        )

    async def _details(self, show_id: UUID, order_id: UUID) -> Order | None:
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: store.order_details(connection, show_id, order_id),
            repeatable=True,
            reads=True,
        )

    async def _shows_of(self, some_id: UUID) -> Sequence[UUID]:
        """The shows whose ids of orders, payments and refunds carry the key of this one."""
        return await call(
            self._cells.catalogue.app,
            lambda connection: store.shows_of_key(connection, show_key(some_id)),
            repeatable=True,
            reads=True,
        )

    async def pay(self, order: Order) -> tuple[str, Payment | None]:
        """Begin to pay an order, or take up its live payment: the outcome, and the payment when it is OK.

        Raises purchase.PaymentUnavailableError.
        """
        organization_id = await self.organization_of(order.show_id)
        begun, payment = await self.purchases.begin(order, organization_id)
        return begun.outcome, payment

    def publishable_key(self, payment: Payment) -> str | None:
        """What the buyer's page needs to talk to the provider of a payment. Raises purchase.PaymentUnavailableError."""
        return self.purchases.provider_of(payment).publishable_key

    def page_url(self, payment: Payment) -> str | None:
        """Where the buyer pays, while the payment waits for that and its provider has a page of its own.

        Raises purchase.PaymentUnavailableError.
        """
        provider = self.purchases.provider_of(payment)
        if payment.reference is None or payment.status != "sent" or not isinstance(provider, HasPaymentPage):
            return None
        return provider.page_of(payment.reference)

    async def answered_before(self, order: Order, key: str, wish: bytes) -> str | None:
        """The stored answer to a request for a payment with this key; None when this request is to be worked on.

        Raises KeyConflictError.
        """
        show_id, digest = order.show_id, sha256(wish).digest()
        worker = self._cells.of(show_id).worker
        if await call(
            worker,
            lambda connection: store.claim_payment_key(connection, show_id, key, order.order_id, digest),
            repeatable=True,
        ):
            return None
        known = await call(
            worker, lambda connection: store.payment_key(connection, show_id, key), repeatable=True, reads=True
        )
        if known is None:
            raise KeyConflictError("IN_PROGRESS")
        order_id, known_wish, answer = known
        if order_id != order.order_id:
            raise KeyConflictError("IDEMPOTENCY_KEY_CONFLICT")
        if known_wish != digest:
            raise KeyConflictError("IDEMPOTENCY_KEY_REUSED")
        if answer is None:
            raise KeyConflictError("IN_PROGRESS")
        return answer

    async def keep_answer(self, order: Order, key: str, answer: str | None) -> None:
        """Keep the answer of a key for 30 days; None lets the key be used again at once."""
        await call(
            self._cells.of(order.show_id).worker,
            lambda connection: store.answer_payment_key(connection, order.show_id, key, answer),
            repeatable=True,
        )

    async def confirm(self, order: Order, payment_intent_id: UUID) -> Advanced | None:
        """Move a payment of an order on; None when the order has no such payment.

        Raises purchase.PaymentUnavailableError.
        """
        return await self.purchases.advance(order.show_id, payment_intent_id, order_id=order.order_id)

    async def refund(self, wish: RefundWish) -> RefundOpened:
        """Open a refund of a paid order. The worker asks the provider for it."""
        refund_id = mint_id(wish.show_id)
        return await call(
            self._cells.of(wish.show_id).worker,
            lambda connection: store.open_refund(connection, wish, refund_id),
            repeatable=True,
        )

    async def retry_refunds(self, order: Order, actor: str, ip_address: str | None = None) -> Retried:
        """Open every refund of an order again that has failed at its provider. The worker asks for the money."""
        return await call(
            self._cells.of(order.show_id).worker,
            lambda connection: refund_store.retry_refunds(
                connection, order.show_id, order.order_id, actor=actor, ip_address=ip_address
            ),
            repeatable=True,
        )

    async def reissue(self, wish: ReissueWish) -> Reissued:
        """Give a ticket a new code, and void those before it. The worker mails the buyer.

        A wish without a revision may have been carried out when it raises database.calls.OutcomeUnknownError.
        """
        return await call(
            self._cells.of(wish.show_id).worker,
            lambda connection: store.reissue_ticket(connection, wish),
            repeatable=wish.revision is not None,
        )

    async def receive(self, provider: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Put a webhook into the inbox, once its signature is found right. Returns whether it is new.

        Raises providers.payment_provider.WebhookRefusedError, and LookupError for an unknown provider.
        """
        assert self._providers is not None, "this process has no payment providers"
        _, event = self._providers.parse_webhook(provider, headers, body, now)
        dispute = event.dispute_reference if event.dispute is None else event.dispute.reference
        payload = {"kind": event.kind, "reference": event.reference, "dispute": dispute, "event": dict(event.payload)}
        return await call(
            self._cells.catalogue.worker,
            lambda connection: store.keep_webhook_event(connection, provider, event.event_id, event.show_id, payload),
            repeatable=True,
        )

    async def sell_holds(self, show_id: UUID, reservation_ids: Sequence[UUID]) -> int:
        """Turn holds into paid orders at the show's prices, as the owner. Returns the number of orders.

        Raises RuntimeError when one cannot be completed, so that the caller's transaction is rolled back.
        """
        async with self._cells.of(show_id).owner() as connection:
            return await store.sell_holds(connection, show_id, reservation_ids)

    async def ticket_state(self, show_id: UUID, ticket_id: UUID) -> TicketState | None:
        """What has become of a ticket; None when there is no such ticket."""
        async with self._cells.of(show_id).office() as connection:
            return await store.ticket_state(connection, show_id, ticket_id)
