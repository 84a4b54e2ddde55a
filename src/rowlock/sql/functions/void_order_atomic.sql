-- void_order_atomic: take back a confirmed order whose money could not be captured. Its seats are free again.
--
-- Repeating the call is OK and changes nothing. An order that is paid is not voided; it is refunded. An order of an
-- exchange that was not finished is voided also when the difference was captured, which is given back then.
--
-- Locks     the order and its payment intents, then its seats, by seat id.
-- Outcomes  in precedence: ORDER_NOT_FOUND, ORDER_NOT_VOIDABLE (neither confirmed nor voided before, or its money was
--           captured and it is of no open exchange), OK.
-- Writes    show_seats, tickets, ticket_orders, payment_intents, one audit row (voided or failed), one outbox message
--           (order_voided); of an exchange what pay_order_atomic writes.
create or replace function rowlock.void_order_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_reason text default null,
    p_session_id text default null,
    p_ip_address inet default null,
    p_actor text default null
)
returns table (
    outcome text,
    order_id uuid,
    status text,
    released_seat_ids integer[],
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
    v_order    ticket_orders%rowtype;
    v_captured boolean;
    v_seats    integer[];
    v_now      timestamptz;
    v_outcome  text;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    if not found then
        return query select 'ORDER_NOT_FOUND', p_order_id, null::text, '{}'::integer[], clock_timestamp();
        return;
    end if;
    select bool_or(i.status = 'captured')
    into v_captured
    from (
        select i.status
        from payment_intents as i
        where i.show_id = p_show_id and i.order_id = p_order_id
        order by i.payment_intent_id
        for update
    ) as i;
    -- step: order_locked

    if v_order.status = 'voided' then
        return query select 'OK', p_order_id, v_order.status, '{}'::integer[], clock_timestamp();
        return;
    end if;
    v_outcome := case
        when v_order.status <> 'confirmed' or v_captured and v_order.exchange_of_order_id is null then 'ORDER_NOT_VOIDABLE'
        else 'OK'
    end;
    if v_outcome = 'OK' then
        v_seats := free_seats_of_orders(p_show_id, array[p_order_id], null, null);
        -- step: seats_locked
        v_now := clock_timestamp();
        v_order.status := 'voided';
        update ticket_orders as o
        set status = 'voided'
        where o.show_id = p_show_id and o.order_id = p_order_id;
        update payment_intents as i
        set status = 'cancelled', updated_at = v_now
        where i.show_id = p_show_id and i.order_id = p_order_id and i.status in ('requires_payment', 'sent', 'authorized');
        insert into outbox_messages (show_id, order_id, kind) values (p_show_id, p_order_id, 'order_voided');
        if v_captured then
            perform pay_order_atomic(p_show_id, p_order_id, i.payment_intent_id)
            from payment_intents as i
            where i.show_id = p_show_id and i.order_id = p_order_id and i.status = 'captured';
        end if;
    end if;

    if v_outcome = 'OK' then
        insert into seat_reservation_audit_log
            (show_id, reservation_id, order_id, event, seat_ids, session_id, ip_address, metadata, actor)
        values (
            p_show_id, v_order.reservation_id, p_order_id, 'voided', coalesce(v_seats, '{}'), p_session_id, p_ip_address,
            jsonb_strip_nulls(jsonb_build_object('operation', 'void', 'reason', p_reason)), p_actor
        );
    else
        perform log_refusals(
            p_show_id, array[v_outcome], array[v_order.reservation_id], null, array[p_session_id], array[p_ip_address],
            null, jsonb_build_object('operation', 'void'), p_order_id, p_actor
        );
    end if;
    -- step: written
    return query select v_outcome, p_order_id, v_order.status, coalesce(v_seats, '{}'), clock_timestamp();
end
$$;
comment on function rowlock.void_order_atomic is
    'Take back a confirmed order whose money could not be captured; its seats are free again. Repeatable.';
revoke all on function rowlock.void_order_atomic from public;
