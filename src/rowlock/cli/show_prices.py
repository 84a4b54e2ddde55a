"""Prices, fees and taxes on the command line: the options, how they are read, and how a price list is printed.

Which categories a key names is decided where the plan is known, by the catalogue.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from rowlock.catalogue.model import ALL_CATEGORIES
from rowlock.catalogue.price_list import ALL_TYPES, DEFAULT_TYPE, PriceList
from rowlock.cli.common import money
from rowlock.cli.exits import CommandError, ExitCode

Prices = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        help="In minor units: 2500 for every category, CATEGORY=2500 for one, CATEGORY/TYPE=1500 or /TYPE=1500 for a "
        "price type such as child. May be given again.",
        show_default=False,
    ),
]
FeePerTicket = Annotated[
    str | None,
    typer.Option(
        "--fee-per-ticket",
        help="In minor units; added to every price that is not 0, and within what buyers see.",
        show_default=False,
    ),
]
FeePerOrder = Annotated[
    str | None,
    typer.Option(
        "--fee-per-order", help="In minor units; told beside the prices, and paid once an order.", show_default=False
    ),
]
Taxes = Annotated[
    list[str] | None,
    typer.Option(
        "--tax",
        help="In percent, and within the prices: 19 for every price type, TYPE=7.5 for one. May be given again.",
        show_default=False,
    ),
]

# What is too large is refused by the catalogue, which knows the bounds; what is longer than this is no number at all.
_AMOUNT = re.compile(r"[0-9]{1,40}")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?")


def parse_prices(texts: Sequence[str]) -> dict[str, int]:
    """The prices given with --price: CATEGORY, CATEGORY/TYPE or /TYPE → minor units, "" for an amount alone.

    Raises CommandError for text that is not a price, and for two prices of one key.
    """
    return {key: parse_amount(f"--price {text}", amount) for key, text, amount in _keyed(texts)}


def parse_price_changes(texts: Sequence[str]) -> dict[str, int | None]:
    """The same, where KEY= with nothing behind takes a price away. Raises CommandError."""
    return {
        key: None if not amount and key != ALL_CATEGORIES else parse_amount(f"--price {text}", amount)
        for key, text, amount in _keyed(texts)
    }


def parse_amount(option: str, text: str) -> int:
    """An amount in minor units. `option` is named in the CommandError for what is none."""
    if not _AMOUNT.fullmatch(text.strip()):
        raise CommandError(
            ExitCode.USAGE, f"{option} is not an amount in minor units. Write 2500 for 25.00, or CATEGORY=2500."
        )
    return int(text)


def parse_fee(option: str, text: str | None) -> int | None:
    """A fee in minor units, or None when the option was not given. Raises CommandError."""
    if text is not None and not _AMOUNT.fullmatch(text.strip()):
        raise CommandError(ExitCode.USAGE, f"{option} {text} is not an amount in minor units. Write 150 for 1.50.")
    return None if text is None else int(text)


def parse_taxes(texts: Sequence[str]) -> dict[str, int]:
    """The rates given with --tax: price type → hundredths of a percent, ALL_TYPES for a rate alone.

    Raises CommandError for text that is not a rate, and for two rates of one type.
    """
    rates: dict[str, int] = {}
    for text in texts:
        name, equals, percent = text.rpartition("=")
        price_type = name.strip() if equals else ALL_TYPES
        match = _PERCENT.fullmatch(percent.strip())
        if match is None or (equals and not price_type):
            raise CommandError(
                ExitCode.USAGE,
                f"--tax {text} is not a rate in percent. Write 19, {DEFAULT_TYPE}=7 or {DEFAULT_TYPE}=7.5: a point, "
                "and at most two decimals.",
            )
        if price_type in rates:
            raise CommandError(ExitCode.USAGE, f"--tax {text}: {price_type or 'every type'} has a rate already.")
        rates[price_type] = 100 * int(match[1]) + int((match[2] or "").ljust(2, "0"))
    return rates


def _keyed(texts: Sequence[str]) -> list[tuple[str, str, str]]:
    """Key, whole text and amount of each price. The name of a category may have equals signs, an amount has none."""
    found: dict[str, tuple[str, str, str]] = {}
    for text in texts:
        name, equals, amount = text.rpartition("=")
        key = name.strip() if equals else ALL_CATEGORIES
        if equals and not key:
            raise CommandError(
                ExitCode.USAGE, f"--price {text} names no category. Write CATEGORY=2500, or 2500 for all."
            )
        if key in found:
            what = "every category" if key == ALL_CATEGORIES else key
            raise CommandError(ExitCode.USAGE, f"--price {text}: {what} has a price already.")
        found[key] = (key, text, amount.strip())
    return list(found.values())


def prices_as_json(price_list: PriceList) -> dict[str, Any]:
    """The members of a JSON document that tell prices and fees, as GET /api/shows/{show_id} does."""
    return {
        "prices": [
            {
                "category": price.category,
                "price_type": price.price_type,
                "amount_minor": price.amount_minor,
                "fee_minor": price.fee_minor,
                "tax_basis_points": price.tax_basis_points,
                "tax_minor": price.tax_minor,
            }
            for price in price_list.prices
        ],
        "price_types": price_list.price_types,
        "fee_per_order_minor": price_list.fee_per_order_minor,
    }


def prices_as_text(price_list: PriceList, currency: str) -> Mapping[str, object]:
    """Fields for people: what is paid for a seat of each category and type, and the fees and taxes that there are."""
    by_category: dict[str, list[str]] = {}
    for price in price_list.prices:
        told = money(price.amount_minor, currency)
        by_category.setdefault(price.category, []).append(
            told if price.price_type == DEFAULT_TYPE else f"{price.price_type} {told}"
        )
    listed = [
        f"{category} {first}" + (f" ({', '.join(others)})" if others else "")
        for category, (first, *others) in by_category.items()
    ]
    fields: dict[str, object] = {"prices": ", ".join(listed)}
    fees = []
    if price_list.fee_per_ticket_minor:
        fees.append(f"{money(price_list.fee_per_ticket_minor, currency)} per ticket, within these prices")
    if price_list.fee_per_order_minor:
        fees.append(f"{money(price_list.fee_per_order_minor, currency)} per order, besides them")
    if fees:
        fields["fees"] = "; ".join(fees)
    rates = {price.price_type: price.tax_basis_points for price in price_list.prices}
    if any(rates.values()):
        named = ", ".join(f"{name} {rates[name] / 100:g} %" for name in price_list.price_types)
        fields["taxes"] = f"{named}, within these prices"
    return fields
