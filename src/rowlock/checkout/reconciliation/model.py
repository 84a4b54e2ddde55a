"""What a reconciliation compares, and what it finds. No input or output."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from rowlock.base.currencies import amount
from rowlock.checkout.providers.payment_provider import PaymentStatus, ProviderPayment


@dataclass(frozen=True, slots=True)
class CreditRefund:
    """A refund of a credit: for the provider it is one of the payment that an exchange took the money from."""

    reference: str
    show_id: UUID
    refund_id: UUID
    is_open: bool
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class Position:
    """A payment as it is recorded here. Amounts are minor units of `currency`, by the ledger.

    captured_minor  what came in.
    refunded_minor  what went back.
    open_refunds    refunds that are on their way: opened, and not known to be done.
    credits         refunds of what exchanges have moved from here to other orders.
    """

    show_id: UUID
    order_id: UUID
    payment_intent_id: UUID
    provider: str
    reference: str | None
    account: str | None
    status: str
    amount_minor: int
    currency: str
    order_code: str
    order_status: str
    organization_id: UUID
    captured_minor: int
    refunded_minor: int
    open_refunds: Sequence[UUID]
    credits: tuple[CreditRefund, ...] = ()

    @property
    def given_back_minor(self) -> int:
        """What the provider should have given back of this payment in all."""
        return self.refunded_minor + sum(refund.refunded_minor for refund in self.credits)


class DifferenceKind(StrEnum):
    """How provider and ledger differ."""

    UNKNOWN_HERE = "unknown_here"
    AMOUNT_DIFFERS = "amount_differs"
    AUTHORIZED_THERE = "authorized_there"
    CAPTURED_THERE = "captured_there"
    CAPTURED_HERE = "captured_here"
    REFUNDED_THERE = "refunded_there"
    REFUNDED_HERE = "refunded_here"
    MISSING_THERE = "missing_there"
    ACCOUNT_GONE = "account_gone"
    NOT_ASKED = "not_asked"


ADVICE = {
    DifferenceKind.UNKNOWN_HERE: "Look at it at the provider. Refund it there if no order belongs to it.",
    DifferenceKind.AMOUNT_DIFFERS: "Nothing was sold for it. Refund it at the provider, and let the buyer pay again.",
    DifferenceKind.AUTHORIZED_THERE: "Cancel it at the provider, so that the buyer is not charged.",
    DifferenceKind.CAPTURED_THERE: "Look at the order with `rowlock order show`, then run this again.",
    DifferenceKind.CAPTURED_HERE: "Tickets were given for money that is not there. Ask the provider what became of it.",
    DifferenceKind.REFUNDED_THERE: "Compare the refunds of the payment at the provider with `rowlock order show`.",
    DifferenceKind.REFUNDED_HERE: "The buyer may still wait for this money. Look at the refund at the provider.",
    DifferenceKind.MISSING_THERE: "Check that the keys of the account are those of the time when it was made.",
    DifferenceKind.ACCOUNT_GONE: "Give the account back its entry in payment_accounts.json, and run this again.",
    DifferenceKind.NOT_ASKED: "Run this again later. `rowlock doctor` examines the settings.",
}
"""What a person does about each."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, in words."""

    kind: DifferenceKind
    account: str
    provider: str
    what: str
    reference: str | None = None
    order_code: str | None = None
    order_id: UUID | None = None
    payment_intent_id: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kind": self.kind.value,
            "account": self.account,
            "provider": self.provider,
            "reference": self.reference,
            "order_code": self.order_code,
            "order_id": self.order_id,
            "payment_intent_id": self.payment_intent_id,
            "what": self.what,
            "advice": ADVICE[self.kind],
        }


@dataclass(slots=True)
class AccountReport:
    """What was found at one account.

    compared  payments that both have.
    foreign   payments at the provider that Rowlock has not made.
    disputes  chargebacks that were found and written down.
    note      why nothing was compared; empty when it was.
    totals    captured and refunded at the provider, by currency.
    """

    account: str
    provider: str
    compared: int = 0
    foreign: int = 0
    disputes: int = 0
    note: str = ""
    totals: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, told: ProviderPayment) -> None:
        """Count a payment that both have."""
        self.compared += 1
        captured, refunded = self.totals.get(told.currency, (0, 0))
        self.totals[told.currency] = (captured + told.captured_minor, refunded + told.refunded_minor)


@dataclass(slots=True)
class ReconciliationReport:
    """What a reconciliation found: `resolved` was set right by itself, `left` is for a person to decide."""

    since: datetime
    accounts: list[AccountReport] = field(default_factory=list)
    resolved: list[Difference] = field(default_factory=list)
    left: list[Difference] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether providers and ledger agree, now at the end."""
        return not self.left

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ok": self.is_clean,
            "since": self.since,
            "accounts": [
                {
                    "account": one.account,
                    "provider": one.provider,
                    "payments_compared": one.compared,
                    "payments_not_ours": one.foreign,
                    "disputes": one.disputes,
                    "note": one.note,
                    "totals": [
                        {"currency": currency, "captured_minor": captured, "refunded_minor": refunded}
                        for currency, (captured, refunded) in sorted(one.totals.items())
                    ],
                }
                for one in self.accounts
            ],
            "resolved": [one.as_json() for one in self.resolved],
            "left": [one.as_json() for one in self.left],
        }

    def as_text(self) -> str:
        """For people."""
        lines: list[str] = []
        for one in self.accounts:
            lines.append(f"{one.account}, {one.provider}: {one.note or _counted(one)}")
            lines += [
                f"  captured {amount(captured, currency)}, refunded {amount(refunded, currency)}"
                for currency, (captured, refunded) in sorted(one.totals.items())
            ]
        for title, found in (("Set right:", self.resolved), ("For you to decide:", self.left)):
            if found:
                lines += ["", title]
            for difference in found:
                lines.append(f"  {difference.what}")
                if found is self.left:
                    lines.append(f"    → {ADVICE[difference.kind]}")
        lines.append("")
        since = f"since {self.since:%Y-%m-%d %H:%M %Z}"
        if self.is_clean:
            lines.append(f"Everything {since} agrees to the cent.")
        else:
            lines.append(f"{len(self.left)} left {since}. docs/runbooks/money-differs.md says what to do.")
        return "\n".join(lines)


def _counted(one: AccountReport) -> str:
    foreign = f", {one.foreign} not made by Rowlock" if one.foreign else ""
    disputes = f", {one.disputes} disputed" if one.disputes else ""
    return f"{one.compared} payments compared{foreign}{disputes}"


def compare(told: ProviderPayment | None, position: Position, account: str) -> list[Difference]:
    """How a payment differs at the provider (None: it has none) from what is recorded here."""
    name = f"Payment {position.reference} of order {position.order_code}"

    def differs(kind: DifferenceKind, what: str) -> Difference:
        return Difference(
            kind, account, position.provider, f"{name} {what}", position.reference, position.order_code,
            position.order_id, position.payment_intent_id,
        )  # fmt: skip

    if told is None:
        return [differs(DifferenceKind.MISSING_THERE, "is not known to the provider.")]

    def money(minor: int) -> str:
        return amount(minor, position.currency)

    if (told.amount_minor, told.currency) != (position.amount_minor, position.currency):
        asked = amount(told.amount_minor, told.currency)
        what = f"is over {asked} at the provider, and over {money(position.amount_minor)} here."
        # One that never took money, and never can, costs neither side anything.
        if told.captured_minor or position.captured_minor or told.status is PaymentStatus.AUTHORIZED:
            return [differs(DifferenceKind.AMOUNT_DIFFERS, what)]
        return []
    found = []
    if told.status is PaymentStatus.AUTHORIZED and position.status in ("cancelled", "failed", "captured"):
        what = f"reserves {money(told.amount_minor)} at the provider, and is {position.status} here."
        found.append(differs(DifferenceKind.AUTHORIZED_THERE, what))
    there, here = told.captured_minor, position.captured_minor
    if there != here:
        kind = DifferenceKind.CAPTURED_HERE if there < here else DifferenceKind.CAPTURED_THERE
        found.append(differs(kind, f"has {money(there)} captured at the provider, and {money(here)} here."))
    there, here = told.refunded_minor, position.given_back_minor
    if there != here:
        kind = DifferenceKind.REFUNDED_HERE if there < here else DifferenceKind.REFUNDED_THERE
        found.append(differs(kind, f"has {money(there)} refunded at the provider, and {money(here)} here."))
    return found


def unknown(told: ProviderPayment, account: str, provider: str) -> Difference:
    """A payment that names an order of ours and is not recorded here."""
    what = (
        f"Payment {told.reference} over {amount(told.amount_minor, told.currency)}, made {told.created_at}, is "
        f"{told.status.value} at the provider for order {told.order_id}, and not known here."
    )
    kind = DifferenceKind.UNKNOWN_HERE
    return Difference(kind, account, provider, what, told.reference, None, told.order_id, told.payment_intent_id)
