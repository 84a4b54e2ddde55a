-- record_payment_atomic: write down what the provider says of a payment that is not captured yet.
--
-- What a provider says may be old or come twice, so a state only moves on: a payment that is captured, cancelled or
-- failed stays so. Captured money is recorded by pay_order_atomic.
--
-- Locks     the order, then the payment intent.
-- Outcomes  in precedence: PAYMENT_NOT_FOUND, INVALID_INPUT (no such status), OK. status is the state afterwards: when it
--           is cancelled while the provider has an authorization, that has to be let go.
-- Writes    payment_intents, one audit row (payment_failed) when an attempt failed.
create or replace function rowlock.record_payment_atomic(
    p_show_id uuid,
    p_payment_intent_id uuid,
    p_status text,                -- sent, in_doubt, authorized, cancelled or failed
    p_reference text,             -- null keeps what is known, as the two below
    p_client_secret text,
    p_failure text
)
returns table (outcome text, order_id uuid, status text, server_time timestamptz)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order  ticket_orders%rowtype;
    v_intent payment_intents%rowtype;
    v_moves  boolean;
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
    if v_intent.payment_intent_id is null then
        return query select 'PAYMENT_NOT_FOUND', null::uuid, null::text, clock_timestamp();
        return;
    end if;
    if p_status is null or p_status not in ('sent', 'in_doubt', 'authorized', 'cancelled', 'failed') then
        return query select 'INVALID_INPUT', v_order.order_id, v_intent.status, clock_timestamp();
        return;
    end if;
    v_moves := (v_intent.status in ('sent', 'in_doubt') and p_status = v_intent.status)
        or exists (
            select from state_changes as c
            where c.subject = 'payment_intents' and c.from_state = v_intent.status and c.to_state = p_status
        );
    if v_moves and p_failure is not null and p_failure is distinct from v_intent.failure then
        insert into seat_reservation_audit_log (show_id, reservation_id, order_id, event, metadata, actor)
        values (
            p_show_id, v_order.reservation_id, v_order.order_id, 'payment_failed',
            jsonb_build_object(
                'operation', 'pay', 'payment_intent_id', p_payment_intent_id, 'status', p_status,
                'failure', left(p_failure, 500)
            ),
            v_intent.provider
        );
    end if;
    update payment_intents as i
    set status = case when v_moves then p_status else i.status end,
        provider_reference = coalesce(i.provider_reference, p_reference),
        client_secret = coalesce(p_client_secret, i.client_secret),
        failure = case when v_moves then coalesce(left(p_failure, 500), i.failure) else i.failure end,
        updated_at = clock_timestamp()
    where i.show_id = p_show_id and i.payment_intent_id = p_payment_intent_id
    returning i.status into v_intent.status;
    -- step: written
    return query select 'OK', v_order.order_id, v_intent.status, clock_timestamp();
end
$$;
comment on function rowlock.record_payment_atomic is
    'Write down what the provider says of a payment that is not captured yet. Repeatable.';
revoke all on function rowlock.record_payment_atomic from public;
