"""Version 1 of the payment endpoint, for a database whose stored functions are gone."""

from rowlock.base.outcomes import Outcome
from rowlock.checkout.api import CheckoutEndpoints, order_token
from rowlock.checkout.model import Order
from rowlock.checkout.order_shapes import IDEMPOTENCY_KEY, PaymentBody, PaymentView
from rowlock.checkout.service import Checkout
from rowlock.checkout.version1.service import Version1Payments
from rowlock.web.fast_path import Endpoint, Reply, Request
from rowlock.web.problems import ProblemError
from rowlock.web.security import BUYER


class Version1PaymentEndpoints:
    """The handler of the endpoint."""

    def __init__(self, checkout: Checkout, endpoints: CheckoutEndpoints, payments: Version1Payments) -> None:
        self._checkout = checkout
        self._endpoints = endpoints
        self._payments = payments

    def endpoints(self) -> list[Endpoint]:
        """The endpoint, for the fast path."""
        return [
            Endpoint(
                "POST",
                "/api/ticket-orders/payment-intent",
                self.pay,
                "Begin to pay an order, version 1",
                "As payment-intent-v2, in plain SQL without stored functions.",
                takes=PaymentBody,
                gives=PaymentView,
                problems=(
                    "UNAUTHORIZED",
                    "ORDER_NOT_FOUND",
                    "ORDER_NOT_PAYABLE",
                    Outcome.RESERVATION_EXPIRED,
                    Outcome.SHOW_NOT_ON_SALE,
                    "IDEMPOTENCY_KEY_CONFLICT",
                    Outcome.IDEMPOTENCY_KEY_REUSED,
                    "PAYMENT_FAILED",
                    "PAYMENT_UNAVAILABLE",
                ),
                parameters=(IDEMPOTENCY_KEY,),
                tag="orders",
                operation_id="createPaymentIntentV1",
                security=BUYER,
            )
        ]

    async def pay(self, request: Request) -> Reply:
        """POST payment-intent."""
        order = await self._payable(request)
        return await self._endpoints.answer_payment(request, order, self._payments.pay)

    async def _payable(self, request: Request) -> Order:
        """The order of the body. A token has to be its own."""
        token = order_token(request)
        order = await self._checkout.find_for_staff(request.body.order_id)
        if order is None:
            raise ProblemError("ORDER_NOT_FOUND")
        if token is not None and (token.order_id != order.order_id or not await self._payments.owns(token)):
            raise ProblemError("ORDER_NOT_FOUND")
        return order
