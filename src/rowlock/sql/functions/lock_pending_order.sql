-- lock_pending_order: lock the pending order of a hold, if it has one, and tell whether it is being paid.
--
-- An order is being paid from the moment its payment intent is with the provider (sent, in_doubt, authorized or
-- captured): from then on its seats may neither change nor be given back. A part of the functions that change holds.
--
-- Locks     the order, after the caller has locked its hold.
-- Outcomes  true while it is being paid; false, also when there is no pending order.
-- Writes    nothing.
create or replace function rowlock.lock_pending_order(p_show_id uuid, p_reservation_id uuid)
returns boolean
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
    select o.order_id
    into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.reservation_id = p_reservation_id and o.status = 'pending'
    for update;
    return v_order is not null and exists (
        select from payment_intents as i
        where i.show_id = p_show_id and i.order_id = v_order
            and i.status in ('sent', 'in_doubt', 'authorized', 'captured')
    );
end
$$;
comment on function rowlock.lock_pending_order is
    'Lock the pending order of a hold and tell whether it is being paid; a part of the functions that change holds.';
revoke all on function rowlock.lock_pending_order from public;
