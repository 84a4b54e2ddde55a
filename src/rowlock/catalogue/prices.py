"""Determines the price of each category of a show."""

from collections.abc import Mapping, Sequence

from rowlock.catalogue.model import ALL_CATEGORIES, CatalogueError, Category


def resolve_prices(categories: Sequence[Category], given: Mapping[str, int]) -> dict[int, int]:
    """The amount in minor units for each category that is for sale, by its number in the plan.

    Raises CatalogueError for a category that the plan does not have, one that is not for sale in it, one left without
    a price, and a negative amount.
    """
    for_sale = {category.name: index for index, category in enumerate(categories) if category.for_sale}
    names = ", ".join(for_sale) or "none"
    not_for_sale = {category.name for category in categories if not category.for_sale}
    for name, amount in given.items():
        if name in not_for_sale:
            raise CatalogueError(f"The category {name} is not for sale in this plan. For sale: {names}.")
        if name != ALL_CATEGORIES and name not in for_sale:
            raise CatalogueError(f"The plan has no category {name!r}. It has: {names}.")
        if amount < 0:
            raise CatalogueError(f"The price {amount} is negative. Prices are minor units from 0 up.")
    missing_names = [name for name in for_sale if name not in given] if ALL_CATEGORIES not in given else []
    if missing_names:
        raise CatalogueError(
            f"No price was given for: {', '.join(missing_names)}. Give one price for each category, or one for all."
        )
    return {index: given.get(name, given.get(ALL_CATEGORIES, 0)) for name, index in for_sale.items()}
