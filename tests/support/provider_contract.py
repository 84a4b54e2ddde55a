"""What every payment provider has to do, as scenarios: each provider's tests inherit them and say what a buyer does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

import pytest

from rowlock.base.ids import mint_id
from rowlock.checkout.providers.payment_provider import (
    PaymentProvider,
    PaymentStatus,
    PaymentWish,
    ProviderPayment,
    ProviderRefusedError,
    RefundStatus,
)

SHOW = UUID("11111111-2222-4333-8444-555555555555")


def wish(amount_minor: int = 8500, currency: str = "EUR", **more: object) -> PaymentWish:
    """A payment of an order of its own."""
    payment_intent_id = mint_id(SHOW)
    made = PaymentWish(
        key=f"intent-{payment_intent_id}",
        show_id=SHOW,
        order_id=uuid4(),
        payment_intent_id=payment_intent_id,
        amount_minor=amount_minor,
        currency=currency,
        description="Swan Lake, order K7M2",
        customer_email="anna@example.org",
    )
    return replace(made, **more)  # type: ignore[arg-type] # The caller names fields.


async def collected(payments: AsyncIterator[ProviderPayment]) -> dict[str, ProviderPayment]:
    return {payment.reference: payment async for payment in payments}


class Buyer(Protocol):
    """What happens outside: a buyer pays, or a card is declined."""

    async def pay(self, reference: str) -> None: ...

    async def try_declined_card(self, reference: str) -> None: ...


class ProviderContract:
    """Scenarios for a provider in its own test file, with the fixtures `provider` and `buyer`.

    authorizes  whether paying leads to AUTHORIZED, and the capture is a step of its own.
    """

    authorizes = True

    async def test_a_new_payment_is_open_and_says_what_it_is_for(self, provider: PaymentProvider) -> None:
        wanted = wish()
        made = await provider.create(wanted)

        assert made.status is PaymentStatus.OPEN
        assert (made.amount_minor, made.currency) == (8500, "EUR")
        assert (made.captured_minor, made.refunded_minor, made.last_error) == (0, 0, None)
        ids = (made.show_id, made.order_id, made.payment_intent_id)
        assert ids == (wanted.show_id, wanted.order_id, wanted.payment_intent_id)
        assert made.created_at is not None
        assert abs(made.created_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert await provider.fetch(made.reference) == made

    async def test_the_same_key_gets_the_same_payment(self, provider: PaymentProvider) -> None:
        wanted = wish()
        first = await provider.create(wanted)

        assert (await provider.create(wanted)).reference == first.reference
        assert (await provider.create(wish())).reference != first.reference

    async def test_many_at_once_with_one_key_make_one_payment(self, provider: PaymentProvider) -> None:
        wanted = wish()
        made = await asyncio.gather(*(provider.create(wanted) for _ in range(8)), return_exceptions=True)

        # A provider may ask to send it again while another call with the key is under way.
        references = {payment.reference for payment in made if isinstance(payment, ProviderPayment)}
        assert references == {(await provider.create(wanted)).reference}

    async def test_a_key_is_refused_for_another_payment(self, provider: PaymentProvider) -> None:
        wanted = wish()
        await provider.create(wanted)

        with pytest.raises(ProviderRefusedError):
            await provider.create(replace(wanted, amount_minor=1))

    async def test_there_is_no_payment_of_an_unknown_reference(self, provider: PaymentProvider) -> None:
        assert await provider.fetch("pi_nothing") is None
        assert await provider.fetch_refund("re_nothing") is None
        for call in (provider.capture, provider.cancel):
            with pytest.raises(ProviderRefusedError):
                await call("pi_nothing", key="k")
        with pytest.raises(ProviderRefusedError):
            await provider.refund("pi_nothing", 1, key="k")

    async def test_a_payment_is_captured_once(self, provider: PaymentProvider, buyer: Buyer) -> None:
        reference = (await provider.create(wish())).reference
        await buyer.pay(reference)
        before = await provider.fetch(reference)
        assert before is not None
        assert before.status is (PaymentStatus.AUTHORIZED if self.authorizes else PaymentStatus.CAPTURED)

        for key in ("capture-1", "capture-1", "capture-2"):
            captured = await provider.capture(reference, key=f"{key}-{reference}")
            assert captured.status is PaymentStatus.CAPTURED
            assert captured.captured_minor == 8500

    async def test_what_is_not_paid_is_not_captured(self, provider: PaymentProvider) -> None:
        reference = (await provider.create(wish())).reference

        with pytest.raises(ProviderRefusedError):
            await provider.capture(reference, key=f"capture-{reference}")

    async def test_an_open_payment_is_cancelled_once(self, provider: PaymentProvider, buyer: Buyer) -> None:
        reference = (await provider.create(wish())).reference

        for key in ("cancel-1", "cancel-1", "cancel-2"):
            cancelled = await provider.cancel(reference, key=f"{key}-{reference}")
            assert cancelled.status is PaymentStatus.CANCELLED
            assert cancelled.client_secret is None
        with pytest.raises(ProviderRefusedError):
            await provider.capture(reference, key=f"capture-{reference}")

    async def test_an_authorized_payment_is_let_go(self, provider: PaymentProvider, buyer: Buyer) -> None:
        if not self.authorizes:
            pytest.skip("It authorizes nothing.")
        reference = (await provider.create(wish())).reference
        await buyer.pay(reference)

        assert (await provider.cancel(reference, key=f"cancel-{reference}")).status is PaymentStatus.CANCELLED
        fetched = await provider.fetch(reference)
        assert fetched is not None
        assert (fetched.status, fetched.captured_minor) == (PaymentStatus.CANCELLED, 0)

    async def test_a_captured_payment_is_not_cancelled(self, provider: PaymentProvider, buyer: Buyer) -> None:
        reference = await self._captured(provider, buyer)

        with pytest.raises(ProviderRefusedError):
            await provider.cancel(reference, key=f"cancel-{reference}")

    async def test_a_declined_card_leaves_the_payment_open(self, provider: PaymentProvider, buyer: Buyer) -> None:
        if not self.authorizes:
            pytest.skip("It takes no cards.")
        reference = (await provider.create(wish())).reference
        await buyer.try_declined_card(reference)
        declined = await provider.fetch(reference)
        assert declined is not None
        assert declined.status is PaymentStatus.OPEN
        assert declined.last_error

        await buyer.pay(reference)
        paid = await provider.fetch(reference)
        assert paid is not None
        assert (paid.status, paid.last_error) == (PaymentStatus.AUTHORIZED, None)

    async def test_money_is_given_back_in_parts_and_never_more_than_was_captured(
        self, provider: PaymentProvider, buyer: Buyer
    ) -> None:
        reference = await self._captured(provider, buyer)

        first = await provider.refund(reference, 3000, key=f"refund-1-{reference}")
        again = await provider.refund(reference, 3000, key=f"refund-1-{reference}")
        assert (first.status, first.amount_minor, first.currency) == (RefundStatus.SUCCEEDED, 3000, "EUR")
        assert again == first
        assert await provider.fetch_refund(first.reference) == first
        with pytest.raises(ProviderRefusedError):
            await provider.refund(reference, 5501, key=f"refund-2-{reference}")
        with pytest.raises(ProviderRefusedError):
            await provider.refund(reference, 2000, key=f"refund-1-{reference}")
        await provider.refund(reference, 5500, key=f"refund-3-{reference}")

        fetched = await provider.fetch(reference)
        assert fetched is not None
        assert (fetched.captured_minor, fetched.refunded_minor) == (8500, 8500)
        assert fetched.status is PaymentStatus.CAPTURED

    async def test_many_refunds_at_once_stay_below_what_was_captured(
        self, provider: PaymentProvider, buyer: Buyer
    ) -> None:
        reference = await self._captured(provider, buyer)

        made = await asyncio.gather(
            *(provider.refund(reference, 2000, key=f"refund-{number}-{reference}") for number in range(8)),
            return_exceptions=True,
        )

        assert sum(not isinstance(refund, Exception) for refund in made) == 4
        fetched = await provider.fetch(reference)
        assert fetched is not None
        assert fetched.refunded_minor == 8000

    async def test_what_is_not_captured_is_not_refunded(self, provider: PaymentProvider, buyer: Buyer) -> None:
        reference = (await provider.create(wish())).reference

        with pytest.raises(ProviderRefusedError):
            await provider.refund(reference, 100, key=f"refund-{reference}")

    async def test_every_payment_since_an_instant_is_listed(self, provider: PaymentProvider, buyer: Buyer) -> None:
        since = datetime.now(UTC) - timedelta(minutes=1)
        made = [(await provider.create(wish())).reference for _ in range(3)]
        await buyer.pay(made[0])

        listed = await collected(provider.list_since(since))

        assert set(made) <= listed.keys()
        assert listed[made[0]] == await provider.fetch(made[0])
        assert not set(made) & (await collected(provider.list_since(datetime.now(UTC) + timedelta(hours=1)))).keys()

    async def _captured(self, provider: PaymentProvider, buyer: Buyer) -> str:
        reference = (await provider.create(wish())).reference
        await buyer.pay(reference)
        await provider.capture(reference, key=f"capture-{reference}")
        return reference
