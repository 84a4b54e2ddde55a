-- settle_refund_atomic: write down what the provider says of a refund.
--
-- A refund that succeeded or failed stays so; one that failed is opened again by refund_order_atomic with its key.
--
-- Locks     the order, then the refund.
-- Outcomes  in precedence: REFUND_NOT_FOUND, INVALID_INPUT (no such status), OK.
-- Writes    refunds, ledger_entries when the money went back, one audit row (refund_failed) and one outbox message
--           (refund_succeeded or refund_failed).
create or replace function rowlock.settle_refund_atomic(
    p_show_id uuid,
    p_refund_id uuid,
    p_status text,                -- pending, in_doubt, succeeded or failed
    p_reference text,
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
    v_refund refunds%rowtype;
    v_account text;
begin
    select o.* into v_order
    from refunds as r
    join ticket_orders as o on o.show_id = r.show_id and o.order_id = r.order_id
    where r.show_id = p_show_id and r.refund_id = p_refund_id
    for update of o;
    select * into v_refund
    from refunds as r
    where r.show_id = p_show_id and r.refund_id = p_refund_id
    for update;
    -- step: order_locked
    if v_refund.refund_id is null then
        return query select 'REFUND_NOT_FOUND', null::uuid, null::text, clock_timestamp();
        return;
    end if;
    if p_status is null or p_status not in ('pending', 'in_doubt', 'succeeded', 'failed') then
        return query select 'INVALID_INPUT', v_order.order_id, v_refund.status, clock_timestamp();
        return;
    end if;
    if v_refund.status in ('pending', 'in_doubt') then
        update refunds as r
        set status = p_status, provider_reference = coalesce(p_reference, r.provider_reference),
            failure = left(p_failure, 500), updated_at = clock_timestamp()
        where r.show_id = p_show_id and r.refund_id = p_refund_id;
        v_refund.status := p_status;
        if p_status = 'succeeded' then
            -- From where the money was booked: what came after the order had ended was owed.
            select e.account into v_account
            from ledger_entries as e
            where e.show_id = p_show_id and e.movement_id = v_refund.payment_intent_id and e.account in ('sales', 'owed');
            perform book_money(
                p_show_id, p_refund_id, v_order.order_id, coalesce(v_account, 'sales'), -v_refund.amount_minor, 0,
                v_order.currency
            );
        elsif p_status = 'failed' then
            insert into seat_reservation_audit_log (show_id, reservation_id, order_id, event, metadata)
            values (
                p_show_id, v_order.reservation_id, v_order.order_id, 'refund_failed',
                jsonb_build_object(
                    'operation', 'refund', 'refund_id', p_refund_id, 'amount_minor', v_refund.amount_minor,
                    'failure', left(p_failure, 500)
                )
            );
        end if;
        if p_status in ('succeeded', 'failed') then
            insert into outbox_messages (show_id, order_id, kind, payload)
            values (p_show_id, v_order.order_id, 'refund_' || p_status, jsonb_build_object('refund_id', p_refund_id));
        end if;
    end if;
    -- step: written
    return query select 'OK', v_order.order_id, v_refund.status, clock_timestamp();
end
$$;
comment on function rowlock.settle_refund_atomic is 'Write down what the provider says of a refund. Repeatable.';
revoke all on function rowlock.settle_refund_atomic from public;
