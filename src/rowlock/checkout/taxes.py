"""The tax of an order: within its amounts, in whole minor units.

Each ticket has the rate of its price type. The fee per order comes with the tickets, so it has their rates, in
proportion to what they cost.
"""

from collections.abc import Iterable

from rowlock.checkout.model import Order, OrderLine


def order_tax(order: Order) -> int:
    """All tax within the total of an order."""
    return sum(line.tax_minor for line in order.lines) + sum(
        tax_within(part, rate) for rate, part in by_rates_of(order.lines, order.fee_minor).items()
    )


def tax_within(amount_minor: int, basis_points: int) -> int:
    """The tax within an amount, rounded half up."""
    whole = 10_000 + basis_points
    return (2 * amount_minor * basis_points + whole) // (2 * whole)


def by_rates_of(lines: Iterable[OrderLine], amount_minor: int) -> dict[int, int]:
    """An amount that belongs to no seat, divided among the rates of the tickets that cost something. No part is 0."""
    weights: dict[int, int] = {}
    for line in lines:
        if line.amount_minor:
            weights[line.tax_basis_points] = weights.get(line.tax_basis_points, 0) + line.amount_minor
    return {rate: part for rate, part in spread(amount_minor, weights or {0: 1}).items() if part}


def spread(amount: int, weights: dict[int, int]) -> dict[int, int]:
    """Whole parts of an amount in proportion to weights, which add up to it: the largest remainders are rounded up."""
    total = sum(weights.values())
    parts = {key: amount * weight // total for key, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda key: (-(amount * weights[key] % total), key))
    for key in by_remainder[: amount - sum(parts.values())]:
        parts[key] += 1
    return parts
