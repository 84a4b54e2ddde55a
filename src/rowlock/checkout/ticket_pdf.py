"""Tickets as a PDF file, one on each page, from plain values: `order_documents` has them from the database.

The layout is `documents/ticket.typ`. A page is read on a phone, at the door from paper, and by a screen reader.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import segno

from rowlock.base.currencies import amount
from rowlock.checkout.typesetting import Paper, directed, printable, typeset

MAX_TICKETS = 1_000
"""Tickets in one file: as many as the largest hold has seats (chk_show_limits)."""
QUIET_ZONE = 4
"""Modules of white around a QR code, as ISO/IEC 18004 asks for."""
_GROUP = 6

# Characters that are shown of each text. Longer ones end in an ellipsis, so that a ticket always has one page.
_TITLE, _NAME, _LABEL, _NOTE, _ADDRESS = 180, 80, 32, 320, 140
# Characters of a label after which it may be broken, as the last resort: so many W fit a column.
_LABEL_WORD = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketPage:
    """What is printed on one ticket.

    starts_at, doors_at  aware instants, shown in `time_zone`, the venue's.
    section, row, seat   the labels of the plan; row is None where the plan has none.
    price_minor          what was paid for this ticket, fees included, in minor units of `currency`.
    number, of           which of the order's tickets it is, counting from 1.
    code                 the signed text, from `ticket_codes.sign`.
    access_note          the way in: entrance, stairs, step-free or not.
    good_to_know         the organizer's own note; a sentence of ours is always there.
    """

    organization: str
    title: str
    starts_at: datetime
    doors_at: datetime | None
    time_zone: str
    venue: str
    address: str | None
    section: str
    row: str | None
    seat: str
    category: str
    price_type: str
    price_minor: int
    currency: str
    holder: str | None
    order_code: str
    number: int
    of: int
    code: str
    access_note: str | None = None
    good_to_know: str | None = None


def render_tickets(tickets: Sequence[TicketPage], *, created_at: datetime, paper: Paper = Paper.A4) -> bytes:
    """A PDF file with a page for each ticket; the same arguments make the same bytes."""
    assert 1 <= len(tickets) <= MAX_TICKETS, "a hold has seats, and no more than these"
    first = tickets[0]
    values = {
        "paper": paper.value,
        "title": f"{'Ticket' if len(tickets) == 1 else 'Tickets'}: {printable(first.title, _TITLE)}",
        "author": printable(first.organization, _NAME),
        "tickets": [_values(ticket, paper) for ticket in tickets],
    }
    return typeset("ticket.typ", values, created_at=created_at)


def _values(ticket: TicketPage, paper: Paper) -> dict[str, object]:
    return {
        "organization": directed(ticket.organization, _NAME),
        "title": directed(ticket.title, _TITLE),
        "when": local_time(ticket.starts_at, ticket.time_zone, paper),
        "doors": None if ticket.doors_at is None else _doors(ticket, paper),
        "zone": printable(ticket.time_zone, _NAME),
        "venue": directed(ticket.venue, _NAME),
        "address": directed(ticket.address, _ADDRESS),
        "place": [
            {"label": label, **shown}
            for label, text in (("Section", ticket.section), ("Row", ticket.row), ("Seat", ticket.seat))
            if (shown := directed(text, _LABEL, word=_LABEL_WORD))["text"]
        ],
        "category": directed(ticket.category, _NAME),
        "price_type": directed(ticket.price_type, _NAME),
        "price": f"{amount(ticket.price_minor, ticket.currency)}, fees included" if ticket.price_minor else "Free",
        "holder": directed(ticket.holder, _NAME),
        "order_code": printable(ticket.order_code, _LABEL),
        "number": ticket.number,
        "of": ticket.of,
        "access_note": directed(ticket.access_note, _NOTE),
        "good_to_know": directed(ticket.good_to_know, _NOTE),
        "code": ticket.code,
        "code_groups": [ticket.code[at : at + _GROUP] for at in range(0, len(ticket.code), _GROUP)],
        "qr": qr_svg(ticket.code),
    }


def _doors(ticket: TicketPage, paper: Paper) -> str:
    """The time alone, or with its day where doors open on another one."""
    assert ticket.doors_at is not None
    zone = ZoneInfo(ticket.time_zone)
    same_day = ticket.doors_at.astimezone(zone).date() == ticket.starts_at.astimezone(zone).date()
    whole = local_time(ticket.doors_at, ticket.time_zone, paper)
    return whole.rpartition(", ")[2] if same_day else whole


def local_time(instant: datetime, time_zone: str, paper: Paper) -> str:
    """Day and time at the venue. Where paper is Letter, people write the month first and count hours to 12.

    Written out here, because strftime takes its names from the locale of the server.
    """
    local = instant.astimezone(ZoneInfo(time_zone))
    day, month = _DAYS[local.weekday()], _MONTHS[local.month - 1]
    if paper is Paper.A4:
        return f"{day}, {local.day} {month} {local.year}, {local:%H:%M}"
    hour, half = local.hour % 12 or 12, "AM" if local.hour < 12 else "PM"
    return f"{day}, {month} {local.day}, {local.year}, {hour}:{local.minute:02}\u00a0{half}"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def qr_svg(code: str) -> str:
    """The QR code of a text as SVG, with its quiet zone: error correction M or better, a unit for each module."""
    symbol = segno.make(code, error="m", micro=False)
    rows = [bytes(row) for row in symbol.matrix]
    columns = [bytes(column) for column in zip(*rows, strict=True)]
    # Dark runs along rows and along columns: each covers the seams of the other, which show in viewers that smooth
    # the edges of neighbours.
    path = "".join(f"M{x} {y}h{n}v1h-{n}z" for y, row in enumerate(rows) for x, n in _runs(row))
    path += "".join(f"M{x} {y}h1v{n}h-1z" for x, column in enumerate(columns) for y, n in _runs(column) if n > 1)
    side = len(rows) + 2 * QUIET_ZONE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-QUIET_ZONE} {-QUIET_ZONE} {side} {side}">'
        f'<path d="{path}"/></svg>'
    )


def _runs(line: bytes) -> list[tuple[int, int]]:
    """Where dark modules start in a line, and how many there are."""
    runs: list[tuple[int, int]] = []
    for at, dark in enumerate(line):
        if dark and at and line[at - 1]:
            start, length = runs[-1]
            runs[-1] = (start, length + 1)
        elif dark:
            runs.append((at, 1))
    return runs
