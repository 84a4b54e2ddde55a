"""All transactions take locks in one order, so none of them deadlock, in whatever order a client names its seats."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, LiteralString

import psycopg
import pytest

from rowlock.operations.store import find_violations
from tests.support.answers import Show
from tests.support.scale import Scale, scale_of
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer
from tests.support.steps import Mutant, load_test_build, wait_until_blocked
from tests.support.tables import make_plan

CONNECTIONS = 16
OPERATIONS_OF_A_SHOW = 2_000

# Random operations, each in a transaction of its own, without a client between them that would slow them down.
# The steps of the test build yield to other sessions now and then, also while locks are held. Time passes for a hold
# when the operation `age` moves its deadline back.
_STORM: LiteralString = """
create procedure rowlock_test.storm(
    p_show uuid, p_seed double precision, p_operations integer, p_cancels boolean, inout p_told jsonb
)
language plpgsql
as $$
declare
    v_done    integer := 0;
    v_kind    text;
    v_seats   integer[];
    v_holder  text;
    v_hold    uuid;
    v_held    integer[];
    v_order   uuid;
    v_intent  uuid;
    v_outcome text;
begin
    perform setseed(p_seed);
    perform set_config('rowlock_test.shaken', 'yes', false);
    while v_done < p_operations loop
        v_kind := (array[
            'reserve', 'reserve', 'reserve', 'reserve', 'reserve', 'reserve', 'batch', 'batch', 'extend', 'extend',
            'change', 'change', 'change', 'age', 'age', 'release', 'cleanup', 'block', 'unblock', 'unblock',
            'order', 'order', 'complete', 'complete', 'complete', 'pay', 'void', 'refund', 'refund', 'move',
            'create', 'create', 'create', 'begin', 'begin', 'record', 'record', 'late', 'end', 'expire', 'settle',
            'settle', 'receipt', 'receipt', 'outbox'
        ])[1 + floor(random() * 45)];
        -- The last that one of the sessions does, while the others go on.
        if p_cancels and v_done = p_operations - 1 then
            v_kind := 'cancel';
        end if;
        v_seats := array(select s from generate_series(1, 60) as s order by random() limit 2 + floor(random() * 4));
        v_holder := 'holder ' || floor(random() * 32);
        v_outcome := null;
        v_order := null;
        if v_kind in ('extend', 'change', 'age', 'release', 'create') then
            v_hold := null;
            select a.reservation_id, a.seat_ids into v_hold, v_held
            from rowlock.seat_reservations as a
            where a.show_id = p_show and a.reserved_by = v_holder and a.status = 'active';
            commit;
            continue when v_hold is null;
        end if;
        case v_kind
            when 'reserve' then
                select outcome into v_outcome
                from rowlock.reserve_seats_atomic(
                    p_show, v_seats, v_holder, null, null, null, rowlock.mint_id(p_show), convert_to(v_holder, 'UTF8')
                );
            when 'batch' then
                select string_agg(distinct b.outcome, ' ') into v_outcome
                from (
                    select array_agg(gen_random_uuid()) as ids, array_agg('holder ' || floor(random() * 32)) as holders
                    from generate_series(1, 4)
                ) as r,
                (
                    select array_agg(1 + floor(random() * 60)::integer) as seats,
                        array_agg(1 + n % 4) as requests
                    from generate_series(1, 8) as n
                ) as w,
                rowlock.reserve_seats_batch(
                    p_show, r.ids, array_fill(null::bytea, array[4]), null, w.seats, w.requests, r.holders,
                    array_fill(null::text, array[4]), array_fill(null::inet, array[4]),
                    array_fill(null::text, array[4]), null,
                    array_fill(inet '192.0.2.1', array[4]), array[40, 25, 1000000, 1000000, 25]
                ) as b;
            when 'extend' then
                select outcome into v_outcome
                from rowlock.extend_reservation_atomic(p_show, v_hold, p_reserved_by => v_holder);
            when 'change' then
                select outcome into v_outcome
                from rowlock.change_seats_atomic(
                    p_show, v_hold, array(select s from unnest(v_seats[1:2]) as s where s <> v_held[1]), v_held[1:1],
                    p_reserved_by => v_holder
                );
            when 'age' then
                perform from rowlock.seat_reservations as a
                where a.show_id = p_show and a.reservation_id = v_hold for update;
                update rowlock.ticket_orders as o
                set expires_at = o.expires_at - interval '1 hour'
                where o.show_id = p_show and o.reservation_id = v_hold and o.status = 'pending';
                perform from rowlock.show_seats as c
                where c.show_id = p_show and c.reservation_id = v_hold order by c.seat_id for update;
                update rowlock.seat_reservations as a
                set created_at = a.created_at - interval '1 hour', expires_at = a.expires_at - interval '1 hour'
                where a.show_id = p_show and a.reservation_id = v_hold and a.status = 'active';
                update rowlock.show_seats as c
                set reserved_until = c.reserved_until - interval '1 hour'
                where c.show_id = p_show and c.reservation_id = v_hold and c.status = 'reserved';
                v_outcome := 'done';
            when 'release' then
                select string_agg(distinct b.outcome, ' ') into v_outcome
                from (
                    select array_agg(a.reservation_id) as ids, array_agg(a.reserved_by) as holders,
                        count(*)::integer as size
                    from (
                        select a.reservation_id, a.reserved_by from rowlock.seat_reservations as a
                        where a.show_id = p_show and a.status = 'active'
                            and a.reserved_by in (v_holder, 'holder 1', 'holder 2', 'holder 3')
                        order by random()
                    ) as a
                ) as r,
                rowlock.release_seats_batch(
                    p_show, r.ids, array_fill(null::bytea, array[size]), r.holders,
                    array_fill(null::text, array[size]), array_fill(null::inet, array[size]),
                    array_fill(null::text, array[size]), null
                ) as b
                where size > 0;
            when 'cleanup' then
                select case when total_reservations_expired > 0 then 'some' else 'none' end into v_outcome
                from rowlock.cleanup_expired_seat_reservations(5, 'storm');
            when 'block' then
                select outcome into v_outcome from rowlock.block_seats_atomic(p_show, v_seats[1:2], 'broken');
            when 'unblock' then
                select outcome into v_outcome from rowlock.unblock_seats_atomic(p_show, v_seats);
            when 'move' then
                select m.outcome into v_outcome
                from (
                    select n.plan_id
                    from rowlock.shows as s
                    join rowlock.seating_plans as o using (plan_id)
                    join rowlock.seating_plans as n on n.venue_id = o.venue_id
                    where s.show_id = p_show order by random() limit 1
                ) as p,
                    rowlock.move_show_atomic(p_show, p.plan_id) as m;
            when 'cancel' then
                select outcome into v_outcome from rowlock.cancel_show_atomic(p_show, 'storm', 10);
            when 'create' then
                v_order := rowlock.mint_id(p_show);
                select outcome into v_outcome
                from rowlock.create_order_atomic(
                    p_show, v_hold, convert_to(v_holder, 'UTF8'), v_order, v_order::text, v_order::text::bytea,
                    v_holder, 'storm@example.org', v_held[1:1],
                    array[(array['adult', 'child'])[1 + floor(random() * 2)]],
                    case when random() < 0.5 then 'key ' || floor(random() * 500) end,
                    (v_held::text || floor(random() * 2))::bytea, null, null, null
                );
            when 'expire' then
                select case when e > 0 then 'some' else 'none' end into v_outcome
                from rowlock.expire_orders_atomic(5) as e;
            when 'outbox' then
                select case count(rowlock.finish_outbox_message(m.message_id, null, null))
                    when 0 then 'none' else 'some' end
                into v_outcome
                from rowlock.take_outbox_messages(5, 60) as m;
            when 'settle' then
                select s.outcome into v_outcome
                from (
                    -- `rowlock check` tells of money that came too late and could not be given back: that is not tried.
                    select r.refund_id, case when r.idempotency_key like 'late-%' then 3 else 4 end as answers
                    from rowlock.refunds as r
                    where r.show_id = p_show and r.status = 'pending' order by random() limit 1
                ) as r,
                    rowlock.settle_refund_atomic(
                        p_show, r.refund_id,
                        (array['succeeded', 'succeeded', 'in_doubt', 'failed'])[1 + floor(random() * r.answers)],
                        null, null
                    ) as s;
            when 'receipt' then
                select i.outcome into v_outcome
                from (
                    select o.order_id, r.refund_id
                    from rowlock.ticket_orders as o
                    left join rowlock.refunds as r
                        on r.show_id = o.show_id and r.order_id = o.order_id and random() < 0.5
                    where o.show_id = p_show and o.paid_at is not null order by random() limit 1
                ) as o,
                    rowlock.issue_receipt_atomic(p_show, o.order_id, o.refund_id) as i;
            when 'order' then
                -- For a hold that is live, has lapsed or was taken over: an order for all of its seats, with an
                -- authorized payment. A hold has one live order.
                select a.reservation_id, a.seat_ids into v_hold, v_held
                from rowlock.seat_reservations as a
                where a.show_id = p_show and a.reserved_by = v_holder and a.status in ('active', 'expired')
                    and not exists (
                        select from rowlock.ticket_orders as o
                        where o.show_id = p_show and o.reservation_id = a.reservation_id
                            and o.status not in ('voided', 'expired', 'cancelled')
                    )
                order by random() limit 1 for update;
                if v_hold is not null then
                    v_order := rowlock.mint_id(p_show);
                    insert into rowlock.ticket_orders
                        (show_id, order_id, order_code, idempotency_key, reservation_id, customer_name, customer_email,
                         total_minor, currency)
                    values (
                        p_show, v_order, v_order, v_order, v_hold, v_holder, 'storm@example.org',
                        cardinality(v_held) * 1000, 'USD'
                    )
                    on conflict do nothing;
                    if found then
                        insert into rowlock.ticket_order_items (show_id, order_id, seat_id, price_type, amount_minor)
                        select p_show, v_order, s, 'adult', 1000 from unnest(v_held) as s;
                        insert into rowlock.payment_intents
                            (show_id, payment_intent_id, order_id, provider, amount_minor, currency, status)
                        values (
                            p_show, rowlock.mint_id(p_show), v_order, 'storm', cardinality(v_held) * 1000, 'USD',
                            'authorized'
                        );
                        v_outcome := 'done';
                    end if;
                end if;
            when 'complete', 'pay', 'void', 'refund', 'begin', 'record', 'late', 'end' then
                select o.order_id, i.payment_intent_id into v_order, v_intent
                from rowlock.ticket_orders as o
                left join rowlock.payment_intents as i on i.show_id = o.show_id and i.order_id = o.order_id
                where o.show_id = p_show and o.status = any(case
                    when v_kind in ('complete', 'begin', 'record', 'end') then array['pending']
                    when v_kind = 'refund' then array['paid', 'partially_refunded']
                    when v_kind = 'late' then array['pending', 'cancelled', 'expired', 'voided']
                    else array['confirmed']
                end)
                    and (v_kind = 'begin' or i.payment_intent_id is not null)
                order by random() limit 1;
                commit;
                continue when v_order is null;
                case v_kind
                    when 'begin' then
                        select outcome into v_outcome
                        from rowlock.begin_payment_atomic(
                            p_show, v_order, rowlock.mint_id(p_show), 'storm', 'installation'
                        );
                    when 'record' then
                        select outcome into v_outcome
                        from rowlock.record_payment_atomic(
                            p_show, v_intent, (array['authorized', 'authorized', 'in_doubt'])[1 + floor(random() * 3)],
                            null, null, null
                        );
                    when 'late' then
                        select outcome into v_outcome from rowlock.pay_order_atomic(p_show, v_order, v_intent);
                    when 'end' then
                        select outcome into v_outcome from rowlock.end_order_atomic(p_show, v_order, 'storm');
                    when 'complete' then
                        select outcome into v_outcome
                        from rowlock.complete_order_atomic(p_show, v_order, v_intent);
                    when 'pay' then
                        select outcome into v_outcome from rowlock.pay_order_atomic(p_show, v_order, v_intent);
                    when 'void' then
                        select outcome into v_outcome from rowlock.void_order_atomic(p_show, v_order, 'declined');
                    when 'refund' then
                        select outcome into v_outcome
                        from rowlock.refund_order_atomic(
                            p_show, v_order, rowlock.mint_id(p_show), gen_random_uuid()::text,
                            case when random() < 0.3 then array(
                                select i.seat_id from rowlock.ticket_order_items as i
                                where i.show_id = p_show and i.order_id = v_order limit 1
                            ) end,
                            p_give_back => case when random() < 0.2 then 'house' else 'on_sale' end
                        );
                end case;
        end case;
        commit;
        continue when v_outcome is null;
        v_done := v_done + 1;
        v_kind := v_kind || ' ' || v_outcome;
        p_told := jsonb_set(p_told, array[v_kind], to_jsonb(coalesce((p_told ->> v_kind)::integer, 0) + 1));
    end loop;
end
$$;
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "storm_number" in metafunc.fixturenames:
        metafunc.parametrize("storm_number", range(scale_of(metafunc.config).storms))


@pytest.mark.soak
async def test_random_operations_on_shuffled_seats_never_deadlock(
    db: SeatDb, server: TestServer, scale: Scale, storm_number: int
) -> None:
    operations = scale.storm_operations[server.name]
    await load_test_build(db.owner)
    await db.owner.execute(_STORM)
    told: Counter[str] = Counter()
    # One show after another, each cancelled at its end: what is looked for at random stays a short list.
    for part in range(operations // OPERATIONS_OF_A_SHOW):
        show = await a_show_with_three_plans(db)

        async def storm(number: int, show: Show = show, part: int = part) -> dict[str, int]:
            async with await psycopg.AsyncConnection.connect(db.dsns.owner, autocommit=True) as connection:
                cursor = await connection.execute(
                    "call rowlock_test.storm(%s, %s, %s, %s, '{}')",
                    [
                        show.show_id,
                        (storm_number + (number + part / 100) / CONNECTIONS) / scale.storms,
                        OPERATIONS_OF_A_SHOW // CONNECTIONS,
                        number == 0,
                    ],
                )
                row = await cursor.fetchone()
                assert row is not None
                counted: dict[str, int] = row[0]
                return counted

        for one in await asyncio.gather(*(storm(number) for number in range(CONNECTIONS))):
            told.update(one)
        assert await deadlocks(db.owner) == 0

    assert await db.check() == []
    # The hall of make_show was never published.
    assert [v for v in await find_violations(db.owner) if v.code != "PLAN_CHANGED"] == []
    # It was a storm: each operation succeeded, and each was refused.
    assert told.total() == operations
    assert {
        "reserve OK", "reserve SEATS_UNAVAILABLE", "reserve DUPLICATE_RESERVATION", "extend OK",
        "extend RESERVATION_EXPIRED", "change OK", "change SEATS_UNAVAILABLE", "change RESERVATION_EXPIRED",
        "release OK", "cleanup some", "block OK", "block SEATS_UNAVAILABLE", "unblock OK", "complete OK",
        "complete SEATS_UNAVAILABLE", "pay OK", "void OK", "refund OK", "move OK", "move SEATS_IN_THE_WAY",
        "create OK", "create ORDER_BEING_PAID", "begin OK", "record OK", "late OK", "end OK", "expire some",
        "settle OK", "receipt OK", "outbox some", "cancel OK",
    } <= told.keys()  # fmt: skip


async def a_show_with_three_plans(db: SeatDb) -> Show:
    """A show with prices, and two plans to move to and back from. In one of them the last seat is another seat."""
    show = await db.make_show(seats=60)
    await make_plan(db.owner, show, labels=[str(seat) for seat in range(1, 61)])
    await make_plan(db.owner, show, labels=[*(str(seat) for seat in range(1, 60)), "other"])
    await db.owner.execute(
        """
        with plans as (
            update rowlock.seating_plans as p
            set layout = '{"categories": [{"name": "stalls"}]}'
            from rowlock.shows as s join rowlock.seating_plans as own using (plan_id)
            where s.show_id = %(show)s and p.venue_id = own.venue_id
        )
        insert into rowlock.show_prices (show_id, price_version, category, price_type, amount_minor)
        values (%(show)s, 1, 0, 'adult', 2500), (%(show)s, 1, 0, 'child', 1200)
        """,
        {"show": show.show_id},
    )
    return show


IN_CALLERS_ORDER = Mutant(
    "reserve_seats_batch",
    "order by w.seat_id\n            on conflict",
    "order by array_position(p_seat_ids, w.seat_id)\n            on conflict",
)
LAST_SEAT_FIRST = Mutant("complete_order_atomic", "order by s.seat_id\n", "order by s.seat_id desc\n")
HELD_SEATS_FIRST = Mutant("change_seats_within_limits", "order by s.seat_id\n            on conflict", "on conflict")


@pytest.mark.parametrize("planted", [[], [IN_CALLERS_ORDER]], ids=["in_seat_order", "in_callers_order"])
async def test_two_requests_that_name_seats_the_other_way_round(db: SeatDb, show: Show, planted: list[Mutant]) -> None:
    await load_test_build(db.owner, mutants=planted)

    answers = await meet(
        db,
        show,
        lambda ben: ben.reserve(show, seats=[1, 9, 2], holder="ben"),
        lambda carl: carl.reserve(show, seats=[2, 1], holder="carl"),
        in_the_way=9,
    )

    if planted:
        assert answers.count("DeadlockDetected") == 1
    else:
        assert answers == ["OK", "SEATS_UNAVAILABLE"]
        assert await db.claims(show) == {1: "ben", 2: "ben", 9: "ben"}


@pytest.mark.parametrize("planted", [[], [HELD_SEATS_FIRST]], ids=["in_one_pass", "held_seats_first"])
async def test_a_change_that_adds_a_lower_seat(db: SeatDb, show: Show, planted: list[Mutant]) -> None:
    await load_test_build(db.owner, mutants=planted)
    hold = await db.reserve(show, seats=[5], holder="anna")

    answers = await meet(
        db,
        show,
        lambda box_office: box_office.block(show, seats=[1, 3, 5]),
        lambda anna: anna.change(hold, add=[1]),
        in_the_way=3,
    )

    if planted:
        assert answers.count("DeadlockDetected") == 1
    else:
        assert answers == ["SEATS_UNAVAILABLE", "OK"]
        assert await db.claims(show) == {1: "anna", 5: "anna"}


@pytest.mark.parametrize("planted", [[], [LAST_SEAT_FIRST]], ids=["in_seat_order", "last_seat_first"])
async def test_a_late_payer_and_a_rival_for_her_seats(db: SeatDb, show: Show, planted: list[Mutant]) -> None:
    await load_test_build(db.owner, mutants=planted)
    anna = await db.reserve(show, seats=[1, 2, 3], holder="anna")
    order = await db.order(anna)
    await db.age(anna, minutes=11)
    # Seat 2 is free, so that the payment waits for it in the middle.
    await db.owner.execute("delete from rowlock.show_seats where show_id = %s and seat_id = 2", [show.show_id])

    answers = await meet(
        db,
        show,
        lambda payment: payment.complete(show, order),
        lambda rival: rival.reserve(show, seats=[3, 1], holder="ben"),
        in_the_way=2,
    )

    if planted:
        assert answers.count("DeadlockDetected") == 1
    else:
        assert answers == ["OK", "SEATS_UNAVAILABLE"]
        assert await db.claims(show) == {1: "sold", 2: "sold", 3: "sold"}


async def meet(
    db: SeatDb,
    show: Show,
    first: Callable[[SeatDb], Awaitable[Any]],
    second: Callable[[SeatDb], Awaitable[Any]],
    *,
    in_the_way: int,
) -> list[str]:
    """Let the first call wait for the seat `in_the_way`, which another transaction has locked, and the second run as
    far as it can; then roll that transaction back. Returns the outcomes, or the names of errors."""
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(db.another()) for _ in range(2)]
        async with db.owner.transaction(force_rollback=True):
            await db.owner.execute(
                "insert into rowlock.show_seats (show_id, seat_id, status, block_reason)"
                " values (%s, %s, 'blocked', 'in the way')",
                [show.show_id, in_the_way],
            )
            tasks = [asyncio.ensure_future(first(one))]
            await wait_until_blocked(db.owner, one.app)
            tasks.append(asyncio.ensure_future(second(two)))
            await wait_until_blocked(db.owner, two.app)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    return [type(a).__name__ if isinstance(a, BaseException) else a.outcome for a in answers]


async def deadlocks(owner: psycopg.AsyncConnection) -> int:
    cursor = await owner.execute("select deadlocks from pg_stat_database where datname = current_database()")
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
