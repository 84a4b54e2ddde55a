"""Reservations as the services and the database layer pass them around, and the tokens that prove a holder.

A token is 48 bytes in base64url: show id, reservation id and a secret of 128 bits. It leads to its show without any
index of tokens, and only the SHA-256 of the secret is ever stored.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import randbits, token_bytes
from time import time_ns
from uuid import UUID

from rowlock.domain.outcomes import Outcome

SECRET_BYTES = 16
TOKEN_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asks, and what the audit log keeps of the request. `key` is the holder's identity within a show."""

    key: str
    session_id: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None


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
        # One request to the system's randomness for both parts: it is a system call each time.
        random = token_bytes(SECRET_BYTES + 10)
        return cls(show_id, _timed_id(show_id, int.from_bytes(random[:10])), random[10:])

    @classmethod
    def derive(cls, show_id: UUID, seed: bytes) -> "ReservationToken":
        """The token that belongs to `seed` (32 secret bytes): a repeated request gets the same one again."""
        return cls(show_id, _reservation_id(show_id, int.from_bytes(seed[:16])), seed[16:])

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


def mint_reservation_id(show_id: UUID) -> UUID:
    """A new reservation id: RFC 9562 version 8 with milliseconds first, then randomness, then the show's key.

    Time first keeps the index dense where it grows; the show's key (see `show_key`) makes an id alone lead to its show.
    """
    return _timed_id(show_id, randbits(80))


def _timed_id(show_id: UUID, random: int) -> UUID:
    milliseconds = time_ns() // 1_000_000
    return _reservation_id(show_id, (milliseconds << 80) | random)


def _reservation_id(show_id: UUID, value: int) -> UUID:
    value = (value & ~0xFFFFFFFF) | (show_id.int & 0xFFFFFFFF)
    value = (value & ~(0xF << 76)) | (0x8 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def show_key(id_: UUID) -> int:
    """The last 32 bits of a show id or of a reservation id made here, as PostgreSQL's signed integer."""
    return int.from_bytes(id_.bytes[12:], signed=True)


@dataclass(frozen=True, slots=True)
class ReserveRequest:
    """A wish for seats of one show, all or nothing. The caller has minted the token, so the request can be repeated.

    `repeated` says that it may have been answered before, in another request with the same Idempotency-Key.
    """

    token: ReservationToken
    seat_ids: tuple[int, ...]
    holder: Holder
    repeated: bool = False


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
