"""What the database functions answer, and what is asked of them, as objects; one row of the audit log."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4


@dataclass(frozen=True)
class Show:
    """A show on sale; its seats are 1 to `seats_total`."""

    show_id: UUID
    seats_total: int


@dataclass(frozen=True)
class Reserved:
    """The answer to a reservation request, and what was asked: enough to act as its holder later."""

    show: Show
    holder: str
    outcome: str
    reservation_id: UUID
    status: str | None
    seat_ids: list[int] | None
    unavailable_seat_ids: list[int] | None
    expires_at: datetime | None
    extension_count: int | None
    extensions_remaining: int | None
    server_time: datetime
    request: int = 1
    secret: bytes | None = field(default=None, repr=False)

    @property
    def hold(self) -> timedelta:
        """The time that was left to the holder when the answer was made."""
        assert self.expires_at is not None
        return self.expires_at - self.server_time


@dataclass(frozen=True)
class Extended:
    outcome: str
    reservation_id: UUID
    expires_at: datetime | None
    extension_count: int | None
    extensions_remaining: int | None
    server_time: datetime


@dataclass(frozen=True)
class Changed:
    outcome: str
    reservation_id: UUID
    seat_ids: list[int] | None
    unavailable_seat_ids: list[int] | None
    expires_at: datetime | None
    extension_count: int | None
    extensions_remaining: int | None
    server_time: datetime


@dataclass(frozen=True)
class Released:
    outcome: str
    reservation_id: UUID
    released_seat_ids: list[int]
    server_time: datetime


@dataclass(frozen=True)
class Blocked:
    outcome: str
    seat_ids: list[int]
    unavailable_seat_ids: list[int] | None
    server_time: datetime


@dataclass(frozen=True)
class Unblocked:
    outcome: str
    seat_ids: list[int]
    server_time: datetime


@dataclass(frozen=True)
class Moved:
    outcome: str
    plan_id: UUID | None
    seats_total: int | None
    seat_ids: list[int]
    categories: list[str]
    server_time: datetime


@dataclass(frozen=True)
class Completed:
    outcome: str
    order_id: UUID
    status: str | None
    seat_ids: list[int]
    unavailable_seat_ids: list[int] | None
    ticket_ids: list[UUID]
    server_time: datetime


@dataclass(frozen=True)
class Payment:
    outcome: str
    order_id: UUID
    payment_intent_id: UUID | None
    status: str | None
    amount_minor: int | None
    currency: str | None
    server_time: datetime


@dataclass(frozen=True)
class Paid:
    outcome: str
    order_id: UUID
    status: str | None
    refund_id: UUID | None
    server_time: datetime


@dataclass(frozen=True)
class Voided:
    outcome: str
    order_id: UUID
    status: str | None
    released_seat_ids: list[int]
    server_time: datetime


@dataclass(frozen=True)
class Refunded:
    outcome: str
    order_id: UUID
    status: str | None
    refund_id: UUID
    amount_minor: int
    seat_ids: list[int]
    server_time: datetime


@dataclass(frozen=True)
class ShowCancelled:
    outcome: str
    holds_released: int
    orders_ended: int
    holds_left: int
    orders_left: int
    server_time: datetime


@dataclass(frozen=True)
class Cleaned:
    total_reservations_expired: int
    total_seats_released: int
    reservation_ids: list[UUID]


@dataclass(frozen=True)
class Statistics:
    total_created: int
    total_completed: int
    total_expired: int
    total_released: int
    total_failed: int
    avg_hold_time_seconds: Any
    expiration_rate: Any


@dataclass(frozen=True)
class Request:
    """One request of a batch. Its reservation id is its own unless the test repeats one."""

    seats: Sequence[int]
    holder: str | None
    reservation_id: UUID | None = field(default_factory=uuid4)
    secret: bytes | None = None
    wish: bytes | None = None
    accessible: bool = False
    client: str | None = None


@dataclass(frozen=True)
class AuditRow:
    """One row of the audit log, without what differs from run to run."""

    id: int
    event: str
    reservation_id: UUID | None
    order_id: UUID | None
    seat_ids: list[int]
    session_id: str | None
    ip_address: str | None
    user_agent: str | None
    error_code: str | None
    metadata: dict[str, Any]
    actor: str | None


def token(text: str) -> bytes:
    """The secret part of a token."""
    return text.encode()


def missing_hold(show: Show) -> Reserved:
    """A hold that was never made: an answer about another holder's hold must be the same."""
    return Reserved(show, "no holder", "OK", uuid4(), "active", [], None, None, None, None, datetime.now(UTC))


def said(answer: Any) -> dict[str, Any]:
    """What an answer says, apart from the id that was asked for and the time."""
    return {
        name: value
        for name, value in asdict(answer).items()
        if name not in ("reservation_id", "server_time", "show", "secret", "request")
    }
