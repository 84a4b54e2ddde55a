"""Amounts in Stripe's minor units, which are not those of ISO 4217 for every currency.

Source: docs.stripe.com/currencies, sections "Zero-decimal currencies", "Three-decimal currencies" and "Special cases".
"""

from rowlock.base.currencies import DECIMALS
from rowlock.checkout.providers.payment_provider import ProviderRefusedError

# The decimals of Stripe's minor unit, where they are others than ours.
_STRIPE_DECIMALS = {
    "ISK": 2,  # Whole krónur, sent as hundredths.
    "UGX": 2,  # Whole shillings, sent as hundredths.
    "MGA": 0,  # Whole ariary; an ariary has five iraimbilanja, which ISO 4217 counts as two decimals.
}
# Of three decimals the last has to be 0.
_COARSE = 10


def to_stripe(amount_minor: int, currency: str) -> int:
    """Our minor units in Stripe's. Raises ProviderRefusedError for an amount that Stripe cannot charge exactly."""
    ours = _decimals(currency)
    theirs = _STRIPE_DECIMALS.get(currency, ours)
    if ours == 3 and amount_minor % _COARSE:
        raise _refused(amount_minor, currency, "a multiple of 10 minor units")
    if theirs >= ours:
        return amount_minor * int(10 ** (theirs - ours))
    whole, rest = divmod(amount_minor, int(10 ** (ours - theirs)))
    if rest:
        raise _refused(amount_minor, currency, "an amount without decimals")
    return whole


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's minor units in ours."""
    currency = currency.upper()
    ours = DECIMALS.get(currency, 2)
    theirs = _STRIPE_DECIMALS.get(currency, ours)
    return amount * int(10 ** (ours - theirs)) if ours >= theirs else amount // int(10 ** (theirs - ours))


def _decimals(currency: str) -> int:
    try:
        return DECIMALS[currency]
    except KeyError:
        raise ProviderRefusedError(f"{currency} is no currency of ISO 4217", "currency") from None


def _refused(amount_minor: int, currency: str, allowed: str) -> ProviderRefusedError:
    return ProviderRefusedError(f"Stripe charges {allowed} of {currency}, and not {amount_minor}", "amount")
