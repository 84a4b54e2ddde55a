"""The way of a purchase: from a payment at a provider to sold seats, or back.

Every step is one call to the database or to the provider, and is written down before the next. So a purchase can be
taken up by any process at any step: `advance` looks at what is recorded and at what the provider says, and does what
comes next. A request, a webhook and the reconciler all call it. Two may do so at once: each call may be repeated.

    begin     the payment is recorded as sent, then made at the provider
    authorize by the buyer, at the provider
    complete  the seats are sold, and tickets issued; or they are gone, and the authorization is let go
    capture   the money is taken
    pay       the order is paid

A provider that takes the money at once skips the step in between; if the seats are gone then, it is given back.
"""

from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from rowlock.base.ids import mint_id
from rowlock.checkout import store
from rowlock.checkout.model import Order, Payment, PaymentBegun
from rowlock.checkout.provider_calls import REQUEST_LIMIT_SECONDS, PaymentUnavailableError, ProviderCalls
from rowlock.checkout.providers.manual import ManualProvider
from rowlock.checkout.providers.payment_provider import (
    PaymentProvider,
    PaymentStatus,
    PaymentWish,
    ProviderError,
    ProviderPayment,
    ProviderRefusedError,
    Providers,
    ProviderUnavailableError,
)
from rowlock.checkout.refunds import Refunds
from rowlock.database.calls import call
from rowlock.database.cells import Cells

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Advanced:
    """Where a purchase has come to.

    order    the order as it is now.
    payment  the payment as it is recorded.
    refusal  the outcome of complete_order_atomic that ended it, such as SEATS_UNAVAILABLE; None when it goes on.
    gone     the seats that are gone.
    """

    order: Order
    payment: Payment
    refusal: str | None = None
    gone: tuple[int, ...] = ()


class Purchases:
    """Moves purchases on. Methods raise database.calls.BusyError, and PaymentUnavailableError where they say so.

    refunds  the way back: moves what was opened of refunds on.
    """

    def __init__(
        self,
        cells: Cells,
        providers: Providers,
        *,
        public_url: str | None = None,
        limit_seconds: float = REQUEST_LIMIT_SECONDS,
    ) -> None:
        self._cells = cells
        self._calls = ProviderCalls(providers, limit_seconds)
        self.refunds = Refunds(cells, providers, limit_seconds=limit_seconds)
        self._public_url = public_url

    async def begin(self, order: Order, organization_id: UUID) -> tuple[PaymentBegun, Payment | None]:
        """Begin to pay an order, or take up its live payment.

        Returns the outcome, and the payment when it is OK. Raises PaymentUnavailableError; the payment is recorded
        then, and the next call goes on with it.
        """
        self._calls.wait_from_now()
        provider = self.provider_for(organization_id)
        begun = await self._open(order, provider.name, self._calls.account_of(organization_id))
        if begun.payment_intent_id is None or begun.outcome != "OK":
            return begun, None
        payment = await self._payment(order.show_id, begun.payment_intent_id)
        if payment.reference is None and payment.status in ("sent", "in_doubt"):
            await self._make(payment, self.provider_of(payment))
            payment = await self._payment(order.show_id, begun.payment_intent_id)
        return begun, payment

    def provider_of(self, payment: Payment) -> PaymentProvider:
        """The account that a payment was made at. Raises PaymentUnavailableError when there is none any more."""
        return self._calls.account(payment.organization_id, payment.provider, payment.account)

    def provider_for(self, organization_id: UUID) -> PaymentProvider:
        """The account that an organization sells with now. Raises PaymentUnavailableError."""
        return self._calls.account(organization_id)

    async def _open(self, order: Order, provider: str, account: str) -> PaymentBegun:
        """Record that an order is about to be paid at an account, or tell its live payment."""
        return await call(
            self._cells.of(order.show_id).worker,
            lambda connection: store.begin_payment(
                connection, order.show_id, order.order_id, mint_id(order.show_id), provider, account
            ),
            repeatable=True,
        )

    async def advance(self, show_id: UUID, payment_intent_id: UUID, *, order_id: UUID | None = None) -> Advanced | None:
        """Do what comes next for a payment, as far as that is possible now; None when there is no such payment.

        With `order_id` only for a payment of that order.

        Raises PaymentUnavailableError.
        """
        self._calls.wait_from_now()
        found = await self._find_payment(show_id, payment_intent_id)
        if found is None or order_id not in (None, found.order_id):
            return None
        payment = found
        refusal: str | None = None
        gone: tuple[int, ...] = ()
        if payment.status in ("sent", "in_doubt", "authorized", "cancelled", "failed"):
            try:
                provider = self.provider_of(payment)
                told = await self._ask(payment, provider)
                refusal, gone = await self._follow(payment, told, provider)
            except PaymentUnavailableError:
                if payment.reference is not None:
                    # It was looked at, though in vain. So the reconciler comes to the others first.
                    await self._record(payment, payment.status)
                raise
        order = await self._order(show_id, payment.order_id)
        return Advanced(order, await self._payment(show_id, payment_intent_id), refusal, gone)

    async def settle(self, show_id: UUID, order_id: UUID) -> None:
        """Move on every payment of an order that its provider knows, such as to let go of one that is of no use.

        Raises PaymentUnavailableError.
        """
        payments = await call(
            self._cells.of(show_id).worker,
            lambda connection: store.payments_of_order(connection, show_id, order_id),
            repeatable=True,
            reads=True,
        )
        unavailable: PaymentUnavailableError | None = None
        for payment_intent_id in payments:
            try:
                await self.advance(show_id, payment_intent_id)
            except PaymentUnavailableError as error:
                # The others may be at another account. They are not kept waiting for this one.
                unavailable = error
        if unavailable is not None:
            raise unavailable

    async def _make(self, payment: Payment, provider: PaymentProvider) -> ProviderPayment | None:
        """Make a payment at the provider, and record its answer. Its key makes it the same payment each time."""
        wish = PaymentWish(
            key=f"payment-{payment.payment_intent_id}",
            show_id=payment.show_id,
            order_id=payment.order_id,
            payment_intent_id=payment.payment_intent_id,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            description=f"{payment.title}, order {payment.order_code}",
            customer_email=payment.customer_email,
            return_url=self._public_url,
        )
        try:
            made = await self._calls.within(provider.create(wish))
        except ProviderUnavailableError as error:
            await self._record(payment, "in_doubt")
            raise PaymentUnavailableError.of(error) from error
        except ProviderRefusedError as error:
            # What the provider said is for the operator. The buyer is told that it will not do it.
            log.warning("payment_refused", payment_intent_id=str(payment.payment_intent_id), error=str(error))
            await self._record(payment, "failed", failure="The payment provider does not accept this payment.")
            return None
        await self._record(payment, "sent", reference=made.reference, client_secret=made.client_secret)
        return made

    async def _ask(self, payment: Payment, provider: PaymentProvider) -> ProviderPayment | None:
        """What the provider says of a payment; one that it never got is made. None when there is nothing to do."""
        if payment.reference is None:
            return await self._make(payment, provider) if payment.status in ("sent", "in_doubt") else None
        try:
            told = await self._calls.within(provider.fetch(payment.reference))
        except ProviderError as error:
            raise PaymentUnavailableError.of(error) from error
        if told is None and payment.status not in ("cancelled", "failed"):
            # It was made there, so the keys are those of another account. Whether it is paid is not known.
            raise PaymentUnavailableError(f"it has no payment {payment.reference}", needs_operator=True)
        return told

    async def _follow(
        self, payment: Payment, told: ProviderPayment | None, provider: PaymentProvider
    ) -> tuple[str | None, tuple[int, ...]]:
        """Do what follows from what the provider says. Returns why the order ended, if it did, and the seats gone."""
        if told is None:
            return None, ()
        payment = replace(payment, reference=told.reference)  # It may have been made just now.
        if (told.amount_minor, told.currency) != (payment.amount_minor, payment.currency):
            # It is not what was asked for, so nothing is sold for it.
            log.error("payment_differs", payment_intent_id=str(payment.payment_intent_id), told=told.amount_minor)
            if told.status == PaymentStatus.AUTHORIZED:
                await self._let_go(payment, provider)
            await self._record(payment, "failed", failure="The amount at the provider is not that of the order.")
            return None, ()
        if told.status == PaymentStatus.AUTHORIZED:
            return await self._sell(payment, provider)
        if told.status == PaymentStatus.CAPTURED:
            return await self._sell_captured(payment)
        if told.status in (PaymentStatus.CANCELLED, PaymentStatus.FAILED):
            await self._record(payment, told.status.value, failure=told.last_error)
        elif told.status == PaymentStatus.OPEN and payment.is_abandoned and not isinstance(provider, ManualProvider):
            # No one pays an invoice within an hour; at any other provider the buyer has left.
            await self._let_go(payment, provider)
        else:
            await self._record(payment, "sent", client_secret=told.client_secret, failure=told.last_error)
        return None, ()

    async def _sell(self, payment: Payment, provider: PaymentProvider) -> tuple[str | None, tuple[int, ...]]:
        """The money is reserved: sell the seats and take it, or let it go."""
        assert payment.reference is not None, "the provider has told of it"
        if await self._record(payment, "authorized") != "authorized":
            await self._let_go(payment, provider)
            return None, ()
        outcome, gone = await self._complete(payment)
        if outcome != "OK":
            await self._let_go(payment, provider)
            return outcome, gone
        try:
            told = await self._calls.within(
                provider.capture(payment.reference, key=f"capture-{payment.payment_intent_id}")
            )
        except ProviderUnavailableError as error:
            raise PaymentUnavailableError.of(error) from error
        except ProviderRefusedError as error:
            # The authorization is gone: the order is taken back, and its seats are free again.
            log.warning("capture_refused", payment_intent_id=str(payment.payment_intent_id), error=str(error))
            await self._void(payment, str(error))
            return "PAYMENT_FAILED", ()
        if told.status == PaymentStatus.CAPTURED:
            await self._pay(payment)
        return None, ()

    async def _sell_captured(self, payment: Payment) -> tuple[str | None, tuple[int, ...]]:
        """The money is taken already: sell the seats, or open a refund of all of it."""
        if payment.order_status == "pending":
            await self._record(payment, "authorized")
            outcome, gone = await self._complete(payment)
            await self._pay(payment)
            return (None, ()) if outcome == "OK" else (outcome, gone)
        await self._pay(payment)
        return None, ()

    async def _complete(self, payment: Payment) -> tuple[str, tuple[int, ...]]:
        """Sell the seats of the order. When they cannot be sold, the order ends."""
        show_id, order_id = payment.show_id, payment.order_id
        worker = self._cells.of(show_id).worker
        outcome, _, gone = await call(
            worker,
            lambda connection: store.complete_order(connection, show_id, order_id, payment.payment_intent_id),
            repeatable=True,
        )
        if outcome != "OK":
            log.info("purchase_lost", order_id=str(order_id), outcome=outcome)
            await call(
                worker, lambda connection: store.end_order(connection, show_id, order_id, outcome), repeatable=True
            )
        return outcome, gone

    async def _let_go(self, payment: Payment, provider: PaymentProvider) -> None:
        """Cancel an authorized payment at the provider, so that the buyer is not charged."""
        assert payment.reference is not None, "the provider has told of it"
        try:
            told = await self._calls.within(
                provider.cancel(payment.reference, key=f"cancel-{payment.payment_intent_id}")
            )
        except ProviderUnavailableError as error:
            raise PaymentUnavailableError.of(error) from error
        except ProviderRefusedError as error:
            # It was captured meanwhile, by a person at the provider. What then follows is decided by what it says.
            log.warning("cancel_refused", payment_intent_id=str(payment.payment_intent_id), error=str(error))
            return
        if told.status == PaymentStatus.CANCELLED:
            await self._record(payment, "cancelled")

    async def _record(
        self,
        payment: Payment,
        status: str,
        *,
        reference: str | None = None,
        client_secret: str | None = None,
        failure: str | None = None,
    ) -> str | None:
        return await call(
            self._cells.of(payment.show_id).worker,
            lambda connection: store.record_payment(
                connection,
                payment.show_id,
                payment.payment_intent_id,
                status,
                reference=reference,
                client_secret=client_secret,
                failure=failure,
            ),
            repeatable=True,
        )

    async def _pay(self, payment: Payment) -> None:
        await call(
            self._cells.of(payment.show_id).worker,
            lambda connection: store.pay_order(
                connection, payment.show_id, payment.order_id, payment.payment_intent_id
            ),
            repeatable=True,
        )

    async def _void(self, payment: Payment, reason: str) -> None:
        await call(
            self._cells.of(payment.show_id).worker,
            lambda connection: store.void_order(connection, payment.show_id, payment.order_id, reason[:200]),
            repeatable=True,
        )

    async def _find_payment(self, show_id: UUID, payment_intent_id: UUID) -> Payment | None:
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: store.payment(connection, show_id, payment_intent_id),
            repeatable=True,
            reads=True,
        )

    async def _payment(self, show_id: UUID, payment_intent_id: UUID) -> Payment:
        payment = await self._find_payment(show_id, payment_intent_id)
        assert payment is not None, "payments are never deleted"
        return payment

    async def _order(self, show_id: UUID, order_id: UUID) -> Order:
        order = await call(
            self._cells.of(show_id).worker,
            lambda connection: store.order_details(connection, show_id, order_id),
            repeatable=True,
            reads=True,
        )
        assert order is not None, "orders are never deleted"
        return order
