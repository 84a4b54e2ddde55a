"""The objects of the Stripe simulator, and the rules of Stripe's API about them. No HTTP.

What is modelled is what Rowlock uses: PaymentIntents with both capture methods, their charges, refunds, disputes and
events. Errors have the types, codes and statuses that the API reference gives.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

# Test payment methods. Those of Stripe's documentation have their names and behaviour.
GOOD_CARD = "pm_card_visa"
DECLINED_CARD = "pm_card_chargeDeclined"
CARD_WITH_3DS = "pm_card_authenticationRequired"
BANK_TRANSFER = "pm_bank_transfer"
"""Cannot be captured later, and takes its time: processing, until `settle`."""
IDEAL = "pm_ideal"
"""Cannot be captured later, and succeeds at once."""
CAPTURED_AT_ONCE = {BANK_TRANSFER, IDEAL}


class StripeError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, kind: str, message: str, code: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"error": {"type": kind, "message": message, "code": code, **more}}


def invalid(message: str, code: str | None = None, status: int = 400) -> StripeError:
    return StripeError(status, "invalid_request_error", message, code)


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass
class StripeAccount:
    """Everything of one account. `now` can be moved."""

    account: str | None = None
    livemode: bool = False
    now: Callable[[], float] = time.time
    intents: dict[str, Json] = field(default_factory=dict)
    charges: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    disputes: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    refunds_pending: bool = False

    def create_intent(self, params: Json) -> Json:
        amount = _positive(params.get("amount"), "amount")
        currency = params.get("currency")
        if not isinstance(currency, str) or len(currency) != 3 or currency != currency.lower():
            raise invalid("Invalid currency: it has to be a lower-case code of three letters")
        _check_amount(amount, currency)
        capture_method = params.get("capture_method", "automatic_async")
        if capture_method not in ("automatic", "automatic_async", "manual"):
            raise invalid("Invalid capture_method")
        id_ = new_id("pi")
        intent = {
            "id": id_,
            "object": "payment_intent",
            "amount": amount,
            "amount_received": 0,
            "amount_capturable": 0,
            "currency": currency,
            "capture_method": capture_method,
            "payment_method_options": params.get("payment_method_options", {}),
            "client_secret": f"{id_}_secret_{secrets.token_hex(8)}",
            "created": int(self.now()),
            "description": params.get("description"),
            "livemode": self.livemode,
            "metadata": dict(params.get("metadata", {})),
            "status": "requires_payment_method",
            "last_payment_error": None,
            "latest_charge": None,
            "payment_method": None,
        }
        self.intents[id_] = intent
        self.tell("payment_intent.created", intent)
        return intent

    def intent(self, id_: str) -> Json:
        try:
            return self.intents[id_]
        except KeyError:
            raise invalid(f"No such payment_intent: '{id_}'", "resource_missing", 404) from None

    def confirm(self, id_: str, method: str) -> Json:
        """What the buyer does on the page."""
        intent = self.intent(id_)
        if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
            raise self._unexpected(intent, "confirm")
        if method in CAPTURED_AT_ONCE and intent["capture_method"] == "manual":
            raise invalid("This payment method does not support manual capture", "payment_method_not_available")
        intent["payment_method"] = method
        if method == DECLINED_CARD:
            error = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
            intent.update(status="requires_payment_method", last_payment_error=error, payment_method=None)
            self.tell("payment_intent.payment_failed", intent)
            raise StripeError(402, "card_error", "Your card was declined.", "card_declined", payment_intent=intent)
        if method == CARD_WITH_3DS and intent["status"] != "requires_action":
            intent.update(status="requires_action", last_payment_error=None)
            self.tell("payment_intent.requires_action", intent)
            return intent
        if method == BANK_TRANSFER:
            intent.update(status="processing", last_payment_error=None)
            self.tell("payment_intent.processing", intent)
            return intent
        return self._authorized(intent, method)

    def settle(self, id_: str) -> Json:
        """A payment that was processing succeeds."""
        intent = self.intent(id_)
        assert intent["status"] == "processing"
        return self._authorized(intent, intent["payment_method"])

    def _authorized(self, intent: Json, method: str) -> Json:
        charge = {
            "id": new_id("ch"),
            "object": "charge",
            "amount": intent["amount"],
            "amount_refunded": 0,
            "currency": intent["currency"],
            "payment_intent": intent["id"],
            "metadata": dict(intent["metadata"]),
            "captured": False,
            "created": int(self.now()),
        }
        self.charges[charge["id"]] = charge
        intent.update(latest_charge=charge["id"], last_payment_error=None)
        kind = "card" if method.startswith("pm_card") else method.removeprefix("pm_")
        own = intent["payment_method_options"].get(kind, {}).get("capture_method")
        if method in CAPTURED_AT_ONCE or (own or intent["capture_method"]) != "manual":
            return self._captured(intent)
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        self.tell("payment_intent.amount_capturable_updated", intent)
        return intent

    def _captured(self, intent: Json) -> Json:
        charge = self.charges[intent["latest_charge"]]
        charge["captured"] = True
        intent.update(status="succeeded", amount_received=intent["amount"], amount_capturable=0)
        self.tell("charge.captured", charge)
        self.tell("payment_intent.succeeded", intent)
        return intent

    def capture(self, id_: str) -> Json:
        intent = self.intent(id_)
        if intent["status"] != "requires_capture":
            raise self._unexpected(intent, "capture")
        return self._captured(intent)

    def cancel(self, id_: str) -> Json:
        intent = self.intent(id_)
        open_statuses = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
        if intent["status"] not in open_statuses:
            raise self._unexpected(intent, "cancel")
        intent.update(status="canceled", amount_capturable=0)
        self.tell("payment_intent.canceled", intent)
        return intent

    def refund(self, params: Json) -> Json:
        intent = self.intent(str(params.get("payment_intent")))
        if intent["status"] != "succeeded":
            raise invalid(
                "This PaymentIntent does not have a successful charge to refund.", "payment_intent_unexpected_state"
            )
        charge = self.charges[intent["latest_charge"]]
        left = charge["amount"] - charge["amount_refunded"]
        amount = left if params.get("amount") is None else _positive(params["amount"], "amount")
        if left == 0:
            raise invalid("Charge has already been refunded.", "charge_already_refunded")
        if amount > left:
            raise invalid(f"Refund amount is greater than unrefunded amount on charge ({left})", "amount_too_large")
        _check_amount(amount, charge["currency"])
        refund = {
            "id": new_id("re"),
            "object": "refund",
            "amount": amount,
            "currency": charge["currency"],
            "charge": charge["id"],
            "payment_intent": intent["id"],
            "metadata": dict(params.get("metadata", {})),
            "status": "pending" if self.refunds_pending else "succeeded",
            "created": int(self.now()),
        }
        charge["amount_refunded"] += amount
        self.refunds[refund["id"]] = refund
        self.tell("refund.created", refund)
        self.tell("charge.refunded", charge)
        return refund

    def finish_refund(self, id_: str) -> Json:
        """A refund that was pending has reached the buyer."""
        refund = self.refunds[id_]
        refund.update(status="succeeded")
        self.tell("refund.updated", refund)
        return refund

    def fail_refund(self, id_: str) -> Json:
        """A refund that was pending, or seemed to succeed, fails later: the money comes back to the seller."""
        refund = self.refunds[id_]
        refund.update(status="failed", failure_reason="lost_or_stolen_card")
        self.charges[refund["charge"]]["amount_refunded"] -= refund["amount"]
        self.tell("refund.failed", refund)
        return refund

    def dispute(self, intent_id: str, reason: str = "fraudulent") -> Json:
        """The buyer's bank takes the money back."""
        intent = self.intent(intent_id)
        dispute = {
            "id": new_id("dp"),
            "object": "dispute",
            "amount": intent["amount"],
            "currency": intent["currency"],
            "charge": intent["latest_charge"],
            "payment_intent": intent_id,
            "reason": reason,
            "status": "needs_response",
            "created": int(self.now()),
            "evidence_details": {"due_by": int(self.now()) + 7 * 86400},
            "balance_transactions": [{"amount": -intent["amount"], "fee": 1500, "currency": intent["currency"]}],
        }
        self.disputes[dispute["id"]] = dispute
        self.tell("charge.dispute.created", dispute)
        return dispute

    def end_dispute(self, id_: str, status: str) -> Json:
        """The bank decides: `won` gives the money back, `lost` does not."""
        dispute = self.disputes[id_]
        dispute["status"] = status
        if status == "won":
            returned = {"amount": dispute["amount"], "fee": 0, "currency": dispute["currency"]}
            dispute["balance_transactions"] = [*dispute["balance_transactions"], returned]
            self.tell("charge.dispute.funds_reinstated", dispute)
        self.tell("charge.dispute.closed", dispute)
        return dispute

    def tell(self, kind: str, subject: Json) -> None:
        event = {
            "id": new_id("evt"),
            "object": "event",
            "type": kind,
            "created": int(self.now()),
            "livemode": self.livemode,
            "data": {"object": dict(subject)},
        }
        if self.account is not None:
            event["account"] = self.account
        self.events.append(event)

    @staticmethod
    def _unexpected(intent: Json, what: str) -> StripeError:
        message = f"You cannot {what} this PaymentIntent because it has a status of {intent['status']}."
        return StripeError(
            400, "invalid_request_error", message, "payment_intent_unexpected_state", payment_intent=intent
        )


def _positive(value: Any, name: str) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise invalid(f"Invalid integer: {value}") from None
    if number <= 0:
        raise invalid(f"Invalid {name}: it has to be positive")
    return number


def _check_amount(amount: int, currency: str) -> None:
    if currency in ("bhd", "jod", "kwd", "omr", "tnd") and amount % 10:
        raise invalid(f"Invalid amount: the last digit of amounts in {currency} has to be 0")
    if currency in ("isk", "ugx") and amount % 100:
        raise invalid("Invalid amount", "invalid_charge_amount_no_decimal_compatible")
