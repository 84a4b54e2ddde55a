"""The endpoint of exchanges, for staff: tickets of an order for other seats of the same show or of another."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from rowlock.base.outcomes import Outcome
from rowlock.checkout.document_links import DocumentLinks
from rowlock.checkout.exchange_model import Exchanged, Wish
from rowlock.checkout.exchanges import Exchanges, new_key
from rowlock.checkout.model import Order
from rowlock.checkout.order_shapes import (
    IDEMPOTENCY_KEY,
    NewOrderView,
    PriceType,
    SeatId,
    idempotency_key,
    members,
    order_view,
)
from rowlock.checkout.staff_access import StaffAccess, actor
from rowlock.web.fast_path import Endpoint, Reply, Request
from rowlock.web.problems import ProblemError
from rowlock.web.security import STAFF
from rowlock.web.texts import LINE, whole

_encoder = msgspec.json.Encoder()


class TicketExchange(Struct, forbid_unknown_fields=True):
    """A ticket and the seat that it is exchanged for. Without a price type it keeps its own."""

    ticket_id: UUID
    seat_id: SeatId
    price_type: PriceType | None = None


class ExchangeBody(Struct, forbid_unknown_fields=True):
    """Tickets of an order to be exchanged for seats of `show_id`, or of the same show."""

    tickets: Annotated[list[TicketExchange], Meta(min_length=1, max_length=1000)]
    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=whole(LINE))]
    show_id: UUID | None = None


class ExchangeView(NewOrderView, kw_only=True):
    """The new order. `due_minor` is what the buyer has to pay before the tickets change, with `order_token`.

    `refunded_minor` is what is given back once they have changed, of the payment of `exchanged_order_id`.
    """

    exchanged_order_id: UUID
    due_minor: int
    refunded_minor: int


class ExchangeEndpoints:
    """The handler of the endpoint."""

    def __init__(
        self,
        exchanges: Exchanges,
        staff: StaffAccess,
        links: DocumentLinks,
    ) -> None:
        self._exchanges = exchanges
        self._staff = staff
        self._links = links

    def endpoints(self) -> Sequence[Endpoint]:
        """The endpoint, for the fast path."""
        return [
            Endpoint(
                "POST",
                "/api/ticket-orders/{order_id}/exchanges",
                self.exchange,
                "Exchange tickets",
                "Move tickets to other seats of the same show or of another. For staff; repeatable by its key.",
                takes=ExchangeBody,
                gives=ExchangeView,
                status=201,
                problems=(
                    "UNAUTHORIZED",
                    "FORBIDDEN",
                    "ORDER_NOT_FOUND",
                    Outcome.SHOW_NOT_FOUND,
                    "SHOWS_DIFFER",
                    "ORDER_NOT_EXCHANGEABLE",
                    "PAYMENT_DISPUTED",
                    "TICKET_USED",
                    Outcome.SHOW_NOT_ON_SALE,
                    Outcome.SEATS_NOT_FOUND,
                    Outcome.SEATS_UNAVAILABLE,
                    Outcome.TOO_MANY_SEATS,
                    "PRICE_TYPE_NOT_FOUND",
                    Outcome.RESERVATION_EXPIRED,
                    Outcome.RESERVATION_NOT_ACTIVE,
                    "ORDER_NOT_PAYABLE",
                    "REFUND_EXCEEDS_PAYMENT",
                    Outcome.IDEMPOTENCY_KEY_REUSED,
                    "FUNCTIONS_MISSING",
                ),
                parameters=(IDEMPOTENCY_KEY,),
                tag="orders",
                operation_id="exchangeTickets",
                security=STAFF,
                keys=True,
            )
        ]

    async def exchange(self, request: Request) -> Reply:
        """POST an exchange."""
        body: ExchangeBody = request.body
        order = await self._staff.order(request, request.value)
        to_show_id = body.show_id or order.show_id
        await self._staff.show(request, to_show_id)
        key = idempotency_key(request, None)
        done = await self._exchanges.exchange(
            Wish(
                show_id=order.show_id,
                order_id=order.order_id,
                to_show_id=to_show_id,
                seats=_seats_of(order, body.tickets),
                idempotency_key=key or new_key(),
                reason=body.reason,
                actor=actor(request),
                price_types={one.seat_id: one.price_type for one in body.tickets if one.price_type is not None},
                ip_address=request.address,
            )
        )
        if done.order is None or done.token is None:
            raise _refused(done)
        view = ExchangeView(
            order_token=str(done.token),
            exchanged_order_id=order.order_id,
            due_minor=done.due_minor,
            refunded_minor=done.surplus_minor,
            **members(order_view(done.order, self._links.tickets)),
        )
        return Reply(201, _encoder.encode(view))


def _seats_of(order: Order, tickets: Sequence[TicketExchange]) -> dict[int, int]:
    """The new seat of each old one. Raises ProblemError."""
    seats = {line.ticket.ticket_id: line.seat_id for line in order.lines if line.ticket is not None}
    if unknown := [one.ticket_id for one in tickets if one.ticket_id not in seats]:
        raise ProblemError(
            Outcome.SEATS_NOT_FOUND, f"The order has no ticket {unknown[0]}. Read the order: it lists its tickets."
        )
    moved = {seats[one.ticket_id]: one.seat_id for one in tickets}
    if len(moved) < len(tickets) or len(set(moved.values())) < len(tickets):
        raise ProblemError("INVALID_INPUT", "A ticket or a seat is listed twice in tickets. List each once.")
    return moved


def _refused(done: Exchanged) -> ProblemError:
    if done.outcome == Outcome.SEATS_UNAVAILABLE:
        return ProblemError(done.outcome, extra={"unavailable_seat_ids": list(done.refused)})
    if done.outcome == "PRICE_TYPE_NOT_FOUND":
        seats = ", ".join(map(str, done.refused))
        return ProblemError(
            done.outcome, f"The new seats {seats} have no price of the ticket's type. Name a price_type that they have."
        )
    return ProblemError(done.outcome)
