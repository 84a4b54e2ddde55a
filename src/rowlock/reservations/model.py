"""Reservations as the services and the database layer pass them around, and the tokens that prove a holder.

A token is 48 bytes in base64url: show id, reservation id and a secret of 128 bits. It leads to its show without any
index of tokens, and only the SHA-256 of the secret is ever stored.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Generic, TypeVar
from uuid import UUID

from rowlock.base.holder import Holder
from rowlock.base.ids import ID_RANDOM_BYTES, id_in_show, random_bytes, timed_id
from rowlock.base.outcomes import Outcome

SECRET_BYTES = 16
TOKEN_LENGTH = 64


@dataclass(frozen=True, slots=True)
class ReservationToken:
    """The capability to see, extend, change and release one hold."""

    show_id: UUID
    reservation_id: UUID
    secret: bytes

    def __str__(self) -> str:
        """The text that travels: 64 characters of base64url."""
        return urlsafe_b64encode(self.show_id.bytes + self.reservation_id.bytes + self.secret).decode()

    @property
    def hash(self) -> bytes:
        """What the database keeps of the secret: its SHA-256."""
        return sha256(self.secret).digest()

    @classmethod
    def mint(cls, show_id: UUID) -> "ReservationToken":
        """A new token with a new reservation id."""
        random = random_bytes(ID_RANDOM_BYTES + SECRET_BYTES)
        return cls(show_id, timed_id(show_id, random[:ID_RANDOM_BYTES]), random[ID_RANDOM_BYTES:])

    @classmethod
    def derive(cls, show_id: UUID, seed: bytes) -> "ReservationToken":
        """The token that belongs to `seed` (32 secret bytes): a repeated request gets the same one again."""
        return cls(show_id, id_in_show(show_id, int.from_bytes(seed[:16])), seed[16:])

    @classmethod
    def parse(cls, text: str) -> "ReservationToken | None":
        """The token that `text` spells, or None: a malformed token is as unknown as a foreign one."""
        if len(text) != TOKEN_LENGTH or not text.isascii():
            return None
        try:
            raw = urlsafe_b64decode(text)
        except ValueError:
            return None
        if len(raw) != 32 + SECRET_BYTES:
            return None
        return cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])


SeatIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BestSeats:
    """A wish for the best seats still available. Wheelchair and companion places only when `accessible` is true."""

    quantity: int
    category: str | None = None
    accessible: bool = False


Wish = TypeVar("Wish", SeatIds, BestSeats, SeatIds | BestSeats)


@dataclass(frozen=True, slots=True)
class Intent(Generic[Wish]):
    """A wish for seats of one show, all or nothing, as it is carried from the request to the database.

    token            minted before anything is asked, so that the intent can be repeated.
    wish             the seats, or what kind of seats.
    idempotency_key  as the client sent it: the same intent may have been answered before.
    """

    token: ReservationToken
    holder: Holder
    wish: Wish
    idempotency_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReservationResult:
    """What reserve, extend and change come to. Fields that an outcome has no use for are None or empty."""

    outcome: Outcome
    reservation_id: UUID
    server_time: datetime
    seat_ids: tuple[int, ...] = ()
    unavailable_seat_ids: tuple[int, ...] = ()
    expires_at: datetime | None = None
    extension_count: int | None = None
    extensions_remaining: int | None = None


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """A wish to give a hold back, by whoever knows its token (`token_hash`) or is its holder (`holder_key`)."""

    reservation_id: UUID
    token_hash: bytes | None
    holder_key: str | None
    holder: Holder


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """What a release comes to, and the seats it set free."""

    outcome: Outcome
    reservation_id: UUID
    released_seat_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldSeat:
    """One seat of a hold with its price, in minor units of the show's currency; None where no price is set."""

    seat_id: int
    label: str
    category: str
    price_minor: int | None


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as its holder may see it."""

    show_id: UUID
    reservation_id: UUID
    status: str
    seats: tuple[HeldSeat, ...]
    currency: str
    created_at: datetime
    expires_at: datetime
    extension_count: int
    extensions_remaining: int
    server_time: datetime


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What blocking or unblocking came to, the seats it is about, and those that could not be had."""

    outcome: Outcome
    seat_ids: tuple[int, ...]
    unavailable_seat_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """What one or more cleanup calls retired."""

    reservations_expired: int
    seats_released: int
    # There may be a hundred thousand, and `asyncio.run` writes the repr of its result when it puts Ctrl-C back.
    reservation_ids: tuple[UUID, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the audit log. It is safe to continue from once a later horizon has reached `next_xid`."""

    last_id: int
    next_xid: int


@dataclass(frozen=True, slots=True)
class SeatChanges:
    """The state of seats as of `server_time`: (seat id, status, reserved until).

    Without the change feed there is no position to continue from, and no deadline is known.
    """

    seats_total: int
    position: Position | None
    horizon: int
    server_time: datetime
    seats: list[tuple[int, str, datetime | None]]
