-- complete_order_atomic: turn the seats of a paid-for order into sold seats with tickets.
--
-- Called after the provider has authorized the payment and before it is captured, so that a buyer whose seats are gone
-- is not charged. Seats whose hold ran out are claimed again if they are still available. Completing a paid order
-- again is OK and returns the same.
--
-- Locks     the reservation row, the order row, then the seats, by seat id, in one statement.
-- Outcomes  in precedence: ORDER_NOT_FOUND, ORDER_NOT_PAYABLE, SEATS_UNAVAILABLE, OK.
-- Writes    show_seats, seat_reservations, ticket_orders, tickets, one audit row (completed or failed), one outbox
--           message (order_completed).
create or replace function rowlock.complete_order_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_session_id text default null,
    p_ip_address inet default null,
    p_user_agent text default null
)
returns table (
    outcome text,
    order_id uuid,
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
    v_seats   integer[];
    v_locked  integer[];
    v_missing integer[];
    v_dropped integer[];
    v_tickets uuid[] := '{}'::uuid[];
    v_now     timestamptz;
    v_outcome text;
begin
    -- The reservation of an order never changes, so it may be read before the lock.
    select * into v_order from ticket_orders as o where o.show_id = p_show_id and o.order_id = p_order_id;
    if not found then
        return query select 'ORDER_NOT_FOUND', p_order_id, '{}'::integer[], null::integer[], v_tickets,
            clock_timestamp();
        return;
    end if;
    select * into v_hold
    from seat_reservations as a
    where a.show_id = p_show_id and a.reservation_id = v_order.reservation_id
    for update;
    select * into v_order from ticket_orders as o where o.show_id = p_show_id and o.order_id = p_order_id for update;
    -- step: reservation_locked

    v_seats := array(
        select i.seat_id from ticket_order_items as i
        where i.show_id = p_show_id and i.order_id = p_order_id order by i.seat_id
    );
    if v_order.status = 'paid' then
        return query select 'OK', p_order_id, v_seats, null::integer[],
            array(
                select t.ticket_id from tickets as t
                where t.show_id = p_show_id and t.order_id = p_order_id order by t.seat_id
            ),
            clock_timestamp();
        return;
    end if;

    if v_order.status <> 'pending' or cardinality(v_seats) = 0 then
        v_outcome := 'ORDER_NOT_PAYABLE';
    else
        with locked as (
            insert into show_seats as c (show_id, seat_id, status, order_id)
            select p_show_id, s.seat_id, 'sold', p_order_id
            from unnest(v_seats) as s (seat_id)
            order by s.seat_id
            on conflict (show_id, seat_id) do update
            set order_id = c.order_id
            where c.status = 'reserved'
                and (c.reservation_id = v_order.reservation_id or c.reserved_until <= clock_timestamp())
            returning c.seat_id
        )
        select coalesce(array_agg(l.seat_id), '{}') into v_locked from locked as l;
        -- step: seats_locked

        v_missing := array(select s from unnest(v_seats) as s where s <> all(v_locked));
        v_outcome := case when cardinality(v_missing) > 0 then 'SEATS_UNAVAILABLE' else 'OK' end;
        if v_outcome = 'SEATS_UNAVAILABLE' then
            delete from show_seats as c
            where c.show_id = p_show_id and c.seat_id = any(v_locked) and c.status = 'sold';
        end if;
    end if;

    v_now := clock_timestamp();
    if v_outcome = 'OK' then
        update show_seats as c
        set status = 'sold', order_id = p_order_id, reservation_id = v_order.reservation_id, reserved_by = null,
            reserved_until = null
        where c.show_id = p_show_id and c.seat_id = any(v_seats);
        -- Seats of the hold that the order does not contain go back on sale.
        with dropped as (
            delete from show_seats as c
            where c.show_id = p_show_id and c.seat_id = any(v_hold.seat_ids) and c.status = 'reserved'
                and c.reservation_id = v_order.reservation_id
            returning c.seat_id
        )
        select coalesce(array_agg(d.seat_id order by d.seat_id), '{}') into v_dropped from dropped as d;
        update seat_reservations as a
        set status = 'completed', ended_at = v_now, seat_ids = v_seats
        where a.show_id = p_show_id and a.reservation_id = v_order.reservation_id and a.status = 'active';
        update ticket_orders as o
        set status = 'paid', paid_at = v_now
        where o.show_id = p_show_id and o.order_id = p_order_id;
        with issued as (
            insert into tickets as t (show_id, ticket_id, order_id, seat_id)
            select p_show_id, gen_random_uuid(), p_order_id, s.seat_id
            from unnest(v_seats) as s (seat_id)
            returning t.ticket_id, t.seat_id
        )
        select array_agg(i.ticket_id order by i.seat_id) into v_tickets from issued as i;
        insert into outbox_messages (show_id, order_id, kind) values (p_show_id, p_order_id, 'order_completed');
    end if;

    insert into seat_reservation_audit_log
        (show_id, reservation_id, order_id, event, seat_ids, session_id, ip_address, user_agent, error_code, metadata)
    values (
        p_show_id, v_order.reservation_id, p_order_id, case v_outcome when 'OK' then 'completed' else 'failed' end,
        v_seats, coalesce(p_session_id, v_hold.session_id), p_ip_address, p_user_agent, nullif(v_outcome, 'OK'),
        case v_outcome
            when 'OK' then jsonb_build_object(
                'held_seconds', extract(epoch from v_now - v_hold.created_at),
                'removed', to_jsonb(v_dropped)
            )
            else jsonb_build_object('operation', 'complete')
        end
    );
    -- step: written

    return query select v_outcome, p_order_id, v_seats,
        case when v_outcome = 'SEATS_UNAVAILABLE' then v_missing end, v_tickets, v_now;
end
$$;
comment on function rowlock.complete_order_atomic is
    'Turn the seats of a pending order into sold seats with tickets, all or nothing. Repeatable.';
revoke all on function rowlock.complete_order_atomic from public;
