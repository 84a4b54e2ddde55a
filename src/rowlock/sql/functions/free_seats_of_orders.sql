-- free_seats_of_orders: void the tickets of sold seats, and put the seats back on sale or keep them as house seats.
--
-- A part of void_order_atomic, refund_order_atomic and cancel_show_atomic, which have locked the orders.
--
-- Locks     the seats, by seat id, in one statement.
-- Outcomes  the seats that were sold to these orders and are so no longer.
-- Writes    show_seats, tickets. The audit row is the caller's.
create or replace function rowlock.free_seats_of_orders(
    p_show_id uuid,
    p_order_ids uuid[],
    p_seat_ids integer[],      -- null: every seat of these orders
    p_house_reason text        -- null: back on sale; else blocked for this reason
)
returns integer[]
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_seats integer[];
begin
    select array_agg(l.seat_id)
    into v_seats
    from (
        select c.seat_id
        from show_seats as c
        where c.show_id = p_show_id and c.status = 'sold' and c.order_id = any(p_order_ids)
            and c.seat_id = any(array(
                select i.seat_id from ticket_order_items as i
                where i.show_id = p_show_id and i.order_id = any(p_order_ids)
                    and (p_seat_ids is null or i.seat_id = any(p_seat_ids))
            ))
        order by c.seat_id
        for update
    ) as l;
    if p_house_reason is null then
        delete from show_seats as c where c.show_id = p_show_id and c.seat_id = any(v_seats);
    else
        update show_seats as c
        set status = 'blocked', block_reason = p_house_reason, order_id = null, reservation_id = null
        where c.show_id = p_show_id and c.seat_id = any(v_seats);
    end if;
    update tickets as t
    set status = 'void'
    where t.show_id = p_show_id and t.order_id = any(p_order_ids) and t.seat_id = any(v_seats) and t.status <> 'void';
    return coalesce(v_seats, '{}');
end
$$;
comment on function rowlock.free_seats_of_orders is
    'Void the tickets of sold seats and free or block the seats; a part of the functions that end orders.';
revoke all on function rowlock.free_seats_of_orders from public;
