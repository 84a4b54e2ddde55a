"""The outcomes of operations on seats. The database returns them as data; `web.problems` maps them to HTTP statuses."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a call ended. Where several refusals apply, the header of the SQL function says which one is returned.

    The names are public: they are the `code` of a problem and the `error_code` of an audit row.
    """

    OK = "OK"
    # Wrong whatever the state of the show: no seats, a seat twice, a malformed id.
    INVALID_INPUT = "INVALID_INPUT"
    SHOW_NOT_FOUND = "SHOW_NOT_FOUND"
    TOO_MANY_SEATS = "TOO_MANY_SEATS"
    SHOW_NOT_ON_SALE = "SHOW_NOT_ON_SALE"
    # The holder has a live hold in this show already.
    DUPLICATE_RESERVATION = "DUPLICATE_RESERVATION"
    SEATS_NOT_FOUND = "SEATS_NOT_FOUND"
    # Wheelchair or companion places were named, and the request did not say that it wants such places.
    ACCESSIBLE_SEATS = "ACCESSIBLE_SEATS"
    SEATS_UNAVAILABLE = "SEATS_UNAVAILABLE"
    # The client holds so many seats, or took and let go so many, that others would find none.
    TOO_MANY_HOLDS = "TOO_MANY_HOLDS"
    # The id or key of the request was used before, for something else.
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    # No such hold, or one of another holder: the outcome is the same for both.
    RESERVATION_NOT_FOUND = "RESERVATION_NOT_FOUND"
    # The hold has ended: it was released or paid for.
    RESERVATION_NOT_ACTIVE = "RESERVATION_NOT_ACTIVE"
    RESERVATION_EXPIRED = "RESERVATION_EXPIRED"
    MAX_EXTENSIONS_REACHED = "MAX_EXTENSIONS_REACHED"
    # The hold's order is with a payment provider, so its seats stay as they are.
    ORDER_BEING_PAID = "ORDER_BEING_PAID"
