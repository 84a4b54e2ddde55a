"""The JSON bodies of orders and payments: what is accepted, and what is answered. Amounts are minor units."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from rowlock.checkout.model import Dispute, Order, Payment
from rowlock.checkout.service import KEY_LENGTH
from rowlock.web.fast_path import Request
from rowlock.web.json_types import Instant
from rowlock.web.problems import ProblemError
from rowlock.web.texts import LINE, MAIL_ADDRESS, whole

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=whole(LINE))]
# What mail servers take is decided by them; this keeps out what cannot be an address.
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=whole(MAIL_ADDRESS))]
SeatId = Annotated[int, Meta(ge=1, le=2_147_483_647)]
PriceType = Annotated[str, Meta(min_length=1, max_length=40, pattern=whole(LINE))]
TokenText = Annotated[str, Meta(min_length=1, max_length=200)]
Key = Annotated[str, Meta(min_length=1, max_length=255)]

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Made once for each request. Sent again, it gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class Customer(Struct, forbid_unknown_fields=True):
    """Who buys, and where the tickets are sent."""

    name: Name
    email: Email


class TicketWish(Struct, forbid_unknown_fields=True):
    """The price type of a seat, such as child."""

    seat_id: SeatId
    price_type: PriceType


class OrderBody(Struct, forbid_unknown_fields=True):
    """An order for the seats of a hold. A seat that is not named in `tickets` is for an adult."""

    reservation_token: TokenText
    customer: Customer
    tickets: Annotated[list[TicketWish], Meta(max_length=1000)] = []
    idempotency_key: Key | None = None


class PaymentBody(Struct, forbid_unknown_fields=True):
    """An order to be paid."""

    order_id: UUID
    idempotency_key: Key | None = None


class ConfirmBody(Struct, forbid_unknown_fields=True):
    """A payment that the buyer has authorized at the provider."""

    order_id: UUID
    payment_intent_id: UUID


class RefundBody(Struct, forbid_unknown_fields=True):
    """A refund of tickets, of an amount alone, or without either of all that is left."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=whole(LINE))]
    ticket_ids: Annotated[list[UUID], Meta(min_length=1, max_length=1000)] | None = None
    amount_minor: Annotated[int, Meta(ge=1, le=10**15)] | None = None
    give_back_seats: bool = True
    to_house: bool = False
    keep_fees: bool = False


class TicketView(Struct):
    """A ticket. `status` is valid, used or void; `pdf_url` is there once the order is paid, and expires in a week."""

    ticket_id: UUID
    seat_id: int
    seat_label: str
    status: str
    pdf_url: str | None


class LineView(Struct):
    """One seat of an order. `amount_minor` is what is paid for it: fee and tax are within."""

    seat_id: int
    seat_label: str
    category: str
    price_type: str
    amount_minor: int
    fee_minor: int
    tax_basis_points: int
    tax_minor: int


class DisputeView(Struct):
    """A chargeback: `status` is opened, won or lost. Until `respond_until` the seller may answer the bank."""

    dispute_id: UUID
    status: str
    amount_minor: int
    currency: str
    reason: str
    respond_until: Instant | None
    created_at: Instant


class OrderView(Struct, kw_only=True):
    """An order. `status` is pending, confirmed, paid, partially_refunded, refunded, voided, expired or cancelled.

    `disputes` are told to staff alone.
    `credit_minor` is the part of the total that is paid with tickets given in exchange.
    """

    success: bool = True
    order_id: UUID
    order_code: str
    show_id: UUID
    status: str
    total_minor: int
    fee_minor: int
    credit_minor: int
    currency: str
    lines: Sequence[LineView]
    tickets: Sequence[TicketView]
    expires_at: Instant | None
    server_time: Instant
    disputes: Sequence[DisputeView] | UnsetType = UNSET


class NewOrderView(OrderView, kw_only=True):
    """A new order, or that of a repeated request, with its secret."""

    order_token: str


class ReceivedBody(Struct, forbid_unknown_fields=True):
    """Who has received the money of an order."""

    received_by: Name


class PaymentView(Struct, kw_only=True):
    """A payment to be authorized at `provider`, with `client_secret`, or on the page at `page_url` where it has one."""

    success: bool = True
    payment_intent_id: UUID
    order_id: UUID
    client_secret: str | None
    amount_minor: int
    currency: str
    status: str
    provider: str
    publishable_key: str | None
    page_url: str | None
    failure: str | None


class ConfirmedView(Struct, kw_only=True):
    """Where the purchase is. `status` is that of the order; its tickets are good once it is `paid`.

    `payment_status` is sent while the buyer has still to do something, and `failure` says why an attempt failed.
    """

    success: bool = True
    order_id: UUID
    order_code: str
    status: str
    payment_status: str
    failure: str | None
    tickets: Sequence[TicketView]


class RefundView(Struct, kw_only=True):
    """A refund that was opened. The money is on its way when `status` of the refund is succeeded."""

    success: bool = True
    refund_id: UUID
    order_id: UUID
    order_status: str
    amount_minor: int
    currency: str
    seat_ids: Sequence[int]


class RetriedView(Struct, kw_only=True):
    """The refunds of an order that had failed, and of which the provider is asked again; none when none had."""

    success: bool = True
    order_id: UUID
    refund_ids: Sequence[UUID]
    amount_minor: int
    currency: str


class Event(Struct):
    """An event of a payment provider. Its members are the provider's own; the signature is over the body as it is."""


class Received(Struct):
    """A webhook that is in the inbox. `is_new` is false for one that had come before."""

    success: bool = True
    is_new: bool = True


TicketLink = Callable[[UUID, UUID], str]
"""The address of a ticket, from the ids of its order and of itself."""


def ticket_views(order: Order, link: TicketLink) -> list[TicketView]:
    """The tickets of an order."""
    is_paid = order.status in ("paid", "partially_refunded")
    return [
        TicketView(
            line.ticket.ticket_id,
            line.seat_id,
            line.label,
            line.ticket.status,
            link(order.order_id, line.ticket.ticket_id) if is_paid and line.ticket.status != "void" else None,
        )
        for line in order.lines
        if line.ticket is not None
    ]


def order_view(order: Order, link: TicketLink) -> OrderView:
    """An order as it is answered."""
    return OrderView(
        order_id=order.order_id,
        order_code=order.order_code,
        show_id=order.show_id,
        status=order.status,
        total_minor=order.total_minor,
        fee_minor=order.fee_minor,
        credit_minor=order.credit_minor,
        currency=order.currency,
        lines=[
            LineView(
                line.seat_id,
                line.label,
                line.category,
                line.price_type,
                line.amount_minor,
                line.fee_minor,
                line.tax_basis_points,
                line.tax_minor,
            )
            for line in order.lines
        ],
        tickets=ticket_views(order, link),
        expires_at=order.expires_at,
        server_time=order.server_time,
    )


def dispute_view(dispute: Dispute) -> DisputeView:
    """A chargeback as it is answered to staff."""
    return DisputeView(
        dispute.dispute_id,
        dispute.status,
        dispute.amount_minor,
        dispute.currency,
        dispute.reason,
        dispute.respond_until,
        dispute.created_at,
    )


def payment_view(payment: Payment, publishable_key: str | None, page_url: str | None) -> PaymentView:
    """A payment as it is answered."""
    return PaymentView(
        payment_intent_id=payment.payment_intent_id,
        order_id=payment.order_id,
        client_secret=payment.client_secret,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        status=payment.status,
        provider=payment.provider,
        publishable_key=publishable_key,
        page_url=page_url,
        failure=payment.failure,
    )


def members(view: Struct) -> dict[str, Any]:
    """The members of a view, for one that has more."""
    return {name: getattr(view, name) for name in view.__struct_fields__}


def idempotency_key(request: Request, of_body: str | None) -> str | None:
    """The idempotency key of the header, or of the body: any printable text. Raises ProblemError."""
    given = request.headers.get(b"idempotency-key")
    if given is None:
        key = of_body
    else:
        key = given.decode("utf-8", "replace")
        if of_body is not None and of_body != key:
            raise ProblemError("INVALID_INPUT", "Idempotency-Key and idempotency_key differ. Send one of them.")
    if key is not None and not (0 < len(key) <= KEY_LENGTH and key.isprintable()):
        raise ProblemError("INVALID_INPUT", f"An idempotency key is 1 to {KEY_LENGTH} printable characters.")
    return key
