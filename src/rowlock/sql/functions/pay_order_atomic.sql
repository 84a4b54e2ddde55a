-- pay_order_atomic: record that the provider has captured the money of an order.
--
-- A confirmed order becomes paid, and its tickets may be mailed. A pending one waits for complete_order_atomic, which
-- makes it paid at once. An order of an exchange waits until the old tickets are given up, which a message to the worker
-- asks for. An order that has ended meanwhile (voided, cancelled, expired), or was paid by another intent, has no use for
-- this money: then a refund of all of it is opened in the same step, so that the buyer gets it back without a person.
-- Repeating the call is OK and changes nothing.
--
-- Locks     the order, then its payment intents.
-- Outcomes  in precedence: ORDER_NOT_FOUND, PAYMENT_NOT_FOUND, OK (status says paid, or what the order is; refund_id
--           is the refund that was opened, if one was).
-- Writes    payment_intents, ledger_entries, ticket_orders, one outbox message (order_paid or exchange_due), or one refund
--           and its message (refund_requested).
create or replace function rowlock.pay_order_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_payment_intent_id uuid
)
returns table (
    outcome text,
    order_id uuid,
    status text,
    refund_id uuid,
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order  ticket_orders%rowtype;
    v_intent payment_intents%rowtype;
    v_refund uuid;
    v_extra  boolean;         -- the order is paid with the money of another intent
    v_waits  boolean;         -- the order is of an exchange that is not finished
    v_owed   boolean;         -- the money is to be given back
    v_now    timestamptz;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    if not found then
        return query select 'ORDER_NOT_FOUND', p_order_id, null::text, null::uuid, clock_timestamp();
        return;
    end if;
    select * into v_intent
    from payment_intents as i
    where i.show_id = p_show_id and i.order_id = p_order_id and i.payment_intent_id = p_payment_intent_id
    for update;
    -- step: order_locked
    v_now := clock_timestamp();
    if v_intent.payment_intent_id is null then
        return query select 'PAYMENT_NOT_FOUND', p_order_id, v_order.status, null::uuid, v_now;
        return;
    end if;

    v_extra := v_order.paid_at is not null and v_intent.status <> 'captured' and exists (
        select from payment_intents as i
        where i.show_id = p_show_id and i.order_id = p_order_id and i.status = 'captured'
    );
    v_waits := v_order.exchange_of_order_id is not null and v_order.given_up_at is null;
    if v_intent.status <> 'captured' then
        update payment_intents as i
        set status = 'captured', updated_at = v_now
        where i.show_id = p_show_id and i.payment_intent_id = p_payment_intent_id;
    end if;
    v_owed := v_extra or v_order.status in ('voided', 'cancelled', 'expired');
    perform book_money(
        p_show_id, p_payment_intent_id, p_order_id, case when v_owed then 'owed' else 'sales' end,
        v_intent.amount_minor, 0, v_intent.currency
    );
    if v_order.status = 'confirmed' and v_waits then
        if v_intent.status <> 'captured' then
            insert into outbox_messages (kind, show_id, order_id) values ('exchange_due', p_show_id, p_order_id);
        end if;
    elsif v_order.status = 'confirmed' then
        v_order.status := 'paid';
        update ticket_orders as o
        set status = 'paid', paid_at = v_now
        where o.show_id = p_show_id and o.order_id = p_order_id;
        insert into outbox_messages (show_id, order_id, kind) values (p_show_id, p_order_id, 'order_paid');
    elsif v_owed then
        insert into refunds
            (show_id, refund_id, order_id, payment_intent_id, idempotency_key, amount_minor, reason, give_back)
        values (
            p_show_id, mint_id(p_show_id), p_order_id, p_payment_intent_id, 'late-' || p_payment_intent_id,
            v_intent.amount_minor, 'The money came after the order had ended, or twice.', 'nothing'
        )
        on conflict (show_id, idempotency_key) do nothing
        returning refund_id into v_refund;
        if v_refund is not null then
            insert into outbox_messages (show_id, order_id, kind, payload)
            values (p_show_id, p_order_id, 'refund_requested', jsonb_build_object('refund_id', v_refund));
        end if;
    end if;
    -- step: written
    return query select 'OK', p_order_id, v_order.status, v_refund, v_now;
end
$$;
comment on function rowlock.pay_order_atomic is
    'Record that the money of an order is captured: it is paid, or a refund is opened when it has ended. Repeatable.';
revoke all on function rowlock.pay_order_atomic from public;
