"""Problems (RFC 9457): the table from outcome to HTTP status and text, and how a problem is encoded.

Every refusal of the API is an `application/problem+json` with a stable `code`. The codes of base.outcomes come from
the database; the others exist only in HTTP.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from rowlock.base.outcomes import Outcome
from rowlock.database.calls import BusyError, FunctionsMissingError, LoginMissingError, OutcomeUnknownError
from rowlock.web.json_types import Instant

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """The meaning of one code. `detail` is sent unless the ProblemError has a more exact one."""

    code: str
    status: int
    title: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


_RETRY_SOON = ((b"retry-after", b"1"),)

PROBLEM_TYPES: dict[str, ProblemType] = {
    problem.code: problem
    for problem in (
        ProblemType(Outcome.INVALID_INPUT, 400, "Invalid input", "The request is not well formed. Correct it."),
        ProblemType(
            Outcome.TOO_MANY_SEATS,
            400,
            "Too many seats",
            "More seats than one reservation of this show may hold. Ask for fewer; the show says how many.",
        ),
        ProblemType(Outcome.SHOW_NOT_FOUND, 404, "Show not found", "There is no such show. GET /api/shows lists them."),
        ProblemType(
            Outcome.SHOW_NOT_ON_SALE,
            409,
            "Show not on sale",
            "Sales for this show are not open now. The show says when they start and end.",
        ),
        ProblemType(
            Outcome.DUPLICATE_RESERVATION,
            409,
            "Duplicate reservation",
            "You already hold seats for this show: `seat_ids` says which. Change, extend or release them first.",
        ),
        ProblemType(
            Outcome.SEATS_NOT_FOUND,
            404,
            "Seats not found",
            "At least one seat does not exist in this show. The seat map lists them.",
        ),
        ProblemType(
            Outcome.SEATS_UNAVAILABLE,
            409,
            "Seats unavailable",
            "At least one seat was taken by another customer. Choose other seats.",
        ),
        ProblemType(
            Outcome.ACCESSIBLE_SEATS,
            409,
            "Accessible seats",
            "These are wheelchair or companion places. If you need them, ask with `accessible`: true; else choose "
            "others.",
        ),
        ProblemType(
            Outcome.TOO_MANY_HOLDS,
            429,
            "Too many holds",
            "Your network address, or this session, holds too many seats of this show now, or took and let go too many "
            "within a minute. Pay for or release what you hold, or try again in a minute.",
            ((b"retry-after", b"30"),),
        ),
        ProblemType(
            "WRONG_HOST",
            421,
            "Wrong host",
            "This server is not known by the name in the Host header. Use its public address; the operator sets "
            "ROWLOCK_PUBLIC_URL and ROWLOCK_ALLOWED_HOSTS.",
        ),
        ProblemType(
            Outcome.IDEMPOTENCY_KEY_REUSED,
            422,
            "Idempotency key reused",
            "This Idempotency-Key was sent before with another wish. Make a new key for each wish.",
        ),
        ProblemType(
            Outcome.RESERVATION_NOT_FOUND,
            404,
            "Reservation not found",
            "There is no such reservation for this token or session. Reserve seats to get one.",
        ),
        ProblemType(
            Outcome.RESERVATION_NOT_ACTIVE,
            410,
            "Reservation not active",
            "This reservation has ended: it was released or paid for.",
        ),
        ProblemType(
            Outcome.RESERVATION_EXPIRED,
            410,
            "Reservation expired",
            "This reservation has run out and its seats are free again. Reserve them again.",
        ),
        ProblemType(
            Outcome.MAX_EXTENSIONS_REACHED,
            409,
            "No extension left",
            "This reservation cannot be extended any further. Pay or release it before it expires.",
        ),
        ProblemType(
            Outcome.ORDER_BEING_PAID,
            409,
            "Order being paid",
            "These seats are being paid for, so they can be neither changed nor given back now. Finish or cancel the "
            "payment first.",
        ),
        ProblemType(
            "PAYMENT_NOT_OPEN",
            409,
            "Payment not open",
            "This payment is not waiting for a card: it was made, or it has ended. Read the order.",
        ),
        ProblemType(
            "PRICE_TYPE_NOT_FOUND",
            404,
            "Price type not found",
            "A seat has no price of this type. GET /api/shows/{show_id} lists the types of each category.",
        ),
        ProblemType(
            "ORDER_NOT_FOUND",
            404,
            "Order not found",
            "There is no such order, or it is not yours. Send its token in the Authorization header.",
        ),
        ProblemType("PAYMENT_NOT_FOUND", 404, "Payment not found", "The order has no such payment. Ask for one first."),
        ProblemType(
            "ORDER_NOT_PAYABLE",
            409,
            "Order not payable",
            "This order has ended, costs nothing, or is paid. Read it to see; order the seats anew if you hold them.",
        ),
        ProblemType(
            "PAYMENT_FAILED",
            402,
            "Payment failed",
            "The money could not be had, so nothing was sold and you are not charged. Pay in another way.",
        ),
        ProblemType(
            "TICKET_NOT_FOUND",
            404,
            "Ticket not found",
            "The order has no such ticket. Read the order: it lists its tickets.",
        ),
        ProblemType(
            "TICKET_NOT_VALID",
            409,
            "Ticket not valid",
            "This ticket is used or void, or its order is not paid, so it cannot be issued again.",
        ),
        ProblemType(
            "TICKET_REVISION_DIFFERS",
            409,
            "Ticket revision differs",
            "The ticket has another revision than the one named, or it has had all 255 that there are. Read the order: "
            "it has the newest one. After the last, refund the ticket or exchange it.",
        ),
        ProblemType(
            "ORDER_NOT_REFUNDABLE", 409, "Order not refundable", "This order is not paid, or nothing is left of it."
        ),
        ProblemType(
            "ORDER_NOT_EXCHANGEABLE",
            409,
            "Order not exchangeable",
            "Only tickets of an order that is paid, and not given back, can be exchanged. Read the order.",
        ),
        ProblemType(
            "TICKET_USED",
            409,
            "Ticket used",
            "One of the tickets was used at the door, so it cannot be exchanged. Leave it out.",
        ),
        ProblemType(
            "SHOWS_DIFFER",
            409,
            "Shows differ",
            "Tickets are exchanged within one organization and one currency. Refund the order, and sell a new one.",
        ),
        ProblemType(
            "REFUND_EXCEEDS_PAYMENT",
            409,
            "Refund exceeds payment",
            "That is more than what was paid, less what other refunds give back. Refund less.",
        ),
        ProblemType(
            "PAYMENT_DISPUTED",
            409,
            "Payment disputed",
            "The buyer's bank wants this money back. What is refunded or exchanged now could be lost twice. Refund at "
            "most what is not disputed, or wait for the end of the dispute.",
        ),
        ProblemType(
            "PAYMENT_NOT_MANUAL",
            409,
            "Payment not manual",
            "This organization is not paid by hand: its payment provider tells when money has come.",
        ),
        ProblemType(
            "IDEMPOTENCY_KEY_CONFLICT",
            409,
            "Idempotency key in use",
            "This Idempotency-Key was sent before for another order, or its first request is still being worked on. "
            "In the second case send it again in a moment; else make a new key.",
            _RETRY_SOON,
        ),
        ProblemType(
            "PAYMENT_UNAVAILABLE",
            503,
            "Payment provider unavailable",
            "The payment provider does not answer now. Nothing is lost and nothing was charged twice: send the same "
            "request again.",
            ((b"retry-after", b"5"),),
        ),
        ProblemType(
            "WEBHOOK_REFUSED", 400, "Webhook refused", "This is not a webhook of the provider: its signature is wrong."
        ),
        ProblemType(
            "UNAUTHORIZED",
            401,
            "Not authorized",
            "Send the admin key in X-API-Key or, for one show, a key of its organization with the scope staff in "
            "X-Rowlock-Key.",
        ),
        ProblemType(
            "FORBIDDEN",
            403,
            "Not allowed",
            "The key in X-Rowlock-Key may not do this. Send one with the right scope, of the organization of the show.",
        ),
        ProblemType(
            "ADMISSION_REQUIRED",
            403,
            "Admission required",
            "Reserving takes an admission here. Get one from the page or the queue in front of this server.",
        ),
        ProblemType(
            "CROSS_SITE",
            403,
            "Cross-site request",
            "A page of another site asked for this with this browser's session. Only pages of this site may.",
        ),
        ProblemType("NOT_FOUND", 404, "Not found", "There is nothing at this address. /docs lists what there is."),
        ProblemType("METHOD_NOT_ALLOWED", 405, "Method not allowed", "The Allow header lists the methods."),
        ProblemType(
            "REQUEST_TOO_SLOW",
            408,
            "Request too slow",
            "The request was not complete in time. Nothing was changed; send it again, all at once.",
        ),
        ProblemType("PAYLOAD_TOO_LARGE", 413, "Payload too large", "A request body has at most 64 KiB here."),
        ProblemType(
            "UNSUPPORTED_MEDIA_TYPE",
            415,
            "Unsupported media type",
            "Send JSON with the header Content-Type: application/json.",
        ),
        ProblemType(
            "HEAD_TOO_LARGE",
            431,
            "Request head too large",
            "The address and the header fields of a request have at most 32 KiB, in 100 fields. Send less.",
        ),
        ProblemType(
            "INTERNAL_ERROR",
            500,
            "Internal error",
            "Something went wrong on our side, and it was logged under this request id.",
        ),
        ProblemType(
            "BUSY",
            503,
            "Busy",
            "The service is too busy to take this request. Nothing was changed; send it again in a moment.",
            _RETRY_SOON,
        ),
        ProblemType(
            "OUTCOME_UNKNOWN",
            503,
            "Outcome unknown",
            "The database connection was lost before the answer came. Look at the reservation, or repeat the request "
            "with the same Idempotency-Key.",
            _RETRY_SOON,
        ),
        ProblemType(
            "FUNCTIONS_MISSING",
            503,
            "Functions missing",
            "The database functions are not installed. Version 1 works; the operator runs `rowlock migrate`.",
        ),
        ProblemType(
            "LOGIN_MISSING",
            503,
            "Login missing",
            "This server has no database login that may do this. The operator sets ROWLOCK_OFFICE_DATABASE_URL for "
            "what staff do, ROWLOCK_WORKER_DATABASE_URL for cleanup and money, or DATABASE_URL.",
        ),
        ProblemType("NOT_READY", 503, "Not ready", "The service cannot serve requests yet.", _RETRY_SOON),
    )
}


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of every refusal (RFC 9457).

    Where a client is refused because of a hold of its own, the last six members are that hold; the token only for the
    browser session that holds it.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    success: bool | None = None
    request_id: str | None = None
    unavailable_seat_ids: list[int] | None = None
    accessible_seat_ids: list[int] | None = None
    reservation_id: UUID | None = None
    reservation_token: str | None = None
    reservation_status: str | None = None
    seat_ids: Sequence[int] | None = None
    expires_at: Instant | None = None
    server_time: Instant | None = None


@dataclass(slots=True)
class ProblemError(Exception):
    """Raised by an endpoint to refuse a request. `extra` has further members of the problem."""

    code: str
    detail: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def problem_type(self) -> ProblemType:
        """The row of the table for this code."""
        return PROBLEM_TYPES[self.code]

    @property
    def every_header(self) -> list[tuple[bytes, bytes]]:
        """Its own headers, and those of its type that it does not have a value of its own for."""
        own = {name for name, _ in self.headers}
        return [*(header for header in self.problem_type.headers if header[0] not in own), *self.headers]


def method_not_allowed(methods: Iterable[str]) -> ProblemError:
    """METHOD_NOT_ALLOWED with the methods that a path has; wherever GET is, HEAD is, too."""
    known = set(methods)
    allow = ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))
    return ProblemError("METHOD_NOT_ALLOWED", f"Use {allow} here.", headers=((b"allow", allow.encode()),))


def as_problem(error: Exception) -> ProblemError | None:
    """The problem for an expected exception of a service; None for any other exception."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, BusyError):
        return ProblemError("BUSY")
    if isinstance(error, OutcomeUnknownError):
        return ProblemError("OUTCOME_UNKNOWN")
    if isinstance(error, FunctionsMissingError):
        return ProblemError("FUNCTIONS_MISSING")
    if isinstance(error, LoginMissingError):
        return ProblemError("LOGIN_MISSING")
    return None


def problem_body(error: ProblemError, request_id: str | None) -> bytes:
    """The JSON of a problem. What is refused before it reaches the application has no id."""
    kind = error.problem_type
    return msgspec.json.encode(
        Problem(
            type=f"/problems#{kind.code}",
            title=kind.title,
            status=kind.status,
            detail=error.detail or kind.detail,
            code=str(kind.code),
            success=False,
            request_id=request_id,
            **error.extra,
        )
    )
