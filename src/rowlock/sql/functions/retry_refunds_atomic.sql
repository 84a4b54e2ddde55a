-- retry_refunds_atomic: open every refund of an order again that has failed at its provider.
--
-- Also the refund of money that came after the order had ended, or twice. For the provider each is a new refund. A call
-- may be repeated: without a failed refund it is OK, and changes nothing.
--
-- Locks     the order, then its payments.
-- Outcomes  in precedence: ORDER_NOT_FOUND, and where nothing could be opened PAYMENT_DISPUTED (the money is in an open
--           dispute) or REFUND_EXCEEDS_PAYMENT (it was given back in another way meanwhile), OK. refund_ids are those
--           that were opened; none when none has failed.
-- Writes    refunds, one audit row (refunded), an outbox message for each (refund_requested).
create or replace function rowlock.retry_refunds_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_actor text,
    p_ip_address inet default null
)
returns table (outcome text, refund_ids uuid[], amount_minor bigint, server_time timestamptz)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order  ticket_orders%rowtype;
    v_failed refunds%rowtype;
    v_rest   bigint;
    v_free   bigint;
    v_opened uuid[] := array[]::uuid[];
    v_amount bigint := 0::bigint;
    v_refusal text;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    perform lock_payments(p_show_id, array[p_order_id]);
    -- step: order_locked
    for v_failed in
        select * from refunds as r
        where r.show_id = p_show_id and r.order_id = p_order_id and r.status = 'failed'
        order by r.refund_id
    loop
        -- After those before it: what they give back is not there twice.
        select l.left_minor, l.free_minor
        into v_rest, v_free
        from payments_left(p_show_id, p_order_id, true) as l
        where l.payment_intent_id = v_failed.payment_intent_id;
        if v_failed.amount_minor <= coalesce(v_free, 0) then
            update refunds as r
            set status = 'pending', reopened = r.reopened + 1, provider_reference = null, failure = null,
                updated_at = clock_timestamp()
            where r.show_id = p_show_id and r.refund_id = v_failed.refund_id;
            insert into outbox_messages (show_id, order_id, kind, payload)
            values (p_show_id, p_order_id, 'refund_requested', jsonb_build_object('refund_id', v_failed.refund_id));
            v_opened := v_opened || v_failed.refund_id;
            v_amount := v_amount + v_failed.amount_minor;
        elsif v_failed.amount_minor <= coalesce(v_rest, 0) then
            v_refusal := 'PAYMENT_DISPUTED';
        else
            v_refusal := coalesce(v_refusal, 'REFUND_EXCEEDS_PAYMENT');
        end if;
    end loop;
    if cardinality(v_opened) > 0 then
        insert into seat_reservation_audit_log
            (show_id, reservation_id, order_id, event, ip_address, metadata, actor)
        values (
            p_show_id, v_order.reservation_id, p_order_id, 'refunded', p_ip_address,
            jsonb_build_object(
                'operation', 'retry_refunds', 'refund_ids', to_jsonb(v_opened), 'amount_minor', v_amount, 'give_back',
                'nothing', 'reason', 'It had failed at the provider.'
            ),
            p_actor
        );
    end if;
    -- step: written
    return query select
        case
            when v_order.order_id is null then 'ORDER_NOT_FOUND'
            when cardinality(v_opened) = 0 and v_refusal is not null then v_refusal
            else 'OK'
        end,
        v_opened, v_amount, clock_timestamp();
end
$$;
comment on function rowlock.retry_refunds_atomic is
    'Open every refund of an order again that has failed at its provider. Repeatable.';
revoke all on function rowlock.retry_refunds_atomic from public;
