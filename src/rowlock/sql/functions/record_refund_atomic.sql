-- record_refund_atomic: write down a refund that was made at the provider by hand, and not by refund_order_atomic.
--
-- The caller says how much the provider has given back of a payment in all. What is more than the refunds that are known
-- here, open ones included, becomes one that has succeeded, of money alone: whether seats are given back is for staff to
-- decide. A repeated call finds nothing more.
--
-- Locks     the order, then its payment intent.
-- Outcomes  in precedence: PAYMENT_NOT_FOUND, ORDER_NOT_REFUNDABLE (its money was not captured), REFUND_EXCEEDS_PAYMENT
--           (more than was captured), OK. amount_minor is what was written down; 0 for nothing.
-- Writes    refunds, ledger_entries, ticket_orders, one audit row (refunded), one outbox message (refund_succeeded).
create or replace function rowlock.record_refund_atomic(
    p_show_id uuid,
    p_payment_intent_id uuid,
    p_refund_id uuid,
    p_refunded_minor bigint,
    p_reason text,
    p_actor text
)
returns table (outcome text, order_id uuid, amount_minor bigint, server_time timestamptz)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order   ticket_orders%rowtype;
    v_intent  payment_intents%rowtype;
    v_more    bigint;         -- what is not known here
    v_left    bigint;         -- what could be given back
    v_account text;
    v_outcome text;
begin
    select o.* into v_order
    from payment_intents as i
    join ticket_orders as o on o.show_id = i.show_id and o.order_id = i.order_id
    where i.show_id = p_show_id and i.payment_intent_id = p_payment_intent_id
    for update of o;
    select * into v_intent
    from payment_intents as i
    where i.show_id = p_show_id and i.payment_intent_id = p_payment_intent_id
    for update;
    -- step: order_locked
    -- What went to another order in an exchange was not given back by the provider, and is not left here either.
    select
        p_refunded_minor - coalesce(sum(r.amount_minor) filter (where r.credited_order_id is null), 0)::bigint,
        v_intent.amount_minor - coalesce(sum(r.amount_minor), 0)::bigint
    into v_more, v_left
    from refunds as r
    where r.show_id = p_show_id and r.payment_intent_id = p_payment_intent_id and r.status <> 'failed';
    v_outcome := case
        when v_intent.payment_intent_id is null then 'PAYMENT_NOT_FOUND'
        when v_intent.status <> 'captured' then 'ORDER_NOT_REFUNDABLE'
        when p_refunded_minor > v_intent.amount_minor or v_more > greatest(v_left, 0) then 'REFUND_EXCEEDS_PAYMENT'
        else 'OK'
    end;
    if v_outcome <> 'OK' or v_more <= 0 then
        return query select v_outcome, v_order.order_id, 0::bigint, clock_timestamp();
        return;
    end if;

    insert into refunds
        (show_id, refund_id, order_id, payment_intent_id, idempotency_key, amount_minor, reason, give_back, status)
    values (
        p_show_id, p_refund_id, v_order.order_id, p_payment_intent_id, 'by-hand-' || p_refund_id, v_more,
        left(coalesce(p_reason, ''), 200), 'nothing', 'succeeded'
    );
    select e.account into v_account
    from ledger_entries as e
    where e.show_id = p_show_id and e.movement_id = p_payment_intent_id and e.account in ('sales', 'owed');
    perform book_money(
        p_show_id, p_refund_id, v_order.order_id, coalesce(v_account, 'sales'), -v_more, 0, v_intent.currency
    );
    update ticket_orders as o
    set status = 'partially_refunded'
    where o.show_id = p_show_id and o.order_id = v_order.order_id and o.status = 'paid';
    insert into seat_reservation_audit_log (show_id, reservation_id, order_id, event, metadata, actor)
    values (
        p_show_id, v_order.reservation_id, v_order.order_id, 'refunded',
        jsonb_build_object(
            'operation', 'refund', 'refund_id', p_refund_id, 'amount_minor', v_more, 'give_back', 'nothing',
            'reason', left(coalesce(p_reason, ''), 200)
        ),
        p_actor
    );
    insert into outbox_messages (show_id, order_id, kind, payload)
    values (p_show_id, v_order.order_id, 'refund_succeeded', jsonb_build_object('refund_id', p_refund_id));
    -- step: written
    return query select 'OK', v_order.order_id, v_more, clock_timestamp();
end
$$;
comment on function rowlock.record_refund_atomic is
    'Write down a refund that was made at the provider by hand. Repeatable.';
revoke all on function rowlock.record_refund_atomic from public;
