"""The endpoint with which staff issue a ticket again."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from rowlock.base.outcomes import Outcome
from rowlock.checkout.model import ReissueWish
from rowlock.checkout.service import Checkout
from rowlock.checkout.staff_access import StaffAccess, actor
from rowlock.web.fast_path import Endpoint, Reply, Request
from rowlock.web.problems import ProblemError
from rowlock.web.security import STAFF
from rowlock.web.texts import LINE, whole

_encoder = msgspec.json.Encoder()


class ReissueBody(Struct, forbid_unknown_fields=True):
    """A ticket to be issued again, and its revision that is to be replaced: with it, the request may be repeated."""

    ticket_id: UUID
    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=whole(LINE))]
    revision: Annotated[int, Meta(ge=1, le=255)] | None = None


class ReissuedView(Struct, kw_only=True):
    """The ticket as it is now. Codes of earlier revisions are void."""

    success: bool = True
    order_id: UUID
    ticket_id: UUID
    seat_id: int
    revision: int


class ReissueEndpoints:
    """The handler of the endpoint."""

    def __init__(self, checkout: Checkout, staff: StaffAccess) -> None:
        self._checkout = checkout
        self._staff = staff

    def endpoints(self) -> list[Endpoint]:
        """The endpoint, for the fast path."""
        return [
            Endpoint(
                "POST",
                "/api/ticket-orders/{order_id}/reissues",
                self.reissue,
                "Issue a ticket again",
                "Give a ticket a new code, which is mailed to the buyer, and void those before it. For staff.",
                takes=ReissueBody,
                gives=ReissuedView,
                problems=(
                    "UNAUTHORIZED",
                    "FORBIDDEN",
                    "ORDER_NOT_FOUND",
                    "TICKET_NOT_FOUND",
                    "TICKET_NOT_VALID",
                    "TICKET_REVISION_DIFFERS",
                    "FUNCTIONS_MISSING",
                ),
                tag="orders",
                operation_id="reissueTicket",
                security=STAFF,
                keys=True,
            )
        ]

    async def reissue(self, request: Request) -> Reply:
        """POST a reissue."""
        body: ReissueBody = request.body
        order = await self._staff.order(request, request.value)
        wish = ReissueWish(
            show_id=order.show_id,
            order_id=order.order_id,
            ticket_id=body.ticket_id,
            revision=body.revision,
            reason=body.reason,
            actor=actor(request),
            ip_address=request.address,
        )
        done = await self._checkout.reissue(wish)
        if done.outcome != Outcome.OK or done.seat_id is None or done.revision is None:
            raise ProblemError(done.outcome)
        view = ReissuedView(
            order_id=order.order_id, ticket_id=body.ticket_id, seat_id=done.seat_id, revision=done.revision
        )
        return Reply(200, _encoder.encode(view))
