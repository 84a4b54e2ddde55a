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

from tests.support.seatdb import Cleaned, Reserved, SeatDb, Show, said
from tests.support.steps import Call, Schedule, Steps, explore

SEATS = 8


@dataclass
class World:
    """A show, and the holds that are there before the race."""

    show: Show
    holds: dict[str, Reserved] = field(default_factory=dict)
    order_id: UUID = field(default_factory=uuid4)


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
}
PAIRS = [(one, two) for i, one in enumerate(OPERATIONS) for two in list(OPERATIONS)[i:]]

# A show of its own for each schedule, like the pattern. Holds of earlier schedules are deleted, because a cleanup
# would find them.
_BEGIN: LiteralString = """
with holds as (delete from rowlock.seat_reservations), claims as (delete from rowlock.show_seats)
insert into rowlock.shows (show_id, plan_id, slug, title, starts_at, seats_total)
select %(show)s, plan_id, %(show)s::text, title, starts_at, seats_total from rowlock.shows where show_id = %(pattern)s
"""

_VISIBLE: LiteralString = """
select json_build_object(
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
    'orders', (select json_agg(status) from rowlock.ticket_orders where show_id = %(show)s),
    'tickets', (select json_agg(seat_id order by seat_id) from rowlock.tickets where show_id = %(show)s),
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
    one, two = OPERATIONS[pair[0]][0], OPERATIONS[pair[1]][1]
    pattern = await db.make_show(seats=SEATS)
    world = World(pattern)

    async def begin() -> None:
        world.show, world.holds = Show(uuid4(), SEATS), {}
        await db.owner.execute(_BEGIN, {"show": world.show.show_id, "pattern": pattern.show_id})
        await STATES[state](db, world)
        if "complete" in pair:
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
        if seen not in serial:
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
    return json.dumps({"state": json.loads(row[0]), "answers": [_answer(one) for one in results]})


async def check(db: SeatDb, world: World, schedule: Schedule) -> list[str]:
    """What is wrong in itself, whatever the serial orders do."""
    wrong = await db.check(world.show)
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
    told.pop("ticket_ids", None)
    told.pop("order_id", None)
    if isinstance(told.get("expires_at"), datetime):
        told["expires_at"] = round((told["expires_at"] - result.server_time).total_seconds() / 60)
    if told.get("unavailable_seat_ids"):
        told["unavailable_seat_ids"] = sorted(told["unavailable_seat_ids"])
    return told
