"""Puts ids of the show, its seats and its holds into the requests of schemathesis: random ones get nothing but 404.

Only requests that are meant to be well formed are changed, and they stay well formed; malformed ones are sent as they
were generated. What a schema cannot say is kept here: the seats of the hall, its categories and sections, how
many seats a hold may have, and that without a key a session id is long, and no other address is named.
"""

import json
import os
from itertools import count
from typing import Any

import schemathesis

SHOW_ID: str = os.environ["ROWLOCK_FUZZ_SHOW_ID"]
SEATS_TOTAL: int = int(os.environ["ROWLOCK_FUZZ_SEATS_TOTAL"])
CATEGORIES: list[str] = json.loads(os.environ["ROWLOCK_FUZZ_CATEGORIES"])
SECTIONS: list[str] = json.loads(os.environ["ROWLOCK_FUZZ_SECTIONS"])
# The first show that there can be: what a cursor is, no schema can say.
CURSOR = "A" * 32
MAX_SEATS = 10
HOLD_MAX_SEATS = 6
KEPT_TOKENS = 50

_tokens: list[str] = []
_grown: set[str] = set()
"""Holds that were given seats once: another time, they could have more than a hold may have."""
_numbers = count()


def _is_well_formed(case: Any) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _follows_a_link(case: Any) -> bool:
    """Stateful tests have tokens of their own, and check the answers for just those."""
    return bool(case.meta.phase.name.value == "stateful")


def _seats(wanted: list[int], most: int) -> list[int]:
    """Seats of the hall, and now and then one that is not there."""
    return list(dict.fromkeys((seat - 1) % (SEATS_TOTAL + 20) + 1 for seat in wanted))[:most]


def _steer_body(body: dict[str, Any], *, tokens: bool) -> None:
    number = next(_numbers)
    if isinstance(body.get("session_id"), str):
        body["session_id"] = f"id-{number % 50}-0123456789abcdef0123456789abcdef"
    body.pop("client_address", None)
    if "show_id" in body and number % 8:
        body["show_id"] = SHOW_ID
    if isinstance(body.get("quantity"), (int, float)):
        body["quantity"] = 1 + int(body["quantity"]) % HOLD_MAX_SEATS
    if isinstance(body.get("category"), str):
        body["category"] = CATEGORIES[number % len(CATEGORIES)]
    if isinstance(body.get("section"), str):
        body["section"] = SECTIONS[number % len(SECTIONS)]
    # JSON Schema takes 1.0 for an integer, and the API does not.
    for name in ("extension_count", "amount_minor", "revision"):
        if isinstance(body.get(name), float):
            body[name] = int(body[name])
    if body.get("tickets"):
        by_seat = {int(ticket["seat_id"]): ticket for ticket in body["tickets"]}
        body["tickets"] = [{**ticket, "seat_id": seat} for seat, ticket in by_seat.items()]
    if body.get("ticket_ids") is not None:
        body.pop("amount_minor", None)
    # It is in the header, or here: two that differ are refused.
    body.pop("idempotency_key", None)
    for name, most in (("seat_ids", HOLD_MAX_SEATS), ("add", MAX_SEATS - HOLD_MAX_SEATS), ("remove", 1)):
        if isinstance(body.get(name), list):
            body[name] = _seats([int(seat) for seat in body[name]], most)
    if body.get("remove") and body.get("add"):
        body["remove"] = [seat for seat in body["remove"] if seat not in body["add"]]
    if body.get("remove") and not body.get("add"):
        # A hold keeps at least one seat.
        body["add"] = [body["remove"][0] % SEATS_TOTAL + 1]
    if isinstance(body.get("reservation_token"), str) and tokens and number % 4:
        body["reservation_token"] = _tokens[number % len(_tokens)]


def _adds_seats(body: Any) -> bool:
    return isinstance(body, dict) and "add" in body


@schemathesis.hook
def before_call(_: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Point a well-formed request at the show and at holds that were made before."""
    if not _is_well_formed(case):
        return
    # A key that was made up is refused wherever it is sent, and the operator's is there.
    for headers in (case.headers, kwargs.get("headers")):
        if headers:
            headers.pop("X-Rowlock-Key", None)
            # An idempotency key is printable: which characters are, no pattern can say.
            if not headers.get("Idempotency-Key", "key").isprintable():
                headers["Idempotency-Key"] = f"key-{next(_numbers)}"
    tokens = bool(_tokens) and not _follows_a_link(case)
    if "token" in (case.path_parameters or {}) and tokens and next(_numbers) % 8:
        small = [token for token in _tokens if token not in _grown] if _adds_seats(case.body) else _tokens
        if small:
            token = case.path_parameters["token"] = small[next(_numbers) % len(small)]
            if _adds_seats(case.body):
                _grown.add(token)
    if "show_id" in (case.path_parameters or {}) and next(_numbers) % 8:
        case.path_parameters["show_id"] = SHOW_ID
    query = case.query or {}
    if "cursor" in query:
        query["cursor"] = CURSOR
    for name in ("venue", "organization"):
        if isinstance(query.get(name), str):
            query[name] = query[name].replace("\0", "-")
    if isinstance(case.body, dict):
        _steer_body(case.body, tokens=tokens)


@schemathesis.hook
def after_call(_: Any, case: Any, response: Any) -> None:
    """Remember the tokens of new holds."""
    if response.status_code == 201 and (token := response.json().get("reservation_token")):
        _tokens.append(token)
        del _tokens[:-KEPT_TOKENS]
