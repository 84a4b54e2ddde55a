-- Version 1 of the beginning of a payment: plain SQL inside one application transaction, without any stored function. It
-- must keep the locks, their order and the rows of begin_payment_atomic and record_payment_atomic.

-- name: owns_order
-- scope: show
-- Whether a secret is that of an order.
select exists (
    select from rowlock.ticket_orders as o
    where o.show_id = %(show_id)s::uuid and o.order_id = %(order_id)s::uuid and o.token_hash = sha256(%(secret)s::bytea)
)

-- name: hold_of_order
-- scope: show
-- The hold of an order, which never changes; no row when there is no such order.
select o.reservation_id from rowlock.ticket_orders as o where o.show_id = %s and o.order_id = %s

-- name: lock_hold
-- scope: show
-- The hold of an order, locked. Its times are judged by the clock after the locks.
select a.status, a.seat_ids, a.session_id, a.has_grace
from rowlock.seat_reservations as a
where a.show_id = %s and a.reservation_id = %s
for update

-- name: lock_order
-- scope: show
-- An order that is to be paid, locked.
select o.status, o.total_minor - o.credit_minor, o.currency
from rowlock.ticket_orders as o
where o.show_id = %s and o.order_id = %s
for update

-- name: lock_live_payment
-- scope: show
-- The payment of an order that may still take money, or has, locked.
select i.payment_intent_id, i.status
from rowlock.payment_intents as i
where i.show_id = %s and i.order_id = %s
    and i.status in ('requires_payment', 'sent', 'in_doubt', 'authorized', 'captured') and i.provider <> 'credit'
for update

-- name: judge_times
-- scope: show
-- What the clock says once all is locked: whether the show has been cancelled meanwhile, the order is past its deadline,
-- the hold has run out, and whether it ends within five minutes. cancel_show_atomic ends orders under their locks, so one
-- that cancels now finds the payment that is written next.
select
    s.status in ('cancelled', 'draft') as is_cancelled,
    coalesce(o.expires_at <= t.now, false) as is_late,
    a.status <> 'active' or a.expires_at <= t.now as has_run_out,
    a.expires_at < t.now + interval '5 minutes' as ends_soon
from (select clock_timestamp() as now) as t
join rowlock.shows as s on s.show_id = %(show_id)s::uuid
join rowlock.ticket_orders as o on o.show_id = s.show_id and o.order_id = %(order_id)s::uuid
join rowlock.seat_reservations as a on a.show_id = s.show_id and a.reservation_id = o.reservation_id

-- name: add_payment
-- scope: show
-- A payment that is about to be sent to its provider. idx_one_live_payment_intent_per_order refuses a second live one.
insert into rowlock.payment_intents
    (show_id, payment_intent_id, order_id, provider, account, amount_minor, currency, status)
values (
    %(show_id)s::uuid, %(payment_intent_id)s::uuid, %(order_id)s::uuid, %(provider)s::text, %(account)s::text,
    %(amount_minor)s::bigint, %(currency)s::text, 'sent'
)

-- name: send_payment
-- scope: show
-- A payment that was never sent is about to be.
update rowlock.payment_intents
set status = 'sent', updated_at = clock_timestamp()
where show_id = %s and payment_intent_id = %s

-- name: lock_claims
-- scope: show
-- The claims of a hold, locked in the order that every writer keeps.
select c.seat_id
from rowlock.show_seats as c
where c.show_id = %(show_id)s::uuid and c.reservation_id = %(reservation_id)s::uuid
    and c.seat_id = any(%(seat_ids)s::integer[])
order by c.seat_id
for update

-- name: give_grace
-- scope: show
-- Five minutes from now on for a hold whose payment begins shortly before its end, with its claims and its audit row.
-- Nothing when the hold ran out while we waited for its claims.
with held as (
    update rowlock.seat_reservations as a
    set expires_at = t.until, has_grace = true
    from (select clock_timestamp() as now, clock_timestamp() + interval '5 minutes' as until) as t
    where a.show_id = %(show_id)s::uuid and a.reservation_id = %(reservation_id)s::uuid
        and a.expires_at between t.now and t.until and not a.has_grace
    returning a.show_id, a.reservation_id, a.seat_ids, a.session_id, a.expires_at
),
claims as (
    update rowlock.show_seats as c
    set reserved_until = h.expires_at
    from held as h
    where c.show_id = h.show_id and c.reservation_id = h.reservation_id and c.seat_id = any(h.seat_ids)
        and c.status = 'reserved'
)
insert into rowlock.seat_reservation_audit_log
    (show_id, reservation_id, order_id, event, seat_ids, session_id, metadata)
select
    h.show_id, h.reservation_id, %(order_id)s::uuid, 'extended', h.seat_ids, h.session_id,
    jsonb_build_object('operation', 'pay', 'expires_at', h.expires_at)
from held as h

-- name: lock_order_of_payment
-- scope: show
-- The order of a payment, locked.
select o.order_id, o.reservation_id
from rowlock.ticket_orders as o
where o.show_id = %(show_id)s::uuid
    and o.order_id = (
        select i.order_id from rowlock.payment_intents as i
        where i.show_id = %(show_id)s::uuid and i.payment_intent_id = %(payment_intent_id)s::uuid
    )
for update

-- name: record_payment
-- scope: show
-- What the provider says of a payment that has begun; returns the state afterwards. A state only moves on.
with before as (
    select i.status, i.failure, i.provider, i.status in ('requires_payment', 'sent', 'in_doubt') as moves
    from rowlock.payment_intents as i
    where i.show_id = %(show_id)s::uuid and i.payment_intent_id = %(payment_intent_id)s::uuid
    for update
),
told as (
    insert into rowlock.seat_reservation_audit_log (show_id, reservation_id, order_id, event, metadata, actor)
    select
        %(show_id)s::uuid, %(reservation_id)s::uuid, %(order_id)s::uuid, 'payment_failed',
        jsonb_build_object(
            'operation', 'pay', 'payment_intent_id', %(payment_intent_id)s::uuid, 'status', %(status)s::text,
            'failure', left(%(failure)s::text, 500)
        ),
        b.provider
    from before as b
    where b.moves and %(failure)s::text is not null and %(failure)s::text is distinct from b.failure
)
update rowlock.payment_intents as i
set status = case when b.moves then %(status)s::text else i.status end,
    provider_reference = coalesce(i.provider_reference, %(reference)s::text),
    client_secret = coalesce(%(client_secret)s::text, i.client_secret),
    failure = case when b.moves then coalesce(left(%(failure)s::text, 500), i.failure) else i.failure end,
    updated_at = clock_timestamp()
from before as b
where i.show_id = %(show_id)s::uuid and i.payment_intent_id = %(payment_intent_id)s::uuid
returning i.status
