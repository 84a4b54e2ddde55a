"""The endpoints of the documents of an order: its tickets as PDF, and its calendar entry."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response

from rowlock.checkout.calendar_file import MEDIA_TYPE
from rowlock.checkout.document_links import DocumentLinks
from rowlock.checkout.model import Order, OrderToken
from rowlock.checkout.order_documents import PDF, OrderDocuments
from rowlock.checkout.service import Checkout
from rowlock.web.openapi import problems
from rowlock.web.problems import ProblemError
from rowlock.web.security import LINK_OR_TOKEN, stated

_PRIVATE = {"cache-control": "private, no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}
_BINARY = {"schema": {"type": "string", "format": "binary"}}

Key = Annotated[
    str | None, Query(max_length=200, description="The secret of an address that we made, such as a `pdf_url`.")
]
# Among the security schemes of the document: OpenAPI does not take this header for a parameter.
Token = Annotated[str | None, Header(alias="Authorization", max_length=200, include_in_schema=False)]


def router(checkout: Checkout, documents: OrderDocuments, links: DocumentLinks) -> APIRouter:
    """The routes. An order is opened by the secret of an address, or by its token."""
    routes = APIRouter(prefix="/api/ticket-orders", tags=["orders"])
    of_order = problems("INVALID_INPUT", "UNAUTHORIZED", "ORDER_NOT_FOUND")
    refusals = problems("INVALID_INPUT", "UNAUTHORIZED", "ORDER_NOT_FOUND", "NOT_FOUND")

    async def find(order_id: UUID, key: str | None, authorization: str | None) -> Order:
        if key is not None:
            order = await checkout.find_for_staff(order_id) if links.opens(key, order_id) else None
        else:
            token = _token(authorization)
            order = None if token is None or token.order_id != order_id else await checkout.find(token)
        if order is None:
            raise ProblemError(
                "ORDER_NOT_FOUND",
                "There is no such order, or its address is too old or not complete. Open the newest mail about it, or "
                "send its token.",
            )
        return order

    async def pdf(order: Order, ticket_id: UUID | None = None) -> Response:
        content = await documents.tickets(order, ticket_id) if order.status in ("paid", "partially_refunded") else None
        if content is None:
            raise ProblemError("NOT_FOUND", "There is no such valid ticket. Tickets come once an order is paid.")
        name = f'inline; filename="tickets-{order.order_code}.pdf"'
        return Response(content, media_type=PDF, headers={**_PRIVATE, "content-disposition": name})

    @routes.get(
        "/{order_id}/tickets.pdf",
        summary="All tickets of an order",
        operation_id="getTicketsPdf",
        openapi_extra=stated(LINK_OR_TOKEN),
        response_class=Response,
        responses=refusals | {200: {"content": {PDF: _BINARY}, "description": "A page for each valid ticket."}},
    )
    async def tickets(order_id: UUID, key: Key = None, authorization: Token = None) -> Response:
        """The valid tickets of a paid order as PDF, one on each page."""
        return await pdf(await find(order_id, key, authorization))

    @routes.get(
        "/{order_id}/tickets/{ticket_id}.pdf",
        summary="One ticket",
        operation_id="getTicketPdf",
        openapi_extra=stated(LINK_OR_TOKEN),
        response_class=Response,
        responses=refusals | {200: {"content": {PDF: _BINARY}, "description": "One page."}},
    )
    async def ticket(order_id: UUID, ticket_id: UUID, key: Key = None, authorization: Token = None) -> Response:
        """One valid ticket of a paid order as PDF."""
        return await pdf(await find(order_id, key, authorization), ticket_id)

    @routes.get(
        "/{order_id}/calendar.ics",
        summary="The show as a calendar entry",
        operation_id="getCalendarFile",
        openapi_extra=stated(LINK_OR_TOKEN),
        response_class=Response,
        responses=of_order
        | {200: {"content": {"text/calendar": {"schema": {"type": "string"}}}, "description": "An iCalendar file."}},
    )
    async def calendar(order_id: UUID, key: Key = None, authorization: Token = None) -> Response:
        """When and where the show of an order is, for the buyer's calendar."""
        order = await find(order_id, key, authorization)
        name = f'attachment; filename="{order.order_code}.ics"'
        content = await documents.calendar(order)
        return Response(content, headers={**_PRIVATE, "content-type": MEDIA_TYPE, "content-disposition": name})

    return routes


def _token(authorization: str | None) -> OrderToken | None:
    scheme, _, text = (authorization or "").partition(" ")
    return OrderToken.parse(text.strip()) if scheme.lower() == "bearer" else None
