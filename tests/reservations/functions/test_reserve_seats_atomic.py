"""reserve_seats_atomic: seats for one holder, all or nothing."""

from collections.abc import Sequence
from hashlib import sha256
from uuid import uuid4

import psycopg
import pytest

from tests.support.answers import Show, said, token
from tests.support.seatdb import SeatDb


async def test_a_reservation_claims_its_seats_for_ten_minutes(db: SeatDb, show: Show) -> None:
    reserved = await db.reserve(show, seats=[3, 1, 2], holder="anna")

    assert said(reserved) == {
        "holder": "anna",
        "outcome": "OK",
        "status": "active",
        "seat_ids": [1, 2, 3],
        "unavailable_seat_ids": None,
        "expires_at": reserved.expires_at,
        "extension_count": 0,
        "extensions_remaining": 3,
    }
    assert 599 < reserved.hold.total_seconds() <= 600
    assert await db.claims(show) == {1: "anna", 2: "anna", 3: "anna"}
    row = await db.reservation(reserved)
    assert (row["status"], row["seat_ids"], row["extension_count"]) == ("active", [1, 2, 3], 0)
    assert (row["expires_at"] - row["created_at"]).total_seconds() == 600
    assert row["expires_at"] == reserved.expires_at
    assert await db.check() == []


async def test_the_audit_row_has_the_session_the_address_and_the_user_agent(db: SeatDb, show: Show) -> None:
    reserved = await db.reserve(
        show, seats=[2, 1], holder="anna", session="s-1", ip="203.0.113.9", user_agent="Firefox"
    )

    (row,) = await db.audit(show)
    assert (row.event, row.reservation_id, row.seat_ids, row.error_code, row.order_id, row.metadata) == (
        "created", reserved.reservation_id, [1, 2], None, None, {},
    )  # fmt: skip
    assert (row.session_id, row.ip_address, row.user_agent) == ("s-1", "203.0.113.9", "Firefox")


async def test_only_the_hash_of_a_secret_is_kept(db: SeatDb, show: Show) -> None:
    reserved = await db.reserve(show, seats=[1], holder="anna", secret=token("anna's"))

    row = await db.reservation(reserved)
    assert row["token_hash"] == sha256(token("anna's")).digest()
    assert token("anna's") not in row.values()


INVALID: list[tuple[str, Sequence[int] | None, str | None]] = [
    ("no seats", [], "anna"),
    ("null for seats", None, "anna"),
    ("a seat twice", [1, 2, 1], "anna"),
    ("seat zero", [0, 1], "anna"),
    ("a negative seat", [-1], "anna"),
    ("no holder", [1], ""),
    ("null for the holder", [1], None),
]


@pytest.mark.parametrize(("seats", "holder"), [case[1:] for case in INVALID], ids=[case[0] for case in INVALID])
async def test_invalid_arguments_are_refused_and_not_logged(
    db: SeatDb, show: Show, seats: Sequence[int] | None, holder: str | None
) -> None:
    assert (await db.reserve(show, seats=seats, holder=holder)).outcome == "INVALID_INPUT"
    assert await db.audit(show) == []
    assert await db.claim_rows(show) == {}


async def test_a_seat_id_that_is_null_is_refused(db: SeatDb, show: Show) -> None:
    cursor = await db.app.execute(
        "select outcome from rowlock.reserve_seats_atomic(%s, '{1,null}', 'anna')", [show.show_id]
    )

    assert await cursor.fetchall() == [("INVALID_INPUT",)]


async def test_every_refusal_in_the_order_of_precedence(db: SeatDb, show: Show) -> None:
    """One request that is wrong in every way; each repair brings out the next refusal."""
    anna = await db.reserve(show, seats=[40], holder="anna")
    await db.reserve(show, seats=[12], holder="ben")
    await db.set_show(show, status="paused")
    missing = Show(uuid4(), 40)

    assert (await db.reserve(missing, seats=[*range(12, 24), 99, 99], holder="anna")).outcome == "INVALID_INPUT"
    assert (await db.reserve(missing, seats=[*range(12, 24), 99], holder="anna")).outcome == "SHOW_NOT_FOUND"
    assert (await db.reserve(show, seats=[*range(12, 24), 99], holder="anna")).outcome == "TOO_MANY_SEATS"
    assert (await db.reserve(show, seats=[12, 99], holder="anna")).outcome == "SHOW_NOT_ON_SALE"
    await db.set_show(show, status="on_sale")
    assert (await db.reserve(show, seats=[12, 99], holder="anna")).outcome == "DUPLICATE_RESERVATION"
    await db.release(anna)
    assert (await db.reserve(show, seats=[12, 99], holder="anna")).outcome == "SEATS_NOT_FOUND"
    refused = await db.reserve(show, seats=[11, 12, 13], holder="anna")
    assert (refused.outcome, refused.unavailable_seat_ids) == ("SEATS_UNAVAILABLE", [12])
    assert (await db.reserve(show, seats=[11, 13], holder="anna")).outcome == "OK"

    assert [(event, error) for event, _, error in await db.events(show)][2:] == [
        ("failed", "DUPLICATE_RESERVATION"),
        ("released", None),
        ("failed", "SEATS_UNAVAILABLE"),
        ("created", None),
    ]
    assert await db.counted_refusals(show) == {"SEATS_NOT_FOUND": 1, "SHOW_NOT_ON_SALE": 1, "TOO_MANY_SEATS": 1}
    assert await db.check() == []


async def test_a_refusal_has_no_deadline(db: SeatDb, show: Show) -> None:
    await db.reserve(show, seats=[1], holder="anna")

    refused = await db.reserve(show, seats=[2, 1], holder="ben")

    assert said(refused) == {
        "holder": "ben",
        "outcome": "SEATS_UNAVAILABLE",
        "status": None,
        "seat_ids": [1, 2],
        "unavailable_seat_ids": [1],
        "expires_at": None,
        "extension_count": None,
        "extensions_remaining": None,
    }


@pytest.mark.parametrize("status", ["paused", "closed", "cancelled"])
async def test_seats_of_a_show_that_is_not_on_sale_are_refused(db: SeatDb, status: str) -> None:
    show = await db.make_show(seats=5, status=status)

    assert (await db.reserve(show, seats=[1], holder="anna")).outcome == "SHOW_NOT_ON_SALE"


@pytest.mark.parametrize(
    ("starts", "ends", "outcome"),
    [
        ("-1 hour", "1 hour", "OK"),
        ("1 hour", "2 hours", "SHOW_NOT_ON_SALE"),
        ("-2 hours", "-1 hour", "SHOW_NOT_ON_SALE"),
    ],
)
async def test_sales_open_and_close_by_the_clock(db: SeatDb, show: Show, starts: str, ends: str, outcome: str) -> None:
    await db.owner.execute(
        "update rowlock.shows set sales_start_at = clock_timestamp() + %s::interval,"
        " sales_end_at = clock_timestamp() + %s::interval",
        [starts, ends],
    )

    assert (await db.reserve(show, seats=[1], holder="anna")).outcome == outcome


async def test_ten_seats_are_the_most_and_the_limit_is_the_shows(db: SeatDb, show: Show) -> None:
    assert (await db.reserve(show, seats=range(1, 12), holder="anna")).outcome == "TOO_MANY_SEATS"
    assert (await db.reserve(show, seats=range(1, 11), holder="anna")).outcome == "OK"

    duo = await db.make_show(max_seats_per_reservation=2, hold_seconds=60, max_hold_seconds=60)
    assert (await db.reserve(duo, seats=[1, 2, 3], holder="anna")).outcome == "TOO_MANY_SEATS"
    reserved = await db.reserve(duo, seats=[1, 2], holder="anna")
    assert 59 < reserved.hold.total_seconds() <= 60


async def test_the_last_seat_exists_and_the_one_after_it_does_not(db: SeatDb, show: Show) -> None:
    assert (await db.reserve(show, seats=[41], holder="anna")).outcome == "SEATS_NOT_FOUND"
    assert (await db.reserve(show, seats=[40], holder="anna")).outcome == "OK"


async def test_sold_and_blocked_seats_are_unavailable(db: SeatDb, show: Show) -> None:
    await db.complete(show, await db.order(await db.reserve(show, seats=[1], holder="anna")))
    await db.block(show, seats=[2])

    refused = await db.reserve(show, seats=[1, 2, 3], holder="ben")

    assert (refused.outcome, refused.unavailable_seat_ids) == ("SEATS_UNAVAILABLE", [1, 2])


async def test_the_claims_of_one_show_do_not_affect_another(db: SeatDb, show: Show) -> None:
    other = await db.make_show()

    assert (await db.reserve(show, seats=[1], holder="anna")).outcome == "OK"
    assert (await db.reserve(other, seats=[1], holder="anna")).outcome == "OK"


async def test_a_lapsed_hold_is_retired_by_the_next_request_of_its_holder(db: SeatDb, show: Show) -> None:
    first = await db.reserve(show, seats=[1, 2], holder="anna", session="s-1")
    await db.age(first, minutes=11)

    second = await db.reserve(show, seats=[2, 3], holder="anna")

    assert second.outcome == "OK"
    assert (await db.reservation(first))["status"] == "expired"
    assert await db.claim_rows(show) == {
        2: ("reserved", second.reservation_id),
        3: ("reserved", second.reservation_id),
    }
    _, expired, created = await db.audit(show)
    # Of its two seats one went back on sale; the other is the new hold's without having been free.
    assert (expired.event, expired.reservation_id, expired.seat_ids, expired.session_id) == (
        "expired", first.reservation_id, [1], "s-1",
    )  # fmt: skip
    assert expired.metadata == {"held_seconds": 600}
    assert (created.event, created.seat_ids) == ("created", [2, 3])
    assert await db.check() == []


async def test_a_refused_request_retires_nothing(db: SeatDb, show: Show) -> None:
    await db.reserve(show, seats=[5], holder="ben")
    first = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(first, minutes=11)

    assert (await db.reserve(show, seats=[5], holder="anna")).outcome == "SEATS_UNAVAILABLE"
    assert (await db.reservation(first))["status"] == "active"
    assert await db.check() == []


async def test_a_lapsed_hold_that_lost_its_seats_is_retired_without_any(db: SeatDb, show: Show) -> None:
    first = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(first, minutes=11)
    await db.reserve(show, seats=[1, 2], holder="ben")

    assert (await db.reserve(show, seats=[3], holder="anna")).outcome == "OK"
    assert await db.claims(show) == {1: "ben", 2: "ben", 3: "anna"}
    assert ("expired", [], None) in await db.events(show)
    assert await db.check() == []


async def test_the_same_reservation_id_answers_the_same_once(db: SeatDb, show: Show) -> None:
    request = {"seats": [1, 2], "holder": "anna", "reservation_id": uuid4(), "secret": token("anna's")}

    first = await db.reserve(show, **request)  # type: ignore[arg-type]  # Keywords of several types.
    again = await db.reserve(show, **request)  # type: ignore[arg-type]  # Keywords of several types.

    assert said(again) == said(first)
    assert await db.events(show) == [("created", [1, 2], None)]


async def test_a_retry_is_answered_with_the_hold_as_it_is_now(db: SeatDb, show: Show) -> None:
    first = await db.reserve(show, seats=[1, 2], holder="anna")
    extended = await db.extend(first)
    await db.change(first, add=[3], remove=[1])

    again = await db.reserve(show, seats=[1, 2], holder="anna", reservation_id=first.reservation_id)

    assert (again.outcome, again.seat_ids, again.expires_at) == ("OK", [2, 3], extended.expires_at)
    assert (again.extension_count, again.extensions_remaining) == (1, 2)


@pytest.mark.parametrize("since", ["nothing", "seats taken", "newer hold", "sales closed"])
@pytest.mark.parametrize("end", ["released", "retired", "lapsed"])
async def test_a_retry_that_comes_after_the_end_of_its_hold_is_told_so_and_reserves_nothing(
    db: SeatDb, show: Show, end: str, since: str
) -> None:
    first = await db.reserve(show, seats=[1, 2], holder="anna")
    if end == "released":
        await db.release(first)
    else:
        await db.age(first, minutes=11)
    if end == "retired":
        await db.cleanup()
    match since:
        case "seats taken":
            await db.reserve(show, seats=[2], holder="ben")
        case "newer hold":
            await db.reserve(show, seats=[3], holder="anna")
        case "sales closed":
            await db.set_show(show, status="closed")
    claims, events = await db.claims(show), await db.events(show)

    again = await db.reserve(show, seats=[1, 2], holder="anna", reservation_id=first.reservation_id)

    told = ("RESERVATION_NOT_ACTIVE", "released") if end == "released" else ("RESERVATION_EXPIRED", "expired")
    assert ((again.outcome, again.status), again.seat_ids) == (told, [1, 2])
    assert again.expires_at == (await db.reservation(first))["expires_at"]
    assert await db.claims(show) == claims
    assert await db.events(show) == events


@pytest.mark.parametrize("ended", [False, True])
async def test_an_id_that_was_used_for_another_wish_is_refused(db: SeatDb, show: Show, ended: bool) -> None:
    first = await db.reserve(show, seats=[1, 2], holder="anna")
    if ended:
        await db.release(first)

    other = await db.reserve(show, seats=[3], holder="anna", reservation_id=first.reservation_id)
    best = await db.reserve(show, seats=[1, 2], holder="anna", reservation_id=first.reservation_id, wish=b"the best 2")

    assert [answer.outcome for answer in (other, best)] == ["IDEMPOTENCY_KEY_REUSED"] * 2
    assert 3 not in await db.claims(show)
    assert await db.check() == []


async def test_a_wish_that_is_not_the_seats_is_known_by_its_hash(db: SeatDb, show: Show) -> None:
    first = await db.reserve(show, seats=[1, 2], holder="anna", wish=b"the best 2")

    again = await db.reserve(show, seats=[7, 8], holder="anna", reservation_id=first.reservation_id, wish=b"the best 2")
    seats = await db.reserve(show, seats=[1, 2], holder="anna", reservation_id=first.reservation_id)

    assert (again.outcome, again.seat_ids) == ("OK", [1, 2])
    assert seats.outcome == "IDEMPOTENCY_KEY_REUSED"


async def test_a_retry_after_the_purchase_is_told_of_it(db: SeatDb, show: Show) -> None:
    first = await db.reserve(show, seats=[1], holder="anna")
    await db.complete(show, await db.order(first))

    again = await db.reserve(show, seats=[1], holder="anna", reservation_id=first.reservation_id)

    assert (again.outcome, again.status) == ("RESERVATION_NOT_ACTIVE", "completed")


async def test_a_draft_is_not_found(db: SeatDb) -> None:
    draft = await db.make_show(seats=5, status="draft")

    assert (await db.reserve(draft, seats=[1], holder="anna")).outcome == "SHOW_NOT_FOUND"
    assert await db.audit(draft) == []
    assert await db.counted_refusals(draft) == {}


@pytest.mark.parametrize("ended", [False, True])
async def test_the_reservation_id_of_another_holder_is_invalid_and_reveals_nothing(
    db: SeatDb, show: Show, ended: bool
) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna", secret=token("anna's"))
    if ended:
        await db.release(anna)

    theirs = await db.reserve(
        show, seats=[3], holder="mallory", reservation_id=anna.reservation_id, secret=token("mallory's")
    )
    wrong_token = await db.reserve(
        show, seats=[3], holder="anna", reservation_id=anna.reservation_id, secret=token("mallory's")
    )

    for answer in (theirs, wrong_token):
        assert (answer.outcome, answer.seat_ids, answer.expires_at) == ("INVALID_INPUT", [3], None)
    assert 3 not in await db.claims(show)
    assert await db.check() == []


async def test_a_refused_request_may_be_tried_again_with_its_id(db: SeatDb, show: Show) -> None:
    ben = await db.reserve(show, seats=[1], holder="ben")
    refused = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.release(ben)

    again = await db.reserve(show, seats=[1, 2], holder="anna", reservation_id=refused.reservation_id)

    assert again.outcome == "OK"
    assert await db.claims(show) == {1: "anna", 2: "anna"}


async def test_the_application_has_no_other_way_to_a_seat(db: SeatDb, show: Show) -> None:
    for statement in (
        b"insert into rowlock.show_seats select * from rowlock.show_seats",
        b"update rowlock.show_seats set reserved_until = null",
        b"delete from rowlock.seat_reservations",
        b"select * from rowlock.show_seats",
        b"insert into rowlock.seat_reservation_audit_log (show_id, event) values (gen_random_uuid(), 'sold')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await db.app.execute(statement)


async def test_even_the_owner_cannot_sell_a_seat_twice(db: SeatDb, show: Show) -> None:
    await db.reserve(show, seats=[1], holder="anna")

    with pytest.raises(psycopg.errors.UniqueViolation, match="idx_show_seats_no_double_booking"):
        await db.owner.execute(
            "insert into rowlock.show_seats (show_id, seat_id, status, block_reason) values (%s, 1, 'blocked', '-')",
            [show.show_id],
        )
