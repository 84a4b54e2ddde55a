-- cancel_show_atomic: cancel a show, end its holds and orders, and open a refund for each paid order.
--
-- The first call cancels the show, so that nothing is completed from then on, and nothing reserved but what is in
-- flight. Each call ends up to p_limit holds and orders; repeat it until holds_left and orders_left are 0. Money is given
-- back by the provider afterwards, refund by refund. An order whose payment is disputed waits for the end of the dispute:
-- record_dispute_atomic has the rest ended then. Every seat stays sold, reserved or free as it was before its turn.
--
-- Locks     the show; then holds, by id; then orders, by the id of their hold; then what lock_payments locks; then seats,
--           by seat id; then other payment intents, which only a transaction with the lock of their order locks.
-- Outcomes  in precedence: SHOW_NOT_FOUND, OK.
-- Writes    shows, seat_reservations, show_seats, ticket_orders, payment_intents, refunds, refund_items, tickets, one
--           audit row per hold (released) and order (refunded, voided or cancelled), one outbox message per order that
--           is voided or refunded, and one with the first call, by which a worker ends what is left.
create or replace function rowlock.cancel_show_atomic(
    p_show_id uuid,
    p_reason text,
    p_limit integer default 500,
    p_session_id text default null,
    p_ip_address inet default null,
    p_actor text default null
)
returns table (
    outcome text,
    holds_released integer,
    orders_ended integer,
    holds_left integer,
    orders_left integer,
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_status text;
    v_holds  uuid[];
    v_orders uuid[];
    v_order  uuid;
    v_seats  integer[];
    v_now    timestamptz;
begin
    select s.status into v_status from shows as s where s.show_id = p_show_id for no key update;
    if not found then
        return query select 'SHOW_NOT_FOUND', 0, 0, 0, 0, clock_timestamp();
        return;
    end if;
    if v_status <> 'cancelled' then
        update shows as s set status = 'cancelled' where s.show_id = p_show_id;
        -- Whoever cancels may die before the last hold and order: a worker then goes on.
        insert into outbox_messages (kind, show_id, payload)
        values ('show_cancelled', p_show_id, jsonb_build_object('reason', p_reason, 'actor', p_actor));
    end if;
    -- step: show_locked

    select array_agg(l.reservation_id)
    into v_holds
    from (
        select a.reservation_id
        from seat_reservations as a
        where a.show_id = p_show_id and a.status = 'active'
        order by a.reservation_id
        limit p_limit
        for update
    ) as l;
    select array_agg(l.order_id)
    into v_orders
    from (
        select o.order_id
        from ticket_orders as o
        where o.show_id = p_show_id
            and o.status in ('pending', 'confirmed', 'paid', 'partially_refunded')
            and not exists (
                select from disputed_payments as d
                where d.show_id = p_show_id and d.order_id = o.order_id and d.status = 'opened'
            )
        order by o.reservation_id
        limit p_limit
        for update
    ) as l;
    perform lock_payments(p_show_id, v_orders);
    -- step: orders_locked
    v_now := clock_timestamp();

    -- Every seat of these holds and orders at once, in seat order, before any of them is ended.
    select array_agg(l.seat_id) filter (where l.status = 'reserved')
    into v_seats
    from (
        select c.seat_id, c.status
        from show_seats as c
        where c.show_id = p_show_id
            and (
                c.status = 'reserved' and c.reservation_id = any(v_holds)
                or c.status = 'sold' and c.order_id = any(v_orders)
            )
        order by c.seat_id
        for update
    ) as l;
    -- step: seats_locked

    if v_holds is not null then
        with freed as (
            delete from show_seats as c
            where c.show_id = p_show_id and c.seat_id = any(v_seats)
            returning c.seat_id, c.reservation_id
        ),
        released as (
            update seat_reservations as a
            set status = 'released', ended_at = v_now
            where a.show_id = p_show_id and a.reservation_id = any(v_holds)
            returning a.reservation_id, a.session_id, a.created_at
        )
        insert into seat_reservation_audit_log
            (show_id, reservation_id, event, seat_ids, session_id, ip_address, metadata, actor)
        select
            p_show_id, r.reservation_id, 'released',
            array(select f.seat_id from freed as f where f.reservation_id = r.reservation_id order by f.seat_id),
            coalesce(p_session_id, r.session_id), p_ip_address,
            jsonb_build_object(
                'held_seconds', extract(epoch from v_now - r.created_at), 'operation', 'cancel_show', 'reason', p_reason
            ),
            p_actor
        from released as r;
    end if;

    foreach v_order in array coalesce(v_orders, '{}') loop
        perform end_order_of_cancelled_show(p_show_id, v_order, p_reason, p_session_id, p_ip_address, p_actor);
    end loop;
    -- step: written

    return query select
        'OK', coalesce(cardinality(v_holds), 0), coalesce(cardinality(v_orders), 0),
        (
            select count(*)::integer from seat_reservations as a
            where a.show_id = p_show_id and a.status = 'active'
        ),
        (
            select count(*)::integer from ticket_orders as o
            where o.show_id = p_show_id and o.status in ('pending', 'confirmed', 'paid', 'partially_refunded')
                and not exists (
                    select from disputed_payments as d
                    where d.show_id = p_show_id and d.order_id = o.order_id and d.status = 'opened'
                )
        ),
        clock_timestamp();
end
$$;
comment on function rowlock.cancel_show_atomic is
    'Cancel a show, end its holds and orders, and open a refund for each paid order. Repeat until none is left.';
revoke all on function rowlock.cancel_show_atomic from public;
