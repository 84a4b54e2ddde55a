-- The invariants of prices, orders, payments and refunds, each as a query for its violations, in the form of invariants.sql.

-- name: order_total_wrong
-- scope: cell
-- An order's total is the sum of its items and its fee.
select o.show_id, null::integer as seat_id, o.reservation_id, o.order_id,
    'the total is ' || o.total_minor || ', its items and fee come to ' || (i.items_minor + o.fee_minor) as what
from rowlock.ticket_orders as o
cross join lateral (
    select coalesce(sum(k.amount_minor), 0) as items_minor
    from rowlock.ticket_order_items as k
    where k.show_id = o.show_id and k.order_id = o.order_id
) as i
where o.total_minor <> i.items_minor + o.fee_minor

-- name: currency_differs
-- scope: cell
-- Orders are in the currency of their show, payments in that of their order. Ended orders without tickets do not count.
select o.show_id, null::integer as seat_id, o.reservation_id, o.order_id,
    'the order is in ' || o.currency || ', the show in ' || s.currency as what
from rowlock.ticket_orders as o
join rowlock.shows as s using (show_id)
where o.confirmed_at is not null and o.currency <> s.currency
union all
select i.show_id, null, null, i.order_id, 'the payment is in ' || i.currency || ', the order in ' || o.currency
from rowlock.payment_intents as i
join rowlock.ticket_orders as o using (show_id, order_id)
where i.status in ('authorized', 'captured') and i.currency <> o.currency

-- name: order_without_money
-- scope: cell
-- A confirmed order has money that can be captured, a paid one money that was captured; free orders need none.
select o.show_id, null::integer as seat_id, o.reservation_id, o.order_id,
    'the order is ' || o.status || ' and needs ' || n.amount_minor || ', its payments come to ' || p.amount_minor as what
from rowlock.ticket_orders as o
cross join lateral (
    select coalesce(sum(i.amount_minor), 0) as amount_minor
    from rowlock.payment_intents as i
    where i.show_id = o.show_id and i.order_id = o.order_id
        and (
            i.status = 'captured'
            or o.status = 'confirmed' and i.status in ('authorized', 'in_doubt')
        )
) as p
cross join lateral (
    -- The credit of an exchange comes when the old tickets are given up.
    select o.total_minor - case o.status when 'confirmed' then o.credit_minor else 0 end as amount_minor
) as n
where o.status in ('confirmed', 'paid', 'partially_refunded', 'refunded') and p.amount_minor < n.amount_minor

-- name: money_without_order
-- scope: cell
-- Money that was captured for an order that has ended is given back: by a refund that is open or done.
select i.show_id, null::integer as seat_id, null::uuid as reservation_id, i.order_id,
    i.amount_minor || ' ' || i.currency || ' were captured for an order that is ' || o.status || ', and '
        || r.amount_minor || ' are given back' as what
from rowlock.payment_intents as i
join rowlock.ticket_orders as o using (show_id, order_id)
cross join lateral (
    select coalesce(sum(k.amount_minor), 0) as amount_minor
    from rowlock.refunds as k
    where k.show_id = i.show_id and k.payment_intent_id = i.payment_intent_id and k.status <> 'failed'
) as r
where i.status = 'captured' and o.status in ('voided', 'cancelled', 'expired') and r.amount_minor < i.amount_minor

-- name: refund_exceeds_payment
-- scope: cell
-- Refunds, open ones included, never exceed what was captured, and belong to the order of their payment.
select i.show_id, null::integer as seat_id, null::uuid as reservation_id, i.order_id,
    'captured ' || case i.status when 'captured' then i.amount_minor else 0 end || ', refunds come to ' || r.amount_minor
        as what
from rowlock.payment_intents as i
cross join lateral (
    select coalesce(sum(k.amount_minor), 0) as amount_minor
    from rowlock.refunds as k
    where k.show_id = i.show_id and k.payment_intent_id = i.payment_intent_id and k.status <> 'failed'
) as r
where r.amount_minor > case i.status when 'captured' then i.amount_minor else 0 end
union all
select r.show_id, null, null, r.order_id, 'a refund of the order is of a payment of another order'
from rowlock.refunds as r
join rowlock.payment_intents as i using (show_id, payment_intent_id)
where r.order_id <> i.order_id

-- name: order_without_ticket
-- scope: cell
-- Each item of an order that was confirmed has one ticket of that order, void or not, and no other order's items have.
select i.show_id, i.seat_id, null::uuid as reservation_id, i.order_id,
    'the order is ' || o.status || ', the seat has ' || t.tickets || ' tickets of it' as what
from rowlock.ticket_order_items as i
join rowlock.ticket_orders as o using (show_id, order_id)
cross join lateral (
    select count(*) as tickets
    from rowlock.tickets as k
    where k.show_id = i.show_id and k.order_id = i.order_id and k.seat_id = i.seat_id
) as t
where t.tickets <> case when o.confirmed_at is null then 0 else 1 end

-- name: refunded_seat_sold
-- scope: cell
-- A seat that a refund gave back is no longer sold to its order.
select r.show_id, r.seat_id, null::uuid as reservation_id, r.order_id, 'refunded, and still sold to the order' as what
from rowlock.refund_items as r
join rowlock.show_seats as c using (show_id, seat_id, order_id)
where c.status = 'sold'

-- name: price_missing
-- scope: cell
-- Categories for sale without a price for adults in the present version, and seats of live holds without one in theirs.
-- Drafts may not be complete yet, and cancelled shows sell nothing any more.
select s.show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'the category ' || (c.category ->> 'name') || ' has no price for adults in version ' || s.price_version as what
from rowlock.shows as s
join rowlock.seating_plans as pl using (plan_id)
cross join lateral jsonb_array_elements(pl.layout -> 'categories') with ordinality as c (category, position)
where s.status not in ('draft', 'cancelled')
    and coalesce((c.category ->> 'for_sale')::boolean, true)
    and not exists (
        select from rowlock.show_prices as p
        where p.show_id = s.show_id and p.price_version = s.price_version and p.category = c.position - 1
            and p.price_type = 'adult'
    )
union all
select r.show_id, t.seat_id, r.reservation_id, null,
    'the seat is held under version ' || r.price_version || ', which has no price for adults for it'
from rowlock.seat_reservations as r
join rowlock.shows as s using (show_id)
join rowlock.seating_plans as pl using (plan_id)
cross join lateral unnest(r.seat_ids) as h (seat_id)
join rowlock.seats as t on t.plan_id = s.plan_id and t.seat_id = h.seat_id
where r.status = 'active' and r.expires_at > clock_timestamp()
    and pl.layout ? 'categories'
    and not exists (
        select from rowlock.show_prices as p
        where p.show_id = r.show_id and p.price_version = r.price_version and p.category = t.category
            and p.price_type = 'adult'
    )

-- name: price_wrong
-- scope: cell
-- Constraints forbid this. The query looks at the rows, in case a constraint is missing.
select p.show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'in version ' || p.price_version || ' the price for ' || p.price_type || ' of category ' || p.category || ' is '
        || p.amount_minor || ', with a fee of ' || p.fee_minor || ' and a tax of ' || p.tax_basis_points
        || ' basis points' as what
from rowlock.show_prices as p
where p.amount_minor < 0 or p.fee_minor < 0 or p.fee_minor > p.amount_minor
    or p.tax_basis_points < 0 or p.tax_basis_points > 10000

-- name: receipt_gap
-- scope: cell
-- Numbers that the counter has given and no receipt has, and receipts beyond the counter.
select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, r.order_id,
    'number ' || coalesce(n.number, r.number) || ' of ' || coalesce(n.year, r.year) || ' of the organization '
        || coalesce(n.organization_id, r.organization_id)
        || case when r.number is null then ' is missing' else ' is beyond its counter' end as what
from (
    select c.organization_id, c.year, s.number
    from rowlock.receipt_counters as c
    cross join lateral generate_series(1, c.last_number) as s (number)
) as n
full join rowlock.receipts as r using (organization_id, year, number)
where n.number is null or r.number is null

-- name: ledger_unbalanced
-- scope: cell
-- Movements whose entries do not sum to zero or are in another currency than their order, and those of nothing that is known.
select e.show_id, null::integer as seat_id, null::uuid as reservation_id, min(e.order_id::text)::uuid as order_id,
    'the entries of movement ' || e.movement_id || ' come to ' || sum(e.amount_minor) || ' ' || min(e.currency) as what
from rowlock.ledger_entries as e
join rowlock.ticket_orders as o using (show_id, order_id)
group by e.show_id, e.movement_id
having sum(e.amount_minor) <> 0 or count(distinct e.order_id) <> 1 or bool_or(e.currency <> o.currency)
union all
select e.show_id, null, null, e.order_id, 'movement ' || e.movement_id || ' is no payment, refund or dispute'
from rowlock.ledger_entries as e
where e.account in ('provider', 'credit')
    and not exists (
        select from rowlock.payment_intents as i
        where i.show_id = e.show_id and i.payment_intent_id = e.movement_id
    )
    and not exists (select from rowlock.refunds as r where r.show_id = e.show_id and r.refund_id = e.movement_id)
    and not exists (
        select from rowlock.disputes as d
        where d.show_id = e.show_id and e.movement_id in (d.dispute_id, d.return_movement_id)
    )

-- name: ledger_captured_wrong
-- scope: cell
-- A captured payment came in with its amount, for tickets or to be given back; any other payment did not.
select i.show_id, null::integer as seat_id, null::uuid as reservation_id, i.order_id,
    'the payment is ' || i.status || ' over ' || i.amount_minor || ', the ledger has ' || e.amount_minor || ' of it' as what
from rowlock.payment_intents as i
cross join lateral (
    select
        coalesce(sum(k.amount_minor) filter (where k.account in ('provider', 'credit')), 0) as amount_minor,
        coalesce(-sum(k.amount_minor) filter (where k.account in ('sales', 'owed')), 0) as whose_minor
    from rowlock.ledger_entries as k
    where k.show_id = i.show_id and k.movement_id = i.payment_intent_id
) as e
where e.amount_minor <> case when i.status = 'captured' then i.amount_minor else 0 end or e.whose_minor <> e.amount_minor

-- name: ledger_refunded_wrong
-- scope: cell
-- A refund that succeeded went out with its amount; any other did not.
select r.show_id, null::integer as seat_id, null::uuid as reservation_id, r.order_id,
    'the refund is ' || r.status || ' over ' || r.amount_minor || ', the ledger has ' || e.amount_minor || ' of it' as what
from rowlock.refunds as r
cross join lateral (
    select
        coalesce(-sum(k.amount_minor) filter (where k.account in ('provider', 'credit')), 0) as amount_minor,
        coalesce(sum(k.amount_minor) filter (where k.account in ('sales', 'owed')), 0) as whose_minor
    from rowlock.ledger_entries as k
    where k.show_id = r.show_id and k.movement_id = r.refund_id
) as e
where e.amount_minor <> case when r.status = 'succeeded' then r.amount_minor else 0 end or e.whose_minor <> e.amount_minor

-- name: ledger_disputed_wrong
-- scope: cell
-- What a bank withdrew is disputed until it is returned, and what the provider asked for it are fees.
select d.show_id, null::integer as seat_id, null::uuid as reservation_id, i.order_id,
    'the dispute withdrew ' || d.withdrawn_minor || ' and costs ' || d.fee_minor || ', the ledger has '
        || e.disputed_minor || ' and ' || e.fee_minor as what
from rowlock.disputes as d
join rowlock.payment_intents as i using (show_id, payment_intent_id)
cross join lateral (
    select
        coalesce(sum(k.amount_minor) filter (where k.account = 'disputed'), 0) as disputed_minor,
        coalesce(sum(k.amount_minor) filter (where k.account = 'fees'), 0) as fee_minor
    from rowlock.ledger_entries as k
    where k.show_id = d.show_id and k.movement_id in (d.dispute_id, d.return_movement_id)
) as e
where e.disputed_minor <> case when d.return_movement_id is null then d.withdrawn_minor else 0 end
    or e.fee_minor <> d.fee_minor

-- name: exchange_broken
-- scope: cell
-- What an exchange credits is a payment of the new order, its old tickets are void, and one that was decided goes on: its
-- new order is finished, or a message to finish it waits. Of exchanges between shows of this database.
select r.show_id, null::integer as seat_id, null::uuid as reservation_id, r.order_id,
    r.amount_minor || ' are credited to the order ' || o.order_id || ', which has ' || coalesce(i.amount_minor, 0) as what
from rowlock.refunds as r
join rowlock.ticket_orders as o on o.show_id = r.credited_show_id and o.order_id = r.credited_order_id
left join rowlock.payment_intents as i
    on i.show_id = o.show_id and i.payment_intent_id = r.credited_payment_intent_id and i.order_id = o.order_id and i.status = 'captured'
where r.amount_minor > 0 and o.given_up_at is not null and i.amount_minor is distinct from r.amount_minor
union all
select i.show_id, null, null, i.order_id, 'a credit of ' || i.amount_minor || ' comes from no exchange'
from rowlock.payment_intents as i
join rowlock.ticket_orders as o using (show_id, order_id)
join rowlock.shows as s on s.show_id = o.exchange_of_show_id
where i.provider = 'credit'
    and not exists (
        select from rowlock.refunds as r
        where r.show_id = o.exchange_of_show_id and r.credited_payment_intent_id = i.payment_intent_id
            and r.credited_order_id = o.order_id and r.amount_minor = i.amount_minor
    )
union all
select t.show_id, t.seat_id, null, t.order_id, 'the ticket was given up for the order ' || x.to_order_id || ', and is '
    || t.status
from rowlock.ticket_exchanges as x
join rowlock.tickets as t on t.show_id = x.show_id and t.order_id = x.order_id and t.seat_id = any(x.seat_ids)
where x.status = 'given_up' and t.status <> 'void'
union all
select o.show_id, null, null, o.order_id, 'the old tickets are ' || x.status || ', and the new order is ' || o.status
    || ' for good'
from rowlock.ticket_exchanges as x
join rowlock.ticket_orders as o on o.show_id = x.to_show_id and o.order_id = x.to_order_id
where (
        x.status = 'given_up' and o.given_up_at is null
        or x.status <> 'given_up' and o.status in ('paid', 'partially_refunded', 'refunded')
        or x.status = 'refused' and o.status = 'confirmed'
    )
    and not exists (
        select from rowlock.outbox_messages as m
        where m.show_id = o.show_id and m.order_id = o.order_id and m.kind = 'exchange_due' and m.done_at is null
    )
