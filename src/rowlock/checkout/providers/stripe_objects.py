"""What objects of Stripe's API mean in the words of the protocol: plain dictionaries here, and nothing is asked."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from rowlock.checkout.providers.payment_provider import (
    DisputeStatus,
    PaymentStatus,
    PaymentWish,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    ProviderUnavailableError,
    RefundStatus,
    WebhookRefusedError,
)
from rowlock.checkout.providers.stripe_amounts import from_stripe, to_stripe

Json = Mapping[str, Any]

_STATUSES = {
    "requires_payment_method": PaymentStatus.OPEN,
    "requires_confirmation": PaymentStatus.OPEN,
    "requires_action": PaymentStatus.OPEN,
    "processing": PaymentStatus.PROCESSING,
    "requires_capture": PaymentStatus.AUTHORIZED,
    "succeeded": PaymentStatus.CAPTURED,
    "canceled": PaymentStatus.CANCELLED,
}
_REFUND_STATUSES = {
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
_ENDED = (PaymentStatus.CAPTURED, PaymentStatus.CANCELLED)
_MOST_DESCRIPTION = 1000

# Methods that can be captured later: those for which Stripe's API has a capture method of their own.
CAPTURED_LATER = (
    "affirm",
    "afterpay_clearpay",
    "alma",
    "amazon_pay",
    "billie",
    "card",
    "cashapp",
    "kakao_pay",
    "klarna",
    "kr_card",
    "link",
    "mobilepay",
    "naver_pay",
    "payco",
    "paypal",
    "revolut_pay",
    "samsung_pay",
    "satispay",
)


def wish_as_params(wish: PaymentWish, *, mixed: bool) -> dict[str, Any]:
    """What a PaymentIntent is made with.

    mixed  also offer methods that cannot be captured later. These are charged at once.
    """
    params: dict[str, Any] = {
        "amount": to_stripe(wish.amount_minor, wish.currency),
        "currency": wish.currency.lower(),
        "capture_method": "automatic_async" if mixed else "manual",
        "automatic_payment_methods": {"enabled": True},
        "description": wish.description[:_MOST_DESCRIPTION],
        "metadata": {
            "show_id": str(wish.show_id),
            "order_id": str(wish.order_id),
            "payment_intent_id": str(wish.payment_intent_id),
        },
    }
    if mixed:
        params["payment_method_options"] = {method: {"capture_method": "manual"} for method in CAPTURED_LATER}
    return params


def payment_of(intent: Json) -> ProviderPayment:
    """A PaymentIntent, whose latest charge is part of it (`expand`)."""
    status = _STATUSES.get(str(intent["status"]))
    if status is None:
        raise ProviderUnavailableError(f"Stripe has a status that is not known here: {intent['status']}")
    currency = str(intent["currency"]).upper()
    metadata = _dict(intent.get("metadata"))
    charge = _dict(intent.get("latest_charge"))
    error = _dict(intent.get("last_payment_error"))
    received = int(intent.get("amount_received") or 0)
    return ProviderPayment(
        reference=str(intent["id"]),
        status=status,
        amount_minor=from_stripe(int(intent["amount"]), currency),
        currency=currency,
        captured_minor=from_stripe(received, currency),
        refunded_minor=from_stripe(int(charge.get("amount_refunded") or 0), currency) if received else 0,
        client_secret=None if status in _ENDED else intent.get("client_secret"),
        last_error=_error(error) if status is PaymentStatus.OPEN else None,
        show_id=_uuid(metadata.get("show_id")),
        order_id=_uuid(metadata.get("order_id")),
        payment_intent_id=_uuid(metadata.get("payment_intent_id")),
        created_at=datetime.fromtimestamp(int(intent["created"]), UTC),
    )


def refund_of(refund: Json) -> ProviderRefund:
    """A refund. One that waits for somebody, or has a status that is not known here, is pending."""
    currency = str(refund["currency"]).upper()
    return ProviderRefund(
        reference=str(refund["id"]),
        status=_REFUND_STATUSES.get(str(refund.get("status")), RefundStatus.PENDING),
        amount_minor=from_stripe(int(refund["amount"]), currency),
        currency=currency,
        failure=refund.get("failure_reason"),
    )


def event_of(event: Json) -> ProviderEvent:
    """An event whose signature is right. Raises WebhookRefusedError when it is none."""
    try:
        found = event["data"]["object"]
        kind = str(found.get("object"))
        reference = found["id"] if kind == "payment_intent" else found.get("payment_intent")
        metadata = _dict(found.get("metadata"))
        return ProviderEvent(
            event_id=str(event["id"]),
            kind=str(event["type"]),
            payload=event,
            reference=reference if isinstance(reference, str) else None,
            show_id=_uuid(metadata.get("show_id")),
            payment_intent_id=_uuid(metadata.get("payment_intent_id")),
            dispute=dispute_of(found) if kind == "dispute" else None,
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise WebhookRefusedError("the webhook is no event of Stripe") from error


def made_at(payment_intent_id: UUID) -> datetime:
    """When an id of ours was minted: its first 48 bits are milliseconds."""
    return datetime.fromtimestamp((payment_intent_id.int >> 80) / 1000, UTC)


_DISPUTE_OUTCOMES = {"lost": DisputeStatus.LOST, "won": DisputeStatus.WON, "warning_closed": DisputeStatus.WON}


def dispute_of(found: Json) -> ProviderDispute:
    """A dispute. What it took from the account, and gave back, are its balance transactions; an inquiry has none."""
    currency = str(found["currency"]).upper()
    outcome = _DISPUTE_OUTCOMES.get(str(found["status"]), DisputeStatus.OPENED)
    moved = [_dict(one) for one in found.get("balance_transactions") or ()]
    due_by = _dict(found.get("evidence_details")).get("due_by")
    payment = found.get("payment_intent")
    # The account may be in another currency than the payment. Then amounts of its balance are not those of the payment.
    is_same = all(str(one.get("currency", "")).upper() == currency for one in moved)
    net = -sum(int(one.get("amount") or 0) for one in moved) if is_same else 0
    if not is_same:
        net = 0 if outcome is DisputeStatus.WON else int(found["amount"])
    return ProviderDispute(
        reference=str(found["id"]),
        status=str(found["status"]),
        amount_minor=from_stripe(int(found["amount"]), currency),
        currency=currency,
        reason=str(found.get("reason") or ""),
        outcome=outcome,
        payment=payment if isinstance(payment, str) else None,
        withdrawn_minor=from_stripe(max(net, 0), currency),
        fee_minor=from_stripe(sum(int(one.get("fee") or 0) for one in moved), currency) if is_same else 0,
        respond_until=datetime.fromtimestamp(int(due_by), UTC) if due_by else None,
    )


def _error(error: Json) -> str | None:
    """Stripe writes the messages of card errors for buyers, and those of others for developers."""
    if not error:
        return None
    is_for_buyers = error.get("type") in ("card_error", None) and error.get("message")
    return str(error["message"]) if is_for_buyers else "The payment did not succeed. Nothing was charged."


def _dict(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
