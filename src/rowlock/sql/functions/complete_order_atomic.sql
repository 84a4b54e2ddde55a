-- complete_order_atomic: turn the seats of an order, whose payment is authorized, into sold seats with tickets.
--
-- Called after the provider has authorized the payment and before it is captured, so that a buyer whose seats are gone
-- is not charged. The order becomes confirmed; pay_order_atomic makes it paid once the money is captured. An order
-- whose payment is captured already, and a free one (total 0, no payment), become paid at once.
--
-- An order of an exchange needs a payment of what its credit leaves open, and becomes confirmed, never paid:
-- finish_exchange_atomic makes it paid.
--
-- An order contains exactly the seats of its hold. Seats whose hold ran out are claimed again if they are still free,
-- also from a newer hold of the same holder, whose pending order is then cancelled, unless that order is being paid. A
-- paused or closed show completes the orders of holds made before.
-- An order that has tickets was completed before: the answer is OK again, in every later state (see status).
--
-- Locks     the show (shared with other completions, not with cancel_show_atomic); the order's hold and the holder's
--           live hold, by id; the order and its payment intents; then all seats, by seat id, in one statement.
-- Outcomes  in precedence: ORDER_NOT_FOUND, OK (repeated), SHOW_NOT_ON_SALE (cancelled or a draft), ORDER_NOT_PAYABLE
--           (ended, or its items, total, currency or seats are not what they have to be), PAYMENT_NOT_AUTHORIZED,
--           SEATS_UNAVAILABLE, OK.
-- Writes    show_seats, seat_reservations, ticket_orders, tickets, ledger_entries when the money was captured before, one audit row (completed or failed; none when
--           repeated), one outbox message (order_confirmed, order_paid, or exchange_due when nothing is left to pay).
create or replace function rowlock.complete_order_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_payment_intent_id uuid default null,
    p_session_id text default null,
    p_ip_address inet default null,
    p_user_agent text default null
)
returns table (
    outcome text,
    order_id uuid,
    status text,
    seat_ids integer[],
    unavailable_seat_ids integer[],
    ticket_ids uuid[],
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order   ticket_orders%rowtype;
    v_hold    seat_reservations%rowtype;
    v_show    shows%rowtype;
    v_intent  payment_intents%rowtype;
    v_holds   uuid[];          -- the order's hold and the holder's live hold, locked
    v_mine    uuid[];          -- those of them whose seats may be taken
    v_newer   uuid[];          -- those whose seats this order takes over
    v_seats   integer[];
    v_total   bigint;
    v_due     bigint;          -- what the buyer has to pay: the total less the credit of an exchange
    v_locked  integer[];
    v_missing integer[];
    v_tickets uuid[];
    v_now     timestamptz;
    v_outcome text;
begin
    -- What decides which rows to lock never changes: the hold of an order, and the holder of a hold.
    select * into v_order from ticket_orders as o where o.show_id = p_show_id and o.order_id = p_order_id;
    if not found then
        return query select 'ORDER_NOT_FOUND', p_order_id, null::text, '{}'::integer[], null::integer[], '{}'::uuid[],
            clock_timestamp();
        return;
    end if;
    select * into v_show from shows where show_id = p_show_id for share;
    select * into v_hold
    from seat_reservations as a
    where a.show_id = p_show_id and a.reservation_id = v_order.reservation_id;

    -- Again when a hold of this holder was made while we waited for the seats: its row is locked before any seat.
    for attempt in 1 .. 5 loop
        begin
            select array_agg(l.reservation_id)
            into v_holds
            from (
                select a.reservation_id
                from seat_reservations as a
                where a.show_id = p_show_id
                    and (
                        a.reservation_id = v_order.reservation_id
                        or (a.reserved_by = v_hold.reserved_by and a.status = 'active')
                    )
                order by a.reservation_id
                for update
            ) as l;
            -- step: reservations_locked
            select * into v_order
            from ticket_orders as o
            where o.show_id = p_show_id and o.order_id = p_order_id
            for update;
            select * into v_hold
            from seat_reservations as a
            where a.show_id = p_show_id and a.reservation_id = v_order.reservation_id;
            select * into v_intent
            from payment_intents as i
            where i.show_id = p_show_id and i.order_id = p_order_id and i.payment_intent_id = p_payment_intent_id
            for update;
            -- step: order_locked

            select array_agg(i.seat_id order by i.seat_id), (sum(i.amount_minor) + v_order.fee_minor)::bigint
            into v_seats, v_total
            from ticket_order_items as i
            where i.show_id = p_show_id and i.order_id = p_order_id;
            v_due := v_total - v_order.credit_minor;
            v_mine := array(
                select h from unnest(v_holds) as h
                where h = v_order.reservation_id or not lock_pending_order(p_show_id, h)
            );
            v_outcome := case
                when v_order.confirmed_at is not null then 'REPEATED'
                when v_show.status in ('cancelled', 'draft') then 'SHOW_NOT_ON_SALE'
                when
                    v_order.status <> 'pending'
                    or v_order.currency <> v_show.currency
                    or v_order.total_minor is distinct from v_total
                    or v_hold.status is null or v_hold.status not in ('active', 'expired')
                    or v_seats is distinct from array(select s from unnest(v_hold.seat_ids) as s order by s)
                    or v_seats[cardinality(v_seats)] > v_show.seats_total
                    then 'ORDER_NOT_PAYABLE'
                when
                    case
                        when v_due = 0 then p_payment_intent_id is not null
                        else v_intent.payment_intent_id is null
                            or v_intent.status not in ('authorized', 'captured')
                            or v_intent.amount_minor <> v_due
                            or v_intent.currency <> v_order.currency
                    end
                    then 'PAYMENT_NOT_AUTHORIZED'
            end;

            if v_outcome is null then
                with locked as (
                    insert into show_seats as c (show_id, seat_id, status, order_id, reservation_id)
                    select p_show_id, s.seat_id, 'sold', p_order_id, v_order.reservation_id
                    from unnest(v_seats) as s (seat_id)
                    order by s.seat_id
                    on conflict (show_id, seat_id) do update
                    set status = 'sold', order_id = p_order_id, reservation_id = v_order.reservation_id,
                        reserved_by = null, reserved_until = null
                    where c.status = 'reserved'
                        and (c.reservation_id = any(v_mine) or c.reserved_until <= clock_timestamp())
                    returning c.seat_id
                )
                select array_agg(l.seat_id) into v_locked from locked as l;
                -- step: seats_locked
                v_missing := array(select s from unnest(v_seats) as s where s <> all(coalesce(v_locked, '{}')));
                v_outcome := case when cardinality(v_missing) > 0 then 'SEATS_UNAVAILABLE' else 'OK' end;
            end if;
            if v_outcome = 'SEATS_UNAVAILABLE' then
                -- Undone as a whole: an expired claim of another holder is as it was.
                raise exception using
                    errcode = case
                        when exists (
                            select from show_seats as c
                            where c.show_id = p_show_id and c.seat_id = any(v_missing)
                                and c.reserved_by = v_hold.reserved_by and c.reservation_id <> all(v_holds)
                        ) and attempt < 5 then 'RW001' else 'RW002'
                    end;
            end if;
            exit;
        exception
            when sqlstate 'RW001' then null;
            when sqlstate 'RW002' then exit;
        end;
    end loop;

    v_now := clock_timestamp();
    if v_outcome = 'REPEATED' then
        return query select 'OK', p_order_id, v_order.status, v_seats, null::integer[],
            array(
                select t.ticket_id from tickets as t
                where t.show_id = p_show_id and t.order_id = p_order_id order by t.seat_id
            ),
            v_now;
        return;
    end if;

    if v_outcome = 'OK' then
        -- A newer hold of the holder keeps the seats that this order does not contain, and ends if none is left.
        v_newer := array(
            select a.reservation_id
            from seat_reservations as a
            where a.show_id = p_show_id and a.reservation_id = any(v_mine)
                and a.reservation_id <> v_order.reservation_id and a.seat_ids && v_seats
        );
        perform cancel_pending_order(p_show_id, h) from unnest(v_newer) as h;
        with newer as (
            select a.reservation_id, a.seat_ids as had
            from seat_reservations as a
            where a.show_id = p_show_id and a.reservation_id = any(v_newer)
        ),
        reduced as (
            update seat_reservations as a
            set seat_ids = case
                    when a.seat_ids <@ v_seats then a.seat_ids
                    else array(select s from unnest(a.seat_ids) as s where s <> all(v_seats))
                end,
                status = case when a.seat_ids <@ v_seats then 'released' else a.status end,
                ended_at = case when a.seat_ids <@ v_seats then v_now end
            from newer as n
            where a.show_id = p_show_id and a.reservation_id = n.reservation_id
            returning a.*, n.had
        )
        insert into seat_reservation_audit_log (show_id, reservation_id, event, seat_ids, session_id, metadata)
        select
            p_show_id, r.reservation_id, case r.status when 'released' then 'released' else 'changed' end,
            case r.status when 'released' then '{}' else r.seat_ids end, r.session_id,
            jsonb_build_object(
                'operation', 'complete', 'taken_over_by', p_order_id, 'added', '[]'::jsonb,
                'removed', to_jsonb(array(select s from unnest(r.had) as s where s = any(v_seats))),
                'held_seconds', extract(epoch from v_now - r.created_at)
            )
        from reduced as r;
        update seat_reservations as a
        set status = 'completed', ended_at = v_now
        where a.show_id = p_show_id and a.reservation_id = v_order.reservation_id;
        v_order.status := case
            when v_order.exchange_of_order_id is null and (v_due = 0 or v_intent.status = 'captured') then 'paid'
            else 'confirmed'
        end;
        update ticket_orders as o
        set status = v_order.status, confirmed_at = v_now,
            paid_at = case when v_order.status = 'paid' then v_now end
        where o.show_id = p_show_id and o.order_id = p_order_id;
        if v_due > 0 and v_intent.status = 'captured' then
            perform book_money(
                p_show_id, p_payment_intent_id, p_order_id, 'sales', v_intent.amount_minor, 0, v_intent.currency
            );
        end if;
        with issued as (
            insert into tickets as t (show_id, ticket_id, order_id, seat_id)
            select p_show_id, mint_id(p_show_id), p_order_id, s.seat_id
            from unnest(v_seats) as s (seat_id)
            returning t.ticket_id, t.seat_id
        )
        select array_agg(i.ticket_id order by i.seat_id) into v_tickets from issued as i;
        insert into outbox_messages (show_id, order_id, kind)
        values (
            p_show_id, p_order_id,
            case
                when v_order.exchange_of_order_id is not null and (v_due = 0 or v_intent.status = 'captured')
                    then 'exchange_due'
                else 'order_' || v_order.status
            end
        );
    end if;

    if v_outcome = 'OK' then
        insert into seat_reservation_audit_log
            (show_id, reservation_id, order_id, event, seat_ids, session_id, ip_address, user_agent, metadata)
        values (
            p_show_id, v_order.reservation_id, p_order_id, 'completed', v_seats,
            coalesce(p_session_id, v_hold.session_id), p_ip_address, p_user_agent,
            jsonb_build_object('held_seconds', extract(epoch from v_now - v_hold.created_at))
        );
    else
        perform log_refusals(
            p_show_id, array[v_outcome], array[v_order.reservation_id], array[v_seats::text],
            array[coalesce(p_session_id, v_hold.session_id)], array[p_ip_address], array[p_user_agent],
            jsonb_build_object('operation', 'complete'), p_order_id
        );
    end if;
    -- step: written

    return query select v_outcome, p_order_id, v_order.status, coalesce(v_seats, '{}'),
        case when v_outcome = 'SEATS_UNAVAILABLE' then v_missing end, coalesce(v_tickets, '{}'), v_now;
end
$$;
comment on function rowlock.complete_order_atomic is
    'Turn the seats of an order with an authorized payment into sold seats with tickets, all or nothing. Repeatable.';
revoke all on function rowlock.complete_order_atomic from public;
