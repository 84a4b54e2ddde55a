"""The types of reservations that services and stores exchange, and the tokens that prove a holder.

A token is 48 bytes in base64url: show id, reservation id and a secret of 128 bits. So its show is found without an
index of tokens. The database makes the SHA-256 of the secret, and stores that only.
"""

import hmac
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
    """Gives the right to see, extend, change and release one hold."""

    show_id: UUID
    reservation_id: UUID
    secret: bytes

    def __str__(self) -> str:
        """The token as clients send it: 64 characters of base64url."""
        return urlsafe_b64encode(self.show_id.bytes + self.reservation_id.bytes + self.secret).decode()

    @classmethod
    def mint(cls, show_id: UUID) -> "ReservationToken":
        """A new token with a new reservation id."""
        random = random_bytes(ID_RANDOM_BYTES + SECRET_BYTES)
        return cls(show_id, timed_id(show_id, random[:ID_RANDOM_BYTES]), random[ID_RANDOM_BYTES:])

    @classmethod
    def derive(cls, show_id: UUID, seed: bytes) -> "ReservationToken":
        """The token for `seed` (32 secret bytes): a repeated request gets the same token."""
        return cls(show_id, id_in_show(show_id, int.from_bytes(seed[:16])), seed[16:])

    @classmethod
    def of_session(cls, show_id: UUID, reservation_id: UUID, key: bytes) -> "ReservationToken":
        """The token of a hold of a browser session, from the session's `key` (32 secret bytes).

        Whoever has the session's cookie can be given the token of its hold again; nothing of it is stored.
        """
        return cls(show_id, reservation_id, hmac.digest(key, reservation_id.bytes, "sha256")[:SECRET_BYTES])

    @classmethod
    def parse(cls, text: str) -> "ReservationToken | None":
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


SeatIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BestSeats:
    """A wish for the best seats still available. Wheelchair and companion places only when `accessible` is true."""

    quantity: int
    category: str | None = None
    accessible: bool = False
    section: str | None = None

    @property
    def hash(self) -> bytes:
        """The SHA-256 of the wish, by which a repeated request is known."""
        text = f"best {self.quantity} {self.accessible} {self.category or ''}"
        if self.section is not None:
            # The length separates two names that may contain anything.
            text = f"best in {len(self.section)} {self.section} {text}"
        return sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class SeatsLeft:
    """How many seats there are for a wish: those of the plan that are for sale, and of these the ones free now.

    `in_plan` and `free` count wheelchair and companion places only for an accessible wish.
    """

    in_plan: int
    free: int
    wheelchair_in_plan: int
    wheelchair_free: int


Wish = TypeVar("Wish", SeatIds, BestSeats, SeatIds | BestSeats)


@dataclass(frozen=True, slots=True)
class Intent(Generic[Wish]):
    """A wish for seats of one show, all or nothing, from the request to the database.

    token            made before the first database call, so that the intent can be repeated.
    wish             the seats, or what kind of seats.
    idempotency_key  as the client sent it: the same intent may have been answered before.
    wish_hash        of what the client asked for; None when that is exactly the seats of `wish`.
    accessible       whether wheelchair and companion places may be among the seats.
    """

    token: ReservationToken
    holder: Holder
    wish: Wish
    idempotency_key: bytes | None = None
    wish_hash: bytes | None = None
    accessible: bool = False


@dataclass(frozen=True, slots=True)
class ReservationResult:
    """The result of reserve, extend and change. Fields that do not apply to the outcome are None or empty.

    status  of reserve: the present status of the hold, also of one that ended before the request was repeated.
    left    of reserve_best, when there are not enough seats: how many there are.
    """

    outcome: Outcome
    reservation_id: UUID
    server_time: datetime
    seat_ids: tuple[int, ...] = ()
    unavailable_seat_ids: tuple[int, ...] = ()
    expires_at: datetime | None = None
    extension_count: int | None = None
    extensions_remaining: int | None = None
    status: str | None = None
    left: SeatsLeft | None = None


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """A request to release a hold, with the secret of its token or the key of its holder as the proof."""

    reservation_id: UUID
    secret: bytes | None = field(repr=False)
    holder_key: str | None
    holder: Holder


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """The result of a release, and the seats that were released."""

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
    wish_hash: bytes | None


@dataclass(frozen=True, slots=True)
class BlockResult:
    """The result of blocking or unblocking, its seats, and those that were not available."""

    outcome: Outcome
    seat_ids: tuple[int, ...]
    unavailable_seat_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientHolds:
    """The live holds of one client address in one show. `client` is None for clients without limits."""

    client: str | None
    show_id: UUID
    title: str
    time_zone: str
    holds: int
    seats: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class HoldsReleased:
    """What an operator's release gave back, and how many holds stay because their orders are being paid."""

    holds: int
    seats: int
    being_paid: int


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """What one or more cleanup calls retired, and whether one of them retired nothing because cleanup is paused."""

    reservations_expired: int
    seats_released: int
    paused: bool
    # Not in the repr: there may be 100,000 ids, and `asyncio.run` makes the repr of its result when it ends.
    reservation_ids: tuple[UUID, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the audit log. It is safe to continue from once a later horizon has reached `next_xid`."""

    last_id: int
    next_xid: int


@dataclass(frozen=True, slots=True)
class SeatChanges:
    """The state of seats as of `server_time`: (seat id, status, reserved until).

    The seat ids are those of the plan `plan_id`; `seats_limit` is how many of them one hold may have. Without the
    change feed there is no position to continue from, and no deadline is known.
    """

    plan_id: UUID
    seats_total: int
    seats_limit: int
    position: Position | None
    horizon: int
    server_time: datetime
    seats: list[tuple[int, str, datetime | None]]
