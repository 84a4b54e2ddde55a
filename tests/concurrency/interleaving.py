"""Pairs of operations on overlapping seats: what they are, from which states they start, and how they are judged.

A schedule is right if everything that can be seen after it (answers, claims, holds, audit log) is what one of the two
serial orders would have left. A hold that ran out counts as expired and its seats as free, retired or not, because
that is what it means everywhere else.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from rowlock.database.queries import queries
from tests.support.answers import Cleaned, Reserved, Show, said
from tests.support.seatdb import SeatDb
from tests.support.steps import Call, Schedule, Steps, explore
from tests.support.tables import make_plan

SEATS = 8


@dataclass
class World:
    """A show, and the holds that are there before the race."""

    show: Show
    holds: dict[str, Reserved] = field(default_factory=dict)
    # Anna's order: free, or with an authorized payment.
    order_id: UUID = field(default_factory=uuid4)
    intent: UUID | None = None
    # Gina's order for seat 7, which is paid, and Hans's for seat 8, which is confirmed, with his payment.
    paid: UUID = field(default_factory=uuid4)
    confirmed: UUID = field(default_factory=uuid4)
    authorized: UUID = field(default_factory=uuid4)
    # Another plan of the venue, for the show to move to.
    other_plan: UUID = field(default_factory=uuid4)


async def _anna_elsewhere(db: SeatDb, world: World) -> None:
    world.holds["anna"] = await db.reserve(world.show, seats=[5, 6], holder="anna")


async def _anna_live(db: SeatDb, world: World) -> None:
    world.holds["anna"] = await db.reserve(world.show, seats=[1, 2], holder="anna")


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
PAIRS = [(one, two) for i, one in enumerate(OPERATIONS) for two in list(OPERATIONS)[i:]]

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
ALL_OPERATIONS = OPERATIONS | MONEY_OPERATIONS
MONEY_PAIRS = [
    (one, two) for i, one in enumerate(ALL_OPERATIONS) for two in list(ALL_OPERATIONS)[i:] if two in MONEY_OPERATIONS
]


async def _sell_for_money(db: SeatDb, world: World) -> None:
    """Gina's order for seat 7 is paid, that of Hans for seat 8 is confirmed; seat 4 is blocked if it is free."""
    await db.block(world.show, seats=[4])
    for seat, holder in ((7, "gina"), (8, "hans")):
        order_id = await db.order(await db.reserve(world.show, seats=[seat], holder=holder), price_minor=2500)
        intent = await db.intent(world.show, order_id)
        assert (await db.complete(world.show, order_id, intent)).status == "confirmed"
        if holder == "gina":
            world.paid = order_id
            assert (await db.pay(world.show, order_id, intent)).status == "paid"
        else:
            world.confirmed, world.authorized = order_id, intent


# The plan that a show moves to has the first two seats alone. Where Gina and Hans have theirs, it has all, and only
# those that the other operation of the pair sells or gives back are other seats.
OTHER_SEATS = {
    "complete_paid": {2, 6},
    "void": {8},
    "refund": {7},
    "reserve_sold": {3},
    "unblock": {4},
    "cancel_show": {7, 8},
}


async def _make_other_plan(db: SeatDb, world: World, pair: tuple[str, str]) -> None:
    if "move" in pair:
        total = SEATS if set(pair) & set(MONEY_OPERATIONS) else 2
        others = OTHER_SEATS.get(pair[1], set())
        labels = [f"other {seat}" if seat in others else str(seat) for seat in range(1, total + 1)]
        world.other_plan = await make_plan(db.owner, world.show, labels=labels)


# A show of its own for each schedule, like the pattern. Holds of earlier schedules are deleted, because a cleanup
# would find them.
_BEGIN: LiteralString = """
with holds as (delete from rowlock.seat_reservations), claims as (delete from rowlock.show_seats)
insert into rowlock.shows (show_id, plan_id, slug, title, starts_at, seats_total)
select %(show)s, plan_id, %(show)s::text, title, starts_at, seats_total from rowlock.shows where show_id = %(pattern)s
"""

_VISIBLE: LiteralString = """
select json_build_object(
    'plan', (select concat_ws(' ', plan_id, seats_total, price_version) from rowlock.shows where show_id = %(show)s),
    'claims', (
        select json_object_agg(seat_id, concat_ws(' ', status, reserved_by, block_reason) order by seat_id)
        from rowlock.show_seats
        where show_id = %(show)s and (status <> 'reserved' or reserved_until > clock_timestamp())
    ),
    'holds', (
        select json_agg(h order by h.reserved_by, h.status, h.seat_ids::text)
        from (
            select reserved_by, extension_count,
                case when status = 'active' and expires_at <= clock_timestamp() then 'expired' else status end
                    as status,
                case when status = 'released' then null else seat_ids end as seat_ids,
                round(extract(epoch from expires_at - clock_timestamp()) / 60) as minutes_left
            from rowlock.seat_reservations
            where show_id = %(show)s
        ) as h
    ),
    'orders', (
        select json_agg(o.status order by r.reserved_by, o.status)
        from rowlock.ticket_orders as o join rowlock.seat_reservations as r using (show_id, reservation_id)
        where o.show_id = %(show)s
    ),
    'payments', (
        select json_agg(i.status order by i.status) from rowlock.payment_intents as i where i.show_id = %(show)s
    ),
    'refunds', (
        select json_agg(f.amount_minor order by f.amount_minor) from rowlock.refunds as f where f.show_id = %(show)s
    ),
    'tickets', (
        select json_agg(t.seat_id || t.status order by t.seat_id) from rowlock.tickets as t where t.show_id = %(show)s
    ),
    'audit', (
        select json_agg(e order by e.event, e.reserved_by, e.operation, e.seat_ids::text, e.error_code)
        from (
            select a.event, r.reserved_by, a.metadata ->> 'operation' as operation, a.error_code, a.seat_ids
            from rowlock.seat_reservation_audit_log as a
            left join rowlock.seat_reservations as r using (show_id, reservation_id)
            where a.show_id = %(show)s and a.event <> 'expired'
        ) as e
    )
)::text
"""


@dataclass(frozen=True)
class Found:
    """What exploring a pair came to."""

    schedules: int
    violations: list[str]


async def explore_pair(
    db: SeatDb, steps: Steps, *, pair: tuple[str, str], state: str, until_found: bool = False
) -> Found:
    """Run every interleaving of two operations from one state; tell those that no serial order explains.

    With `until_found` the first of those is enough.
    """
    one, two = ALL_OPERATIONS[pair[0]][0], ALL_OPERATIONS[pair[1]][1]
    pattern = await db.make_show(seats=SEATS)
    world = World(pattern)
    await _make_other_plan(db, world, pair)

    async def begin() -> None:
        world.show, world.holds = Show(uuid4(), SEATS), {}
        await db.owner.execute(_BEGIN, {"show": world.show.show_id, "pattern": pattern.show_id})
        await STATES[state](db, world)
        if set(pair) & set(MONEY_OPERATIONS):
            await _sell_for_money(db, world)
        if "complete_paid" in pair:
            world.order_id = await db.order(world.holds["anna"], price_minor=2500, fee_minor=100)
            world.intent = await db.intent(world.show, world.order_id)
        elif "complete" in pair:
            world.order_id = await db.order(world.holds["anna"])

    async def prepare() -> Sequence[Call]:
        await begin()
        return [lambda session: one(session, world), lambda session: two(session, world)]

    await begin()
    first = await one(db, world)
    serial = [await visible(db, world, [first, await two(db, world)])]
    await begin()
    second = await two(db, world)
    serial.append(await visible(db, world, [await one(db, world), second]))

    schedules, violations = 0, []
    async for schedule in explore(steps, prepare):
        schedules += 1
        seen = await visible(db, world, schedule.results)
        wrong = await check(db, world, schedule)
        if "cancel_show" in pair:
            wrong += await _left_after_cancelling_again(db, world)
        elif seen not in serial:
            wrong.append(f"came to {seen}, but one after the other they come to {' or '.join(set(serial))}")
        violations += [f"{' | '.join(schedule.moves)}: {what}" for what in wrong]
        if until_found and violations:
            break
    return Found(schedules, violations)


async def visible(db: SeatDb, world: World, results: Sequence[Any]) -> str:
    """All that can be seen of a show and of the answers, without ids and moments."""
    cursor = await db.owner.execute(_VISIBLE, {"show": world.show.show_id})
    row = await cursor.fetchone()
    assert row is not None
    return json.dumps({"state": json.loads(row[0]), "answers": [_answer(one) for one in results]}, default=str)


async def _left_after_cancelling_again(db: SeatDb, world: World) -> list[str]:
    """What a show that is cancelled still has, once the call was repeated as its header says.

    No reserve waits for the lock of its show, so one that began before may leave a hold, which cannot be paid for.
    """
    cursor = await db.owner.execute(
        "select order_code, status from rowlock.ticket_orders "
        "where show_id = %s and status in ('pending', 'confirmed', 'paid', 'partially_refunded')",
        [world.show.show_id],
    )
    live = await cursor.fetchall()
    again = await db.cancel_show(world.show)
    left = {seat: claim for seat, claim in (await db.claims(world.show)).items() if claim != "blocked"}
    wrong = [f"seats {left} are not free in a cancelled show"] if left else []
    wrong += [f"after the first call the orders {live} were live"] if live else []
    wrong += [f"{again.holds_left} holds and {again.orders_left} orders are left"] if again.holds_left else []
    return wrong + await _wrong_money(db, world)


async def _wrong_money(db: SeatDb, world: World) -> list[str]:
    """The violations of the invariants of money in the show."""
    found = []
    for name, invariant in queries("money_invariants").items():
        cursor = await db.owner.execute(invariant.text)
        found += [f"{name}: {row[-1]}" for row in await cursor.fetchall() if row[0] == world.show.show_id]
    return found


async def check(db: SeatDb, world: World, schedule: Schedule) -> list[str]:
    """What is wrong in itself, whatever the serial orders do."""
    wrong = await db.check(world.show) + await _wrong_money(db, world)
    cleanups = [result for result in schedule.results if isinstance(result, Cleaned)]
    expired = [row for row in await db.audit(world.show) if row.event == "expired"] if cleanups else []
    for cleaned in cleanups:
        own = [row for row in expired if row.reservation_id in cleaned.reservation_ids]
        counted = (cleaned.total_reservations_expired, cleaned.total_seats_released)
        written = (len(own), sum(len(row.seat_ids) for row in own))
        if counted != written:
            wrong.append(f"a cleanup counted {counted}, and its audit rows say {written}")
    return wrong


def _answer(result: Any) -> Any:
    if isinstance(result, Exception):
        return f"{type(result).__name__}: {result}"
    if isinstance(result, Cleaned):
        return "cleaned"  # What another session works on is skipped: the count may be any part of all.
    told = said(result)
    for name in ("ticket_ids", "order_id", "refund_id", "payment_intent_id"):
        told.pop(name, None)
    if isinstance(told.get("expires_at"), datetime):
        told["expires_at"] = round((told["expires_at"] - result.server_time).total_seconds() / 60)
    if told.get("unavailable_seat_ids"):
        told["unavailable_seat_ids"] = sorted(told["unavailable_seat_ids"])
    return told
