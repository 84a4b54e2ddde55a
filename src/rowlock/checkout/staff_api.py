"""Endpoints on orders for staff alone: note that one was paid by hand, and try failed refunds again."""

import msgspec

from rowlock.base.outcomes import Outcome
from rowlock.checkout.api import unavailable
from rowlock.checkout.document_links import DocumentLinks
from rowlock.checkout.order_shapes import ConfirmedView, ReceivedBody, RetriedView, ticket_views
from rowlock.checkout.provider_calls import PaymentUnavailableError
from rowlock.checkout.providers.payment_provider import ProviderRefusedError
from rowlock.checkout.service import Checkout
from rowlock.checkout.staff_access import StaffAccess, actor
from rowlock.web.fast_path import Endpoint, Reply, Request
from rowlock.web.problems import ProblemError
from rowlock.web.security import STAFF

_encoder = msgspec.json.Encoder()
_PAID = ("paid", "partially_refunded", "refunded")


class StaffEndpoints:
    """The handlers of the endpoints."""

    def __init__(self, checkout: Checkout, staff: StaffAccess, links: DocumentLinks) -> None:
        self._checkout = checkout
        self._staff = staff
        self._links = links

    def endpoints(self) -> list[Endpoint]:
        """All of them, for the fast path."""
        return [
            Endpoint(
                "POST",
                "/api/ticket-orders/{order_id}/mark-paid",
                self.mark_paid,
                "Note that an order was paid by hand",
                "The money has come at the desk or by invoice: sell the seats. For staff; repeatable.",
                takes=ReceivedBody,
                gives=ConfirmedView,
                problems=(
                    "UNAUTHORIZED",
                    "FORBIDDEN",
                    "ORDER_NOT_FOUND",
                    "ORDER_NOT_PAYABLE",
                    "PAYMENT_NOT_MANUAL",
                    Outcome.RESERVATION_EXPIRED,
                    Outcome.SEATS_UNAVAILABLE,
                    Outcome.SHOW_NOT_ON_SALE,
                    "PAYMENT_FAILED",
                    "PAYMENT_UNAVAILABLE",
                    "FUNCTIONS_MISSING",
                ),
                tag="orders",
                operation_id="markOrderPaid",
                security=STAFF,
                keys=True,
            ),
            Endpoint(
                "POST",
                "/api/ticket-orders/{order_id}/refunds/retry",
                self.retry_refunds,
                "Try failed refunds again",
                "Ask the provider once more for every refund of an order that has failed. For staff; repeatable.",
                gives=RetriedView,
                problems=(
                    "UNAUTHORIZED",
                    "FORBIDDEN",
                    "ORDER_NOT_FOUND",
                    "REFUND_EXCEEDS_PAYMENT",
                    "PAYMENT_DISPUTED",
                    "FUNCTIONS_MISSING",
                ),
                tag="orders",
                operation_id="retryRefunds",
                security=STAFF,
                keys=True,
            ),
        ]

    async def retry_refunds(self, request: Request) -> Reply:
        """POST a retry."""
        order = await self._staff.order(request, request.value)
        done = await self._checkout.retry_refunds(order, actor(request), request.address)
        if done.outcome != Outcome.OK:
            raise ProblemError(done.outcome)
        view = RetriedView(
            order_id=order.order_id,
            refund_ids=done.refund_ids,
            amount_minor=done.amount_minor,
            currency=order.currency,
        )
        return Reply(200, _encoder.encode(view))

    async def mark_paid(self, request: Request) -> Reply:
        """POST mark-paid. An order that is paid is answered as it is."""
        body: ReceivedBody = request.body
        order = await self._staff.order(request, request.value)
        payment_status, failure = "captured", None
        if order.status not in _PAID:
            try:
                outcome, advanced = await self._checkout.mark_paid(order, body.received_by)
            except PaymentUnavailableError as error:
                raise unavailable(error) from error
            except ProviderRefusedError as error:
                raise ProblemError("ORDER_NOT_PAYABLE", f"Its payment cannot be marked paid: {error}.") from error
            if advanced is None:
                raise ProblemError(outcome)
            if advanced.refusal is not None:
                extra = {"unavailable_seat_ids": list(advanced.gone)} if advanced.gone else {}
                raise ProblemError(advanced.refusal, extra=extra)
            order, payment_status, failure = advanced.order, advanced.payment.status, advanced.payment.failure
        view = ConfirmedView(
            order_id=order.order_id,
            order_code=order.order_code,
            status=order.status,
            payment_status=payment_status,
            failure=failure,
            tickets=ticket_views(order, self._links.tickets),
        )
        return Reply(200, _encoder.encode(view))
