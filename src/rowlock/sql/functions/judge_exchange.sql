-- judge_exchange: whether tickets of an order can be exchanged now, and what they are worth.
--
-- They are worth what was paid for them, as far as it was not given back. The fee per order stays with the old order. A
-- part of begin_exchange_atomic and give_up_tickets_atomic, which have locked the order.
--
-- Locks     nothing: tickets, payments and refunds of an order are written by those who have the order locked.
-- Outcomes  in precedence: ORDER_NOT_FOUND, SHOW_NOT_ON_SALE (cancelled or a draft), ORDER_NOT_EXCHANGEABLE (not paid, or
--           all of it was given back), PAYMENT_DISPUTED (the buyer's bank takes the money back), SEATS_NOT_FOUND (no valid
--           ticket of this order), TICKET_USED, OK.
-- Writes    nothing.
create or replace function rowlock.judge_exchange(
    p_show_id uuid,
    p_order_id uuid,
    p_seat_ids integer[]
)
returns table (outcome text, worth_minor bigint)
language plpgsql
stable
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_status   text;
    v_show     text;
    v_disputed boolean;
    v_valid    bigint;
    v_used     bigint;
    v_rest     bigint;
    v_price    bigint;
begin
    select o.status into v_status from ticket_orders as o where o.show_id = p_show_id and o.order_id = p_order_id;
    select s.status into v_show from shows as s where s.show_id = p_show_id;
    select count(*) filter (where t.status = 'valid'), count(*) filter (where t.status = 'used')
    into v_valid, v_used
    from tickets as t
    where t.show_id = p_show_id and t.order_id = p_order_id and t.seat_id = any(p_seat_ids) and t.status <> 'void';
    v_disputed := exists (
        select from disputed_payments as d
        where d.show_id = p_show_id and d.order_id = p_order_id and d.status <> 'won'
    );
    select coalesce(sum(s.amount_minor), 0)::bigint
    into v_rest
    from split_refund(p_show_id, p_order_id, 9223372036854775807) as s;
    select coalesce(sum(i.amount_minor), 0)::bigint
    into v_price
    from ticket_order_items as i
    where i.show_id = p_show_id and i.order_id = p_order_id and i.seat_id = any(p_seat_ids);
    return query select
        case
            when v_status is null then 'ORDER_NOT_FOUND'
            when v_show in ('cancelled', 'draft') then 'SHOW_NOT_ON_SALE'
            when v_status not in ('paid', 'partially_refunded') then 'ORDER_NOT_EXCHANGEABLE'
            when v_disputed then 'PAYMENT_DISPUTED'
            when v_valid + v_used < cardinality(p_seat_ids) then 'SEATS_NOT_FOUND'
            when v_used > 0 then 'TICKET_USED'
            else 'OK'
        end,
        least(v_rest, v_price);
end
$$;
comment on function rowlock.judge_exchange is
    'Whether tickets of an order can be exchanged, and what they are worth; a part of the functions of exchanges.';
revoke all on function rowlock.judge_exchange from public;
