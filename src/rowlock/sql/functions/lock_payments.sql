-- lock_payments: lock the captured payments of orders, and the payments that have the money of their credits.
--
-- What is refunded of a credit is refunded of the payment that an exchange took the money from, which may be disputed: so
-- neither changes before the caller has ended. A part of the functions that give money back, which have locked the orders.
--
-- Locks     these payments, by id.
-- Outcomes  none.
-- Writes    nothing.
create or replace function rowlock.lock_payments(
    p_show_id uuid,
    p_order_ids uuid[]
)
returns void
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
begin
    perform from (
        select from payment_intents as i
        where (i.show_id, i.payment_intent_id) in (
            select k.show_id, k.payment_intent_id
            from payment_intents as k
            where k.show_id = p_show_id and k.order_id = any(p_order_ids) and k.status = 'captured'
            union all
            select m.show_id, m.payment_intent_id
            from payment_intents as k
            join payment_intents as m on m.provider = k.source_provider and m.provider_reference = k.source_reference
            where k.show_id = p_show_id and k.order_id = any(p_order_ids) and k.status = 'captured'
        )
        order by i.payment_intent_id
        for update of i
    ) as l;
end
$$;
comment on function rowlock.lock_payments is
    'Lock the payments that orders are refunded of; a part of the functions that give money back.';
revoke all on function rowlock.lock_payments from public;
