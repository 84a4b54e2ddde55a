"""The types of exchanges: what is wished, what was decided, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from rowlock.checkout.model import Order, OrderToken
from rowlock.reservations.model import ReservationToken


@dataclass(frozen=True, slots=True)
class Wish:
    """Tickets of an order to be exchanged for seats of a show, one for one.

    seats        the new seat of each old one, by seat ids.
    price_types  of new seats; a seat that is not named keeps the type of the old one.
    """

    show_id: UUID
    order_id: UUID
    to_show_id: UUID
    seats: Mapping[int, int]
    idempotency_key: str
    reason: str
    actor: str
    price_types: Mapping[int, str] = field(default_factory=dict)
    ip_address: str | None = None

    @property
    def hash(self) -> bytes:
        """The SHA-256 of the wish, by which a repeated request is known."""
        pairs = ",".join(f"{old}>{new}={self.price_types.get(new, '')}" for old, new in sorted(self.seats.items()))
        return sha256(f"{self.order_id}\0{self.to_show_id}\0{pairs}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Started:
    """The outcome of the beginning: the ids of the new order and its hold, and what the tickets are worth now."""

    outcome: str
    to_order_id: UUID
    to_reservation_id: UUID
    status: str | None
    worth_minor: int


@dataclass(frozen=True, slots=True)
class Making:
    """What an order in exchange is made of."""

    old: Order
    hold: ReservationToken
    token: OrderToken
    code: str
    price_types: Mapping[int, str]
    wish_hash: bytes
    worth_minor: int
    session_id: str
    ip_address: str | None


@dataclass(frozen=True, slots=True)
class Given:
    """The decision, and with OK the credits: ids, amounts, and where the money is: provider, reference and account."""

    outcome: str
    credit_ids: Sequence[UUID]
    amounts_minor: Sequence[int]
    source_providers: Sequence[str]
    source_references: Sequence[str | None]
    source_accounts: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: `status` is begun, given_up or refused. `surplus_minor` is refunded to the buyer."""

    order_id: UUID
    seat_ids: tuple[int, ...]
    status: str
    refusal: str | None
    credit_minor: int
    surplus_minor: int


@dataclass(frozen=True, slots=True)
class Link:
    """An exchange as the order of the old tickets has it: the new order, and `status`: begun, given_up or refused."""

    show_id: UUID
    order_id: UUID
    seat_ids: tuple[int, ...]
    status: str
    refusal: str | None
    credit_minor: int
    surplus_minor: int


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The outcome of an exchange; with OK the new order, its token, and what is paid or given back.

    due_minor      what the buyer has still to pay before the tickets change.
    surplus_minor  what is refunded, once the tickets have changed.
    refused        seats that were taken, or that have no price of the type.
    """

    outcome: str
    order: Order | None = None
    token: OrderToken | None = None
    due_minor: int = 0
    surplus_minor: int = 0
    refused: tuple[int, ...] = ()
