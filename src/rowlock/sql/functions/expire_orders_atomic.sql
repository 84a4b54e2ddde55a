-- expire_orders_atomic: end pending orders that cannot be paid any more, oldest first.
--
-- Those are orders whose deadline has passed, or whose hold has ended, and that no payment is on its way for. They are
-- locked first and looked at again then: money may have come for one after the search had begun.
--
-- Locks     the orders that no other transaction has locked; it does not wait for others.
-- Outcomes  the number of orders that ended.
-- Writes    ticket_orders, payment_intents (those never sent are cancelled), one audit row each (order_expired).
create or replace function rowlock.expire_orders_atomic(p_limit integer default 100)
returns integer
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_shows  uuid[];
    v_orders uuid[];      -- parallel to v_shows
    v_ended  integer;
begin
    select array_agg(l.show_id), array_agg(l.order_id)
    into v_shows, v_orders
    from (
        select o.show_id, o.order_id
        from ticket_orders as o
        where o.status = 'pending'
            and (
                o.expires_at <= clock_timestamp()
                or exists (
                    select from seat_reservations as a
                    where a.show_id = o.show_id and a.reservation_id = o.reservation_id
                        and (a.status in ('released', 'expired') or a.expires_at <= clock_timestamp() - interval '1 hour')
                )
            )
            and not exists (
                select from payment_intents as i
                where i.show_id = o.show_id and i.order_id = o.order_id
                    and i.status in ('sent', 'in_doubt', 'authorized', 'captured')
            )
        order by o.expires_at
        limit p_limit
        for update of o skip locked
    ) as l;
    -- step: orders_locked

    with ended as (
        update ticket_orders as o
        set status = 'expired'
        from unnest(v_shows, v_orders) as v (show_id, order_id)
        where o.show_id = v.show_id and o.order_id = v.order_id and o.status = 'pending'
            and not exists (
                select from payment_intents as i
                where i.show_id = o.show_id and i.order_id = o.order_id
                    and i.status in ('sent', 'in_doubt', 'authorized', 'captured')
            )
        returning o.show_id, o.order_id, o.reservation_id
    ),
    intents as (
        update payment_intents as i
        set status = 'cancelled', updated_at = clock_timestamp()
        from ended as e
        where i.show_id = e.show_id and i.order_id = e.order_id and i.status = 'requires_payment'
    ),
    logged as (
        insert into seat_reservation_audit_log (show_id, reservation_id, order_id, event)
        select e.show_id, e.reservation_id, e.order_id, 'order_expired' from ended as e
    )
    select count(*)::integer into v_ended from ended as e;
    -- step: written
    return v_ended;
end
$$;
comment on function rowlock.expire_orders_atomic is 'End pending orders that cannot be paid any more.';
revoke all on function rowlock.expire_orders_atomic from public;
