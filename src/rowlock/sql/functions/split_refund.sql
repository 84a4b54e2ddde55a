-- split_refund: of which captured payments of an order an amount is given back, and how much of each.
--
-- An order of an exchange has several payments: the money of the old tickets, and the difference. One payment gives all
-- of it if one can, the smallest that does; else the largest first. Money that came too late or twice has a refund of
-- its own, and is left out. A part of the functions that open refunds, which have locked the order.
--
-- Locks     nothing: whoever writes payments or refunds of an order has the order locked.
-- Outcomes  a row for each payment, in the order in which they are taken; none for an amount of 0.
-- Writes    nothing.
create or replace function rowlock.split_refund(
    p_show_id uuid,
    p_order_id uuid,
    p_amount_minor bigint
)
returns table (payment_intent_id uuid, amount_minor bigint)
language sql
volatile
security definer
set search_path = rowlock, pg_temp
as $$
    with payments as (
        select i.payment_intent_id, i.amount_minor - coalesce(sum(r.amount_minor), 0)::bigint as rest_minor
        from payment_intents as i
        left join refunds as r
            on r.show_id = i.show_id and r.payment_intent_id = i.payment_intent_id and r.status <> 'failed'
        where i.show_id = p_show_id and i.order_id = p_order_id and i.status = 'captured'
            and not exists (
                select from refunds as l
                where l.show_id = p_show_id and l.idempotency_key = 'late-' || i.payment_intent_id
            )
        group by i.payment_intent_id, i.amount_minor
    ),
    ranked as (
        select p.payment_intent_id, p.rest_minor, coalesce(sum(p.rest_minor) over (
            order by p.rest_minor < p_amount_minor, abs(p_amount_minor - p.rest_minor), p.payment_intent_id
            rows between unbounded preceding and 1 preceding
        ), 0)::bigint as before_minor
        from payments as p
        where p.rest_minor > 0
    )
    select k.payment_intent_id, least(k.rest_minor, p_amount_minor - k.before_minor)
    from ranked as k
    where k.before_minor < p_amount_minor
    order by k.before_minor
$$;
comment on function rowlock.split_refund is
    'Of which payments of an order an amount is given back; a part of the functions that open refunds.';
revoke all on function rowlock.split_refund from public;
