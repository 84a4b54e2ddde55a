-- give_up_tickets_atomic: decide an exchange: void the old tickets and let their money go to the new order, or refuse.
--
-- Called once the new seats are sold and the difference is captured, and before the new order counts as paid. The
-- decision is made once: a repeated call is told it. Where the new order has ended before (p_is_confirmed false), the
-- answer is a refusal, unless the tickets were given up already. What the tickets are worth beyond the credit is
-- refunded.
--
-- Locks     the order, what lock_payments locks, then the seats, by seat id.
-- Outcomes  in precedence: EXCHANGE_NOT_FOUND, OK (repeated), the refusal that was given before, ORDER_NOT_PAYABLE (the new
--           order has ended), those of judge_exchange, REFUND_EXCEEDS_PAYMENT (the tickets are worth less now than the
--           credit), OK. With OK come the credits, which are payments of the new order, with their ids.
-- Writes    ticket_exchanges, refunds, refund_items, ledger_entries, show_seats, tickets, ticket_orders, one audit row
--           (exchanged or failed), an outbox message for each refund of money (refund_requested).
create or replace function rowlock.give_up_tickets_atomic(
    p_show_id uuid,
    p_to_order_id uuid,
    p_credit_minor bigint,
    p_is_confirmed boolean
)
returns table (
    outcome text,
    credit_ids uuid[],
    amounts_minor bigint[],
    source_providers text[],
    source_references text[],
    source_accounts text[],
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_exchange ticket_exchanges%rowtype;
    v_order    ticket_orders%rowtype;
    v_outcome  text;
    v_worth    bigint;
    v_first    uuid;           -- the refund that gives the seats back
    v_now      timestamptz;
begin
    select * into v_exchange from ticket_exchanges as x where x.show_id = p_show_id and x.to_order_id = p_to_order_id;
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = v_exchange.order_id
    for update;
    perform lock_payments(p_show_id, array[v_exchange.order_id]);
    -- step: order_locked
    select * into v_exchange from ticket_exchanges as x where x.show_id = p_show_id and x.to_order_id = p_to_order_id;
    v_now := clock_timestamp();
    select j.outcome, j.worth_minor
    into v_outcome, v_worth
    from judge_exchange(p_show_id, v_exchange.order_id, v_exchange.seat_ids) as j;
    v_outcome := case
        when v_exchange.to_order_id is null then 'EXCHANGE_NOT_FOUND'
        when v_exchange.status = 'given_up' then 'REPEATED'
        when v_exchange.status = 'refused' then v_exchange.refusal
        when not p_is_confirmed then 'ORDER_NOT_PAYABLE'
        when v_outcome <> 'OK' then v_outcome
        when v_worth < p_credit_minor then 'REFUND_EXCEEDS_PAYMENT'
        else 'OK'
    end;

    if v_outcome = 'OK' then
        v_first := mint_id(p_show_id);
        insert into refunds
            (show_id, refund_id, order_id, payment_intent_id, idempotency_key, amount_minor, reason, give_back, status,
             part_of, credited_show_id, credited_order_id, credited_payment_intent_id)
        select
            p_show_id, case when n.number = 1 then v_first else mint_id(p_show_id) end, v_order.order_id,
            s.payment_intent_id, 'exchange-' || p_to_order_id || '-' || n.number, coalesce(s.amount_minor, 0),
            v_exchange.reason, case when n.number = 1 then 'on_sale' else 'nothing' end, 'succeeded',
            case when n.number > 1 then v_first end, v_exchange.to_show_id, p_to_order_id,
            case when s.payment_intent_id is not null then mint_id(v_exchange.to_show_id) end
        from generate_series(1, greatest(1, (
            select count(*) from split_refund(p_show_id, v_order.order_id, p_credit_minor)
        ))) as n (number)
        left join split_refund(p_show_id, v_order.order_id, p_credit_minor)
            with ordinality as s (payment_intent_id, amount_minor, number) on s.number = n.number;
        perform book_money(
            p_show_id, r.refund_id, v_order.order_id, 'sales', -r.amount_minor, 0, v_order.currency, 'credit'
        )
        from refunds as r
        where r.show_id = p_show_id and r.order_id = v_order.order_id and r.credited_order_id = p_to_order_id;
        -- The seats' parts of the credit: together no more than the first refund gives.
        insert into refund_items (show_id, refund_id, order_id, seat_id, amount_minor)
        select p_show_id, v_first, i.order_id, i.seat_id, least(i.amount_minor, greatest(0, r.amount_minor - i.before_minor))
        from (
            select k.*, coalesce(sum(k.amount_minor) over (
                order by k.seat_id rows between unbounded preceding and 1 preceding
            ), 0)::bigint as before_minor
            from ticket_order_items as k
            where k.show_id = p_show_id and k.order_id = v_order.order_id and k.seat_id = any(v_exchange.seat_ids)
        ) as i
        join refunds as r on r.show_id = p_show_id and r.refund_id = v_first;
        with surplus as (
            insert into refunds as r
                (show_id, refund_id, order_id, payment_intent_id, idempotency_key, amount_minor, reason)
            select
                p_show_id, mint_id(p_show_id), v_order.order_id, s.payment_intent_id,
                'exchange-' || p_to_order_id || '-surplus-' || s.number, s.amount_minor, v_exchange.reason
            from split_refund(p_show_id, v_order.order_id, v_worth - p_credit_minor)
                with ordinality as s (payment_intent_id, amount_minor, number)
            returning r.refund_id
        )
        insert into outbox_messages (kind, show_id, order_id, payload)
        select 'refund_requested', p_show_id, v_order.order_id, jsonb_build_object('refund_id', s.refund_id)
        from surplus as s;
        perform free_seats_of_orders(p_show_id, array[v_order.order_id], v_exchange.seat_ids, null);
        -- step: seats_locked
        update ticket_orders as o
        set status = case
            when exists (
                select from ticket_order_items as i
                where i.show_id = p_show_id and i.order_id = v_order.order_id
                    and not exists (
                        select from refund_items as f
                        where f.show_id = p_show_id and f.order_id = v_order.order_id and f.seat_id = i.seat_id
                    )
            ) then 'partially_refunded'
            else 'refunded'
        end
        where o.show_id = p_show_id and o.order_id = v_order.order_id;
        update ticket_exchanges as x
        set status = 'given_up', decided_at = v_now, credit_minor = p_credit_minor, surplus_minor = v_worth - p_credit_minor
        where x.show_id = p_show_id and x.to_order_id = p_to_order_id;
        insert into seat_reservation_audit_log
            (show_id, reservation_id, order_id, event, seat_ids, ip_address, metadata, actor)
        values (
            p_show_id, v_order.reservation_id, v_order.order_id, 'exchanged', v_exchange.seat_ids, v_exchange.ip_address,
            jsonb_build_object(
                'operation', 'exchange', 'to_show_id', v_exchange.to_show_id, 'to_order_id', p_to_order_id,
                'credit_minor', p_credit_minor, 'refunded_minor', v_worth - p_credit_minor, 'reason', v_exchange.reason
            ),
            v_exchange.actor
        );
    elsif v_exchange.status = 'begun' then
        update ticket_exchanges as x
        set status = 'refused', decided_at = v_now, refusal = v_outcome
        where x.show_id = p_show_id and x.to_order_id = p_to_order_id;
        perform log_refusals(
            p_show_id, array[v_outcome], array[v_order.reservation_id], array[v_exchange.seat_ids::text], null,
            array[v_exchange.ip_address], null,
            jsonb_build_object('operation', 'exchange', 'to_order_id', p_to_order_id), v_order.order_id, v_exchange.actor
        );
    end if;
    -- step: written
    return query
    select
        case v_outcome when 'REPEATED' then 'OK' else v_outcome end,
        coalesce(array_agg(r.credited_payment_intent_id order by r.refund_id), '{}'),
        coalesce(array_agg(r.amount_minor order by r.refund_id), '{}'),
        coalesce(array_agg(coalesce(i.source_provider, i.provider) order by r.refund_id), '{}'),
        coalesce(array_agg(
            case when i.source_provider is null then i.provider_reference else i.source_reference end order by r.refund_id
        ), '{}'),
        coalesce(array_agg(i.account order by r.refund_id), '{}'),
        clock_timestamp()
    from refunds as r
    join payment_intents as i on i.show_id = r.show_id and i.payment_intent_id = r.payment_intent_id
    where r.show_id = p_show_id and r.order_id = v_order.order_id and r.credited_order_id = p_to_order_id
        and v_outcome in ('OK', 'REPEATED');
end
$$;
comment on function rowlock.give_up_tickets_atomic is
    'Decide an exchange: the old tickets are void and their money goes to the new order, or they stay. Repeatable.';
revoke all on function rowlock.give_up_tickets_atomic from public;
