"""Commands about orders, for staff: look at one, refund it, and note that it was paid at the desk or by invoice."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated
from uuid import UUID, uuid4

import typer

from rowlock.base.outcomes import Outcome
from rowlock.checkout.exchange_model import Exchanged, Link, Wish
from rowlock.checkout.exchanges import new_key
from rowlock.checkout.model import Dispute, Order, RefundWish, Reissued, ReissueWish
from rowlock.cli.common import DataDir, Json, fields, money, print_result, refuse, table, with_services
from rowlock.services import Services

OrderName = Annotated[str, typer.Argument(metavar="ORDER", help="The code of the order, such as K7M2XQ4T, or its id.")]
_DESK = "box office"

_REFUSALS = {
    "ORDER_NOT_REFUNDABLE": "Nothing was paid for it, or all of it was given back.",
    "REFUND_EXCEEDS_PAYMENT": "That is more than is left of what was paid. `rowlock order show` tells what was.",
    "PAYMENT_DISPUTED": "The buyer's bank has taken the money back and has not decided yet: `rowlock disputes`. What "
    "is refunded now would be lost twice.",
    "SEATS_NOT_FOUND": "The order has no valid ticket for one of these seats. `rowlock order show` lists them.",
    "IDEMPOTENCY_KEY_REUSED": "This key was used for another refund. Leave --key out, or choose another one.",
    "PAYMENT_NOT_MANUAL": "Its organization is not paid by hand (ROWLOCK_PAYMENT_PROVIDER=manual): the provider tells "
    "when money has come.",
    "ORDER_NOT_PAYABLE": "It is paid already, or has ended.",
    "RESERVATION_EXPIRED": "Its hold has run out. Order again.",
    "SHOW_NOT_ON_SALE": "The show was cancelled.",
    "TICKET_NOT_FOUND": "It has no ticket for this seat. `rowlock order show` lists them.",
    "TICKET_NOT_VALID": "This ticket is used or void, or its order is not paid, so it cannot be issued again.",
    "TICKET_REVISION_DIFFERS": "It was issued again in this moment, or has had all 255 revisions: see `order show`.",
    "SEATS_UNAVAILABLE": "Its hold had run out, and another customer has taken seats of it.",
    "ORDER_NOT_EXCHANGEABLE": "Only tickets that were paid, and not given back, can be exchanged.",
    "TICKET_USED": "One of the tickets was used at the door.",
    "SHOWS_DIFFER": "The other show is of another organization or currency. Refund the order, and sell a new one.",
    "SHOW_NOT_FOUND": "There is no show of that id. `rowlock show list` shows what there is.",
    "PRICE_TYPE_NOT_FOUND": "A new seat has no price of the ticket's type. Name one with --type.",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    help_text = "Orders: look at one, refund it, issue a ticket again, or note that it was paid."
    group = typer.Typer(help=help_text, no_args_is_help=True)
    group.command("show", epilog="Example: rowlock order show K7M2-XQ4T")(show)
    group.command("refund", epilog="Example: rowlock order refund K7M2-XQ4T --seat 12 --reason ill")(refund)
    group.command("retry-refunds", epilog="Example: rowlock order retry-refunds K7M2-XQ4T")(retry_refunds)
    group.command("reissue", epilog="Example: rowlock order reissue K7M2-XQ4T --seat 12 --reason stolen")(reissue)
    group.command("mark-paid", epilog="Example: rowlock order mark-paid K7M2-XQ4T --by Mara")(mark_paid)
    group.command("exchange", epilog="Example: rowlock order exchange K7M2-XQ4T --seat 12=40 --reason asked")(exchange)
    app.add_typer(group, name="order")


def show(order: OrderName, data_dir: DataDir = None, json: Json = False) -> None:
    """Show an order with its seats, tickets, exchanges and chargebacks."""

    async def run(services: Services) -> tuple[Order, list[Dispute], list[Link]]:
        found = await _find(services, order)
        disputes = await services.disputes.of_order(found.show_id, found.order_id)
        return found, disputes, await services.exchanges.of_order(found)

    found, disputes, links = with_services(data_dir, run)
    _print(found, disputes, links, as_json=json)


def refund(
    order: OrderName,
    reason: Annotated[str, typer.Option("--reason", help="Why. It is written down with the refund.")],
    seat: Annotated[
        list[int] | None,
        typer.Option("--seat", help="The id of a seat to give back. May be given again.", show_default=False),
    ] = None,
    amount: Annotated[
        int | None,
        typer.Option("--amount-minor", min=1, help="Money alone, in cents or the like.", show_default=False),
    ] = None,
    to_house: Annotated[bool, typer.Option("--to-house", help="Keep the seats from sale.")] = False,
    keep_fees: Annotated[bool, typer.Option("--keep-fees", help="Do not give back the fee per order.")] = False,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Your own name for this refund: with it, it may be repeated.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give back seats, an amount alone, or without either all that is left. A worker sends the money."""
    if seat and amount is not None:
        raise refuse("Name seats or an amount, not both. Neither gives back all that is left.")

    async def run(services: Services) -> tuple[Order, str, int]:
        found = await _find(services, order)
        wish = RefundWish(
            show_id=found.show_id,
            order_id=found.order_id,
            idempotency_key=key or f"refund-{uuid4()}",
            reason=reason,
            actor=_DESK,
            seat_ids=seat or None,
            amount_minor=amount,
            give_back="house" if to_house else "on_sale",
            keep_fees=keep_fees,
        )
        opened = await services.checkout.refund(wish)
        return found, opened.outcome, opened.amount_minor

    found, outcome, amount_minor = with_services(data_dir, run)
    if outcome != Outcome.OK:
        raise _refused(found, outcome)
    text = f"{money(amount_minor, found.currency)} of order {found.order_code} are on their way back."
    document = {"order_id": found.order_id, "amount_minor": amount_minor, "currency": found.currency}
    print_result(document, text, as_json=json)


def exchange(
    order: OrderName,
    seat: Annotated[list[str], typer.Option("--seat", metavar="OLD=NEW", help="A seat and its new one. Repeatable.")],
    reason: Annotated[str, typer.Option("--reason", help="Why. It is written down with the exchange.")],
    to_show: Annotated[
        UUID | None, typer.Option("--to-show", help="The show of the new seats, if it is another.", show_default=False)
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="NEW=TYPE", help="The price type of a new seat.", show_default=False),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Your own name for this exchange: with it, it may be repeated.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Move tickets to other seats of the same show or of another; the difference is paid or given back."""
    seats = {_number(old): _number(new) for old, new in _pairs(seat)}
    types = {_number(new): name for new, name in _pairs(kind or [])}
    if len(set(seats.values())) < len(seat):
        raise refuse("A seat is named twice. Name each old and each new one once.")

    async def run(services: Services) -> tuple[Order, Exchanged]:
        old = await _find(services, order)
        to_show_id = to_show or old.show_id
        wish = Wish(old.show_id, old.order_id, to_show_id, seats, key or new_key(), reason, _DESK, types)
        if unknown := set(seats) - {line.seat_id for line in old.lines}:
            raise refuse(f"Order {old.order_code} has no seat {min(unknown)}. `rowlock order show` lists its seats.")
        return old, await services.exchanges.exchange(wish)

    old, done = with_services(data_dir, run, with_payments=True)
    if done.order is None:
        raise _refused(old, done.outcome)
    new = done.order
    text = f"Order {new.order_code} has the new seats, and is {new.status}."
    if done.due_minor:
        due = money(done.due_minor, new.currency)
        text += f" The tickets change once {due} are paid for it. The token to pay it with: {done.token}"
    elif done.surplus_minor:
        text += f" {money(done.surplus_minor, new.currency)} are on their way back."
    document = {
        "order_id": new.order_id,
        "order_code": new.order_code,
        "order_token": str(done.token),
        "status": new.status,
        "credit_minor": new.credit_minor,
        "due_minor": done.due_minor,
        "refunded_minor": done.surplus_minor,
        "currency": new.currency,
    }
    print_result(document, text, as_json=json)


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    pairs = [(left.strip(), right.strip()) for left, _, right in (text.partition("=") for text in texts)]
    if not all(left and right for left, right in pairs):
        raise refuse("Write seats as OLD=NEW, such as --seat 12=40, and types as NEW=TYPE, such as --type 40=child.")
    return pairs


def _number(text: str) -> int:
    if not text.isdecimal():
        raise refuse(f"{text} is no seat id: these are whole numbers. `rowlock order show` lists those of the order.")
    return int(text)


def mark_paid(
    order: OrderName,
    by: Annotated[str, typer.Option("--by", help="Who has received the money.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Note that the money of an order has come, at the desk or by invoice, and sell its seats. Repeatable."""

    async def run(services: Services) -> tuple[Order, str]:
        found = await _find(services, order)
        if found.status in ("paid", "partially_refunded", "refunded"):
            return found, Outcome.OK
        outcome, advanced = await services.checkout.mark_paid(found, by)
        if advanced is None:
            return found, outcome
        return advanced.order, advanced.refusal or Outcome.OK

    found, outcome = with_services(data_dir, run, with_payments=True)
    if outcome != Outcome.OK:
        raise _refused(found, outcome)
    _print(found, as_json=json)


def retry_refunds(order: OrderName, data_dir: DataDir = None, json: Json = False) -> None:
    """Ask the provider again for every refund of an order that has failed there."""

    async def run(services: Services) -> tuple[Order, str, Sequence[UUID], int]:
        found = await _find(services, order)
        done = await services.checkout.retry_refunds(found, _DESK)
        return found, done.outcome, done.refund_ids, done.amount_minor

    found, outcome, refund_ids, amount_minor = with_services(data_dir, run)
    if outcome != Outcome.OK:
        raise _refused(found, outcome)
    count, name = len(refund_ids), found.order_code
    text = f"No refund of order {name} has failed."
    if count:
        what = f"{count} {'refund' if count == 1 else 'refunds'} of order {name}, {money(amount_minor, found.currency)}"
        text = f"{what}: the worker asks the provider again."
    print_result(
        {"order_id": found.order_id, "refund_ids": list(refund_ids), "amount_minor": amount_minor},
        text,
        as_json=json,
    )


def reissue(
    order: OrderName,
    seat: Annotated[int, typer.Option("--seat", help="The id of the seat of the ticket.")],
    reason: Annotated[str, typer.Option("--reason", help="Why. It is written down.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give a ticket a new code, which is mailed to the buyer. The codes before it no longer open the door."""

    async def run(services: Services) -> tuple[Order, Reissued]:
        found = await _find(services, order)
        tickets = [line.ticket for line in found.lines if line.seat_id == seat and line.ticket is not None]
        if not tickets:
            raise _refused(found, "TICKET_NOT_FOUND")
        [ticket] = tickets
        return found, await services.checkout.reissue(
            ReissueWish(found.show_id, found.order_id, ticket.ticket_id, ticket.revision, reason, _DESK)
        )

    found, done = with_services(data_dir, run)
    if done.outcome != Outcome.OK:
        raise _refused(found, done.outcome)
    text = f"The ticket of seat {seat} of order {found.order_code} has a new code. The worker mails it to the buyer."
    print_result({"order_id": found.order_id, "seat_id": seat, "revision": done.revision}, text, as_json=json)


async def _find(services: Services, name: str) -> Order:
    found = await services.checkout.find_by_name(name)
    if not found:
        raise refuse(f"There is no order {name}. Look at the code again: it has 8 letters and digits.")
    if len(found) > 1:
        ids = ", ".join(str(order.order_id) for order in found)
        raise refuse(f"{len(found)} shows have an order {name}: {ids}. Name the one that is meant by its id.")
    return found[0]


def _refused(order: Order, outcome: str) -> Exception:
    return refuse(f"Order {order.order_code} is {order.status}: {_REFUSALS.get(outcome, outcome)}")


def _print(order: Order, disputes: Sequence[Dispute] = (), links: Sequence[Link] = (), *, as_json: bool) -> None:
    values = {
        "order": order.order_code,
        "id": order.order_id,
        "show": order.show_id,
        "status": order.status,
        "customer": f"{order.customer_name} <{order.customer_email}>",
        "total": money(order.total_minor, order.currency),
    }
    rows = [
        (
            line.seat_id,
            line.label,
            f"{line.category}, {line.price_type}",
            money(line.amount_minor, order.currency),
            "" if line.ticket is None else line.ticket.status,
        )
        for line in order.lines
    ]
    if order.exchange_of_order_id is not None:
        credit = money(order.credit_minor, order.currency)
        values["in exchange for"] = f"order {order.exchange_of_order_id}, {credit} of it credited"
    for number, link in enumerate(links, start=1):
        seats = ", ".join(map(str, link.seat_ids))
        credit = money(link.credit_minor, order.currency) + " credited"
        became = credit if link.status == "given_up" else f"{link.status} {link.refusal or ''}".rstrip()
        values[f"exchange {number}"] = f"seat {seats} for order {link.order_id}: {became}"
    for number, dispute in enumerate(disputes, start=1):
        respond = "" if dispute.respond_until is None else f", respond by {dispute.respond_until:%Y-%m-%d %H:%M %Z}"
        values[f"dispute {number}"] = (
            f"{dispute.status}: {money(dispute.amount_minor, dispute.currency)}, {dispute.reason or 'no reason'}"
            f"{respond if dispute.status == 'opened' else ''}"
        )
    text = fields(values) + "\n\n" + table(("SEAT", "LABEL", "PRICE", "AMOUNT", "TICKET"), rows, empty="No seats.")
    document = {
        **asdict(order),
        "disputes": [asdict(dispute) for dispute in disputes],
        "exchanges": [asdict(link) for link in links],
    }
    print_result(document, text, as_json=as_json)
