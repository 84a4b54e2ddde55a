"""The types of checkout that services, stores and endpoints exchange, and the tokens that prove the owner of an order.

A token is 48 bytes in base64url, as that of a reservation: show id, order id, and a secret of 128 bits. The database
keeps the SHA-256 of the secret only.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from rowlock.base.ids import mint_id

SECRET_BYTES = 16
TOKEN_LENGTH = 64
# Without letters and digits that look or sound alike: 0 O, 1 I L, 5 S, 8 B, U V.
CODE_ALPHABET = "234679ACDEFGHJKMNPQRTWXYZ"
CODE_LENGTH = 8


class OrderOutcome(StrEnum):
    """Outcomes of the functions of orders, as far as holds do not have them (base.outcomes)."""

    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    ORDER_NOT_PAYABLE = "ORDER_NOT_PAYABLE"
    ORDER_CODE_TAKEN = "ORDER_CODE_TAKEN"
    PRICE_TYPE_NOT_FOUND = "PRICE_TYPE_NOT_FOUND"
    PAYMENT_NOT_FOUND = "PAYMENT_NOT_FOUND"
    PAYMENT_NOT_AUTHORIZED = "PAYMENT_NOT_AUTHORIZED"
    ORDER_NOT_REFUNDABLE = "ORDER_NOT_REFUNDABLE"
    REFUND_EXCEEDS_PAYMENT = "REFUND_EXCEEDS_PAYMENT"
    ORDER_NOT_VOIDABLE = "ORDER_NOT_VOIDABLE"
    TICKET_NOT_FOUND = "TICKET_NOT_FOUND"
    # It is used or void, or its order is not paid.
    TICKET_NOT_VALID = "TICKET_NOT_VALID"
    TICKET_REVISION_DIFFERS = "TICKET_REVISION_DIFFERS"
    PAYMENT_DISPUTED = "PAYMENT_DISPUTED"
    EXCHANGE_NOT_FOUND = "EXCHANGE_NOT_FOUND"
    ORDER_NOT_EXCHANGEABLE = "ORDER_NOT_EXCHANGEABLE"
    TICKET_USED = "TICKET_USED"
    # Of exchanges between shows, which no function of one show can judge.
    SHOWS_DIFFER = "SHOWS_DIFFER"
    # Of mark_paid, which is no function of the database.
    PAYMENT_NOT_MANUAL = "PAYMENT_NOT_MANUAL"


@dataclass(frozen=True, slots=True)
class OrderToken:
    """Gives the right to see and pay one order."""

    show_id: UUID
    order_id: UUID
    secret: bytes = field(repr=False)

    def __str__(self) -> str:
        """The token as clients send it: 64 characters of base64url."""
        return urlsafe_b64encode(self.show_id.bytes + self.order_id.bytes + self.secret).decode()

    @classmethod
    def of_hold(cls, show_id: UUID, order_id: UUID, hold_secret: bytes, key: bytes) -> "OrderToken":
        """The token of an order, from the secret of its hold's token and a secret key.

        So a request that is repeated is told the same token, and nothing of it is stored.
        """
        message = b"rowlock.order\0" + order_id.bytes + hold_secret
        return cls(show_id, order_id, hmac.digest(key, message, "sha256")[:SECRET_BYTES])

    @classmethod
    def parse(cls, text: str) -> "OrderToken | None":
        """The token in `text`, or None when it is malformed."""
        if len(text) != TOKEN_LENGTH or not text.isascii():
            return None
        try:
            raw = urlsafe_b64decode(text)
        except ValueError:
            return None
        if len(raw) != 32 + SECRET_BYTES:
            return None
        return cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])


def mint_order_code() -> str:
    """A code that is short, random and easy to read aloud, such as "K7M2-XQ4T" without the hyphen."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


@dataclass(frozen=True, slots=True)
class OrderWish:
    """What to order: the seats of a hold. `price_types` has those of seats that are not for an adult."""

    show_id: UUID
    reservation_id: UUID
    hold_secret: bytes = field(repr=False)
    customer_name: str
    customer_email: str
    price_types: Mapping[int, str]
    idempotency_key: str | None = None

    @property
    def hash(self) -> bytes:
        """The SHA-256 of the wish, by which a repeated request is known."""
        types = ",".join(f"{seat}={self.price_types[seat]}" for seat in sorted(self.price_types))
        text = "\0".join((str(self.reservation_id), self.customer_name, self.customer_email, types))
        return sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a new order is made with, before the database is asked: its id, its code and its token."""

    wish: OrderWish
    token: OrderToken
    code: str

    @classmethod
    def of(cls, wish: OrderWish, key: bytes) -> "NewOrder":
        """A new order for a wish."""
        order_id = mint_id(wish.show_id)
        return cls(wish, OrderToken.of_hold(wish.show_id, order_id, wish.hold_secret, key), mint_order_code())


@dataclass(frozen=True, slots=True)
class OrderMade:
    """The outcome of an order: `order_id` is that of the live order, also when it was made before."""

    outcome: str
    order_id: UUID | None
    is_new: bool
    status: str | None
    refused_seat_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket of a line."""

    ticket_id: UUID
    status: str
    revision: int


@dataclass(frozen=True, slots=True)
class TicketState:
    """What has become of a ticket: `valid`, `used` or `void`, and the revision whose codes count."""

    status: str
    revision: int
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One seat of an order. `amount_minor` is what is paid for it; fee and tax are within."""

    seat_id: int
    label: str
    category: str
    price_type: str
    amount_minor: int
    fee_minor: int
    tax_basis_points: int
    ticket: Ticket | None

    @property
    def tax_minor(self) -> int:
        """The tax within the amount, rounded half up."""
        whole = 10_000 + self.tax_basis_points
        return (2 * self.amount_minor * self.tax_basis_points + whole) // (2 * whole)


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its lines, in minor units of `currency`. `expires_at` is that of a pending one.

    credit_minor          of an exchange: the part of the total that is paid with the money of the old tickets.
    exchange_of_order_id  the order that they are of, in the show `exchange_of_show_id`; None for any other order.
    """

    show_id: UUID
    order_id: UUID
    order_code: str
    reservation_id: UUID
    status: str
    customer_name: str
    customer_email: str
    total_minor: int
    fee_minor: int
    currency: str
    created_at: datetime
    expires_at: datetime | None
    server_time: datetime
    lines: Sequence[OrderLine]
    credit_minor: int = 0
    exchange_of_show_id: UUID | None = None
    exchange_of_order_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it is recorded, with what is needed to ask its provider about it.

    status     sent, in_doubt, authorized, captured, cancelled or failed.
    reference  the provider's id; None until it has answered.
    failure    why the last attempt failed.
    is_abandoned  the order is still pending an hour after its deadline.
    account    whose account it was made at; None for a payment of an earlier release.
    """

    show_id: UUID
    order_id: UUID
    payment_intent_id: UUID
    provider: str
    reference: str | None
    client_secret: str | None = field(repr=False)
    amount_minor: int
    currency: str
    status: str
    failure: str | None
    created_at: datetime
    account: str | None
    order_code: str
    order_status: str
    customer_email: str
    title: str
    organization_id: UUID
    is_abandoned: bool


@dataclass(frozen=True, slots=True)
class PaymentBegun:
    """The outcome of the beginning of a payment."""

    outcome: str
    payment_intent_id: UUID | None
    status: str | None
    amount_minor: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class RefundWish:
    """A refund of some seats, of an amount alone, or of all that is left. `give_back` is on_sale or house."""

    show_id: UUID
    order_id: UUID
    idempotency_key: str
    reason: str
    actor: str
    seat_ids: Sequence[int] | None = None
    amount_minor: int | None = None
    give_back: str = "on_sale"
    keep_fees: bool = False
    ip_address: str | None = None


@dataclass(frozen=True, slots=True)
class RefundOpened:
    """The outcome of a refund: what it gives back, and what the order is now."""

    outcome: str
    status: str | None
    refund_id: UUID
    amount_minor: int
    seat_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund with what is needed to ask the provider for it. `reopened` counts how often it had failed before."""

    show_id: UUID
    order_id: UUID
    refund_id: UUID
    payment_intent_id: UUID | None
    amount_minor: int
    status: str
    refund_reference: str | None
    provider: str | None
    reference: str | None
    currency: str | None
    account: str | None
    organization_id: UUID
    reopened: int

    @property
    def key(self) -> str:
        """The key of the call that makes it. One that has failed at the provider stays failed there, with its key."""
        return f"refund-{self.refund_id}" if self.reopened == 0 else f"refund-{self.refund_id}-{self.reopened}"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the outbox: work to do after a commit."""

    message_id: int
    show_id: UUID
    order_id: UUID | None
    kind: str
    payload: Mapping[str, object]
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """An event of a provider that waits in the inbox."""

    provider: str
    event_id: str
    payload: Mapping[str, object]
    attempts: int


@dataclass(frozen=True, slots=True)
class ReissueWish:
    """A ticket that is to be issued again, because its code was lost or others have it.

    revision  the one to be replaced, with which the wish may be repeated; None for whichever counts now.
    reason    why, at most 200 characters; it is written down.
    actor     who asks, for the audit log.
    """

    show_id: UUID
    order_id: UUID
    ticket_id: UUID
    revision: int | None
    reason: str
    actor: str
    ip_address: str | None = None


@dataclass(frozen=True, slots=True)
class Reissued:
    """What came of it: an outcome of reissue_ticket_atomic, and the revision that counts now."""

    outcome: str
    seat_id: int | None
    revision: int | None


@dataclass(frozen=True, slots=True)
class NoticeShow:
    """What a mail says of a show. Instants are told in `time_zone`, which is that of the venue."""

    show_id: UUID
    title: str
    starts_at: datetime
    doors_at: datetime | None
    status: str
    venue: str
    address: str | None
    time_zone: str
    organization: str
    ends_at: datetime | None = None
    access_notes: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a seat is, in the words of its plan. `row` is empty where the plan has no rows."""

    seat_id: int
    section: str
    row: str
    number: str


@dataclass(frozen=True, slots=True)
class NoticeRefund:
    """What a mail says of a refund. `seats` are the labels of those that were given back."""

    refund_id: UUID
    order_id: UUID
    amount_minor: int
    status: str
    failure: str | None
    is_of_cancelled_show: bool
    is_of_late_money: bool
    seats: Sequence[str]
    is_of_exchange: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receipt of an order, or with a refund_id the credit note of a refund. Numbers have no gap in a year.

    The seller is as it was on the day of issue; without a name in receipts from before that was kept.
    """

    organization_id: UUID
    year: int
    number: int
    show_id: UUID
    order_id: UUID
    refund_id: UUID | None
    amount_minor: int
    currency: str
    issued_at: datetime
    seller_name: str | None = None
    seller_address: str | None = None
    seller_tax_id: str | None = None

    @property
    def label(self) -> str:
        """The number as it is printed, such as 2026-000042."""
        return f"{self.year}-{self.number:06}"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A chargeback of a payment, as it is recorded. Amounts are minor units of `currency`.

    status           opened, won or lost.
    provider_status  as the provider calls it.
    withdrawn_minor  what the provider took off the account for it at first.
    is_returned      whether that came back.
    fee_minor        what the provider asks for the dispute itself.
    respond_until       until when the seller may answer the bank.
    """

    dispute_id: UUID
    show_id: UUID
    order_id: UUID
    order_code: str
    payment_intent_id: UUID
    provider: str
    reference: str
    status: str
    provider_status: str
    amount_minor: int
    withdrawn_minor: int
    is_returned: bool
    fee_minor: int
    currency: str
    reason: str
    respond_until: datetime | None
    created_at: datetime
    ended_at: datetime | None
