"""What mails to buyers say, as text and as HTML. The words are here, the look is in the two templates."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from rowlock.base.currencies import amount
from rowlock.checkout.model import NoticeRefund, NoticeShow, Order, OrderLine, Receipt
from rowlock.checkout.taxes import order_tax
from rowlock.mail.composition import one_line

_TITLE_LENGTH = 120
_LINE_LENGTH = 300
_LINES = 8

# A name that is an address of the web would be made a link by mail programs. An order can be made for the mail address
# of another person, who would then be sent that link in our name.
_LOOKS_LIKE_A_LINK = re.compile(r"[/@:\\]|\w\.\w")

_templates = Environment(
    loader=PackageLoader("rowlock.checkout", "notice_templates"),
    autoescape=select_autoescape(("html",), default=False),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a mail: a seat with its amount, or the total."""

    label: str
    amount: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A mail as it is sent."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What every mail about an order is made of."""

    order: Order
    show: NoticeShow
    receipt: Receipt | None = None


def name_of(order: Order) -> str:
    """The buyer's name as mails may show it; empty when it looks like a link."""
    name = one_line(order.customer_name, _TITLE_LENGTH)
    return "" if _LOOKS_LIKE_A_LINK.search(name) else name


def when(instant: datetime, time_zone: str) -> str:
    """An instant at the venue, such as Saturday, December 19, 2026, 7:30 PM (America/New_York, UTC-05:00)."""
    at = instant.astimezone(ZoneInfo(time_zone))
    offset = f"{at:%z}"
    zone = "UTC" if time_zone == "UTC" else f"{time_zone}, UTC{offset[:3]}:{offset[3:5]}"
    return f"{at:%A}, {at:%B} {at.day}, {at.year}, {clock(at)} ({zone})"


def clock(at: datetime) -> str:
    """A time of day, such as 7:30 PM."""
    return f"{at.hour % 12 or 12}:{at:%M} {'AM' if at.hour < 12 else 'PM'}"


def tickets(facts: Facts, attached: Sequence[str], link: str | None = None) -> NoticeText:
    """The confirmation of a paid order. `attached` are the names of its attachments, `link` leads to the tickets."""
    order, show = facts.order, facts.show
    at = show.starts_at.astimezone(ZoneInfo(show.time_zone))
    count = len(order.lines)
    many = "Your ticket" if count == 1 else f"Your {count} tickets"
    words = [
        f"{many} for {_title(show)} {'is' if count == 1 else 'are'} paid. Thank you!"
        if order.total_minor
        else f"{many} for {_title(show)} {'is' if count == 1 else 'are'} booked. There is nothing to pay."
    ]
    if attached:
        words.append("The documents are attached. Show the codes at the door, on the phone or on paper.")
    total = Row("Paid", amount(order.total_minor, order.currency), _within(order)) if order.total_minor else None
    return _render(
        facts,
        subject=f"Your tickets: {_named(show)}",
        heading=f"See you on {at:%B} {at.day}",
        paragraphs=words,
        rows=_seats(order),
        total=total,
        link=link,
    )


def reissued(facts: Facts, seat: str, link: str | None, *, has_files: bool) -> NoticeText:
    """A ticket with a new code. `seat` is the label of its seat, `link` leads to the tickets."""
    words = [
        f"Your ticket for {_title(facts.show)}, {one_line(seat, _TITLE_LENGTH)}, has a new code.",
        "Codes of this ticket that you had before no longer open the door. Your other tickets stay as they are.",
    ]
    if has_files:
        words.append("All your tickets are attached. Please use these, and delete the earlier ones.")
    return _render(
        facts,
        subject=f"Your new ticket: {_named(facts.show)}",
        heading="Your ticket has a new code",
        paragraphs=words,
        rows=[Row(one_line(line.label, _TITLE_LENGTH), "") for line in facts.order.lines if _is_valid(line)],
        link=link,
    )


def _is_valid(line: OrderLine) -> bool:
    return line.ticket is not None and line.ticket.status == "valid"


def lost(facts: Facts, *, reason: str, money_was_taken: bool) -> NoticeText:
    """An order whose seats could not be sold when its money came."""
    title = _title(facts.show)
    if facts.show.status == "cancelled":
        why = f"{title} was cancelled before your payment arrived, so we could not give you tickets."
    elif reason == "SEATS_UNAVAILABLE":
        why = (
            f"Your payment for {title} took longer than we could keep your seats, and another buyer has them now. "
            "We are sorry."
        )
    else:
        why = f"Your payment for {title} came too late, and we could not keep your seats. We are sorry."
    return _render(
        facts,
        subject=f"No tickets{_comma_no_charge(money_was_taken)}: {_named(facts.show)}",
        heading="Your order could not be completed",
        paragraphs=[why, *_no_charge(money_was_taken)],
        rows=_seats(facts.order, with_amounts=False),
    )


def moved(facts: Facts, starts_before: datetime, doors_before: datetime | None, attached: Sequence[str]) -> NoticeText:
    """A show that begins at another time than the buyer was told. `attached` are the names of the new documents."""
    show = facts.show
    zone = ZoneInfo(show.time_zone)
    words = [f"{_title(show)} was moved. Please note the new time."]
    if starts_before != show.starts_at:
        words.append(f"It was: {when(starts_before, show.time_zone)}.")
        words.append(f"It is now: {when(show.starts_at, show.time_zone)}.")
    if doors_before != show.doors_at and show.doors_at is not None:
        was = "" if doors_before is None else f" They were to open at {clock(doors_before.astimezone(zone))}."
        words.append(f"Doors open at {clock(show.doors_at.astimezone(zone))}.{was}")
    words.append("Your tickets stay valid, and you need not do anything. The codes are the same as before.")
    if attached:
        words.append("Tickets and a calendar entry with the new time are attached, in place of the old ones.")
    words.append("If you cannot come at the new time, please answer this mail.")
    return _render(
        facts,
        subject=f"Moved: {_named(show)}",
        heading="The show has a new time",
        paragraphs=words,
        rows=_seats(facts.order, with_amounts=False),
    )


def exchanged(facts: Facts, old: NoticeShow, given_up: Sequence[str]) -> NoticeText:
    """New tickets for old ones. `old` is the show of the old tickets, `given_up` the labels of their seats."""
    order, show = facts.order, facts.show
    seats = ", ".join(one_line(label, _TITLE_LENGTH) for label in given_up[:_LINES])
    more = f" and {len(given_up) - _LINES} more" if len(given_up) > _LINES else ""
    words = [
        f"Your tickets were exchanged, as you asked. Here are the new ones for {_title(show)}.",
        f"The old tickets for {_named(old)} ({seats}{more}) are void now: their codes no longer open the door.",
    ]
    if order.credit_minor:
        words.append(f"{amount(order.credit_minor, order.currency)} that you had paid for them were counted.")
    paid = order.total_minor - order.credit_minor
    at = show.starts_at.astimezone(ZoneInfo(show.time_zone))
    rows = _seats(order)
    if order.credit_minor:
        rows.append(Row("Credit for the old tickets", f"-{amount(order.credit_minor, order.currency)}"))
    return _render(
        facts,
        subject=f"Your new tickets: {_named(show)}",
        heading=f"See you on {at:%B} {at.day}",
        paragraphs=words,
        rows=rows,
        total=Row("Paid now", amount(paid, order.currency)) if order.total_minor else None,
    )


def voided(facts: Facts, *, money_was_taken: bool = False) -> NoticeText:
    """An order that was taken back because its money could not be had, or its show was cancelled before."""
    title = _title(facts.show)
    if facts.show.status == "cancelled":
        why, subject = f"{title} was cancelled, so your order ends, and its tickets are void.", "Cancelled, no charge"
    elif facts.order.exchange_of_order_id is not None:
        why = (
            f"Your tickets could not be exchanged for these of {title}: the new order has ended, and its seats are on "
            "sale again. What you had before is as it was."
        )
        subject = "Not exchanged"
    else:
        why = (
            f"Your payment for {title} could not be completed: your bank or card did not give the money in the end. "
            "Your order has ended, its tickets are void, and the seats are on sale again. You can order again."
        )
        subject = "Payment problem, no tickets"
    return _render(
        facts,
        subject=f"{subject}: {_named(facts.show)}",
        heading="Your order has ended",
        paragraphs=[why, *_no_charge(money_was_taken)],
        rows=_seats(facts.order, with_amounts=False),
    )


def refunded(facts: Facts, refund: NoticeRefund) -> NoticeText:
    """Money that went back, or free tickets that were returned."""
    order, show = facts.order, facts.show
    title = _title(show)
    money = amount(refund.amount_minor, order.currency)
    cancelled = refund.is_of_cancelled_show or (refund.is_of_late_money and show.status == "cancelled")
    if cancelled:
        words = [f"{title} was cancelled. We are sorry."]
        subject, heading = f"Cancelled: {_named(show)}", "The show was cancelled"
    elif refund.is_of_late_money:
        words = [f"Your payment for {title} came after your order had ended, or a second time. We returned it."]
        subject, heading = f"Returned: {money} for {_named(show)}", "Your money is on its way back"
    elif refund.is_of_exchange:
        words = [f"You exchanged tickets for {title} for ones that cost less. This is the difference."]
        subject, heading = f"Returned: {money} for {_named(show)}", "Your money is on its way back"
    elif refund.seats:
        count = "Your ticket" if len(refund.seats) == 1 else f"{len(refund.seats)} of your tickets"
        words = [f"{count} for {title} {'was' if len(refund.seats) == 1 else 'were'} returned and {_void(refund)}."]
        subject, heading = f"Returned: {_named(show)}", "Your tickets were returned"
        if refund.amount_minor:
            subject, heading = f"Returned: {money} for {_named(show)}", "Your money is on its way back"
    else:
        words = [f"Money that you paid for {title} was returned. Your tickets stay as they are."]
        subject, heading = f"Returned: {money} for {_named(show)}", "Your money is on its way back"
    if refund.amount_minor:
        words.append(
            f"{money} is on its way back to you, the way that you paid. Banks and card companies take up to ten days "
            "to show it."
        )
    if cancelled and refund.seats:
        words.append("Your tickets are void.")
    total = Row("Returned", money) if refund.amount_minor else None
    return _render(
        facts,
        subject=subject,
        heading=heading,
        paragraphs=words,
        rows=[Row(one_line(seat, _TITLE_LENGTH), "") for seat in refund.seats],
        total=total,
    )


def _void(refund: NoticeRefund) -> str:
    return "is void now" if len(refund.seats) == 1 else "are void now"


def _no_charge(money_was_taken: bool) -> list[str]:
    if money_was_taken:
        return ["What you paid goes back to you by itself, all of it. We write again once it is on its way."]
    return ["You are not charged. If your bank shows the amount as reserved, it lets it go by itself within some days."]


def _comma_no_charge(money_was_taken: bool) -> str:
    return ", money back" if money_was_taken else ", no charge"


def _title(show: NoticeShow) -> str:
    return one_line(show.title, _TITLE_LENGTH)


def _named(show: NoticeShow) -> str:
    at = show.starts_at.astimezone(ZoneInfo(show.time_zone))
    return f"{_title(show)}, {at:%b} {at.day}"


def _within(order: Order) -> str:
    tax = order_tax(order)
    return f"fees included, and {amount(tax, order.currency)} tax" if tax else "fees included"


def _seats(order: Order, *, with_amounts: bool = True) -> list[Row]:
    rows = [
        Row(
            one_line(line.label, _TITLE_LENGTH),
            amount(line.amount_minor, order.currency) if with_amounts else "",
            ", ".join(part for part in (one_line(line.category, _TITLE_LENGTH), _type(line.price_type)) if part),
        )
        for line in order.lines
    ]
    if order.fee_minor and with_amounts:
        rows.append(Row("Fee for the order", amount(order.fee_minor, order.currency)))
    return rows


def _type(price_type: str) -> str:
    return price_type.replace("-", " ").capitalize()


def _render(
    facts: Facts,
    *,
    subject: str,
    heading: str,
    paragraphs: Sequence[str],
    rows: Sequence[Row],
    total: Row | None = None,
    link: str | None = None,
) -> NoticeText:
    show, order, receipt = facts.show, facts.order, facts.receipt
    name = name_of(order)
    place = [show.venue, *(show.address or "").splitlines()]
    if show.doors_at is not None:
        place.append(f"Doors open at {clock(show.doors_at.astimezone(ZoneInfo(show.time_zone)))}")
    footer = [f"Order {order.order_code}"]
    if receipt is not None:
        footer.append(f"{'Receipt' if receipt.refund_id is None else 'Credit note'} {receipt.label}")
    given = {
        "subject": subject,
        "organization": one_line(show.organization, _TITLE_LENGTH),
        "heading": heading,
        "paragraphs": [f"Hello {name}," if name else "Hello,", *paragraphs],
        "title": _title(show),
        "when": when(show.starts_at, show.time_zone),
        "place": [line for line in (one_line(line, _LINE_LENGTH) for line in place[:_LINES]) if line],
        "rows": [asdict(row) for row in rows],
        "total": None if total is None else asdict(total),
        "link": link,
        "code": order.order_code,
        "footer": footer,
    }
    return NoticeText(
        subject,
        _templates.get_template("notice.txt").render(given),
        _templates.get_template("notice.html").render(given),
    )
