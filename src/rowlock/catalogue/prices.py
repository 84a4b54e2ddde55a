"""Determines the price of each category of a show."""

from collections.abc import Mapping, Sequence

from rowlock.catalogue.model import ALL_CATEGORIES, CatalogueError, Category


def resolve_prices(categories: Sequence[Category], given: Mapping[str, int]) -> dict[int, int]:
    """The amount in minor units for each category that is for sale, by its number in the plan.

    Raises CatalogueError for a category the plan does not have or does not sell, a category left without a
    price, and a negative amount.
    """
    sold = {category.name: index for index, category in enumerate(categories) if category.for_sale}
    names = ", ".join(sold) or "none"
    unsold = {category.name for category in categories if not category.for_sale}
    for name, amount in given.items():
        if name in unsold:
            raise CatalogueError(f"The category {name} is not for sale in this plan. For sale: {names}.")
        if name != ALL_CATEGORIES and name not in sold:
            raise CatalogueError(f"The plan has no category {name!r}. It has: {names}.")
        if amount < 0:
            raise CatalogueError(f"The price {amount} is negative. Prices are minor units from 0 up.")
    missing = [name for name in sold if name not in given] if ALL_CATEGORIES not in given else []
    if missing:
        raise CatalogueError(
            f"No price was given for: {', '.join(missing)}. Give one price for each category, or one for all."
        )
    return {index: given.get(name, given.get(ALL_CATEGORIES, 0)) for name, index in sold.items()}
