-- split_refund: of which captured payments of an order an amount is given back, and how much of each.
--
-- An order of an exchange has several payments: the money of the old tickets, and the difference. One payment gives all
-- of it if one can, the smallest that does; else the largest first. What is in open disputes is not given back. A part of
-- the functions that open refunds, which have locked the order.
--
-- Locks     nothing: whoever writes payments or refunds of an order has the order locked.
-- Outcomes  a row for each payment, in the order in which they are taken; none for an amount of 0.
-- Writes    nothing.
create or replace function rowlock.split_refund(
    p_show_id uuid,
    p_order_id uuid,
    p_amount_minor bigint
)
returns table (payment_intent_id uuid, amount_minor bigint)
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
    with ranked as (
        select p.payment_intent_id, p.free_minor, coalesce(sum(p.free_minor) over (
            order by p.free_minor < p_amount_minor, abs(p_amount_minor - p.free_minor), p.payment_intent_id
            rows between unbounded preceding and 1 preceding
        ), 0)::bigint as before_minor
        from payments_left(p_show_id, p_order_id) as p
        where p.free_minor > 0
    )
    select k.payment_intent_id, least(k.free_minor, p_amount_minor - k.before_minor)
    from ranked as k
    where k.before_minor < p_amount_minor
    order by k.before_minor;
end
$$;
comment on function rowlock.split_refund is
    'Of which payments of an order an amount is given back; a part of the functions that open refunds.';
revoke all on function rowlock.split_refund from public;
