-- find_order: an order with its lines and tickets, for the owner of its secret.
--
-- Locks     nothing.
-- Outcomes  one row for each line; none when there is no such order, or the secret is another's: the same answer for both.
-- Writes    nothing.
create or replace function rowlock.find_order(
    p_show_id uuid,
    p_order_id uuid,
    p_secret bytea
)
returns table (
    show_id uuid,
    order_id uuid,
    order_code text,
    reservation_id uuid,
    status text,
    customer_name text,
    customer_email text,
    total_minor bigint,
    fee_minor bigint,
    currency text,
    created_at timestamptz,
    expires_at timestamptz,
    seat_id integer,
    label text,
    category text,
    price_type text,
    amount_minor bigint,
    item_fee_minor bigint,
    tax_basis_points integer,
    ticket_id uuid,
    ticket_status text,
    ticket_revision integer,
    credit_minor bigint,
    exchange_of_show_id uuid,
    exchange_of_order_id uuid,
    server_time timestamptz
)
language plpgsql
stable
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    select d.*, clock_timestamp()
    from order_details as d
    where d.show_id = p_show_id and d.order_id = p_order_id
        and exists (
            select from ticket_orders as o
            where o.show_id = p_show_id and o.order_id = p_order_id and o.token_hash = sha256(p_secret)
        )
    order by d.seat_id;
end
$$;
comment on function rowlock.find_order is 'An order with its lines and tickets, for the owner of its secret.';
revoke all on function rowlock.find_order from public;
