"""The operations of exchanges, disputes and refunds by hand that meet others in a race, and what is there before them.

Gina's ticket for seat 7 is exchanged for seat 5 of the same show, which costs the same; her payment has a reference at
its provider, because a credit is looked up by it. Anna's order may be made in exchange for Gina's, too.
"""

from typing import TYPE_CHECKING, Any

from rowlock.base.ids import mint_id
from rowlock.database.connections import WORKER_ROLE
from tests.support.answers import token
from tests.support.seatdb import SeatDb

if TYPE_CHECKING:
    from tests.concurrency.racing_operations import Operation, World

PRICE = 2500
OLD_SEAT, NEW_SEAT = 7, 5
SECRET = token("anna")
# What is told of the credit: ids, amounts, and where the money is.
CREDITS = ("credit_ids", "amounts_minor", "source_providers", "source_references", "source_accounts")


async def _begin(db: SeatDb, world: "World", *, key: str = "x", seat: int = OLD_SEAT) -> dict[str, Any]:
    show_id = world.show.show_id
    return await db._call(
        "select * from rowlock.begin_exchange_atomic(%s, %s, %s, %s, %s::int[], %s, %s, %s, 'asked', null, 'staff')",
        show_id, world.paid, key, token(key), [seat], show_id, mint_id(show_id), mint_id(show_id), role=WORKER_ROLE,
    )  # fmt: skip


async def make_for_anna(db: SeatDb, world: "World", worth_minor: int) -> dict[str, Any]:
    """Anna's order, in exchange for tickets of Gina's that are worth so much. A repeated call is told less or more."""
    return await db._call(
        "select * from rowlock.make_exchange_order_atomic(%s, %s, %s, %s, %s, %s, 'Anna', 'anna@example.org', "
        "'{}'::int[], '{}'::text[], %s, null, null, %s, %s, %s::bigint)",
        world.show.show_id, world.holds["anna"].reservation_id, SECRET, world.order_id, world.order_id.hex[:12],
        token("order"), token("wish"), world.show.show_id, world.paid, worth_minor, role=WORKER_ROLE,
    )  # fmt: skip


async def _give_up(db: SeatDb, world: "World") -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.give_up_tickets_atomic(%s, %s, %s::bigint, true)",
        world.show.show_id, world.exchanged, PRICE, role=WORKER_ROLE,
    )  # fmt: skip


async def _finish(db: SeatDb, world: "World") -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.finish_exchange_atomic(%s, %s, %s::uuid[], %s::bigint[], %s::text[], %s::text[], "
        "%s::text[])",
        world.show.show_id, world.exchanged, *world.credit, role=WORKER_ROLE,
    )  # fmt: skip


async def _dispute(db: SeatDb, world: "World", status: str, *, reference: str = "dp_1") -> dict[str, Any]:
    # Where one is open already, the race is about its end.
    status = "won" if world.is_disputed else status
    return await db._call(
        "select * from rowlock.record_dispute_atomic(%s, %s, %s, %s, %s, 'as told', %s::bigint, %s::bigint, "
        "0::bigint, 'USD', 'fraud', null)",
        world.show.show_id, world.paid_intent, mint_id(world.show.show_id), reference, status, PRICE,
        0 if status == "won" else PRICE, role=WORKER_ROLE,
    )  # fmt: skip


async def _by_hand(db: SeatDb, world: "World", refunded_minor: int) -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.record_refund_atomic(%s, %s, %s, %s::bigint, 'by hand', 'staff')",
        world.show.show_id, world.paid_intent, mint_id(world.show.show_id), refunded_minor, role=WORKER_ROLE,
    )  # fmt: skip


async def _reissue(db: SeatDb, world: "World", revision: int | None) -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.reissue_ticket_atomic(%s, %s, %s, %s::integer, 'stolen')",
        world.show.show_id, world.paid, world.ticket, revision, role=WORKER_ROLE,
    )  # fmt: skip


EXCHANGE_OPERATIONS: "dict[str, tuple[Operation, Operation]]" = {
    "reissue": (lambda db, w: _reissue(db, w, 1), lambda db, w: _reissue(db, w, 1)),
    "by_hand": (lambda db, w: _by_hand(db, w, 1000), lambda db, w: _by_hand(db, w, 1400)),
    "begin_exchange": (lambda db, w: _begin(db, w), lambda db, w: _begin(db, w)),
    "make_exchange": (lambda db, w: make_for_anna(db, w, PRICE), lambda db, w: make_for_anna(db, w, 1000)),
    "give_up": (_give_up, _give_up),
    "finish_exchange": (_finish, _finish),
    "refund_exchanged": (
        lambda db, w: db.refund(w.show, w.exchanged, key="first of new", seat_ids=[NEW_SEAT]),
        lambda db, w: db.refund(w.show, w.exchanged, key="second of new", amount_minor=1500),
    ),
    "dispute": (lambda db, w: _dispute(db, w, "won"), lambda db, w: _dispute(db, w, "opened")),
}

# What these touch is the same in every state of anna's hold.
ELSEWHERE = set(EXCHANGE_OPERATIONS) - {"make_exchange"}
# These are about an exchange that has begun, and whose new seat is sold.
OF_AN_EXCHANGE = {"give_up", "finish_exchange", "refund_exchanged"}


async def exchange_ginas_ticket(db: SeatDb, world: "World", names: set[str]) -> None:
    """As far as these operations need it: an exchange of Gina's ticket, and what is known of her payment."""
    await db.owner.execute(
        "update rowlock.payment_intents set provider_reference = 'pay_1', account = 'installation' "
        "where payment_intent_id = %s",
        [world.paid_intent],
    )
    cursor = await db.owner.execute("select ticket_id from rowlock.tickets where order_id = %s", [world.paid])
    [(world.ticket,)] = await cursor.fetchall()
    if names & OF_AN_EXCHANGE:
        await _sell_the_new_seat(db, world)
    if names & {"finish_exchange", "refund_exchanged"}:
        given = await _give_up(db, world)
        assert given["outcome"] == "OK", given
        world.credit = tuple(given[name] for name in CREDITS)
    if "refund_exchanged" in names and "finish_exchange" not in names:
        assert (await _finish(db, world))["status"] == "paid"
    if {"dispute", "cancel_show"} <= names:
        assert (await _dispute(db, world, "opened"))["outcome"] == "OK"
        world.is_disputed = True


async def _sell_the_new_seat(db: SeatDb, world: "World") -> None:
    show_id = world.show.show_id
    begun = await _begin(db, world, key="of the new seat")
    assert begun["outcome"] == "OK", begun
    world.exchanged = begun["to_order_id"]
    hold = await db.reserve(
        world.show, seats=[NEW_SEAT], holder="staff", reservation_id=begun["to_reservation_id"], secret=SECRET
    )
    made = await db._call(
        "select * from rowlock.make_exchange_order_atomic(%s, %s, %s, %s, 'EXCHANGED', %s, 'Gina', 'gina@example.org', "
        "'{}'::int[], '{}'::text[], %s, null, null, %s, %s, %s::bigint)",
        show_id, hold.reservation_id, SECRET, world.exchanged, token("new"), token("new"), show_id, world.paid, PRICE,
        role=WORKER_ROLE,
    )  # fmt: skip
    assert made["outcome"] == "OK", made
    assert (await db.complete(world.show, world.exchanged)).status == "confirmed"
