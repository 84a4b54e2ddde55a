"""Receipts and credit notes as PDF files, from plain values. Their numbers and amounts are decided by others.

The layout is `documents/receipt.typ`. That the amounts add up is checked here once more: a receipt where they do not is
a bug of ours, and must not reach a tax office.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from rowlock.base.currencies import amount
from rowlock.checkout.typesetting import Paper, directed, printable, typeset

MAX_LINES = 1_100
"""Lines on one document, on as many pages as it takes: one for each ticket of the largest order, and fees."""

_NAME, _LINE, _NOTE, _NUMBER, _ADDRESS_LINES = 120, 160, 600, 60, 6


class ReceiptKind(StrEnum):
    """What a document says about the money."""

    # It was paid to the seller.
    RECEIPT = "receipt"
    # It was given back to the buyer. Its amounts are positive too.
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who sells or buys. The address comes in lines, at most six; the tax id as the country writes it."""

    name: str
    address: tuple[str, ...] = ()
    tax_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptLine:
    """What was sold: `amount_minor` is `quantity` times `unit_minor`, tax included; the rate is in percent."""

    description: str
    quantity: int
    unit_minor: int
    amount_minor: int
    tax_percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """The tax of all lines of one rate: net and tax together are the sum of the amounts of those lines."""

    tax_percent: Decimal
    net_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A numbered receipt or credit note.

    issued_on     the date at the seller, as it is to be printed.
    order_code    the order that it is for.
    refers_to     of a credit note: the number of the receipt that it corrects.
    total_minor   the sum of the lines, tax included, in minor units of `currency`.
    credited_to   of a credit note: the code of the order that the money went to in an exchange; None when it went back.
    paid_with     such as "Visa ending in 4242"; None when unknown.
    note          such as the ground of a tax exemption.
    """

    kind: ReceiptKind
    number: str
    issued_on: str
    seller: Party
    buyer: Party
    order_code: str
    refers_to: str | None = None
    currency: str
    lines: Sequence[ReceiptLine]
    taxes: Sequence[TaxLine]
    total_minor: int
    credited_to: str | None = None
    paid_with: str | None = None
    note: str | None = None


def render_receipt(receipt: Receipt, *, created_at: datetime, paper: Paper = Paper.A4) -> bytes:
    """A PDF file; the same arguments make the same bytes. Raises ValueError when the amounts do not add up."""
    check_amounts(receipt)
    title = "Receipt" if receipt.kind is ReceiptKind.RECEIPT else "Credit note"
    values = {
        "paper": paper.value,
        "kind": title,
        "title": f"{title} {printable(receipt.number, _NUMBER)}",
        "author": printable(receipt.seller.name, _NAME),
        "number": printable(receipt.number, _NUMBER),
        "issued_on": printable(receipt.issued_on, _NUMBER),
        "order_code": printable(receipt.order_code, _NUMBER),
        "refers_to": printable(receipt.refers_to, _NUMBER),
        "seller": _party(receipt.seller),
        "buyer": _party(receipt.buyer),
        "lines": [
            {
                "description": directed(line.description, _LINE),
                "quantity": f"{line.quantity:,}",
                "unit": amount(line.unit_minor, receipt.currency),
                "tax": percent(line.tax_percent),
                "amount": amount(line.amount_minor, receipt.currency),
            }
            for line in receipt.lines
        ],
        "taxes": [
            {
                "rate": percent(tax.tax_percent),
                "net": amount(tax.net_minor, receipt.currency),
                "tax": amount(tax.tax_minor, receipt.currency),
                "gross": amount(tax.net_minor + tax.tax_minor, receipt.currency),
            }
            for tax in receipt.taxes
        ],
        "total_label": _total_label(receipt),
        "total": amount(receipt.total_minor, receipt.currency),
        "paid_with": directed(receipt.paid_with, _NAME),
        "note": directed(receipt.note, _NOTE),
    }
    return typeset("receipt.typ", values, created_at=created_at)


def check_amounts(receipt: Receipt) -> None:
    """Raise ValueError, with what is wrong, unless every amount follows from the others."""
    if not 1 <= len(receipt.lines) <= MAX_LINES:
        raise ValueError(f"{receipt.number} has {len(receipt.lines)} lines; from 1 to {MAX_LINES} are possible")
    by_rate: dict[Decimal, int] = {}
    for line in receipt.lines:
        if line.quantity < 1 or line.unit_minor < 0:
            raise ValueError(f"{receipt.number}: {line.quantity} × {line.unit_minor}; amounts are never negative")
        if line.quantity * line.unit_minor != line.amount_minor:
            raise ValueError(f"{receipt.number}: {line.quantity} × {line.unit_minor} is not {line.amount_minor}")
        by_rate[line.tax_percent] = by_rate.get(line.tax_percent, 0) + line.amount_minor
    taxed = {tax.tax_percent: tax.net_minor + tax.tax_minor for tax in receipt.taxes}
    if taxed != by_rate or len(taxed) != len(receipt.taxes):
        raise ValueError(f"{receipt.number}: the tax lines add up to {taxed}, the lines by rate to {by_rate}")
    if sum(by_rate.values()) != receipt.total_minor:
        raise ValueError(f"{receipt.number}: the lines add up to {sum(by_rate.values())}, not {receipt.total_minor}")


def percent(rate: Decimal) -> str:
    """A rate as people write it: 19 %, 7.7 %."""
    return f"{rate.normalize():f}\u00a0%"


def _total_label(receipt: Receipt) -> str:
    if receipt.kind is ReceiptKind.RECEIPT:
        return "Total paid"
    if receipt.credited_to is not None:
        return f"Credited to order {printable(receipt.credited_to, _NUMBER)}"
    return "Total returned"


def _party(party: Party) -> dict[str, object]:
    return {
        "name": directed(party.name, _NAME),
        "address": [directed(line, _NAME) for line in party.address[:_ADDRESS_LINES]],
        "tax_id": printable(party.tax_id, _NUMBER),
    }
