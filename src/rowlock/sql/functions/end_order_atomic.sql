-- end_order_atomic: end a pending order whose seats are gone, so that its money goes back.
--
-- A payment that is authorized is then let go. For money that was captured a refund is opened in the same step, so that
-- a worker that dies afterwards owes the buyer nothing; captured later, it is given back by pay_order_atomic. A repeated
-- call changes nothing, nor does one for an order that is confirmed or has ended.
--
-- Locks     the order, then its payments that are captured.
-- Outcomes  in precedence: ORDER_NOT_FOUND, OK. Status is what the order is then.
-- Writes    ticket_orders, one audit row (cancelled), one outbox message (order_lost), and what pay_order_atomic writes.
create or replace function rowlock.end_order_atomic(p_show_id uuid, p_order_id uuid, p_reason text)
returns table (outcome text, order_id uuid, status text, server_time timestamptz)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order ticket_orders%rowtype;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    -- step: order_locked
    if v_order.order_id is null then
        return query select 'ORDER_NOT_FOUND', p_order_id, null::text, clock_timestamp();
        return;
    end if;
    if v_order.status = 'pending' then
        v_order.status := 'cancelled';
        update ticket_orders as o
        set status = 'cancelled'
        where o.show_id = p_show_id and o.order_id = p_order_id;
        insert into seat_reservation_audit_log (show_id, reservation_id, order_id, event, metadata)
        values (
            p_show_id, v_order.reservation_id, p_order_id, 'cancelled',
            jsonb_build_object('operation', 'complete', 'reason', left(p_reason, 200))
        );
        insert into outbox_messages (show_id, order_id, kind, payload)
        values (p_show_id, p_order_id, 'order_lost', jsonb_build_object('reason', left(p_reason, 200)));
        perform pay_order_atomic(p_show_id, p_order_id, i.payment_intent_id)
        from payment_intents as i
        where i.show_id = p_show_id and i.order_id = p_order_id and i.status = 'captured';
    end if;
    -- step: written
    return query select 'OK', p_order_id, v_order.status, clock_timestamp();
end
$$;
comment on function rowlock.end_order_atomic is 'End a pending order whose seats are gone, so that its money goes back. Repeatable.';
revoke all on function rowlock.end_order_atomic from public;
