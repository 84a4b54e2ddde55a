"""Amounts in Stripe's minor units."""

import pytest

from rowlock.base.currencies import DECIMALS
from rowlock.checkout.providers.payment_provider import ProviderRefusedError
from rowlock.checkout.providers.stripe_amounts import from_stripe, to_stripe


@pytest.mark.parametrize(
    ("ours", "currency", "theirs"),
    [
        (8500, "EUR", 8500),
        (500, "JPY", 500),
        (5120, "KWD", 5120),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (1200, "MGA", 12),
        (80045, "HUF", 80045),
    ],
)
def test_an_amount_is_the_same_money_on_both_sides(ours: int, currency: str, theirs: int) -> None:
    assert to_stripe(ours, currency) == theirs
    assert from_stripe(theirs, currency.lower()) == ours


@pytest.mark.parametrize(("amount_minor", "currency"), [(5121, "KWD"), (1, "TND"), (1250, "MGA"), (100, "XXX")])
def test_what_stripe_cannot_charge_exactly_is_refused(amount_minor: int, currency: str) -> None:
    with pytest.raises(ProviderRefusedError):
        to_stripe(amount_minor, currency)


@pytest.mark.parametrize("currency", sorted(DECIMALS))
def test_every_currency_comes_back(currency: str) -> None:
    assert from_stripe(to_stripe(12_000, currency), currency) == 12_000
