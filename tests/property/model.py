"""The seat core in plain Python: what every call must answer, and which claims it must leave. No database, no clock.

Time is minutes on each hold. A hold whose minutes are used up has lapsed: its claims are still rows, and count for
nothing. The reader may take this file as the short version of the SQL functions.
"""

from dataclasses import dataclass, field
from typing import Literal

SEATS = 6
MAX_SEATS = 3
HOLD_MINUTES = 10
EXTENSION_MINUTES = 5

Claim = tuple[Literal["reserved", "sold", "blocked"], int | None]


@dataclass
class Hold:
    """`minutes_left` until it runs out, `minutes_at_most` until no extension could help any more."""

    number: int
    holder: str
    seats: list[int]
    minutes_at_most: int
    wish: list[int]
    status: str = "active"
    minutes_left: int = HOLD_MINUTES
    extensions: int = 0

    @property
    def live(self) -> bool:
        return self.status == "active" and self.minutes_left > 0

    @property
    def lapsed(self) -> bool:
        return self.status == "active" and self.minutes_left <= 0


@dataclass(frozen=True)
class Wish:
    """A request to reserve. `number` names the hold it would make, or asks again for."""

    number: int
    holder: str
    seats: list[int]


@dataclass(frozen=True)
class Answer:
    """What a call tells: the outcome, the seats it is about, and the seats it is refused for."""

    outcome: str
    seats: list[int] = field(default_factory=list)
    unavailable: list[int] | None = None


@dataclass
class Order:
    """An order for the seats that a hold had when it was made."""

    hold: Hold
    seats: list[int]
    status: str = "pending"


class Model:
    """One show. Either of its two limits to extensions may be the one that binds."""

    def __init__(self, max_extensions: int, max_hold_minutes: int) -> None:
        self.max_extensions = max_extensions
        self.max_hold_minutes = max_hold_minutes
        self.holds: dict[int, Hold] = {}
        self.claims: dict[int, Claim] = {}
        self.orders: dict[int, Order] = {}

    def taken(self, seat: int, *, by_others_than: int | None = None) -> bool:
        """Whether the seat counts as claimed. A lapsed claim never does."""
        status, number = self.claims.get(seat, (None, None))
        if status == "reserved" and number is not None:
            return number != by_others_than and self.holds[number].live
        return status is not None

    def reserve(self, wish: Wish) -> Answer:
        return self.reserve_batch([wish])[0]

    def reserve_batch(self, wishes: list[Wish]) -> list[Answer]:
        """Those that are refused as things are go first; the others follow in order of arrival."""
        answers: dict[int, Answer] = {}
        for index, wish in enumerate(wishes):
            known = self.known(wish)
            answer = known or self.refuse(wish)
            if answer:
                answers[index] = answer
        for index, wish in enumerate(wishes):
            if index not in answers:
                self.retire([hold for hold in self.holds.values() if hold.lapsed and hold.holder == wish.holder])
        for index, wish in enumerate(wishes):
            if index not in answers:
                answers[index] = self.known(wish) or self.refuse(wish) or self.give(wish)
        return [answers[index] for index in range(len(wishes))]

    def known(self, wish: Wish) -> Answer | None:
        hold = self.holds.get(wish.number)
        if hold is None or self.nonsense(wish):
            return None
        if hold.holder != wish.holder:
            return Answer("INVALID_INPUT", sorted(wish.seats))
        if hold.wish != sorted(wish.seats):
            return Answer("IDEMPOTENCY_KEY_REUSED", hold.seats)
        return self.ended(hold) or Answer("OK", hold.seats)

    @staticmethod
    def nonsense(wish: Wish) -> bool:
        return not wish.seats or len(set(wish.seats)) < len(wish.seats)

    def refuse(self, wish: Wish) -> Answer | None:
        seats = sorted(wish.seats)
        if self.nonsense(wish):
            return Answer("INVALID_INPUT", seats)
        if len(seats) > MAX_SEATS:
            return Answer("TOO_MANY_SEATS", seats)
        if any(hold.live and hold.holder == wish.holder for hold in self.holds.values()):
            return Answer("DUPLICATE_RESERVATION", seats)
        if seats[-1] > SEATS:
            return Answer("SEATS_NOT_FOUND", seats)
        if unavailable := [seat for seat in seats if self.taken(seat)]:
            return Answer("SEATS_UNAVAILABLE", seats, unavailable)
        return None

    def give(self, wish: Wish) -> Answer:
        hold = self.holds[wish.number] = Hold(
            wish.number, wish.holder, sorted(wish.seats), self.max_hold_minutes, sorted(wish.seats)
        )
        self.claims |= dict.fromkeys(hold.seats, ("reserved", hold.number))
        return Answer("OK", hold.seats)

    def retire(self, holds: list[Hold]) -> int:
        """Returns how many seats were set free."""
        for hold in holds:
            hold.status = "expired"
        return self.free([seat for hold in holds for seat in self.own(hold)])

    def own(self, hold: Hold) -> list[int]:
        return [seat for seat, claim in sorted(self.claims.items()) if claim == ("reserved", hold.number)]

    def free(self, seats: list[int]) -> int:
        for seat in seats:
            del self.claims[seat]
        return len(seats)

    def extend(self, hold: Hold) -> Answer:
        until = min(hold.minutes_left + EXTENSION_MINUTES, hold.minutes_at_most)
        if refusal := self.ended(hold):
            return refusal
        if hold.extensions >= self.max_extensions or until <= hold.minutes_left:
            return Answer("MAX_EXTENSIONS_REACHED")
        hold.minutes_left = until
        hold.extensions += 1
        return Answer("OK")

    @staticmethod
    def ended(hold: Hold) -> Answer | None:
        if hold.status == "expired" or hold.lapsed:
            return Answer("RESERVATION_EXPIRED", hold.seats)
        if hold.status != "active":
            return Answer("RESERVATION_NOT_ACTIVE", hold.seats)
        return None

    def change(self, hold: Hold, add: list[int], remove: list[int]) -> Answer:
        after = sorted((set(hold.seats) | set(add)) - set(remove))
        added = sorted(set(add) - set(hold.seats))
        if (not add and not remove) or set(add) & set(remove) or not after:
            return Answer("INVALID_INPUT", hold.seats)
        if refusal := self.ended(hold):
            return refusal
        if added and len(after) > MAX_SEATS:
            return Answer("TOO_MANY_SEATS", hold.seats)
        if any(seat > SEATS for seat in added):
            return Answer("SEATS_NOT_FOUND", hold.seats)
        if unavailable := [seat for seat in added if self.taken(seat)]:
            return Answer("SEATS_UNAVAILABLE", hold.seats, unavailable)
        self.free([seat for seat in hold.seats if seat not in after])
        self.claims |= dict.fromkeys(added, ("reserved", hold.number))
        if after != hold.seats:
            self.cancel_order(hold)
        hold.seats = after
        return Answer("OK", after)

    def release(self, hold: Hold) -> Answer:
        if hold.status == "released":
            return Answer("OK")
        if hold.status != "active":
            return Answer("RESERVATION_EXPIRED" if hold.status == "expired" else "RESERVATION_NOT_ACTIVE")
        hold.status = "released"
        own = self.own(hold)
        self.free(own)
        self.cancel_order(hold)
        return Answer("OK", own)

    def cancel_order(self, hold: Hold) -> None:
        """An order contains exactly the seats of its hold, so it ends when they change."""
        order = self.orders.get(hold.number)
        if order is not None and order.status == "pending":
            order.status = "cancelled"

    def cleanup(self) -> tuple[int, int]:
        """Returns (holds retired, seats set free)."""
        lapsed = [hold for hold in self.holds.values() if hold.lapsed]
        return len(lapsed), self.retire(lapsed)

    def block(self, seats: list[int]) -> Answer:
        seats = sorted(set(seats))
        if unavailable := [s for s in seats if self.taken(s) and self.claims[s][0] != "blocked"]:
            return Answer("SEATS_UNAVAILABLE", seats, unavailable)
        self.claims |= dict.fromkeys(seats, ("blocked", None))
        return Answer("OK", seats)

    def unblock(self, seats: list[int]) -> Answer:
        blocked = sorted({seat for seat in seats if self.claims.get(seat, ("", None))[0] == "blocked"})
        self.free(blocked)
        return Answer("OK", blocked)

    def complete(self, order: Order) -> Answer:
        if order.status == "paid":
            return Answer("OK", order.seats)
        hold = order.hold
        if order.status != "pending" or hold.status not in ("active", "expired") or order.seats != hold.seats:
            return Answer("ORDER_NOT_PAYABLE", order.seats)
        newer = [
            other
            for other in self.holds.values()
            if other.status == "active" and other.holder == hold.holder and other.number != hold.number
        ]
        own = {hold.number, *(other.number for other in newer)}
        unavailable = [
            seat for seat in order.seats if self.taken(seat) and self.claims[seat][1] not in own - self.sold_to()
        ]
        if unavailable:
            return Answer("SEATS_UNAVAILABLE", order.seats, unavailable)
        order.status, hold.status = "paid", "completed"
        self.claims |= dict.fromkeys(order.seats, ("sold", hold.number))
        for other in newer:
            if set(other.seats) <= set(order.seats):
                other.status = "released"
            elif set(other.seats) & set(order.seats):
                other.seats = [seat for seat in other.seats if seat not in order.seats]
        return Answer("OK", order.seats)

    def sold_to(self) -> set[int]:
        """The holds whose orders are paid: their claims are sold, and no completion takes them again."""
        return {number for number, order in self.orders.items() if order.status == "paid"}
