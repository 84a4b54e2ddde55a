"""Payments that a provider keeps with us, and what may become of them. No input or output."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from rowlock.checkout.providers.payment_provider import (
    DisputeStatus,
    PaymentStatus,
    ProviderDispute,
    ProviderPayment,
    ProviderRefund,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefundStatus,
)

THREE_D_SECURE = "three_d_secure"
DELAY_SECONDS = 5.0
LATE_SECONDS = 15 * 60.0
"""Longer than a hold lasts without extensions, which is ten minutes unless the show says otherwise."""
REPEATED_DELIVERIES = 3


class CardOutcome(StrEnum):
    """What the buyer's bank does: each is a test card of the sandbox's page."""

    SUCCEED = "succeed"
    DECLINE = "decline"
    THREE_D_SECURE = "three_d_secure"
    """The bank asks the buyer to confirm first."""
    DELAY = "delay"
    """The bank takes a few seconds."""
    LATE = "late"
    """The bank takes longer than the seats are held."""
    LOST_WEBHOOK = "lost_webhook"
    """It succeeds, and none of the payment's webhooks arrives."""
    REPEATED_WEBHOOK = "repeated_webhook"
    """It succeeds, and each of the payment's webhooks arrives three times."""
    REFUND_FAILS = "refund_fails"
    """It succeeds, and what is given back later does not arrive."""


@dataclass(frozen=True, slots=True)
class KeptPayment:
    """A payment of the sandbox or of the manual provider. Fields that only one of them has keep their defaults.

    settles_at   when it becomes authorized by itself, while it is being processed.
    deliveries   how often each of its webhooks is delivered.
    received_by  who said that the money is there.
    now          the database's clock when it was read; after the lock, if it was locked.
    """

    reference: str
    account: str
    show_id: UUID
    order_id: UUID
    payment_intent_id: UUID
    amount_minor: int
    currency: str
    description: str
    status: str
    captured_minor: int
    refunded_minor: int
    created_at: datetime
    now: datetime
    return_url: str | None = None
    step: str | None = None
    settles_at: datetime | None = None
    deliveries: int = 1
    refunds_fail: bool = False
    last_error: str | None = None
    events: int = 0
    received_by: str | None = None

    def told(self, page_url: str | None = None) -> ProviderPayment:
        """The payment as the protocol has it; a page only while there is something to do on it."""
        return ProviderPayment(
            reference=self.reference,
            status=PaymentStatus(self.status),
            amount_minor=self.amount_minor,
            currency=self.currency,
            captured_minor=self.captured_minor,
            refunded_minor=self.refunded_minor,
            page_url=page_url if self.status == PaymentStatus.OPEN else None,
            last_error=self.last_error,
            show_id=self.show_id,
            order_id=self.order_id,
            payment_intent_id=self.payment_intent_id,
            created_at=self.created_at,
        )


@dataclass(frozen=True, slots=True)
class KeptRefund:
    """A refund of the sandbox or of the manual provider."""

    reference: str
    payment_reference: str
    amount_minor: int
    currency: str
    status: str
    failure: str | None = None

    def told(self) -> ProviderRefund:
        """The refund as the protocol has it."""
        return ProviderRefund(self.reference, RefundStatus(self.status), self.amount_minor, self.currency, self.failure)


DISPUTE_FEE_MINOR = 1500
"""What the sandbox asks for a dispute, in minor units of any currency. It is not given back."""


@dataclass(frozen=True, slots=True)
class KeptDispute:
    """A chargeback of the sandbox. While it is opened, and once it is lost, its money is off the account."""

    reference: str
    payment_reference: str
    amount_minor: int
    fee_minor: int
    currency: str
    status: str
    reason: str
    respond_until: datetime

    def told(self) -> ProviderDispute:
        """The dispute as the protocol has it."""
        outcome = DisputeStatus(self.status)
        return ProviderDispute(
            reference=self.reference,
            status=self.status,
            amount_minor=self.amount_minor,
            currency=self.currency,
            reason=self.reason,
            outcome=outcome,
            payment=self.payment_reference,
            withdrawn_minor=0 if outcome is DisputeStatus.WON else self.amount_minor,
            fee_minor=self.fee_minor,
            respond_until=self.respond_until,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a payment, and the kinds of the events that tell of it.

    dispute  the reference of the dispute that the events are about.
    """

    payment: KeptPayment
    kinds: tuple[str, ...] = ()
    dispute: str | None = None


Decide = Callable[[KeptPayment], Change]
"""Decides on a payment that is locked. Raises ProviderError when it may not be."""


class PaymentNotOpenError(ProviderRefusedError):
    """A card was given for a payment that is not waiting for one."""


def settle(payment: KeptPayment) -> Change:
    """A payment that is being processed becomes authorized when its time has come."""
    if payment.settles_at is None or payment.settles_at > payment.now:
        return Change(payment)
    return Change(replace(payment, status=PaymentStatus.AUTHORIZED, settles_at=None), ("payment.authorized",))


def authorize(payment: KeptPayment, outcome: CardOutcome, after_seconds: float | None = None) -> Change:
    """What the bank says to a card. What it has said before stays; raises PaymentNotOpenError where it contradicts."""
    if payment.status in (PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED) and outcome is not CardOutcome.DECLINE:
        return Change(payment)
    if payment.status != PaymentStatus.OPEN:
        raise PaymentNotOpenError(f"the payment is {payment.status}, and takes no card now", "not_open")
    fresh = replace(payment, last_error=None, step=None)
    if outcome is CardOutcome.DECLINE:
        error = "The bank declined this card. Nothing was charged."
        return Change(replace(fresh, last_error=error), ("payment.declined",))
    if outcome is CardOutcome.THREE_D_SECURE:
        return Change(replace(fresh, step=THREE_D_SECURE))
    if outcome in (CardOutcome.DELAY, CardOutcome.LATE):
        usual = DELAY_SECONDS if outcome is CardOutcome.DELAY else LATE_SECONDS
        settles_at = payment.now + timedelta(seconds=usual if after_seconds is None else after_seconds)
        processing = replace(fresh, status=PaymentStatus.PROCESSING, settles_at=settles_at)
        return Change(processing, ("payment.processing",))
    deliveries = {CardOutcome.LOST_WEBHOOK: 0, CardOutcome.REPEATED_WEBHOOK: REPEATED_DELIVERIES}.get(outcome, 1)
    refunds_fail = outcome is CardOutcome.REFUND_FAILS
    authorized = replace(fresh, status=PaymentStatus.AUTHORIZED, deliveries=deliveries, refunds_fail=refunds_fail)
    return Change(authorized, ("payment.authorized",))


def capture(payment: KeptPayment) -> Change:
    """Take the money of an authorized payment. A captured one stays as it is."""
    if payment.status == PaymentStatus.CAPTURED:
        return Change(payment)
    if payment.status != PaymentStatus.AUTHORIZED:
        raise ProviderRefusedError(f"the payment is {payment.status}, so there is nothing to capture", "not_authorized")
    captured = replace(payment, status=PaymentStatus.CAPTURED, captured_minor=payment.amount_minor)
    return Change(captured, ("payment.captured",))


def cancel(payment: KeptPayment) -> Change:
    """Let go of a payment that is open or authorized. While the bank decides, it has to be asked again."""
    if payment.status == PaymentStatus.CANCELLED:
        return Change(payment)
    if payment.status == PaymentStatus.CAPTURED:
        raise ProviderRefusedError("the payment was captured: refund it", "captured")
    if payment.status == PaymentStatus.PROCESSING:
        seconds = max(1.0, (payment.settles_at - payment.now).total_seconds()) if payment.settles_at else 1.0
        raise ProviderUnavailableError("the bank has not decided yet", min(seconds, 60.0))
    return Change(replace(payment, status=PaymentStatus.CANCELLED, step=None), ("payment.cancelled",))


def receive(payment: KeptPayment, by: str) -> Change:
    """Staff say that the money is there."""
    if payment.status == PaymentStatus.CAPTURED:
        return Change(payment)
    if payment.status != PaymentStatus.OPEN:
        raise ProviderRefusedError(f"the payment is {payment.status}, and cannot be marked paid", "not_open")
    return Change(replace(payment, status=PaymentStatus.CAPTURED, captured_minor=payment.amount_minor, received_by=by))


def give_back(
    payment: KeptPayment, amount_minor: int, *, disputed_minor: int = 0
) -> tuple[Change, RefundStatus, str | None]:
    """Refund part of a captured payment: the payment after it, the refund's status, and why it failed.

    disputed_minor  what banks have taken back of it.
    """
    if payment.status != PaymentStatus.CAPTURED:
        raise ProviderRefusedError(f"the payment is {payment.status}, so there is nothing to refund", "not_captured")
    left = payment.captured_minor - payment.refunded_minor
    if not 0 < amount_minor <= left:
        raise ProviderRefusedError(f"{amount_minor} of {left} {payment.currency} minor cannot be refunded", "amount")
    if amount_minor > left - disputed_minor:
        raise ProviderRefusedError("the buyer's bank has taken the money back", "charge_disputed")
    if payment.refunds_fail:
        return Change(payment, ("refund.failed",)), RefundStatus.FAILED, "The bank did not take the money back."
    refunded = replace(payment, refunded_minor=payment.refunded_minor + amount_minor)
    return Change(refunded, ("refund.succeeded",)), RefundStatus.SUCCEEDED, None


def event_body(event_id: str, kind: str, payment: KeptPayment, dispute: str | None = None) -> str:
    """A webhook of the sandbox, as it is sent and signed."""
    content = {
        "id": event_id,
        "kind": kind,
        "account": payment.account,
        "created_at": payment.now.isoformat(),
        "payment": {
            "reference": payment.reference,
            "status": payment.status,
            "amount_minor": payment.amount_minor,
            "captured_minor": payment.captured_minor,
            "refunded_minor": payment.refunded_minor,
            "currency": payment.currency,
            "show_id": str(payment.show_id),
            "order_id": str(payment.order_id),
            "payment_intent_id": str(payment.payment_intent_id),
        },
        "dispute": dispute,
    }
    return json.dumps(content, separators=(",", ":"))
