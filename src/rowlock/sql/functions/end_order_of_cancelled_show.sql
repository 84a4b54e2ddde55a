-- end_order_of_cancelled_show: what becomes of one order when its show is cancelled.
--
-- A part of cancel_show_atomic, which has locked the order and its seats. A paid order is refunded in full, fees
-- included. A confirmed one, whose money is not captured yet, is voided; a pending one is cancelled. Money of theirs
-- that is captured, now or later, is given back by pay_order_atomic.
--
-- Locks     what refund_order_atomic and void_order_atomic lock.
-- Outcomes  the order's status afterwards.
-- Writes    what they write; for a pending order ticket_orders and one audit row (cancelled).
create or replace function rowlock.end_order_of_cancelled_show(
    p_show_id uuid,
    p_order_id uuid,
    p_reason text,
    p_session_id text,
    p_ip_address inet,
    p_actor text
)
returns text
language plpgsql
security definer
set search_path = rowlock, pg_temp
as $$
#variable_conflict use_column
declare
    v_order  ticket_orders%rowtype;
    v_status text;
begin
    select * into v_order from ticket_orders as o where o.show_id = p_show_id and o.order_id = p_order_id;
    if v_order.status in ('paid', 'partially_refunded') then
        select r.status
        into v_status
        from refund_order_atomic(
            p_show_id, p_order_id, mint_id(p_show_id), 'show-cancelled-' || p_order_id, null, null, 'on_sale', false,
            p_reason, p_session_id, p_ip_address, p_actor
        ) as r;
    elsif v_order.status = 'confirmed' then
        select v.status
        into v_status
        from void_order_atomic(p_show_id, p_order_id, p_reason, p_session_id, p_ip_address, p_actor) as v;
    elsif v_order.status = 'pending' then
        v_status := 'cancelled';
        update ticket_orders as o
        set status = 'cancelled'
        where o.show_id = p_show_id and o.order_id = p_order_id;
        insert into seat_reservation_audit_log
            (show_id, reservation_id, order_id, event, session_id, ip_address, metadata, actor)
        values (
            p_show_id, v_order.reservation_id, p_order_id, 'cancelled', p_session_id, p_ip_address,
            jsonb_build_object('operation', 'cancel_show', 'reason', p_reason), p_actor
        );
        update payment_intents as i
        set status = 'cancelled', updated_at = clock_timestamp()
        where i.show_id = p_show_id and i.order_id = p_order_id and i.status = 'requires_payment';
        perform pay_order_atomic(p_show_id, p_order_id, i.payment_intent_id)
        from payment_intents as i
        where i.show_id = p_show_id and i.order_id = p_order_id and i.status = 'captured';
    end if;
    return coalesce(v_status, v_order.status);
end
$$;
comment on function rowlock.end_order_of_cancelled_show is
    'Refund, void or cancel one order of a cancelled show; a part of cancel_show_atomic.';
revoke all on function rowlock.end_order_of_cancelled_show from public;
