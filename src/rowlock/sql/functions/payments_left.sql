-- payments_left: what can still be given back of each captured payment of an order.
--
-- left_minor is what was captured, less what refunds give back, open ones included, and less what a bank has taken back for
-- good. free_minor is the same less what is in open disputes. Money that came too late or twice has a refund of its own,
-- and is left out: see pay_order_atomic. A part of the functions that open refunds, which have locked the order.
--
-- A credit of an exchange is money of another order's payment, and a dispute of that one is of it, too: of each credit all
-- that is disputed is missing but what the payment has left in its own order. A payment in another database is not looked
-- at: there the provider refuses.
--
-- Locks     nothing: whoever writes payments, refunds or disputes of an order has the order or the payment locked.
-- Outcomes  a row for each captured payment.
-- Writes    nothing.
create or replace function rowlock.payments_left(
    p_show_id uuid,
    p_order_id uuid,
    p_with_late boolean default false  -- also of money that came too late or twice
)
returns table (payment_intent_id uuid, left_minor bigint, free_minor bigint)
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
    select i.payment_intent_id, l.left_minor, greatest(0, l.left_minor - b.opened_minor)
    from payment_intents as i
    -- The payment that has the money, and what it has left itself, if it is another order's.
    left join payment_intents as m on m.provider = i.source_provider and m.provider_reference = i.source_reference
    cross join lateral (
        select greatest(0, m.amount_minor - coalesce(sum(r.amount_minor), 0)) as minor
        from refunds as r
        where r.show_id = m.show_id and r.payment_intent_id = m.payment_intent_id and r.status <> 'failed'
    ) as spare
    cross join lateral (
        select
            coalesce(sum(k.withdrawn_minor) filter (where k.status = 'lost' and k.return_movement_id is null), 0) as lost_minor,
            coalesce(sum(k.amount_minor) filter (where k.status = 'opened'), 0) as opened_minor
        from disputes as k
        where k.show_id = coalesce(m.show_id, i.show_id)
            and k.payment_intent_id = coalesce(m.payment_intent_id, i.payment_intent_id)
    ) as d
    cross join lateral (
        select
            greatest(0, d.lost_minor - coalesce(spare.minor, 0)) as lost_minor,
            greatest(0, d.opened_minor - greatest(0, coalesce(spare.minor, 0) - d.lost_minor))::bigint as opened_minor
    ) as b
    cross join lateral (
        select greatest(0, i.amount_minor - coalesce(sum(r.amount_minor), 0) - b.lost_minor)::bigint as left_minor
        from refunds as r
        where r.show_id = i.show_id and r.payment_intent_id = i.payment_intent_id and r.status <> 'failed'
    ) as l
    where i.show_id = p_show_id and i.order_id = p_order_id and i.status = 'captured'
        and (p_with_late or not exists (
            select from refunds as r
            where r.show_id = p_show_id and r.idempotency_key = 'late-' || i.payment_intent_id
        ));
end
$$;
comment on function rowlock.payments_left is
    'What can still be given back of each payment of an order; a part of the functions that open refunds.';
revoke all on function rowlock.payments_left from public;
