"""The operations that meet in a race, and what is there before: a show, holds, orders, payments and refunds.

Anna has a hold, and her order where an operation is about one. Where one is about money, Gina's order for seat 7 is
paid and Hans's for seat 8 is confirmed; seat 4 is blocked if it is free.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from rowlock.base.ids import mint_id
from rowlock.database.connections import APP_ROLE, WORKER_ROLE
from tests.concurrency import racing_exchanges
from tests.concurrency.racing_exchanges import EXCHANGE_OPERATIONS
from tests.support.answers import Reserved, Show, token
from tests.support.seatdb import SeatDb
from tests.support.tables import make_plan

SEATS = 8
PRICE = 2500
SECRET = token("anna")


@dataclass
class World:
    """A show, and what is there before the race."""

    show: Show
    holds: dict[str, Reserved] = field(default_factory=dict)
    # Anna's order and its payment.
    order_id: UUID = field(default_factory=uuid4)
    intent: UUID = field(default_factory=uuid4)
    # Gina's order, which is paid, and her refund that is open; Hans's order, which is confirmed, with his payment.
    paid: UUID = field(default_factory=uuid4)
    settled: UUID = field(default_factory=uuid4)
    open_refund: UUID = field(default_factory=uuid4)
    confirmed: UUID = field(default_factory=uuid4)
    authorized: UUID = field(default_factory=uuid4)
    # Gina's payment and ticket; the order that her ticket is exchanged for, and what is told of its credit.
    paid_intent: UUID = field(default_factory=uuid4)
    ticket: UUID = field(default_factory=uuid4)
    exchanged: UUID = field(default_factory=uuid4)
    credit: tuple[Any, ...] = ([], [], [], [], [])
    is_disputed: bool = False
    # Another plan of the venue, for the show to move to.
    other_plan: UUID = field(default_factory=uuid4)


async def _anna_elsewhere(db: SeatDb, world: World) -> None:
    world.holds["anna"] = await db.reserve(world.show, seats=[5, 6], holder="anna", secret=SECRET)


async def _anna_live(db: SeatDb, world: World) -> None:
    world.holds["anna"] = await db.reserve(world.show, seats=[1, 2], holder="anna", secret=SECRET)


async def _anna_lapsed(db: SeatDb, world: World) -> None:
    await _anna_live(db, world)
    await db.age(world.holds["anna"], minutes=11)


async def _anna_live_beside_a_lapsed_hold(db: SeatDb, world: World) -> None:
    await _anna_live(db, world)
    dora = await db.reserve(world.show, seats=[3, 4], holder="dora")
    await db.age(dora, minutes=11)


# In every state anna has a hold for the operations of its owner; others want seats 1 to 4.
STATES: dict[str, Callable[[SeatDb, World], Awaitable[None]]] = {
    "free": _anna_elsewhere,
    "held": _anna_live,
    "lapsed": _anna_lapsed,
    "mixed": _anna_live_beside_a_lapsed_hold,
}

Operation = Callable[[SeatDb, World], Awaitable[Any]]

# Each operation twice, for it may also meet another of its own kind.
OPERATIONS: dict[str, tuple[Operation, Operation]] = {
    "reserve": (
        lambda db, w: db.reserve(w.show, seats=[2, 3], holder="ben"),
        lambda db, w: db.reserve(w.show, seats=[4, 3, 1], holder="carl"),
    ),
    "reserve_again": (
        lambda db, w: db.reserve(w.show, seats=[2, 3], holder="anna"),
        lambda db, w: db.reserve(w.show, seats=[3, 4], holder="anna"),
    ),
    "extend": (
        lambda db, w: db.extend(w.holds["anna"]),
        lambda db, w: db.extend(w.holds["anna"]),
    ),
    "change": (
        lambda db, w: db.change(w.holds["anna"], add=[3], remove=[1, 5]),
        lambda db, w: db.change(w.holds["anna"], add=[4, 3], remove=[2, 6]),
    ),
    "release": (
        lambda db, w: db.release(w.holds["anna"]),
        lambda db, w: db.release(w.holds["anna"]),
    ),
    "complete": (
        lambda db, w: db.complete(w.show, w.order_id),
        lambda db, w: db.complete(w.show, w.order_id),
    ),
    "cleanup": (lambda db, _: db.cleanup(), lambda db, _: db.cleanup()),
    "block": (
        lambda db, w: db.block(w.show, seats=[2, 3]),
        lambda db, w: db.block(w.show, seats=[3, 1], reason="chair"),
    ),
    "move": (
        lambda db, w: db.move(w.show, w.other_plan),
        lambda db, w: db.move(w.show, w.other_plan),
    ),
}

# Operations on orders that are paid for, which begin with orders of Gina and Hans.
MONEY_OPERATIONS: dict[str, tuple[Operation, Operation]] = {
    "complete_paid": (
        lambda db, w: db.complete(w.show, w.order_id, w.intent),
        lambda db, w: db.complete(w.show, w.order_id, w.intent),
    ),
    "pay": (
        lambda db, w: db.pay(w.show, w.confirmed, w.authorized),
        lambda db, w: db.pay(w.show, w.confirmed, w.authorized),
    ),
    "void": (
        lambda db, w: db.void(w.show, w.confirmed),
        lambda db, w: db.void(w.show, w.confirmed),
    ),
    "refund": (
        lambda db, w: db.refund(w.show, w.paid, key="one", seat_ids=[7]),
        lambda db, w: db.refund(w.show, w.paid, key="other"),
    ),
    "reserve_sold": (
        lambda db, w: db.reserve(w.show, seats=[7, 3], holder="ivan"),
        lambda db, w: db.reserve(w.show, seats=[8, 7, 2], holder="jane"),
    ),
    "unblock": (
        lambda db, w: db.unblock(w.show, seats=[4]),
        lambda db, w: db.unblock(w.show, seats=[4]),
    ),
    "cancel_show": (lambda db, w: db.cancel_show(w.show), lambda db, w: db.cancel_show(w.show)),
}


async def _create(db: SeatDb, world: World, wish: str, price_type: str) -> dict[str, Any]:
    hold, order_id = world.holds["anna"], mint_id(world.show.show_id)
    return await db._call(
        "select * from rowlock.create_order_atomic(%s, %s, %s, %s, %s, %s, 'Anna', 'anna@example.org', "
        "%s::int[], %s::text[], %s, %s, null, null, null)",
        world.show.show_id,
        hold.reservation_id,
        SECRET,
        order_id,
        order_id.hex,
        token("order"),
        (hold.seat_ids or [])[:1],
        [price_type],
        wish,
        token(wish),
        role=APP_ROLE,
    )


async def _record(db: SeatDb, world: World, status: str, failure: str | None) -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.record_payment_atomic(%s, %s, %s, 'reference', null, %s)",
        world.show.show_id, world.intent, status, failure, role=WORKER_ROLE,
    )  # fmt: skip


async def _settle(db: SeatDb, world: World, status: str, refund_id: UUID) -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.settle_refund_atomic(%s, %s, %s, 'reference', %s)",
        world.show.show_id, refund_id, status, "closed account" if status == "failed" else None, role=WORKER_ROLE,
    )  # fmt: skip


async def _retry(db: SeatDb, world: World) -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.retry_refunds_atomic(%s, %s, 'staff')", world.show.show_id, world.paid, role=WORKER_ROLE
    )


async def _receipt(db: SeatDb, world: World, refund_id: UUID | None) -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.issue_receipt_atomic(%s, %s, %s)",
        world.show.show_id, world.paid, refund_id, role=WORKER_ROLE,
    )  # fmt: skip


async def _end(db: SeatDb, world: World) -> dict[str, Any]:
    return await db._call(
        "select * from rowlock.end_order_atomic(%s, %s, 'gone')", world.show.show_id, world.order_id, role=WORKER_ROLE
    )


async def _expire(db: SeatDb, _: World) -> dict[str, Any]:
    return await db._call("select rowlock.expire_orders_atomic(10) as expired", role=WORKER_ROLE)


async def _take(db: SeatDb, _: World) -> dict[str, Any]:
    return await db._call(
        "select array_agg(message_id) as taken from rowlock.take_outbox_messages(10, 60)", role=WORKER_ROLE
    )


# Operations of a checkout and of the workers behind it.
CHECKOUT_OPERATIONS: dict[str, tuple[Operation, Operation]] = {
    "create": (lambda db, w: _create(db, w, "one", "adult"), lambda db, w: _create(db, w, "other", "child")),
    "begin": (
        lambda db, w: db.begin_payment(w.show, w.order_id, mint_id(w.show.show_id)),
        lambda db, w: db.begin_payment(w.show, w.order_id, mint_id(w.show.show_id)),
    ),
    "record": (lambda db, w: _record(db, w, "authorized", None), lambda db, w: _record(db, w, "failed", "no money")),
    "capture": (
        lambda db, w: db.pay(w.show, w.order_id, w.intent),
        lambda db, w: db.pay(w.show, w.order_id, w.intent),
    ),
    "end": (_end, _end),
    "expire": (_expire, _expire),
    "settle": (
        lambda db, w: _settle(db, w, "succeeded", w.open_refund),
        lambda db, w: _settle(db, w, "failed", w.open_refund),
    ),
    "retry": (_retry, _retry),
    "receipt": (lambda db, w: _receipt(db, w, None), lambda db, w: _receipt(db, w, None)),
    "credit_note": (lambda db, w: _receipt(db, w, w.settled), lambda db, w: _receipt(db, w, w.settled)),
    "outbox": (_take, _take),
}

ALL_OPERATIONS = OPERATIONS | MONEY_OPERATIONS | CHECKOUT_OPERATIONS | EXCHANGE_OPERATIONS


def pairs_of(later: dict[str, tuple[Operation, Operation]]) -> list[tuple[str, str]]:
    """Every pair of which the second is one of these, and the first no later one."""
    every = list(ALL_OPERATIONS)
    return [(one, two) for i, one in enumerate(every) for two in every[i:] if two in later]


PAIRS, MONEY_PAIRS, CHECKOUT_PAIRS = pairs_of(OPERATIONS), pairs_of(MONEY_OPERATIONS), pairs_of(CHECKOUT_OPERATIONS)
EXCHANGE_PAIRS = pairs_of(EXCHANGE_OPERATIONS)

# What these touch is the same in every state of anna's hold.
_ELSEWHERE = {
    "pay",
    "void",
    "refund",
    "settle",
    "retry",
    "receipt",
    "credit_note",
    "outbox",
    *racing_exchanges.ELSEWHERE,
}
# These need Gina and Hans.
_SALES = {*MONEY_OPERATIONS, "settle", "retry", "receipt", "credit_note", "outbox", *EXCHANGE_OPERATIONS}
_ANNAS_ORDER = {"complete", "complete_paid", "begin", "record", "capture", "end", "expire"}
_ANNAS_PAYMENT = {"complete_paid", "record", "capture"}

# The plan that a show moves to has the first two seats alone. Where an operation is about orders it has all, and only
# those that the operation sells or gives back are other seats.
_OTHER_SEATS = {
    "complete_paid": {2, 6},
    "void": {8},
    "refund": {7},
    "reserve_sold": {3},
    "unblock": {4},
    "cancel_show": {7, 8},
    "create": {2, 6},
    "begin": {2, 6},
    "capture": {2, 6},
    "end": {2, 6},
    "expire": {2, 6},
    "make_exchange": {2, 6},
    "give_up": {racing_exchanges.OLD_SEAT},
    "refund_exchanged": {racing_exchanges.NEW_SEAT},
}


def states_for(pair: tuple[str, str]) -> list[str]:
    """The states from which a pair is worth running."""
    if set(pair) & _ELSEWHERE:
        return ["held"]
    # An exchange makes no order of a hold that ran out.
    has_order = "make_exchange" in pair and set(pair) & _ANNAS_ORDER
    return [state for state in STATES if not (has_order and state == "lapsed")]


async def make_world(db: SeatDb, pair: tuple[str, str], state: str) -> World:
    """What is there before these two operations meet."""
    world, names = World(await db.make_show(seats=SEATS)), set(pair)
    await db.owner.execute(
        "insert into rowlock.show_prices (show_id, price_version, category, price_type, amount_minor) "
        "values (%(show)s, 1, 0, 'adult', 2500), (%(show)s, 1, 0, 'child', 1200)",
        {"show": world.show.show_id},
    )
    if "move" in names:
        total = 2 if names <= set(OPERATIONS) else SEATS
        others = _OTHER_SEATS.get(pair[1], set())
        labels = [f"other {seat}" if seat in others else str(seat) for seat in range(1, total + 1)]
        world.other_plan = await make_plan(db.owner, world.show, labels=labels)
    await STATES[state](db, world)
    if names & _SALES:
        refunds = bool(names & {"settle", "retry", "credit_note"})
        # What goes back is her fee, so that her ticket keeps its worth for an exchange.
        await _sell_for_money(db, world, fee_minor=700 if refunds and names & racing_exchanges.OF_AN_EXCHANGE else 0)
    if names & {"settle", "credit_note"}:
        await _refund_money(db, world)
    if "retry" in names:
        failed = (await db.refund(world.show, world.paid, key="failed", amount_minor=500)).refund_id
        assert (await _settle(db, world, "failed", failed))["status"] == "failed"
    if names & set(EXCHANGE_OPERATIONS):
        await racing_exchanges.exchange_ginas_ticket(db, world, names)
    if names >= {"receipt", "credit_note"}:
        await _count_receipts(db, world)
    if "make_exchange" in names:
        world.order_id = mint_id(world.show.show_id)
    if names & _ANNAS_ORDER:
        await _order_for_anna(db, world, names)
    if "begin" in names:
        # So little is left that a payment brings its grace.
        await db.age(world.holds["anna"], minutes=6)
    return world


async def _sell_for_money(db: SeatDb, world: World, *, fee_minor: int) -> None:
    """Gina's order, with a fee per order, is paid; Hans's is confirmed."""
    await db.block(world.show, seats=[4])
    for seat, holder in ((7, "gina"), (8, "hans")):
        hold = await db.reserve(world.show, seats=[seat], holder=holder)
        order_id = await db.order(hold, price_minor=PRICE, fee_minor=fee_minor if holder == "gina" else 0)
        intent = await db.intent(world.show, order_id)
        assert (await db.complete(world.show, order_id, intent)).status == "confirmed"
        if holder == "gina":
            world.paid, world.paid_intent = order_id, intent
            assert (await db.pay(world.show, order_id, intent)).status == "paid"
        else:
            world.confirmed, world.authorized = order_id, intent


async def _refund_money(db: SeatDb, world: World) -> None:
    """Of Gina's money a part went back, and another is on its way; she keeps her ticket."""
    world.settled = (await db.refund(world.show, world.paid, key="settled", amount_minor=300)).refund_id
    assert (await _settle(db, world, "succeeded", world.settled))["status"] == "succeeded"
    world.open_refund = (await db.refund(world.show, world.paid, key="open", amount_minor=400)).refund_id


async def _count_receipts(db: SeatDb, world: World) -> None:
    """The counter of this year, which the first receipt of a year would have to make."""
    await db.owner.execute(
        "insert into rowlock.receipt_counters (organization_id, year) "
        "select v.organization_id, extract(year from clock_timestamp() at time zone v.time_zone) "
        "from rowlock.shows join rowlock.seating_plans using (plan_id) join rowlock.venues as v using (venue_id) "
        "where show_id = %s",
        [world.show.show_id],
    )


async def _order_for_anna(db: SeatDb, world: World, names: set[str]) -> None:
    """Anna's pending order: free only where it is completed without money, past its deadline where that matters."""
    is_free = "complete" in names and not names & _ANNAS_PAYMENT
    # In exchange for a ticket half is credited, so half is due.
    due: dict[str, object] = {"amount_minor": PRICE} if "make_exchange" in names else {}
    if "make_exchange" in names:
        assert (await racing_exchanges.make_for_anna(db, world, PRICE))["outcome"] == "OK"
    else:
        world.order_id = await db.order(
            world.holds["anna"], price_minor=0 if is_free else PRICE, fee_minor=0 if is_free else 100
        )
    await db.owner.execute(
        "update rowlock.ticket_orders set expires_at = clock_timestamp() + %s * interval '1 minute' "
        "where show_id = %s and order_id = %s",
        [-1 if "expire" in names else 20, world.show.show_id, world.order_id],
    )
    if "expire" in names and names & {"begin", "record"}:
        world.intent = await db.intent(world.show, world.order_id, status="requires_payment", **due)
    elif "expire" in names and "capture" in names:
        # The provider called it failed, and has the money after all.
        world.intent = await db.intent(world.show, world.order_id, status="failed", **due)
    elif names & _ANNAS_PAYMENT:
        status = "sent" if "record" in names else "authorized"
        world.intent = await db.intent(world.show, world.order_id, status=status, **due)
