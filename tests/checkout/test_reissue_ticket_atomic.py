"""reissue_ticket_atomic: a ticket gets its next revision, once for each wish, and only while it is valid."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from rowlock.base.ids import mint_id
from tests.checkout.orders import confirmed, paid, rows
from tests.support.answers import Show
from tests.support.seatdb import SeatDb


async def reissue(
    db: SeatDb, show: Show, order_id: UUID, ticket_id: UUID, revision: int | None = None
) -> tuple[str, int | None]:
    """The outcome, and the revision that counts now."""
    [told] = await db._owner_rows(
        "select outcome, revision from rowlock.reissue_ticket_atomic(%s, %s, %s, %s, 'stolen', p_actor => 'staff')",
        *(show.show_id, order_id, ticket_id, revision),
    )
    return told["outcome"], told["revision"]


async def ticket(db: SeatDb, order_id: UUID, seat: int = 1) -> dict[str, Any]:
    return next(one for one in await rows(db, "tickets", order_id) if one["seat_id"] == seat)


async def test_a_ticket_gets_its_next_revision_and_the_others_stay(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)
    first = await ticket(db, order_id)

    assert await reissue(db, show, order_id, first["ticket_id"]) == ("OK", 2)
    assert await reissue(db, show, order_id, first["ticket_id"]) == ("OK", 3)

    assert ((await ticket(db, order_id))["revision"], (await ticket(db, order_id, 2))["revision"]) == (3, 1)
    logged = [row for row in await rows(db, "seat_reservation_audit_log", order_id) if row["event"] == "reissued"]
    assert [(row["seat_ids"], row["metadata"]["revision"], row["actor"]) for row in logged] == [
        ([1], 2, "staff"),
        ([1], 3, "staff"),
    ]
    assert {row["metadata"]["reason"] for row in logged} == {"stolen"}
    told = [row["payload"] for row in await rows(db, "outbox_messages", order_id) if row["kind"] == "ticket_reissued"]
    assert [payload["revision"] for payload in told] == [2, 3]
    assert await db.check() == []


async def test_a_wish_that_names_the_revision_to_be_replaced_may_be_repeated(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1)
    ticket_id = (await ticket(db, order_id))["ticket_id"]

    answers = [await reissue(db, show, order_id, ticket_id, 1) for _ in range(3)]

    assert answers == [("OK", 2)] * 3
    assert len([row for row in await rows(db, "outbox_messages", order_id) if row["kind"] == "ticket_reissued"]) == 1
    assert await reissue(db, show, order_id, ticket_id, 2) == ("OK", 3)
    assert await reissue(db, show, order_id, ticket_id, 1) == ("TICKET_REVISION_DIFFERS", 3)


async def test_two_staff_who_replace_the_same_revision_make_one_new_code(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1)
    ticket_id = (await ticket(db, order_id))["ticket_id"]

    answers = await asyncio.gather(*(reissue(db, show, order_id, ticket_id, 1) for _ in range(8)))

    assert set(answers) == {("OK", 2)}


async def test_only_a_valid_ticket_of_a_paid_order_is_issued_again(db: SeatDb, show: Show) -> None:
    order_id = await paid(db, show, 1, 2)
    other_id, _ = await confirmed(db, show, 3, by="ben")
    returned, of_other = await ticket(db, order_id), await ticket(db, other_id, 3)
    await db.refund(show, order_id, seat_ids=[1])

    assert (await reissue(db, show, order_id, returned["ticket_id"]))[0] == "TICKET_NOT_VALID"
    assert (await reissue(db, show, other_id, of_other["ticket_id"]))[0] == "TICKET_NOT_VALID"
    assert (await reissue(db, show, order_id, of_other["ticket_id"]))[0] == "TICKET_NOT_FOUND"
    assert (await reissue(db, show, mint_id(show.show_id), returned["ticket_id"]))[0] == "TICKET_NOT_FOUND"
    assert (await reissue(db, show, order_id, (await ticket(db, order_id, 2))["ticket_id"])) == ("OK", 2)


@pytest.mark.parametrize("revision", [None, 255])
async def test_a_ticket_has_at_most_255_revisions(db: SeatDb, show: Show, revision: int | None) -> None:
    order_id = await paid(db, show, 1)
    await db.owner.execute("update rowlock.tickets set revision = 255 where order_id = %s", [order_id])
    ticket_id = (await ticket(db, order_id))["ticket_id"]

    assert await reissue(db, show, order_id, ticket_id, revision) == ("TICKET_REVISION_DIFFERS", 255)
