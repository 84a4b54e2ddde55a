"""The JSON types of reservations: request and response bodies, from which their OpenAPI schemas are made too, and the
OpenAPI entries of headers and query parameters.

Members that a request body does not have are refused: a wish that is ignored looks like one that was granted.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from rowlock.web.json_types import Instant
from rowlock.web.texts import VISIBLE_ASCII, whole

SeatId = Annotated[int, Meta(ge=1, le=2_147_483_647)]
SeatIds = Annotated[list[SeatId], Meta(max_length=1000, extra_json_schema={"uniqueItems": True})]
SessionId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=whole(VISIBLE_ASCII),
        description="The holder. With a key in X-Rowlock-Key it is needed, and any id of your system will do. Without "
        "a key it must be one that nobody can guess, a random UUID or 32 random characters and more, and begin neither "
        "with web_ nor with org_; without it the session cookie identifies the holder.",
        examples=["7d2f0d3c-5a6f-4c59-9d0b-5f1c1f0a9b52"],
    ),
]
ClientAddress = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=45,
        description="With a key in X-Rowlock-Key only: the IP address of the end user. Without it that of the "
        "connection counts.",
        examples=["192.0.2.7", "2001:db8::7"],
    ),
]
TokenText = Annotated[str, Meta(min_length=1, max_length=200)]

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Made once for each wish. Sent again with the same wish, it gets the same hold, as it is by then; "
    "with another wish it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": VISIBLE_ASCII},
}
ADMISSION = {
    "name": "X-Admission",
    "in": "header",
    "required": False,
    "description": "Needed where the operator lets a queue admit buyers, and not with a key in X-Rowlock-Key: "
    "`<show_id>:<session>:<expires>:<signature>`, as the queue gives it out.",
    "schema": {"type": "string"},
}
SHOW_ID = {"name": "show_id", "in": "query", "required": True, "schema": {"type": "string", "format": "uuid"}}


class ReserveBody(Struct, forbid_unknown_fields=True):
    """A wish for seats of one show, all or nothing. Wheelchair and companion places need `accessible: true`."""

    show_id: UUID
    seat_ids: Annotated[list[SeatId], Meta(min_length=1, max_length=1000, extra_json_schema={"uniqueItems": True})]
    accessible: bool = False
    session_id: SessionId | None = None
    client_address: ClientAddress | None = None


class BestAvailableBody(Struct, forbid_unknown_fields=True):
    """A wish for the best seats, of a category or section if one is named.

    Wheelchair and companion places are chosen only when `accessible` is true.
    """

    show_id: UUID
    quantity: Annotated[int, Meta(ge=1, le=1000)]
    category: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    section: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    accessible: bool = False
    session_id: SessionId | None = None
    client_address: ClientAddress | None = None


class ExtendBody(Struct, forbid_unknown_fields=True):
    """With the extension count you have seen, an extend whose answer was lost may be repeated."""

    extension_count: Annotated[int, Meta(ge=0, le=1000)] | None = None
    client_address: ClientAddress | None = None


class ChangeBody(Struct, forbid_unknown_fields=True):
    """Seats to add and seats to give back, in one step. To add wheelchair and companion places needs `accessible`."""

    add: SeatIds = []
    remove: SeatIds = []
    accessible: bool = False
    client_address: ClientAddress | None = None


# Rules that the types cannot express: at least one seat in all; exactly one of two ways to name the hold. Said with
# `if`, because generators of clients take `anyOf` and `oneOf` for types of their own and lose the members.
def _has(name: str, **facts: Any) -> dict[str, Any]:
    return {"required": [name], "properties": {name: facts}}


SOME_SEAT = Meta(extra_json_schema={"if": _has("add", minItems=1), "else": _has("remove", minItems=1)})
ONE_NAME = Meta(
    extra_json_schema={
        "if": _has("reservation_token", type="string"),
        "then": {"properties": {"reservation_id": {"type": "null"}}},
        "else": _has("reservation_id", type="string"),
    }
)


class ReleaseBody(Struct, forbid_unknown_fields=True):
    """The token of the hold; or its id, with the session id (or cookie) that holds it."""

    reservation_token: TokenText | None = None
    reservation_id: UUID | None = None
    session_id: SessionId | None = None
    client_address: ClientAddress | None = None


class Reservation(Struct, kw_only=True):
    """A new or changed hold, or that of a repeated request. Pay, extend or release it before `expires_at`."""

    success: bool = True
    reservation_id: UUID
    reservation_token: str
    status: str
    show_id: UUID
    seat_ids: Sequence[int]
    expires_at: Instant
    extension_count: int
    extensions_remaining: int
    server_time: Instant


class Extended(Struct, kw_only=True):
    """The new deadline of a hold."""

    success: bool = True
    expires_at: Instant
    extension_count: int
    extensions_remaining: int
    server_time: Instant


class Released(Struct, kw_only=True):
    """The seats that were released. Of a lapsed hold, only those that no other hold has claimed since."""

    success: bool = True
    released_seat_ids: Sequence[int]


class HeldSeatView(Struct):
    """A seat of a hold with its adult price, in minor units of the currency."""

    seat_id: int
    label: str
    category: str
    price_minor: int | None


class HoldView(Struct, kw_only=True):
    """A hold as its holder sees it. `status` is active, completed, released or expired."""

    success: bool = True
    reservation_id: UUID
    show_id: UUID
    status: str
    seat_ids: Sequence[int]
    seats: Sequence[HeldSeatView]
    total_minor: int | None
    currency: str
    created_at: Instant
    expires_at: Instant
    extension_count: int
    extensions_remaining: int
    server_time: Instant


class OwnHoldView(HoldView, kw_only=True):
    """The live hold of a browser session, with its token."""

    reservation_token: str
