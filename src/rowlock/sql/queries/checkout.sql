-- Orders, their payments, refunds and tickets; the outbox, and the inbox of what providers send.

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

-- name: finish_messages
-- scope: show
-- Nobody reads the mail of the demonstration's buyers, so none is written.
update rowlock.outbox_messages set done_at = clock_timestamp() where show_id = %(show_id)s and done_at is null

-- name: create_order
-- scope: show
-- Orders the seats of a hold, for the owner of its token.
select outcome, order_id, is_new, status, refused_seat_ids
from rowlock.create_order_atomic(
    %(show_id)s::uuid, %(reservation_id)s::uuid, %(secret)s::bytea, %(order_id)s::uuid, %(order_code)s::text,
    %(order_secret)s::bytea, %(customer_name)s::text, %(customer_email)s::text, %(seat_ids)s::integer[],
    %(price_types)s::text[], %(idempotency_key)s::text, %(wish_hash)s::bytea, %(session_id)s::text,
    %(ip_address)s::inet, %(user_agent)s::text
)

-- name: find_order
-- scope: show
-- An order with its lines and tickets, for the owner of its secret; no row for any other caller.
select * from rowlock.find_order(%(show_id)s::uuid, %(order_id)s::uuid, %(secret)s::bytea)

-- name: order_details
-- scope: show
-- An order with its lines and tickets, for staff and the worker.
select d.*, clock_timestamp() as server_time
from rowlock.order_details as d
where d.show_id = %(show_id)s and d.order_id = %(order_id)s
order by d.seat_id

-- name: begin_payment
-- scope: show
-- Records that an order is about to be paid, or tells its live payment.
select outcome, payment_intent_id, status, amount_minor, currency
from rowlock.begin_payment_atomic(%s::uuid, %s::uuid, %s::uuid, %s::text, %s::text)

-- name: record_payment
-- scope: show
-- Writes down what the provider says of a payment that is not captured.
select outcome, order_id, status
from rowlock.record_payment_atomic(%s::uuid, %s::uuid, %s::text, %s::text, %s::text, %s::text)

-- name: payment
-- scope: show
-- One payment with what is needed to ask its provider about it.
select
    i.show_id, i.order_id, i.payment_intent_id, i.provider, i.provider_reference as reference, i.client_secret,
    i.amount_minor, i.currency, i.status, i.failure, i.created_at, i.account, d.order_code, d.status as order_status,
    d.customer_email, s.title,
    coalesce(s.organization_id, v.organization_id) as organization_id, d.is_abandoned
from rowlock.payment_intents as i
join rowlock.shows as s using (show_id)
join rowlock.seating_plans as p on p.plan_id = s.plan_id
join rowlock.venues as v on v.venue_id = p.venue_id
join lateral (
    select
        o.order_code, o.status, o.customer_email,
        coalesce(o.expires_at < clock_timestamp() - interval '1 hour', false) as is_abandoned
    from rowlock.order_details as o
    where o.show_id = i.show_id and o.order_id = i.order_id
    limit 1
) as d on true
where i.show_id = %s and i.payment_intent_id = %s

-- name: complete_order
-- scope: show
-- Turns the seats of an order with an authorized payment into sold seats with tickets.
select outcome, status, unavailable_seat_ids
from rowlock.complete_order_atomic(%s::uuid, %s::uuid, %s::uuid)

-- name: pay_order
-- scope: show
-- Records that the money of an order is captured.
select outcome, status, refund_id from rowlock.pay_order_atomic(%s::uuid, %s::uuid, %s::uuid)

-- name: end_order
-- scope: show
-- Ends a pending order whose seats are gone.
select outcome, status from rowlock.end_order_atomic(%s::uuid, %s::uuid, %s::text)

-- name: void_order
-- scope: show
-- Takes back a confirmed order whose money could not be captured.
select outcome, status from rowlock.void_order_atomic(%s::uuid, %s::uuid, %s::text)

-- name: unsettled_payments
-- scope: cell
-- Payments that a provider has and that are not settled here, the longest untouched first: those on their way, and
-- those of orders that were confirmed and not paid.
select i.show_id, i.order_id, i.payment_intent_id
from rowlock.payment_intents as i
where i.status in ('sent', 'in_doubt', 'authorized')
    and i.updated_at < clock_timestamp() - make_interval(secs => %(untouched_seconds)s)
    and i.payment_intent_id <> all(%(but)s::uuid[])
order by i.updated_at
limit %(limit)s

-- name: payment_of_reference
-- scope: cell
-- The payment that a provider knows by a reference.
select show_id, order_id, payment_intent_id
from rowlock.payment_intents
where provider = %s and provider_reference = %s

-- name: open_refund
-- scope: show
-- Opens a refund of a paid order.
select outcome, status, refund_id, amount_minor, seat_ids
from rowlock.refund_order_atomic(
    %(show_id)s::uuid, %(order_id)s::uuid, %(refund_id)s::uuid, %(idempotency_key)s::text,
    p_seat_ids => %(seat_ids)s::integer[], p_amount_minor => %(amount_minor)s::bigint,
    p_give_back => %(give_back)s::text, p_keep_fees => %(keep_fees)s::boolean, p_reason => %(reason)s::text,
    p_ip_address => %(ip_address)s::inet, p_actor => %(actor)s::text
)

-- name: retry_refunds
-- scope: show
-- Opens every refund of an order again that has failed.
select outcome, refund_ids, amount_minor
from rowlock.retry_refunds_atomic(%s::uuid, %s::uuid, %s::text, %s::inet)

-- name: reissue_ticket
-- scope: show
-- Gives a ticket its next revision.
select outcome, seat_id, revision
from rowlock.reissue_ticket_atomic(%s::uuid, %s::uuid, %s::uuid, %s::integer, %s::text, %s::inet, %s::text)

-- name: refund
-- scope: show
-- One refund with what is needed to ask the provider for it.
select
    r.show_id, r.order_id, r.refund_id, r.payment_intent_id, r.amount_minor, r.status,
    r.provider_reference as refund_reference, coalesce(i.source_provider, i.provider) as provider,
    case when i.source_provider is null then i.provider_reference else i.source_reference end as reference, i.currency,
    i.account, r.reopened,
    coalesce(s.organization_id, v.organization_id) as organization_id
from rowlock.refunds as r
join rowlock.shows as s using (show_id)
join rowlock.seating_plans as p on p.plan_id = s.plan_id
join rowlock.venues as v on v.venue_id = p.venue_id
left join rowlock.payment_intents as i on i.show_id = r.show_id and i.payment_intent_id = r.payment_intent_id
where r.show_id = %s and r.refund_id = %s

-- name: settle_refund
-- scope: show
-- Writes down what the provider says of a refund.
select outcome, status from rowlock.settle_refund_atomic(%s::uuid, %s::uuid, %s::text, %s::text, %s::text)

-- name: refunds_to_ask_about
-- scope: cell
-- Refunds that a provider has or may have and that are not settled, the longest untouched first. One that was asked for
-- and not told of yet is due again after a quarter of the age that it had then.
select r.show_id, r.refund_id
from rowlock.refunds as r
where r.status in ('pending', 'in_doubt')
    and (r.status = 'in_doubt' or r.provider_reference is not null)
    and r.updated_at < clock_timestamp() - least(
        greatest((r.updated_at - r.created_at) / 4, make_interval(secs => %(untouched_seconds)s)),
        make_interval(secs => %(longest_seconds)s)
    )
    and r.refund_id <> all(%(but)s::uuid[])
order by r.updated_at
limit %(limit)s

-- name: open_refunds_of_reference
-- scope: cell
-- Refunds that are not settled, of the payment that a provider knows by a reference, or of what exchanges have moved from
-- it to other orders.
select r.show_id, r.refund_id
from rowlock.payment_intents as i
join rowlock.refunds as r using (show_id, payment_intent_id)
where (
        (i.provider = %(provider)s and i.provider_reference = %(reference)s)
        or (i.provider = 'credit' and i.source_provider = %(provider)s and i.source_reference = %(reference)s)
    )
    and r.status in ('pending', 'in_doubt')
    and (r.status = 'in_doubt' or r.provider_reference is not null)
order by r.created_at

-- name: expire_orders
-- scope: cell
-- Ends pending orders that cannot be paid any more; returns how many.
select rowlock.expire_orders_atomic(%s::integer)

-- name: take_messages
-- scope: cell
-- Messages of the outbox that are due, for this worker for a while.
select message_id, show_id, order_id, kind, payload, attempts, created_at
from rowlock.take_outbox_messages(%s::integer, %s::integer)

-- name: finish_message
-- scope: cell
-- A message of the outbox is done, or is to be tried again.
select rowlock.finish_outbox_message(%s::bigint, %s::text, %s::integer)

-- name: tell_buyers_of_move
-- scope: cell
-- Makes a message for each of the next orders whose buyers have to know that a show was moved; returns how many.
select rowlock.tell_buyers_of_move(%s::uuid, %s::bigint, %s::integer)

-- name: keep_webhook_event
-- scope: cell
-- Puts an event into the inbox; no row when it is there already.
insert into rowlock.webhook_events (provider, event_id, show_id, payload)
values (%s, %s, %s, %s)
on conflict (provider, event_id) do nothing
returning event_id

-- name: take_webhook_events
-- scope: cell
-- Events that are due, for this worker for a while.
with due as (
    select e.provider, e.event_id
    from rowlock.webhook_events as e
    where e.processed_at is null and e.next_attempt_at <= clock_timestamp()
    order by e.next_attempt_at, e.received_at
    limit %(limit)s
    for update skip locked
)
update rowlock.webhook_events as e
set attempts = e.attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => %(seconds)s)
from due as d
where e.provider = d.provider and e.event_id = d.event_id
returning e.provider, e.event_id, e.payload, e.attempts

-- name: finish_webhook_event
-- scope: cell
-- An event is done, or is to be tried again: at once, or never when retry_seconds is null.
update rowlock.webhook_events
set processed_at = case when %(error)s::text is null then clock_timestamp() end,
    error = %(error)s,
    next_attempt_at = case
        when %(error)s::text is null then next_attempt_at
        when %(retry_seconds)s::integer is null then '9999-12-31 00:00:00+00'
        else clock_timestamp() + make_interval(secs => %(retry_seconds)s::integer)
    end
where provider = %(provider)s and event_id = %(event_id)s

-- name: claim_payment_key
-- scope: show
-- The key of a request for a payment, for this request for some seconds. No row when it is another's now, or has its
-- answer.
insert into rowlock.payment_idempotency_keys as k (show_id, idempotency_key, order_id, request_hash, locked_until)
values (%(show_id)s, %(key)s, %(order_id)s, %(request_hash)s, clock_timestamp() + interval '30 seconds')
on conflict (show_id, idempotency_key) do update
set locked_until = excluded.locked_until
where k.answer is null and k.locked_until <= clock_timestamp() and k.order_id = excluded.order_id
    and k.request_hash = excluded.request_hash
returning true

-- name: payment_key
-- scope: show
-- What is known of a key: its order, its wish, and its answer.
select order_id, request_hash, answer
from rowlock.payment_idempotency_keys
where show_id = %s and idempotency_key = %s

-- name: answer_payment_key
-- scope: show
-- Keeps the answer of a key; without one, the key may be used again at once.
update rowlock.payment_idempotency_keys
set answer = %(answer)s, locked_until = clock_timestamp()
where show_id = %(show_id)s and idempotency_key = %(key)s

-- name: forget_payment_keys
-- scope: cell
-- Forgets keys that are older than 30 days.
delete from rowlock.payment_idempotency_keys where created_at < clock_timestamp() - interval '30 days'

-- name: shows_of_key
-- scope: catalogue
-- The shows whose ids of orders, payments and refunds carry this key: one, unless two shows share the 32 bits.
select show_id from rowlock.shows where show_key = %s

-- name: orders_of_code
-- scope: cell
-- The orders of a code: one, unless two shows gave out the same.
select distinct show_id, order_id from rowlock.order_details where order_code = %s

-- name: organization_of
-- scope: show
-- The organization that sells a show, whose payment account is used.
select coalesce(s.organization_id, v.organization_id)
from rowlock.shows as s
join rowlock.seating_plans as p on p.plan_id = s.plan_id
join rowlock.venues as v on v.venue_id = p.venue_id
where s.show_id = %s

-- name: payments_of_order
-- scope: show
-- The payments of an order that are not captured, and that the provider knows or may know.
select payment_intent_id
from rowlock.payment_intents
where show_id = %s and order_id = %s and status <> 'captured'
    and (provider_reference is not null or status in ('sent', 'in_doubt'))
order by created_at

-- name: ticket_state
-- scope: show
-- Whether a ticket is valid, used or void, which revision of it counts, and when it was used.
select status, revision, used_at
from rowlock.tickets
where show_id = %(show_id)s and ticket_id = %(ticket_id)s

-- name: notice_show
-- scope: show
-- What a mail says of a show: when and where it is, and who sells it.
select
    s.show_id, s.title, s.starts_at, s.doors_at, s.status, v.name as venue, v.address, v.time_zone,
    o.name as organization, s.ends_at, v.access_notes
from rowlock.shows as s
join rowlock.seating_plans as p on p.plan_id = s.plan_id
join rowlock.venues as v on v.venue_id = p.venue_id
join rowlock.organizations as o on o.organization_id = coalesce(s.organization_id, v.organization_id)
where s.show_id = %s

-- name: notice_refund
-- scope: show
-- What a mail says of a refund: how much, which seats, and why: the show was cancelled, or money came after its order had
-- ended, or twice.
select
    r.refund_id, r.order_id, r.amount_minor, r.status, r.failure,
    r.idempotency_key = 'show-cancelled-' || r.order_id as is_of_cancelled_show,
    r.payment_intent_id is not null and r.idempotency_key = 'late-' || r.payment_intent_id as is_of_late_money,
    array(
        select coalesce(c.label, 'seat ' || i.seat_id)
        from rowlock.refund_items as i
        join rowlock.shows as s on s.show_id = i.show_id
        left join rowlock.seats as c on c.plan_id = s.plan_id and c.seat_id = i.seat_id
        where i.show_id = r.show_id and i.refund_id = coalesce(r.part_of, r.refund_id)
        order by i.seat_id
    ) as seats,
    exists (
        select from rowlock.ticket_exchanges as x
        where x.show_id = r.show_id and x.order_id = r.order_id
            and starts_with(r.idempotency_key, 'exchange-' || x.to_order_id || '-surplus-')
    ) as is_of_exchange
from rowlock.refunds as r
where r.show_id = %s and r.refund_id = %s

-- name: places
-- scope: show
-- Where seats are, in the words of the plan.
select
    c.seat_id, p.layout -> 'sections' -> (r.line ->> 'section')::integer ->> 'name' as section,
    r.line ->> 'label' as row, c.number
from rowlock.shows as s
join rowlock.seating_plans as p on p.plan_id = s.plan_id
join rowlock.seats as c on c.plan_id = s.plan_id and c.seat_id = any(%(seat_ids)s)
cross join lateral (select p.layout -> 'rows' -> c.row_no as line) as r
where s.show_id = %(show_id)s

-- name: refunded_seats
-- scope: show
-- What a refund gave back for each of its seats.
select seat_id, amount_minor from rowlock.refund_items where show_id = %s and refund_id = %s order by seat_id

-- name: money_was_taken
-- scope: show
-- Whether money of an order was captured, so that it has to go back when the order ends.
select exists (
    select from rowlock.payment_intents where show_id = %s and order_id = %s and status = 'captured'
)

-- name: issue_receipt
-- scope: show
-- Gives a paid order its receipt, or a refund its credit note, with the next number of the organization.
select outcome, organization_id, year, number, issued_at
from rowlock.issue_receipt_atomic(%s::uuid, %s::uuid, %s::uuid)

-- name: receipts_of_order
-- scope: show
-- The receipt of an order and its credit notes, in the order in which they were issued.
select
    organization_id, year, number, show_id, order_id, refund_id, amount_minor, currency, issued_at, seller_name,
    seller_address, seller_tax_id
from rowlock.receipts
where show_id = %s and order_id = %s
order by issued_at, number
