"""The endpoints of orders, payments and refunds, and where providers send their webhooks."""

from datetime import UTC, datetime
from typing import NoReturn
from uuid import UUID, uuid4

import msgspec
import structlog

from rowlock.base.integrator import Scope
from rowlock.base.outcomes import Outcome
from rowlock.checkout.disputes.service import Disputes
from rowlock.checkout.document_links import DocumentLinks
from rowlock.checkout.model import Order, OrderMade, OrderToken, OrderWish, RefundWish
from rowlock.checkout.order_shapes import (
    IDEMPOTENCY_KEY,
    ConfirmBody,
    ConfirmedView,
    Event,
    NewOrderView,
    OrderBody,
    OrderView,
    PaymentBody,
    PaymentView,
    Received,
    RefundBody,
    RefundView,
    dispute_view,
    idempotency_key,
    members,
    order_view,
    payment_view,
    ticket_views,
)
from rowlock.checkout.provider_calls import PaymentUnavailableError
from rowlock.checkout.providers.payment_provider import WebhookRefusedError
from rowlock.checkout.service import Begin, Checkout, KeyConflictError
from rowlock.checkout.staff_access import StaffAccess, actor
from rowlock.reservations.model import ReservationToken
from rowlock.web.fast_path import Endpoint, Reply, Request
from rowlock.web.integrator_key import KeyGuard
from rowlock.web.problems import ProblemError
from rowlock.web.security import BUYER, BUYER_OR_SELLER, BUYER_OR_STAFF, PUBLIC, STAFF

_encoder = msgspec.json.Encoder()
_TAG = "orders"
_NEEDS_OPERATOR = (
    "The seller's account at the payment provider cannot be asked about this payment until the seller has mended that. "
    "Nothing is lost and nothing was charged twice: send the same request again later."
)
_MENDED_SECONDS = b"60"
log = structlog.get_logger(__name__)


class CheckoutEndpoints:
    """The handlers of the endpoints."""

    def __init__(
        self,
        checkout: Checkout,
        disputes: Disputes,
        keys: KeyGuard,
        staff: StaffAccess,
        links: DocumentLinks,
    ) -> None:
        self._checkout = checkout
        self._disputes = disputes
        self._keys = keys
        self._staff = staff
        self._links = links

    def endpoints(self) -> list[Endpoint]:
        """All endpoints of checkout, for the fast path."""
        base = "/api/ticket-orders"
        return [
            Endpoint(
                "POST",
                base,
                self.create,
                "Order the seats of a hold",
                "Order every seat of a live hold, at the prices that its holder was shown. Repeatable.",
                takes=OrderBody,
                gives=NewOrderView,
                status=201,
                other_responses={"200": {"description": "The same order again, as it is now."}},
                problems=(
                    Outcome.RESERVATION_NOT_FOUND,
                    Outcome.RESERVATION_NOT_ACTIVE,
                    Outcome.RESERVATION_EXPIRED,
                    Outcome.SHOW_NOT_ON_SALE,
                    Outcome.ORDER_BEING_PAID,
                    Outcome.SEATS_NOT_FOUND,
                    "PRICE_TYPE_NOT_FOUND",
                    Outcome.IDEMPOTENCY_KEY_REUSED,
                    "FUNCTIONS_MISSING",
                ),
                parameters=(IDEMPOTENCY_KEY,),
                tag=_TAG,
                keys=True,
                operation_id="createOrder",
                security=BUYER_OR_SELLER,
            ),
            Endpoint(
                "POST",
                f"{base}/payment-intent-v2",
                self.pay,
                "Begin to pay an order",
                "Make the payment of an order at the provider, or take up the one there is.",
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
                    "FUNCTIONS_MISSING",
                ),
                parameters=(IDEMPOTENCY_KEY,),
                tag=_TAG,
                operation_id="createPaymentIntent",
                security=BUYER,
            ),
            Endpoint(
                "POST",
                f"{base}/confirm",
                self.confirm,
                "Confirm a payment",
                "Sell the seats of an order whose payment is authorized, and take the money. Repeatable.",
                takes=ConfirmBody,
                gives=ConfirmedView,
                problems=(
                    "UNAUTHORIZED",
                    "ORDER_NOT_FOUND",
                    "PAYMENT_NOT_FOUND",
                    Outcome.SEATS_UNAVAILABLE,
                    Outcome.SHOW_NOT_ON_SALE,
                    "ORDER_NOT_PAYABLE",
                    "PAYMENT_FAILED",
                    "PAYMENT_UNAVAILABLE",
                    "FUNCTIONS_MISSING",
                ),
                tag=_TAG,
                operation_id="confirmPayment",
                security=BUYER,
            ),
            Endpoint(
                "GET",
                f"{base}/{{order_id}}",
                self.show,
                "Look at an order",
                "An order with its lines and tickets, for the owner of its token, or for staff.",
                gives=OrderView,
                problems=("ORDER_NOT_FOUND", "FUNCTIONS_MISSING"),
                tag=_TAG,
                keys=True,
                operation_id="getOrder",
                security=BUYER_OR_STAFF,
            ),
            Endpoint(
                "POST",
                f"{base}/{{order_id}}/refunds",
                self.refund,
                "Refund an order",
                "Give back tickets, an amount alone, or all that is left. For staff; repeatable by its key.",
                takes=RefundBody,
                gives=RefundView,
                status=201,
                problems=(
                    "UNAUTHORIZED",
                    "FORBIDDEN",
                    "ORDER_NOT_FOUND",
                    "ORDER_NOT_REFUNDABLE",
                    Outcome.SEATS_NOT_FOUND,
                    "REFUND_EXCEEDS_PAYMENT",
                    "PAYMENT_DISPUTED",
                    Outcome.IDEMPOTENCY_KEY_REUSED,
                    "FUNCTIONS_MISSING",
                ),
                parameters=(IDEMPOTENCY_KEY,),
                tag=_TAG,
                keys=True,
                operation_id="refundOrder",
                security=STAFF,
            ),
            Endpoint(
                "POST",
                "/api/webhooks/{provider}",
                self.webhook,
                "Receive a webhook",
                "Where payment providers tell that something has happened. Answered once it is in the inbox.",
                takes=Event,
                gives=Received,
                problems=("UNAUTHORIZED", "WEBHOOK_REFUSED", "NOT_FOUND"),
                tag=_TAG,
                operation_id="receiveWebhook",
                security=PUBLIC,
            ),
        ]

    async def create(self, request: Request) -> Reply:
        """POST an order."""
        body: OrderBody = request.body
        hold = ReservationToken.parse(body.reservation_token)
        if hold is None:
            raise ProblemError(Outcome.RESERVATION_NOT_FOUND)
        await self._keys.check(request.integrator, Scope.SELL, hold.show_id, unknown=Outcome.RESERVATION_NOT_FOUND)
        types = {wish.seat_id: wish.price_type for wish in body.tickets}
        if len(types) < len(body.tickets):
            raise ProblemError("INVALID_INPUT", "A seat is listed twice in tickets. List each seat once.")
        wish = OrderWish(
            show_id=hold.show_id,
            reservation_id=hold.reservation_id,
            hold_secret=hold.secret,
            customer_name=body.customer.name.strip(),
            customer_email=body.customer.email.strip(),
            price_types=types,
            idempotency_key=idempotency_key(request, body.idempotency_key),
        )
        made, token = await self._checkout.order(wish, request.bearer())
        if token is None:
            _refuse_order(made)
        order = await self._checkout.find(token)
        assert order is not None, "orders are never deleted"
        view = NewOrderView(order_token=str(token), **members(order_view(order, self._links.tickets)))
        return Reply(201 if made.is_new else 200, _encoder.encode(view))

    async def show(self, request: Request) -> Reply:
        """GET an order. Staff are told of its chargebacks, too."""
        order = await self._readable(request, request.value)
        view = order_view(order, self._links.tickets)
        if order_token(request) is None:
            found = await self._disputes.of_order(order.show_id, order.order_id)
            view.disputes = [dispute_view(dispute) for dispute in found]
        return Reply(200, _encoder.encode(view))

    async def pay(self, request: Request) -> Reply:
        """POST payment-intent-v2."""
        order = await self._payable(request, request.body.order_id)
        return await self.answer_payment(request, order, self._checkout.pay)

    async def answer_payment(self, request: Request, order: Order, begin: Begin) -> Reply:
        """Begin to pay an order, once for each key, and answer with the payment."""
        body: PaymentBody = request.body
        key = idempotency_key(request, body.idempotency_key)
        if key is None:
            return Reply(200, await self._pay(order, begin))
        try:
            answer = await self._checkout.answered_before(order, key, body.order_id.bytes)
        except KeyConflictError as error:
            code = "IDEMPOTENCY_KEY_CONFLICT" if error.code == "IN_PROGRESS" else error.code
            raise ProblemError(code) from error
        if answer is not None:
            return Reply(200, answer.encode())
        made: bytes | None = None
        try:
            made = await self._pay(order, begin)
        finally:
            # A refusal is not kept: what caused it may be gone with the next request.
            await self._checkout.keep_answer(order, key, None if made is None else made.decode())
        return Reply(200, made)

    async def _pay(self, order: Order, begin: Begin) -> bytes:
        try:
            outcome, payment = await begin(order)
            if payment is None:
                raise ProblemError(outcome)
            if payment.status == "failed":
                raise ProblemError("PAYMENT_FAILED", payment.failure and f"The payment failed: {payment.failure}")
            key, page = self._checkout.publishable_key(payment), self._checkout.page_url(payment)
        except PaymentUnavailableError as error:
            raise unavailable(error) from error
        return _encoder.encode(payment_view(payment, key, page))

    async def confirm(self, request: Request) -> Reply:
        """POST confirm."""
        body: ConfirmBody = request.body
        order = await self._payable(request, body.order_id)
        try:
            advanced = await self._checkout.confirm(order, body.payment_intent_id)
        except PaymentUnavailableError as error:
            raise unavailable(error) from error
        if advanced is None:
            raise ProblemError("PAYMENT_NOT_FOUND")
        if advanced.refusal == Outcome.SEATS_UNAVAILABLE:
            raise ProblemError(
                Outcome.SEATS_UNAVAILABLE,
                "The hold had run out, and another customer has taken seats of it. You are not charged. Choose others.",
                {"unavailable_seat_ids": list(advanced.gone)},
            )
        if advanced.refusal is not None:
            raise ProblemError(advanced.refusal)
        view = ConfirmedView(
            order_id=advanced.order.order_id,
            order_code=advanced.order.order_code,
            status=advanced.order.status,
            payment_status=advanced.payment.status,
            failure=None if advanced.payment.status == "captured" else advanced.payment.failure,
            tickets=ticket_views(advanced.order, self._links.tickets),
        )
        return Reply(200, _encoder.encode(view))

    async def refund(self, request: Request) -> Reply:
        """POST a refund."""
        body: RefundBody = request.body
        order = await self._staff.order(request, request.value)
        if body.ticket_ids is not None and body.amount_minor is not None:
            raise ProblemError("INVALID_INPUT", "Name ticket_ids or amount_minor, not both; neither refunds all.")
        seats = None if body.ticket_ids is None else _seats_of(order, body.ticket_ids)
        key = idempotency_key(request, None)
        wish = RefundWish(
            show_id=order.show_id,
            order_id=order.order_id,
            idempotency_key=f"refund-{uuid4()}" if key is None else key,
            reason=body.reason,
            actor=actor(request),
            seat_ids=seats,
            amount_minor=body.amount_minor,
            give_back="house" if body.to_house or not body.give_back_seats else "on_sale",
            keep_fees=body.keep_fees,
            ip_address=request.address,
        )
        opened = await self._checkout.refund(wish)
        if opened.outcome != Outcome.OK:
            raise ProblemError(opened.outcome)
        view = RefundView(
            refund_id=opened.refund_id,
            order_id=order.order_id,
            order_status=opened.status or order.status,
            amount_minor=opened.amount_minor,
            currency=order.currency,
            seat_ids=opened.seat_ids,
        )
        return Reply(201, _encoder.encode(view))

    async def webhook(self, request: Request) -> Reply:
        """POST a webhook."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}
        try:
            is_new = await self._checkout.receive(request.value, headers, request.raw, datetime.now(UTC))
        except LookupError as error:
            raise ProblemError("NOT_FOUND") from error
        except WebhookRefusedError as error:
            raise ProblemError("WEBHOOK_REFUSED", f"This webhook is refused: {error}.") from error
        return Reply(200, _encoder.encode(Received(is_new=is_new)))

    async def _readable(self, request: Request, order_id: str) -> Order:
        """The order of a request that has its token, or comes from staff."""
        token = order_token(request)
        if token is None:
            return await self._staff.order(request, order_id)
        order = await self._checkout.find(token)
        if order is None or str(order.order_id) != order_id.lower():
            raise ProblemError("ORDER_NOT_FOUND")
        return order

    async def _payable(self, request: Request, order_id: UUID) -> Order:
        """The order that a request pays: its id is enough, which tells nothing of it. A token has to fit."""
        token = order_token(request)
        order = await (self._checkout.find_for_staff(order_id) if token is None else self._checkout.find(token))
        if order is None or order.order_id != order_id:
            raise ProblemError("ORDER_NOT_FOUND")
        return order


def order_token(request: Request) -> OrderToken | None:
    """The token in the Authorization header; None without one. Raises ProblemError when it is malformed."""
    given = request.headers.get(b"authorization")
    if given is None:
        return None
    scheme, _, text = given.decode("latin-1").partition(" ")
    token = OrderToken.parse(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise ProblemError("ORDER_NOT_FOUND")
    return token


def _refuse_order(made: OrderMade) -> NoReturn:
    seats = list(made.refused_seat_ids)
    if made.outcome == "PRICE_TYPE_NOT_FOUND":
        raise ProblemError(
            made.outcome,
            f"There is no price of this type for {'seat' if len(seats) == 1 else 'seats'} "
            f"{', '.join(map(str, seats))}. GET /api/shows/{{show_id}} lists the types of each category.",
        )
    if made.outcome == Outcome.SEATS_NOT_FOUND:
        raise ProblemError(made.outcome, "tickets names a seat that is not of this reservation. Name seats of it.")
    raise ProblemError(made.outcome)


def unavailable(error: PaymentUnavailableError) -> ProblemError:
    """The problem that a provider cannot be asked now."""
    if error.needs_operator:
        # What the provider said is for the operator's log: buyers cannot do anything about it.
        log.error("payment_needs_operator", error=str(error))
        return ProblemError("PAYMENT_UNAVAILABLE", _NEEDS_OPERATOR, headers=((b"retry-after", _MENDED_SECONDS),))
    seconds = error.retry_after_seconds
    headers = () if seconds is None else ((b"retry-after", str(max(1, round(seconds))).encode()),)
    return ProblemError("PAYMENT_UNAVAILABLE", headers=headers)


def _seats_of(order: Order, ticket_ids: list[UUID]) -> list[int]:
    seats = {line.ticket.ticket_id: line.seat_id for line in order.lines if line.ticket is not None}
    if unknown := [ticket for ticket in ticket_ids if ticket not in seats]:
        raise ProblemError(
            Outcome.SEATS_NOT_FOUND, f"The order has no ticket {unknown[0]}. Read the order: it lists its tickets."
        )
    return [seats[ticket] for ticket in dict.fromkeys(ticket_ids)]
