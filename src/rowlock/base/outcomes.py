"""What an operation on seats can come to. The database returns these names as data; HTTP gives each its status."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a call ended. Where several refusals hold at once, the function's header says which one is told.

    The names are public: they are the `code` of a problem and the `error_code` of an audit row.
    """

    OK = "OK"
    # The request makes no sense whatever the state of the hall: no seats, one twice, a malformed id.
    INVALID_INPUT = "INVALID_INPUT"
    SHOW_NOT_FOUND = "SHOW_NOT_FOUND"
    TOO_MANY_SEATS = "TOO_MANY_SEATS"
    SHOW_NOT_ON_SALE = "SHOW_NOT_ON_SALE"
    # The holder has a live hold in this show already.
    DUPLICATE_RESERVATION = "DUPLICATE_RESERVATION"
    SEATS_NOT_FOUND = "SEATS_NOT_FOUND"
    SEATS_UNAVAILABLE = "SEATS_UNAVAILABLE"
    # No such hold, or one of somebody else: the two answer alike.
    RESERVATION_NOT_FOUND = "RESERVATION_NOT_FOUND"
    # The hold has ended: it was released or paid for.
    RESERVATION_NOT_ACTIVE = "RESERVATION_NOT_ACTIVE"
    RESERVATION_EXPIRED = "RESERVATION_EXPIRED"
    MAX_EXTENSIONS_REACHED = "MAX_EXTENSIONS_REACHED"
