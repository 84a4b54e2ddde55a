"""A payment provider in memory, whose answers a test decides, and that keeps account of every cent."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from rowlock.checkout.providers.payment_provider import (
    PaymentProvider,
    PaymentStatus,
    PaymentWish,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefundStatus,
    WebhookRefusedError,
)


@dataclass
class ScriptedProvider:
    """Payments by reference. `fail` is called with the name of each call before it is carried out, and may raise;
    `lose` after it, to lose its answer."""

    name: str = "scripted"
    publishable_key: str | None = None
    payments: dict[str, ProviderPayment] = field(default_factory=dict)
    refunds: dict[str, ProviderRefund] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fail: Callable[[str], None] = lambda _: None
    lose: Callable[[str], None] = lambda _: None
    captures_at_once: bool = False
    refunds_pending: bool = False
    _by_key: dict[str, str] = field(default_factory=dict)

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        self.fail(call)

    async def create(self, wish: PaymentWish) -> ProviderPayment:
        self._begin("create")
        reference = self._by_key.setdefault(wish.key, f"pay_{uuid4().hex}")
        if reference not in self.payments:
            self.payments[reference] = ProviderPayment(
                reference=reference,
                status=PaymentStatus.OPEN,
                amount_minor=wish.amount_minor,
                currency=wish.currency,
                client_secret=f"{reference}_secret",
                show_id=wish.show_id,
                order_id=wish.order_id,
                payment_intent_id=wish.payment_intent_id,
                created_at=datetime.now(UTC),
            )
        self.lose("create")
        return self.payments[reference]

    async def fetch(self, reference: str) -> ProviderPayment | None:
        self._begin("fetch")
        self.lose("fetch")
        return self.payments.get(reference)

    async def capture(self, reference: str, *, key: str) -> ProviderPayment:
        self._begin("capture")
        payment = self.payments[reference]
        if payment.status not in (PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED):
            raise ProviderRefusedError(f"it is {payment.status}")
        self._put(payment, status=PaymentStatus.CAPTURED, captured_minor=payment.amount_minor)
        self.lose("capture")
        return self.payments[reference]

    async def cancel(self, reference: str, *, key: str) -> ProviderPayment:
        self._begin("cancel")
        payment = self.payments[reference]
        if payment.status == PaymentStatus.CAPTURED:
            raise ProviderRefusedError("it is captured")
        self._put(payment, status=PaymentStatus.CANCELLED)
        self.lose("cancel")
        return self.payments[reference]

    async def refund(self, reference: str, amount_minor: int, *, key: str) -> ProviderRefund:
        self._begin("refund")
        known = self._by_key.get(key)
        if known is None:
            payment = self.payments[reference]
            if payment.refunded_minor + amount_minor > payment.captured_minor:
                raise ProviderRefusedError("more than was captured")
            known = self._by_key[key] = f"re_{uuid4().hex}"
            status = RefundStatus.PENDING if self.refunds_pending else RefundStatus.SUCCEEDED
            self.refunds[known] = ProviderRefund(known, status, amount_minor, payment.currency)
            self._put(payment, refunded_minor=payment.refunded_minor + amount_minor)
        self.lose("refund")
        return self.refunds[known]

    async def fetch_refund(self, reference: str) -> ProviderRefund | None:
        self._begin("fetch_refund")
        self.lose("fetch_refund")
        return self.refunds.get(reference)

    async def list_since(self, since: datetime) -> AsyncIterator[ProviderPayment]:
        for payment in list(self.payments.values()):
            yield payment

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        if headers.get("scripted-signature") != "right":
            raise WebhookRefusedError("its signature is wrong")
        event = json.loads(body)
        return ProviderEvent(event["id"], event["kind"], event, reference=event.get("reference"))

    async def close(self) -> None:
        """Nothing is open."""

    # What the buyer does at the provider.

    def authorize(self, reference: str) -> None:
        """The buyer pays with a good card."""
        payment = self.payments[reference]
        if payment.status == PaymentStatus.OPEN:
            if self.captures_at_once:
                self._put(payment, status=PaymentStatus.CAPTURED, captured_minor=payment.amount_minor)
            else:
                self._put(payment, status=PaymentStatus.AUTHORIZED)

    def decline(self, reference: str) -> None:
        """The buyer's card is declined; another one may be tried."""
        self._put(self.payments[reference], last_error="The card was declined.")

    def finish_refunds(self) -> None:
        """What was pending has reached the buyers."""
        for reference, refund in self.refunds.items():
            self.refunds[reference] = replace(refund, status=RefundStatus.SUCCEEDED)

    def fail_refunds(self, failure: str) -> None:
        """What was pending comes back from the banks. `refunded_minor` has counted it so far, as Stripe does."""
        for reference, refund in self.refunds.items():
            self.refunds[reference] = replace(refund, status=RefundStatus.FAILED, failure=failure)
        for payment in list(self.payments.values()):
            self._put(payment, refunded_minor=0)

    def _put(self, payment: ProviderPayment, **changes: object) -> None:
        self.payments[payment.reference] = replace(payment, **changes)  # type: ignore[arg-type]

    # What there is to compare.

    def kept_minor(self) -> int:
        """All money that was taken and not given back."""
        return sum(payment.captured_minor - payment.refunded_minor for payment in self.payments.values())


@dataclass
class OneProvider:
    """The same account for every organization."""

    provider: PaymentProvider

    def accounts(self) -> dict[str, PaymentProvider]:
        return {"installation": self.provider}

    def account_of(self, organization_id: UUID) -> str:
        return "installation"

    def of(self, organization_id: UUID, name: str | None = None, account: str | None = None) -> PaymentProvider:
        if name not in (None, self.provider.name):
            raise ProviderRefusedError(f"there is no provider {name}")
        return self.provider

    def parse_webhook(
        self, name: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> tuple[PaymentProvider, ProviderEvent]:
        if name != self.provider.name:
            raise LookupError(f"there is no provider {name}")
        return self.provider, self.provider.parse_webhook(headers, body, now)


def unavailable(*calls: str, times: int = 1) -> Callable[[str], None]:
    """For `fail` or `lose`: the first so many of these calls find no provider, or lose its answer."""
    left = [times]

    def script(call: str) -> None:
        if call in calls and left[0] > 0:
            left[0] -= 1
            raise ProviderUnavailableError("no answer")

    return script
