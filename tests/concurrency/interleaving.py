"""How every interleaving of a pair of operations is run and judged.

A schedule is right if everything that can be seen after it (answers, claims, holds, orders, money, audit log) is what
one of the two serial orders would have left, and no invariant is broken. A hold that ran out counts as expired and its
seats as free, retired or not, because that is what it means everywhere else; so does an order that cannot be paid any
more.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from rowlock.database.queries import queries
from tests.concurrency.racing_operations import ALL_OPERATIONS, World, make_world
from tests.support.answers import AuditRow, Cleaned, said
from tests.support.contradictions import VIOLATIONS, fold_audit
from tests.support.kept_rows import KeptRows
from tests.support.seatdb import SeatDb
from tests.support.steps import Call, Schedule, Steps, explore

# Invariants that are not about rows; a test's own hall was never published.
_NOT_ABOUT_ROWS = {"guard_missing", "audit_log_changeable", "plan_changed"}

# The database has one show, so none of this asks for it.
_VISIBLE: LiteralString = """
create or replace view rowlock_test.expirable as
select o.show_id, o.order_id
from rowlock.ticket_orders as o
left join rowlock.seat_reservations as a using (show_id, reservation_id)
where o.status = 'pending'
    -- A hold that ran out has ended, whether a cleanup has come to it or not.
    and (least(o.expires_at, a.expires_at) <= clock_timestamp() or a.status in ('released', 'expired'))
    and not exists (
        select from rowlock.payment_intents as i
        where i.show_id = o.show_id and i.order_id = o.order_id
            and i.status in ('sent', 'in_doubt', 'authorized', 'captured')
    );

create or replace view rowlock_test.visible as
select json_build_object(
    'plan', (select concat_ws(' ', plan_id, seats_total, price_version, status) from rowlock.shows),
    'claims', (
        select json_object_agg(seat_id, concat_ws(' ', status, reserved_by, block_reason) order by seat_id)
        from rowlock.show_seats
        where status <> 'reserved' or reserved_until > clock_timestamp()
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
        ) as h
    ),
    'orders', (
        select json_agg(k.line order by k.line)
        from (
            select concat_ws(
                ' ', r.reserved_by, case when e.order_id is null then o.status else 'expired' end, o.total_minor,
                (
                    select string_agg(i.seat_id || ' ' || i.amount_minor, ',' order by i.seat_id)
                    from rowlock.ticket_order_items as i
                    where i.show_id = o.show_id and i.order_id = o.order_id
                )
            ) as line
            from rowlock.ticket_orders as o
            join rowlock.seat_reservations as r using (show_id, reservation_id)
            left join rowlock_test.expirable as e using (show_id, order_id)
        ) as k
    ),
    'payments', (
        select json_agg(p.line order by p.line)
        from (
            select concat_ws(
                ' ', i.amount_minor, i.provider_reference, i.failure,
                case when e.order_id is not null and i.status = 'requires_payment' then 'cancelled' else i.status end
            ) as line
            from rowlock.payment_intents as i left join rowlock_test.expirable as e using (show_id, order_id)
        ) as p
    ),
    'refunds', (
        select json_agg(f.amount_minor || ' ' || f.status order by f.amount_minor, f.status) from rowlock.refunds as f
    ),
    'ledger', (
        select json_agg(l.account || ' ' || l.amount_minor order by l.account, l.amount_minor)
        from rowlock.ledger_entries as l
    ),
    'receipts', (
        select json_agg(concat_ws(' ', r.number, r.amount_minor, r.refund_id) order by r.number)
        from rowlock.receipts as r
    ),
    'tickets', (
        select json_agg(concat_ws(' ', t.seat_id, t.status, t.revision) order by t.seat_id, t.status)
        from rowlock.tickets as t
    ),
    'exchanges', (
        select json_agg(
            concat_ws(' ', x.seat_ids, x.status, x.refusal, x.credit_minor, x.surplus_minor)
            order by x.seat_ids, x.status, x.idempotency_key
        )
        from rowlock.ticket_exchanges as x
    ),
    'disputes', (
        select json_agg(concat_ws(' ', d.provider_reference, d.status, d.withdrawn_minor) order by d.provider_reference)
        from rowlock.disputes as d
    ),
    'outbox', (select json_agg(m.kind order by m.kind) from rowlock.outbox_messages as m),
    'audit', (
        select json_agg(e order by e.event, e.reserved_by, e.operation, e.seat_ids::text, e.error_code)
        from (
            select a.event, r.reserved_by, a.metadata ->> 'operation' as operation, a.error_code, a.seat_ids
            from rowlock.seat_reservation_audit_log as a
            left join rowlock.seat_reservations as r using (show_id, reservation_id)
            where a.event not in ('expired', 'order_expired')
        ) as e
    )
)::text as visible;

create or replace view rowlock_test.rows_of_claims as
select
    (
        select coalesce(json_agg(a order by a.id), '[]')
        from (
            select id, event, reservation_id, order_id, seat_ids, null as session_id, null as ip_address,
                null as user_agent, error_code, metadata, actor
            from rowlock.seat_reservation_audit_log
        ) as a
    ) as audit,
    (
        select json_object_agg(
            seat_id,
            json_build_array(status, case status when 'reserved' then reservation_id when 'sold' then order_id end)
        )
        from rowlock.show_seats
    ) as claims;
"""


async def load_judge(db: SeatDb) -> KeptRows:
    """Make the views that judge a schedule, in the test's own database, after the test build."""
    invariants = {**queries("invariants"), **queries("money_invariants")}
    parts = [
        f"select '{name}: ' || coalesce(q.seat_id::text || ' ', '') || q.what as what from (\n{query.text}\n) as q"
        for name, query in invariants.items()
        if name not in _NOT_ABOUT_ROWS
    ]
    again = VIOLATIONS.replace("%(show)s::uuid", "null::uuid").replace("%(show)s", "null::uuid")
    parts.append(f"select v.violation from (\n{again}\n) as v")
    wrong = "create or replace view rowlock_test.wrong as\n" + "\nunion all\n".join(parts)
    await db.owner.execute(f"{_VISIBLE}{wrong}".encode())
    # One plan for each view: to plan them anew takes longer than to run them.
    await db.owner.execute("set plan_cache_mode = force_generic_plan; set jit = off")
    return await KeptRows.in_database(db.owner)


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
    kept = await load_judge(db)
    await kept.wipe()
    world = await make_world(db, pair, state)
    await kept.keep()

    async def prepare() -> Sequence[Call]:
        await kept.put_back()
        return [lambda session: one(session, world), lambda session: two(session, world)]

    await kept.put_back()
    first = await one(db, world)
    serial = [await visible(db, [first, await two(db, world)])]
    await kept.put_back()
    second = await two(db, world)
    serial.append(await visible(db, [await one(db, world), second]))

    schedules, violations = 0, []
    async for schedule in explore(steps, prepare):
        schedules += 1
        seen = await visible(db, schedule.results)
        wrong = await check(db, schedule)
        if "cancel_show" in pair:
            wrong += await _left_after_cancelling_again(db, world, schedule)
        elif seen not in serial:
            wrong.append(f"came to {seen}, but one after the other they come to {' or '.join(set(serial))}")
        violations += [f"{' | '.join(schedule.moves)}: {what}" for what in wrong]
        if until_found and violations:
            break
    return Found(schedules, violations)


async def visible(db: SeatDb, results: Sequence[Any]) -> str:
    """All that can be seen of the show and of the answers, without ids and moments."""
    cursor = await db.owner.execute("select visible from rowlock_test.visible", prepare=True)
    row = await cursor.fetchone()
    assert row is not None
    return json.dumps({"state": json.loads(row[0]), "answers": [_answer(one) for one in results]}, default=str)


async def _left_after_cancelling_again(db: SeatDb, world: World, schedule: Schedule) -> list[str]:
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
    wrong = [f"{result!r} was raised" for result in schedule.results if isinstance(result, Exception)]
    wrong += [f"seats {left} are not free in a cancelled show"] if left else []
    if live and not await _goes_on(db, world):
        wrong.append(f"after the first call the orders {live} were live")
    wrong += [f"{again.holds_left} holds and {again.orders_left} orders are left"] if again.holds_left else []
    return wrong + await _wrong(db)


async def _goes_on(db: SeatDb, world: World) -> bool:
    """Whether a worker is told once more to end what the cancellation has left out: an order that was disputed."""
    cursor = await db.owner.execute(
        "select count(*) from rowlock.outbox_messages where kind = 'show_cancelled' and show_id = %s",
        [world.show.show_id],
    )
    return world.is_disputed and await cursor.fetchall() == [(2,)]


async def _wrong(db: SeatDb) -> list[str]:
    """What breaks an invariant of seats or money: those of `rowlock check`, and those of the tests' own."""
    cursor = await db.owner.execute("select what from rowlock_test.wrong", prepare=True)
    return [what for (what,) in await cursor.fetchall()]


async def check(db: SeatDb, schedule: Schedule) -> list[str]:
    """What is wrong in itself, whatever the serial orders do."""
    wrong = await _wrong(db)
    cursor = await db.owner.execute("select audit, claims from rowlock_test.rows_of_claims", prepare=True)
    row = await cursor.fetchone()
    assert row is not None
    audit, claims = [AuditRow(**one) for one in row[0]], {int(seat): tuple(c) for seat, c in (row[1] or {}).items()}
    told = fold_audit(audit)
    wrong += [
        f"seat {seat} is {claims.get(seat)}, and its audit log says {told.get(seat)}"
        for seat in sorted(told.keys() | claims.keys())
        if told.get(seat) != claims.get(seat)
    ]
    for cleaned in (result for result in schedule.results if isinstance(result, Cleaned)):
        ended = {str(reservation_id) for reservation_id in cleaned.reservation_ids}
        own = [one for one in audit if one.event == "expired" and str(one.reservation_id) in ended]
        counted = (cleaned.total_reservations_expired, cleaned.total_seats_released)
        written = (len(own), sum(len(one.seat_ids) for one in own))
        if counted != written:
            wrong.append(f"a cleanup counted {counted}, and its audit rows say {written}")
    answers = [result for result in schedule.results if isinstance(result, dict)]
    expired = sum(one.get("expired", 0) for one in answers)
    if expired != sum(one.event == "order_expired" for one in audit):
        wrong.append(f"{expired} orders are said to have expired, and the audit log has another number")
    taken = [message for one in answers for message in one.get("taken") or ()]
    if len(taken) != len(set(taken)):
        wrong.append(f"of the messages {taken} one was taken twice")
    return wrong


# Made anew by each call, or moments.
_LEFT_OUT = (
    "ticket_ids", "order_id", "refund_id", "payment_intent_id", "reservation_id", "server_time", "organization_id",
    "issued_at", "ended_at", "to_order_id", "to_reservation_id", "credit_ids", "dispute_id", "ticket_id",
)  # fmt: skip


def _answer(result: Any) -> Any:
    if isinstance(result, Exception):
        return f"{type(result).__name__}: {result}"
    if isinstance(result, Cleaned):
        return "cleaned"  # What another session works on is skipped: the count may be any part of all.
    told = dict(result) if isinstance(result, dict) else said(result)
    if "expired" in told or "taken" in told:
        return "done"  # The same, of orders and of messages.
    for name in _LEFT_OUT:
        told.pop(name, None)
    if isinstance(told.get("expires_at"), datetime):
        told["expires_at"] = round((told["expires_at"] - result.server_time).total_seconds() / 60)
    if told.get("unavailable_seat_ids"):
        told["unavailable_seat_ids"] = sorted(told["unavailable_seat_ids"])
    return told
