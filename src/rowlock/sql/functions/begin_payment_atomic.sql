-- begin_payment_atomic: record that an order is about to be paid, before the provider is asked for anything.
--
-- From then on the seats of its hold may neither change nor be given back. The caller mints the intent's id, from which
-- the provider's idempotency key is derived, so a repeated call and a repeated request to the provider do no harm.
-- An order has one live intent: a call with another id answers the one there is.
--
-- A hold that has less than five minutes left when its payment begins gets five from now on, once, so that no cleanup and
-- no rival comes between a buyer and the provider. This grace is beyond the longest time of a hold.
--
-- An order of an exchange is paid as far as its credit leaves something open.
--
-- Locks     the show (shared), the order's hold, then the order, then its live payment intent; with a grace the claims of
--           the hold, by seat id.
-- Outcomes  in precedence: ORDER_NOT_FOUND, SHOW_NOT_ON_SALE (cancelled or a draft), ORDER_NOT_PAYABLE (ended, free, past
--           its deadline, or confirmed before), RESERVATION_EXPIRED, OK. An order with a live intent is refused only
--           when it has ended: for the rest the answer is that intent.
-- Writes    one payment intent (sent), unless there is one that was sent; with a grace seat_reservations, show_seats and one
--           audit row (extended).
create or replace function rowlock.begin_payment_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_payment_intent_id uuid,
    p_provider text,
    p_account text                -- whose account at the provider: installation, or an organization's id
)
returns table (
    outcome text,
    order_id uuid,
    payment_intent_id uuid,
    status text,
    amount_minor bigint,
    currency text,
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order   ticket_orders%rowtype;
    v_hold    seat_reservations%rowtype;
    v_intent  payment_intents%rowtype;
    v_show_status text;
    v_now     timestamptz;
    v_outcome text;
begin
    select * into v_order from ticket_orders as o where o.show_id = p_show_id and o.order_id = p_order_id;
    if not found then
        return query select 'ORDER_NOT_FOUND', p_order_id, null::uuid, null::text, null::bigint, null::text,
            clock_timestamp();
        return;
    end if;
    select s.status into v_show_status from shows as s where s.show_id = p_show_id for share;
    select * into v_hold
    from seat_reservations as a
    where a.show_id = p_show_id and a.reservation_id = v_order.reservation_id
    for update;
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    select * into v_intent
    from payment_intents as i
    where i.show_id = p_show_id and i.order_id = p_order_id
        and i.status in ('requires_payment', 'sent', 'in_doubt', 'authorized', 'captured') and i.provider <> 'credit'
    for update;
    -- step: order_locked

    v_now := clock_timestamp();
    v_outcome := case
        when v_show_status in ('cancelled', 'draft') then 'SHOW_NOT_ON_SALE'
        when v_order.status in ('cancelled', 'expired', 'voided') then 'ORDER_NOT_PAYABLE'
        when v_intent.payment_intent_id is not null then 'OK'
        when v_order.status <> 'pending' or v_order.total_minor = v_order.credit_minor or v_order.expires_at <= v_now
            then 'ORDER_NOT_PAYABLE'
        when v_hold.status <> 'active' or v_hold.expires_at <= v_now then 'RESERVATION_EXPIRED'
    end;
    if v_outcome is null then
        v_outcome := 'OK';
        insert into payment_intents as i
            (show_id, payment_intent_id, order_id, provider, account, amount_minor, currency, status)
        values (
            p_show_id, p_payment_intent_id, p_order_id, p_provider, p_account, v_order.total_minor - v_order.credit_minor,
            v_order.currency, 'sent'
        )
        returning i.* into v_intent;
        if v_hold.expires_at < v_now + interval '5 minutes' and not v_hold.has_grace then
            perform from (
                select from show_seats as c
                where c.show_id = p_show_id and c.reservation_id = v_hold.reservation_id and c.seat_id = any(v_hold.seat_ids)
                order by c.seat_id
                for update
            ) as l;
            -- step: seats_locked
            v_now := clock_timestamp();
        end if;
        if v_hold.expires_at between v_now and v_now + interval '5 minutes' and not v_hold.has_grace then
            update show_seats as c
            set reserved_until = v_now + interval '5 minutes'
            where c.show_id = p_show_id and c.reservation_id = v_hold.reservation_id and c.seat_id = any(v_hold.seat_ids)
                and c.status = 'reserved';
            update seat_reservations as a
            set expires_at = v_now + interval '5 minutes', has_grace = true
            where a.show_id = p_show_id and a.reservation_id = v_hold.reservation_id;
            insert into seat_reservation_audit_log
                (show_id, reservation_id, order_id, event, seat_ids, session_id, metadata)
            values (
                p_show_id, v_hold.reservation_id, p_order_id, 'extended', v_hold.seat_ids, v_hold.session_id,
                jsonb_build_object('operation', 'pay', 'expires_at', v_now + interval '5 minutes')
            );
        end if;
    elsif v_outcome = 'OK' and v_intent.status = 'requires_payment' then
        update payment_intents as i
        set status = 'sent', updated_at = v_now
        where i.show_id = p_show_id and i.payment_intent_id = v_intent.payment_intent_id
        returning i.* into v_intent;
    end if;
    -- step: written
    return query select v_outcome, p_order_id, v_intent.payment_intent_id, v_intent.status,
        v_order.total_minor - v_order.credit_minor, v_order.currency, v_now;
end
$$;
comment on function rowlock.begin_payment_atomic is
    'Record that an order is about to be paid, before the provider is asked. Repeatable.';
revoke all on function rowlock.begin_payment_atomic from public;
