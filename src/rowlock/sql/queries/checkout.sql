-- Orders for holds, and their completion. Only the demonstration uses them so far.

-- name: add_orders
-- scope: show
-- A pending order for each hold, at the prices of the show.
with orders as (
    insert into rowlock.ticket_orders
        (show_id, order_id, order_code, idempotency_key, reservation_id, customer_name, customer_email, total_minor,
         currency)
    select
        r.show_id,
        rowlock.mint_id(r.show_id),
        'DEMO' || lpad(g.number::text, 4, '0'),
        'demo-' || g.number,
        r.reservation_id,
        'Guest ' || g.number,
        'guest' || g.number || '@example.com',
        t.total_minor,
        s.currency
    from unnest(%(reservation_ids)s::uuid[]) with ordinality as g (reservation_id, number)
    join rowlock.seat_reservations as r on r.show_id = %(show_id)s and r.reservation_id = g.reservation_id
    join rowlock.shows as s on s.show_id = r.show_id
    cross join lateral (
        select sum(p.amount_minor)::bigint as total_minor
        from rowlock.seats as c
        join rowlock.show_prices as p
            on p.show_id = r.show_id and p.price_version = r.price_version and p.category = c.category
            and p.price_type = 'adult'
        where c.plan_id = s.plan_id and c.seat_id = any(r.seat_ids)
    ) as t
    returning show_id, order_id, reservation_id
)
insert into rowlock.ticket_order_items (show_id, order_id, seat_id, price_type, amount_minor)
select o.show_id, o.order_id, c.seat_id, 'adult', p.amount_minor
from orders as o
join rowlock.seat_reservations as r using (show_id, reservation_id)
join rowlock.shows as s using (show_id)
join rowlock.seats as c on c.plan_id = s.plan_id and c.seat_id = any(r.seat_ids)
join rowlock.show_prices as p
    on p.show_id = o.show_id and p.price_version = r.price_version and p.category = c.category
    and p.price_type = 'adult'

-- name: add_payments
-- scope: show
-- A captured payment for each pending order of the show: the demonstration has no provider to ask.
insert into rowlock.payment_intents (show_id, payment_intent_id, order_id, provider, amount_minor, currency, status)
select o.show_id, rowlock.mint_id(o.show_id), o.order_id, 'demonstration', o.total_minor, o.currency, 'captured'
from rowlock.ticket_orders as o
where o.show_id = %(show_id)s and o.status = 'pending' and o.total_minor > 0

-- name: complete_orders
-- scope: show
-- Completes every pending order of the show, one call of the function each. Returns the number of completed orders, and
-- of all.
select count(*) filter (where c.outcome = 'OK'), count(*)
from rowlock.ticket_orders as o
left join rowlock.payment_intents as i using (show_id, order_id)
cross join lateral rowlock.complete_order_atomic(o.show_id, o.order_id, i.payment_intent_id, 'demo'::text) as c
where o.show_id = %(show_id)s and o.status = 'pending'

-- name: ticket_status
-- scope: show
-- Whether a ticket is valid, used or void, and when it was used.
select status, used_at
from rowlock.tickets
where show_id = %(show_id)s and ticket_id = %(ticket_id)s
