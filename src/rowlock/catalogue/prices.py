"""Determines the price list of a show: of what its organizer says, and of what its prices were before."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rowlock.catalogue.model import ALL_CATEGORIES, CatalogueError, Category
from rowlock.catalogue.price_list import ALL_TYPES, DEFAULT_TYPE, Price, PriceChanges, PriceList

MOST_MINOR = 10**12
"""The largest amount: far above any price, and so far below a bigint that the sum of an order always fits."""

MOST_TYPES = 20
"""The price types of one show."""

_TYPE_LENGTH = 40
_TYPE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WHOLE_BASIS_POINTS = 10_000

_Keyed = dict[tuple[str, str], int | None]
"""Amounts by category, or ALL_CATEGORIES, and price type."""


def resolve_prices(categories: Sequence[Category], changes: PriceChanges, before: PriceList | None = None) -> PriceList:
    """The price list of a show in a plan with these categories; `before` is the one that it has.

    Raises CatalogueError for a category that the plan does not have, or does not sell; for one that is sold and left
    without a price for adults; for what is no price type; and for amounts, fees and rates out of bounds.
    """
    old = PriceList(()) if before is None else before
    for_sale = [category.name for category in categories if category.for_sale]
    given = _given(categories, changes.prices_minor)
    _check_bounds("fee per ticket", changes.fee_per_ticket_minor)
    _check_bounds("fee per order", changes.fee_per_order_minor)
    fee = old.fee_per_ticket_minor if changes.fee_per_ticket_minor is None else changes.fee_per_ticket_minor

    prices = {(price.category, price.price_type): price for price in old.prices}
    for (name, price_type), value in given.items():
        if name == ALL_CATEGORIES:
            keys = [(category, price_type) for category in for_sale if (category, price_type) not in given]
        else:
            keys = [(name, price_type)]
        if value is None and prices.keys().isdisjoint(keys):
            raise CatalogueError(f"There is no price of {_told(name, price_type)} that could be taken away.")
        for key in keys:
            prices.pop(key, None)
            if value is not None:
                prices[key] = _price(*key, value, fee)
    _check_priced(for_sale, prices)
    if changes.fee_per_ticket_minor is not None:
        prices = {key: _price(*key, price.amount_minor - price.fee_minor, fee) for key, price in prices.items()}
        if fee > 0 and all(price.amount_minor == 0 for price in prices.values()):
            raise CatalogueError("Every ticket is free, and a free ticket has no fee per ticket. Leave the fee out.")

    price_types = PriceList(tuple(prices.values())).price_types
    rates = _rates(price_types, old, changes.tax_basis_points)
    return PriceList(
        tuple(
            replace(prices[category.name, price_type], tax_basis_points=rates[price_type])
            for category in categories
            for price_type in price_types
            if (category.name, price_type) in prices
        ),
        old.fee_per_order_minor if changes.fee_per_order_minor is None else changes.fee_per_order_minor,
    )


def _check_priced(for_sale: Sequence[str], prices: Mapping[tuple[str, str], Price]) -> None:
    unpriced = [name for name in for_sale if (name, DEFAULT_TYPE) not in prices]
    if unpriced:
        raise CatalogueError(
            f"No price was given for: {', '.join(unpriced)}. Give one price for each category, or one for all."
        )


def resolve_adult_prices(categories: Sequence[Category], prices_minor: Mapping[str, int]) -> dict[str, int]:
    """The amounts by category name, for keys of one category each and no type but adult. Raises CatalogueError."""
    found: dict[str, int] = {}
    for (category, price_type), value in _given(categories, prices_minor).items():
        if category == ALL_CATEGORIES or price_type != DEFAULT_TYPE:
            raise CatalogueError(
                "Here a price is for one category, and for adults. `rowlock show update` sets those of other types."
            )
        assert value is not None, "the caller takes no price away"
        found[category] = value
    return found


def read_key(key: str, names: Sequence[str]) -> tuple[str, str]:
    """The category and the price type that `key` names, of a plan with categories of these names.

    What is the name of a category as a whole is that category, for adults, also with a slash in it. Anything else is
    divided at its last slash; with nothing before it, it is for ALL_CATEGORIES. Raises CatalogueError.
    """
    if key == ALL_CATEGORIES or key in names:
        return key, DEFAULT_TYPE
    before, slash, price_type = key.rpartition("/")
    category = before.strip() if slash else key
    if category not in (ALL_CATEGORIES, *names):
        raise CatalogueError(f"The plan has no category {category!r}. It has: {', '.join(names)}.")
    return category, check_type(price_type.strip())


def check_type(name: str) -> str:
    """The name of a price type. Raises CatalogueError when it is none."""
    if len(name) > _TYPE_LENGTH or not _TYPE.fullmatch(name):
        raise CatalogueError(
            f"{name!r} is not a price type. Use up to {_TYPE_LENGTH} lower-case letters, digits and single hyphens, "
            "such as child or school-class."
        )
    return name


def _given(categories: Sequence[Category], prices_minor: Mapping[str, int | None]) -> _Keyed:
    names = [category.name for category in categories]
    for_sale = [category.name for category in categories if category.for_sale]
    given: _Keyed = {}
    for text, value in prices_minor.items():
        category, price_type = key = read_key(text, names)
        if category != ALL_CATEGORIES and category not in for_sale:
            raise CatalogueError(
                f"The category {category} is not for sale in this plan. For sale: {', '.join(for_sale) or 'none'}."
            )
        what = f"price of {_told(category, price_type)}"
        if key in given:
            raise CatalogueError(f"There are two for the {what}. Give one.")
        if value is None and price_type == DEFAULT_TYPE:
            raise CatalogueError(
                f"The {what} cannot be taken away: every category that is sold needs one for {DEFAULT_TYPE}."
            )
        _check_bounds(what, value)
        given[key] = value
    return given


def _told(category: str, price_type: str) -> str:
    return f"{category or 'every category'} for the type {price_type}"


def _check_bounds(what: str, value: int | None) -> None:
    if value is not None and not 0 <= value <= MOST_MINOR:
        raise CatalogueError(
            f"The {what} would be {value:,} minor units. Amounts are from 0 to {MOST_MINOR:,} minor units."
        )


def _price(category: str, price_type: str, without_fee_minor: int, fee_minor: int) -> Price:
    fee_minor = fee_minor if without_fee_minor > 0 else 0
    _check_bounds(f"price of {_told(category, price_type)}, with its fee,", without_fee_minor + fee_minor)
    return Price(category, price_type, without_fee_minor + fee_minor, fee_minor)


def _rates(price_types: Sequence[str], old: PriceList, given: Mapping[str, int]) -> dict[str, int]:
    """The tax rate of each price type. A type that is new to a show has the rate of the others, if they have one."""
    if len(price_types) > MOST_TYPES:
        raise CatalogueError(f"There would be {len(price_types)} price types. A show may have {MOST_TYPES}.")
    for name, rate in given.items():
        if name != ALL_TYPES and check_type(name) not in price_types:
            raise CatalogueError(f"There is no price of the type {name}. There are: {', '.join(price_types)}.")
        if not 0 <= rate <= _WHOLE_BASIS_POINTS:
            raise CatalogueError(f"The tax rate of {rate / 100:g} % is out of bounds. Give one from 0 to 100.")
    before = {price.price_type: price.tax_basis_points for price in old.prices}
    rates = {}
    for name in price_types:
        known = given.get(name, given.get(ALL_TYPES, before.get(name)))
        if known is None and len(set(before.values())) > 1:
            raise CatalogueError(
                f"The price types of this show have different tax rates. Say that of the new one: --tax {name}=7."
            )
        rates[name] = next(iter(before.values()), 0) if known is None else known
    return rates
