-- make_exchange_order_atomic: order held seats in exchange for tickets of an order that was paid.
--
-- An order as create_order_atomic makes it, with a credit: what the old tickets are worth, at most the total. The buyer
-- pays the rest. There is no fee per order: it was paid with the old one.
--
-- Locks     what create_order_atomic locks.
-- Outcomes  those of create_order_atomic.
-- Writes    what it writes.
create or replace function rowlock.make_exchange_order_atomic(
    p_show_id uuid,
    p_reservation_id uuid,
    p_secret bytea,
    p_order_id uuid,
    p_order_code text,
    p_order_secret bytea,
    p_customer_name text,
    p_customer_email text,
    p_seat_ids integer[],
    p_price_types text[],
    p_wish_hash bytea,
    p_session_id text,
    p_ip_address inet,
    p_of_show_id uuid,
    p_of_order_id uuid,
    p_worth_minor bigint
)
returns table (outcome text, refused_seat_ids integer[], server_time timestamptz)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_made record;
begin
    select c.* into v_made
    from create_order_atomic(
        p_show_id, p_reservation_id, p_secret, p_order_id, p_order_code, p_order_secret, p_customer_name,
        p_customer_email, p_seat_ids, p_price_types, 'exchange-' || p_order_id, p_wish_hash, p_session_id, p_ip_address,
        null
    ) as c;
    if v_made.outcome = 'OK' and v_made.is_new then
        update ticket_orders as o
        set total_minor = o.total_minor - o.fee_minor, fee_minor = 0,
            credit_minor = least(p_worth_minor, o.total_minor - o.fee_minor),
            exchange_of_show_id = p_of_show_id, exchange_of_order_id = p_of_order_id
        where o.show_id = p_show_id and o.order_id = p_order_id;
    end if;
    -- step: written
    return query select v_made.outcome, v_made.refused_seat_ids, clock_timestamp();
end
$$;
comment on function rowlock.make_exchange_order_atomic is
    'Order held seats in exchange for tickets, whose worth is credited. Repeatable.';
revoke all on function rowlock.make_exchange_order_atomic from public;
