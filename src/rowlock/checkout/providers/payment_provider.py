"""What a payment provider has to do for Rowlock. Others are added as packages with an entry point.

Money moves in the order create, authorize (by the buyer, at the provider), capture. Every call that changes something
has a key that is derived from a row of ours: sent again with the same key, it does nothing twice. A call that fails
raises ProviderUnavailableError when the same call may be sent again, and ProviderRefusedError when it would only be
refused again. No database transaction is open during a call.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable
from uuid import UUID


class PaymentStatus(StrEnum):
    """What has become of a payment at its provider."""

    OPEN = "open"
    """The buyer has still to do something: enter a card, pass a 3-D-Secure step."""
    PROCESSING = "processing"
    """The buyer is done, and the provider is not."""
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """It cannot be paid any more. A declined card is not the end: the payment stays open."""


@dataclass(frozen=True, slots=True)
class PaymentWish:
    """A payment to be made. Amounts are minor units of `currency`.

    key          of this call, derived from `payment_intent_id`.
    description  for the buyer's statement and the seller's books, such as "Swan Lake, order K7M2".
    return_url   where the buyer comes back to from a page of the provider.
    """

    key: str
    show_id: UUID
    order_id: UUID
    payment_intent_id: UUID
    amount_minor: int
    currency: str
    description: str
    customer_email: str
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderPayment:
    """A payment as the provider has it now.

    reference       the provider's id of it.
    client_secret   with which the buyer's page acts on it at the provider; None when it no longer can.
    page_url        where the buyer pays, when the provider has a page of its own.
    last_error      why the last attempt failed, for the buyer; None when none did.
    show_id, order_id, payment_intent_id
                    what was given when it was made, so that a webhook finds its show; None when it is not ours.
    """

    reference: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    captured_minor: int = 0
    refunded_minor: int = 0
    client_secret: str | None = field(default=None, repr=False)
    page_url: str | None = None
    last_error: str | None = None
    show_id: UUID | None = None
    order_id: UUID | None = None
    payment_intent_id: UUID | None = None
    created_at: datetime | None = None


class RefundStatus(StrEnum):
    """What has become of a refund at its provider."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund as the provider has it now."""

    reference: str
    status: RefundStatus
    amount_minor: int
    currency: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A webhook whose signature is right. It is a hint: what it is about is fetched before anything is done.

    kind       as the provider calls it, such as payment_intent.succeeded.
    reference  the payment that it is about; None for events about something else.
    dispute    for a chargeback: what the provider says of it.
    dispute_reference  its id at the provider; needed only where `dispute` is not given.
    """

    event_id: str
    kind: str
    payload: Mapping[str, object]
    reference: str | None = None
    show_id: UUID | None = None
    payment_intent_id: UUID | None = None
    dispute: "ProviderDispute | None" = None
    dispute_reference: str | None = None


class DisputeStatus(StrEnum):
    """What has become of a chargeback."""

    OPENED = "opened"
    WON = "won"
    """The money is the seller's again, or was never taken."""
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class ProviderDispute:
    """A chargeback: the buyer's bank takes money back. Amounts are minor units of `currency`.

    status           as the provider calls it.
    outcome          what has become of it: what the provider's word means.
    payment          the reference of the payment.
    withdrawn_minor  what is off the account for it now: 0 for an inquiry, and once the money is back.
    fee_minor        what the provider asks for the dispute itself, so far.
    respond_until       until when the seller may answer the bank.
    """

    reference: str
    status: str
    amount_minor: int
    currency: str
    reason: str
    outcome: DisputeStatus = DisputeStatus.OPENED
    payment: str | None = None
    withdrawn_minor: int = 0
    fee_minor: int = 0
    respond_until: datetime | None = None


class ProviderError(Exception):
    """A call to a provider failed. The message is for the operator's log."""


class ProviderUnavailableError(ProviderError):
    """There was no answer, or one that says: later. The call may or may not have been carried out; send it again.

    retry_after_seconds  as the provider said; None when it did not.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ProviderRefusedError(ProviderError):
    """The provider will not do it, however often it is asked. `code` is the provider's."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class WebhookRefusedError(Exception):
    """A webhook is not from the provider, too old, or no event. The message says which."""


class PaymentProvider(Protocol):
    """One account at one provider."""

    name: str
    """As in payment_intents.provider, such as "stripe"."""
    publishable_key: str | None
    """What the buyer's page needs to talk to the provider; None when it needs nothing."""

    async def create(self, wish: PaymentWish) -> ProviderPayment:
        """Make a payment that the buyer can authorize. The same key again gets the same payment."""
        ...

    async def fetch(self, reference: str) -> ProviderPayment | None:
        """A payment as it is now, or None when there is none of this reference."""
        ...

    async def capture(self, reference: str, *, key: str) -> ProviderPayment:
        """Take the money of an authorized payment. A captured one stays as it is."""
        ...

    async def cancel(self, reference: str, *, key: str) -> ProviderPayment:
        """Let go of an open or authorized payment, so that the buyer is not charged. A cancelled one stays as it is.

        Raises ProviderRefusedError when it was captured: refund it.
        """
        ...

    async def refund(self, reference: str, amount_minor: int, *, key: str) -> ProviderRefund:
        """Give back part of a captured payment. The same key again gets the same refund."""
        ...

    async def fetch_refund(self, reference: str) -> ProviderRefund | None:
        """A refund as it is now, or None when there is none of this reference."""
        ...

    def list_since(self, since: datetime) -> AsyncIterator[ProviderPayment]:
        """Every payment of the account that was made since then, in any order."""
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """The event of a webhook. `headers` have lower-case names. Raises WebhookRefusedError."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@runtime_checkable
class TellsDisputes(Protocol):
    """A provider that tells of chargebacks. One that cannot need not have these."""

    async def fetch_dispute(self, reference: str) -> ProviderDispute | None:
        """A dispute as it is now, or None when there is none of this reference."""
        ...

    def list_disputes(self, since: datetime) -> AsyncIterator[ProviderDispute]:
        """Every dispute of the account that was opened since then, in any order."""
        ...


@runtime_checkable
class HasPaymentPage(Protocol):
    """A provider with a page of its own, where the buyer pays."""

    def page_of(self, reference: str) -> str | None:
        """The address of the page of a payment."""
        ...


@runtime_checkable
class KeepsNoRecords(Protocol):
    """A provider that knows nothing but what was written down here, so that there is nothing to compare."""

    keeps_no_records: bool


class Providers(Protocol):
    """The accounts of all organizations."""

    def of(self, organization_id: UUID, name: str | None = None, account: str | None = None) -> PaymentProvider:
        """The account of an organization, at the provider of this name or at the one it sells with now.

        account  whose account a payment was made at, as `account_of` has told it then: that one, and no other.

        Raises ProviderRefusedError when there is none of that name any more.
        """
        ...

    def accounts(self) -> Mapping[str, PaymentProvider]:
        """Every account, by whose it is."""
        ...

    def account_of(self, organization_id: UUID) -> str:
        """Whose account an organization sells with now, as it is written down with a payment."""
        ...

    def parse_webhook(
        self, name: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> tuple[PaymentProvider, ProviderEvent]:
        """The event of a webhook that came for the provider of this name, and the account that has signed it.

        Raises WebhookRefusedError, and LookupError when there is no account at such a provider.
        """
        ...
