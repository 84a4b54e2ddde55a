-- cancel_pending_order: cancel the pending order of a hold whose seats have changed or were given back.
--
-- An order contains exactly the seats of its hold. The buyer orders again and gets another order.
-- A part of the functions that change holds, which have locked the order and know that it is not being paid.
--
-- Locks     nothing that is not locked.
-- Outcomes  none.
-- Writes    ticket_orders, payment_intents (those never sent), one audit row (cancelled) if there was an order.
create or replace function rowlock.cancel_pending_order(p_show_id uuid, p_reservation_id uuid)
returns void
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order uuid;
begin
    update ticket_orders as o
    set status = 'cancelled'
    where o.show_id = p_show_id and o.reservation_id = p_reservation_id and o.status = 'pending'
    returning o.order_id into v_order;
    if v_order is not null then
        update payment_intents as i
        set status = 'cancelled', updated_at = clock_timestamp()
        where i.show_id = p_show_id and i.order_id = v_order and i.status = 'requires_payment';
        insert into seat_reservation_audit_log (show_id, reservation_id, order_id, event)
        values (p_show_id, p_reservation_id, v_order, 'cancelled');
    end if;
end
$$;
comment on function rowlock.cancel_pending_order is
    'Cancel the pending order of a hold that changed; a part of the functions that change holds.';
revoke all on function rowlock.cancel_pending_order from public;
