"""The files of an order: its tickets, its calendar entry, its receipt and credit notes, from what the database knows.

Setting a page takes tens of milliseconds of a processor, so it is done in a thread.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from rowlock.base.currencies import amount as money
from rowlock.checkout import calendar_file, exchange_store, receipt_pdf, store
from rowlock.checkout.model import NoticeShow, Order, OrderLine, Place, Receipt
from rowlock.checkout.receipt_pdf import Party, ReceiptKind, ReceiptLine, TaxLine, render_receipt
from rowlock.checkout.taxes import by_rates_of, tax_within
from rowlock.checkout.ticket_keys import KeyRing, TicketKeys
from rowlock.checkout.ticket_pdf import TicketPage, local_time, render_tickets
from rowlock.checkout.typesetting import Paper
from rowlock.database.calls import BusyError, call
from rowlock.database.cells import Cells
from rowlock.mail.model import Attachment

PDF = "application/pdf"
MOST_WAITING = 20
_LETTER_CURRENCIES = frozenset({"USD", "CAD", "MXN"})
"""Where people print on Letter paper; A4 is the rest of the world's."""


class OrderDocuments:
    """Makes the files. Methods raise database.calls.BusyError, also when too many documents are waited for, and
    TicketKeysError when codes cannot be signed.
    """

    def __init__(self, cells: Cells, keys: TicketKeys) -> None:
        self._cells = cells
        self._keys = keys
        self._typesetter = asyncio.Semaphore()
        self._waiting = 0

    async def attachments(self, kind: str, order: Order, receipt: Receipt | None) -> Sequence[Attachment]:
        """What goes with a mail of this kind (`notices.Documents`)."""
        made = []
        with_tickets = kind in ("order_paid", "ticket_reissued", "order_moved")
        if with_tickets and (tickets := await self.tickets(order)) is not None:
            made.append(Attachment(f"tickets-{order.order_code}.pdf", PDF, tickets))
            calendar = await self.calendar(order, is_new=kind == "order_moved")
            made.append(Attachment(f"{order.order_code}.ics", "text/calendar", calendar))
        if receipt is not None:
            name = "receipt" if receipt.refund_id is None else "credit-note"
            made.append(Attachment(f"{name}-{receipt.label}.pdf", PDF, await self.receipt(order, receipt)))
        return made

    async def tickets(self, order: Order, ticket_id: UUID | None = None) -> bytes | None:
        """The tickets that are not void, one on each page, or the one that is asked for; None when there is none."""
        show, places = await self._show(order.show_id), await self._places(order)
        ring = self._keys.ring(datetime.now(UTC))
        pages = _ticket_pages(order, show, places, ring, ticket_id)
        if not pages:
            return None
        paper = paper_of(order.currency)
        return await self._typeset(lambda: render_tickets(pages, created_at=order.created_at, paper=paper))

    async def calendar(self, order: Order, *, is_new: bool = False) -> bytes:
        """The show as a calendar file. With `is_new` it takes the place of those that were made before."""
        show = await self._show(order.show_id)
        changed_at = datetime.now(UTC) if is_new else order.created_at
        event = calendar_file.CalendarEvent(
            show_id=show.show_id,
            # Calendars keep the entry with the greatest number: the minutes since the order was made only grow.
            sequence=1 + int((changed_at - order.created_at).total_seconds()) // 60 if is_new else 0,
            changed_at=changed_at,
            title=show.title,
            starts_at=show.starts_at,
            ends_at=show.ends_at,
            venue=show.venue,
            address=_in_one_line(show.address),
            cancelled=show.status == "cancelled",
        )
        return calendar_file.calendar_file(event)

    async def receipt(self, order: Order, receipt: Receipt) -> bytes:
        """The receipt of an order, or the credit note of a refund."""
        show = await self._show(order.show_id)
        refers_to = credited_to = note = None
        if receipt.refund_id is None:
            lines = receipt_lines(order, show)
            note = await self._note_of_credit(order)
        else:
            refund_id = receipt.refund_id
            refunded = await call(
                self._cells.of(order.show_id).worker,
                lambda connection: store.refunded_seats(connection, order.show_id, refund_id),
                repeatable=True,
                reads=True,
            )
            credited_to = await self._credited_to(order.show_id, refund_id)
            lines = credit_lines(order, show, refunded, receipt.amount_minor, credited_to)
            refers_to = await self._number_of_receipt(order)
        document = receipt_pdf.Receipt(
            kind=ReceiptKind.RECEIPT if receipt.refund_id is None else ReceiptKind.CREDIT_NOTE,
            number=receipt.label,
            issued_on=local_time(receipt.issued_at, show.time_zone, paper_of(order.currency)).rpartition(", ")[0],
            seller=Party(
                name=receipt.seller_name or show.organization,
                address=tuple((receipt.seller_address or "").splitlines()),
                tax_id=receipt.seller_tax_id,
            ),
            buyer=Party(name=order.customer_name),
            order_code=order.order_code,
            refers_to=refers_to,
            currency=order.currency,
            lines=lines,
            taxes=tax_lines(lines),
            total_minor=receipt.amount_minor,
            credited_to=credited_to,
            note=note,
        )
        paper = paper_of(order.currency)
        return await self._typeset(lambda: render_receipt(document, created_at=receipt.issued_at, paper=paper))

    async def _typeset(self, render: Callable[[], bytes]) -> bytes:
        """One document at a time: who fetches tickets leaves a processor to those who choose seats."""
        if self._waiting >= MOST_WAITING:
            raise BusyError(f"{self._waiting} documents are waited for")
        self._waiting += 1
        try:
            async with self._typesetter:
                return await asyncio.to_thread(render)
        finally:
            self._waiting -= 1

    async def _note_of_credit(self, order: Order) -> str | None:
        """How much of an order was paid with tickets that were given up for it."""
        if order.exchange_of_show_id is None or order.exchange_of_order_id is None or not order.credit_minor:
            return None
        code = await self._code(order.exchange_of_show_id, order.exchange_of_order_id)
        return f"{money(order.credit_minor, order.currency)} of this total were credited from order {code}."

    async def _credited_to(self, show_id: UUID, refund_id: UUID) -> str | None:
        """The code of the order that the money of a refund went to in an exchange, if it did."""
        credited = await call(
            self._cells.of(show_id).worker,
            lambda connection: exchange_store.credited_order(connection, show_id, refund_id),
            repeatable=True,
            reads=True,
        )
        return None if credited is None else await self._code(*credited)

    async def _code(self, show_id: UUID, order_id: UUID) -> str:
        order = await call(
            self._cells.of(show_id).worker,
            lambda connection: store.order_details(connection, show_id, order_id),
            repeatable=True,
            reads=True,
        )
        assert order is not None, "orders are never deleted"
        return order.order_code

    async def _number_of_receipt(self, order: Order) -> str | None:
        receipts = await call(
            self._cells.of(order.show_id).worker,
            lambda connection: store.receipts_of_order(connection, order.show_id, order.order_id),
            repeatable=True,
            reads=True,
        )
        return next((found.label for found in receipts if found.refund_id is None), None)

    async def _show(self, show_id: UUID) -> NoticeShow:
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: store.notice_show(connection, show_id),
            repeatable=True,
            reads=True,
        )

    async def _places(self, order: Order) -> dict[int, Place]:
        return await call(
            self._cells.of(order.show_id).worker,
            lambda connection: store.places(connection, order.show_id, [line.seat_id for line in order.lines]),
            repeatable=True,
            reads=True,
        )


def paper_of(currency: str) -> Paper:
    """The paper that is in the printers where people pay with a currency."""
    return Paper.LETTER if currency in _LETTER_CURRENCIES else Paper.A4


def _ticket_pages(
    order: Order, show: NoticeShow, places: dict[int, Place], ring: KeyRing, ticket_id: UUID | None
) -> list[TicketPage]:
    valid = [(line, line.ticket) for line in order.lines if line.ticket is not None and line.ticket.status != "void"]
    return [
        TicketPage(
            organization=show.organization,
            title=show.title,
            starts_at=show.starts_at,
            doors_at=show.doors_at,
            time_zone=show.time_zone,
            venue=show.venue,
            address=_in_one_line(show.address),
            section=places[line.seat_id].section,
            row=places[line.seat_id].row or None,
            seat=places[line.seat_id].number,
            category=line.category,
            price_type=price_type_name(line.price_type),
            price_minor=line.amount_minor,
            currency=order.currency,
            holder=order.customer_name,
            order_code=order.order_code,
            number=number,
            of=len(valid),
            code=ring.sign(order.show_id, ticket.ticket_id, ticket.revision),
            access_note=_in_one_line(show.access_notes),
        )
        for number, (line, ticket) in enumerate(valid, 1)
        if ticket_id in (None, ticket.ticket_id)
    ]


def price_type_name(price_type: str) -> str:
    """A price type as people read it: "Senior citizen" for senior-citizen."""
    words = price_type.replace("-", " ")
    return words[:1].upper() + words[1:]


def receipt_lines(order: Order, show: NoticeShow) -> list[ReceiptLine]:
    """A line for each category, type, price and rate, and one for the fee per order at each rate."""
    lines = _grouped(show, [(line, line.amount_minor) for line in order.lines])
    lines += [_line("Booking fee", 1, part, rate) for rate, part in by_rates_of(order.lines, order.fee_minor).items()]
    return lines


def credit_lines(
    order: Order, show: NoticeShow, refunded: dict[int, int], amount_minor: int, credited_to: str | None = None
) -> list[ReceiptLine]:
    """The lines of a credit note: the seats that were given back, and what was given back beside them.

    `credited_to` is the code of the order that has the money now, if it is another one's.

    What belongs to no seat is spread over the rates of the order as its money was.
    """
    by_seat = {line.seat_id: line for line in order.lines}
    lines = _grouped(show, [(by_seat[seat], amount) for seat, amount in refunded.items() if amount])
    rest = amount_minor - sum(refunded.values())
    text = f"{'Refund' if credited_to is None else 'Credit'} of order {order.order_code}"
    lines += [_line(text, 1, part, rate) for rate, part in by_rates_of(order.lines, rest).items()]
    return lines


def tax_lines(lines: Iterable[ReceiptLine]) -> list[TaxLine]:
    """The tax within the lines, by rate: of each unit, rounded half up, as buyers were told it with their order."""
    taxes: dict[Decimal, tuple[int, int]] = {}
    for line in lines:
        tax = line.quantity * tax_within(line.unit_minor, int(line.tax_percent * 100))
        net, sum_of_taxes = taxes.get(line.tax_percent, (0, 0))
        taxes[line.tax_percent] = (net + line.amount_minor - tax, sum_of_taxes + tax)
    return [
        TaxLine(tax_percent=rate, net_minor=net, tax_minor=tax)
        for rate, (net, tax) in sorted(taxes.items(), reverse=True)
    ]


def _grouped(show: NoticeShow, sold: Sequence[tuple[OrderLine, int]]) -> list[ReceiptLine]:
    def kind(one: tuple[OrderLine, int]) -> tuple[str, str, int, int]:
        line, amount = one
        return line.category, line.price_type, amount, line.tax_basis_points

    lines = []
    for (category, price_type, amount, rate), group in groupby(sorted(sold, key=kind), kind):
        labels = [line.label for line, _ in group]
        text = f"{show.title}: {category}, {price_type_name(price_type)} ({', '.join(labels)})"
        lines.append(_line(text, len(labels), amount, rate))
    return lines


def _line(description: str, quantity: int, unit_minor: int, tax_basis_points: int) -> ReceiptLine:
    return ReceiptLine(
        description=description,
        quantity=quantity,
        unit_minor=unit_minor,
        amount_minor=quantity * unit_minor,
        tax_percent=Decimal(tax_basis_points) / 100,
    )


def _in_one_line(text: str | None) -> str | None:
    return None if text is None else re.sub(r"\s*\n\s*", ", ", text.strip())
