-- finish_exchange_atomic: the old tickets are given up: their money is a payment of the new order, which is paid.
--
-- If the new order has ended meanwhile, because its show was cancelled, the money goes back to the buyer.
--
-- Locks     the order, then its payment intents.
-- Outcomes  in precedence: ORDER_NOT_FOUND, OK (repeated: nothing changes), ORDER_NOT_PAYABLE (its seats are not sold
--           yet), OK.
-- Writes    payment_intents (one for each credit), ledger_entries, ticket_orders, one outbox message (order_paid), or the
--           refunds that pay_order_atomic opens.
create or replace function rowlock.finish_exchange_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_credit_ids uuid[],         -- the arrays below are parallel to it
    p_amounts_minor bigint[],
    p_source_providers text[],
    p_source_references text[],
    p_source_accounts text[]
)
returns table (outcome text, order_id uuid, status text, server_time timestamptz)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order ticket_orders%rowtype;
    v_now   timestamptz;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    -- step: order_locked
    v_now := clock_timestamp();
    if v_order.order_id is null or v_order.given_up_at is not null or v_order.status = 'pending' then
        return query select
            case
                when v_order.order_id is null then 'ORDER_NOT_FOUND'
                when v_order.given_up_at is not null then 'OK'
                else 'ORDER_NOT_PAYABLE'
            end,
            p_order_id, v_order.status, v_now;
        return;
    end if;

    insert into payment_intents
        (show_id, payment_intent_id, order_id, provider, account, amount_minor, currency, status, source_provider,
         source_reference)
    select
        p_show_id, c.credit_id, p_order_id, 'credit', c.account, c.amount_minor, v_order.currency, 'captured', c.provider,
        c.reference
    from unnest(p_credit_ids, p_amounts_minor, p_source_providers, p_source_references, p_source_accounts)
        as c (credit_id, amount_minor, provider, reference, account);
    perform book_money(
        p_show_id, c.credit_id, p_order_id, case v_order.status when 'confirmed' then 'sales' else 'owed' end,
        c.amount_minor, 0, v_order.currency, 'credit'
    )
    from unnest(p_credit_ids, p_amounts_minor) as c (credit_id, amount_minor);
    update ticket_orders as o
    set given_up_at = v_now,
        status = case o.status when 'confirmed' then 'paid' else o.status end,
        paid_at = case o.status when 'confirmed' then v_now end
    where o.show_id = p_show_id and o.order_id = p_order_id;
    if v_order.status = 'confirmed' then
        v_order.status := 'paid';
        insert into outbox_messages (show_id, order_id, kind) values (p_show_id, p_order_id, 'order_paid');
    else
        perform pay_order_atomic(p_show_id, p_order_id, c) from unnest(p_credit_ids) as c;
    end if;
    -- step: written
    return query select 'OK', p_order_id, v_order.status, v_now;
end
$$;
comment on function rowlock.finish_exchange_atomic is
    'Make the order of an exchange paid, with the money of the tickets that were given up. Repeatable.';
revoke all on function rowlock.finish_exchange_atomic from public;
