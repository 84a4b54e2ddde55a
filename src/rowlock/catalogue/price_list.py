"""The types of a show's price list: what its seats cost, and what an organizer says of it.

`prices` has the rules by which one becomes the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

ALL_TYPES = ""
"""The key of the tax rate of every price type without its own rate."""

DEFAULT_TYPE = "adult"
"""The price type that every category for sale has a price for, and that a hold shows."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a seat of a category, which is named, costs for one price type, in minor units of the show's currency.

    amount_minor      what the buyer pays for the seat: fee and tax are within it.
    fee_minor         the part of it that is the fee per ticket.
    tax_basis_points  the rate of the tax within it, in hundredths of a percent: 700 is 7 %.
    """

    category: str
    price_type: str
    amount_minor: int
    fee_minor: int = 0
    tax_basis_points: int = 0

    @property
    def tax_minor(self) -> int:
        """The tax within the amount, of this one ticket, rounded half up to a minor unit."""
        whole = 10_000 + self.tax_basis_points
        return (2 * self.amount_minor * self.tax_basis_points + whole) // (2 * whole)


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices of a show, by category in the order of the plan and by type, and the fee per order in minor units."""

    prices: tuple[Price, ...]
    fee_per_order_minor: int = 0

    @property
    def fee_per_ticket_minor(self) -> int:
        """The fee within each price that is not free; 0 when all are."""
        return max((price.fee_minor for price in self.prices), default=0)

    @property
    def price_types(self) -> list[str]:
        """The price types that some category has a price for, that of adults first."""
        return sorted({price.price_type for price in self.prices}, key=lambda name: (name != DEFAULT_TYPE, name))


@dataclass(frozen=True, slots=True)
class PriceChanges:
    """What an organizer says of the prices of a show. What is not given, or None, stays as it is.

    prices_minor          by CATEGORY (for adults), CATEGORY/TYPE, /TYPE (every category) or "" (every category, for
                          adults): the amount in minor units without the fee per ticket; None takes a price away.
    fee_per_ticket_minor  is added to every price that is not free.
    tax_basis_points      by price type, or ALL_TYPES: the rate of the tax within the prices; 700 is 7 %.
    """

    prices_minor: Mapping[str, int | None] = field(default_factory=dict)
    fee_per_ticket_minor: int | None = None
    fee_per_order_minor: int | None = None
    tax_basis_points: Mapping[str, int] = field(default_factory=dict)
