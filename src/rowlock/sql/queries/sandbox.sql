-- The payments of the sandbox, and its webhooks. The same statements as of the manual provider, and those about events.

-- name: add_payment
-- scope: catalogue
-- A new payment; none when its key has made one before.
insert into rowlock.sandbox_payments
    (reference, account, create_key, show_id, order_id, payment_intent_id, amount_minor, currency, description, return_url)
values (
    %(reference)s::text, %(account)s::text, %(key)s::text, %(show_id)s::uuid, %(order_id)s::uuid,
    %(payment_intent_id)s::uuid, %(amount_minor)s::bigint, %(currency)s::text, %(description)s::text, %(return_url)s::text
)
on conflict (account, create_key) do nothing

-- name: payment_by_key
-- scope: catalogue
-- The payment that a key has made.
select reference, account, show_id, order_id, payment_intent_id, amount_minor, currency, description, return_url, status,
    step, settles_at, deliveries, refunds_fail, captured_minor, refunded_minor, last_error, events, created_at, clock_timestamp() as now
from rowlock.sandbox_payments
where account = %(account)s::text and create_key = %(key)s::text

-- name: payment
-- scope: catalogue
-- A payment of an account.
select reference, account, show_id, order_id, payment_intent_id, amount_minor, currency, description, return_url, status,
    step, settles_at, deliveries, refunds_fail, captured_minor, refunded_minor, last_error, events, created_at, clock_timestamp() as now
from rowlock.sandbox_payments
where account = %(account)s::text and reference = %(reference)s::text

-- name: lock_payment
-- scope: catalogue
-- A payment of an account, for a change. The clock is read in a statement of its own, after the lock.
select reference
from rowlock.sandbox_payments
where account = %(account)s::text and reference = %(reference)s::text
for update

-- name: write_payment
-- scope: catalogue
-- What has become of a payment that is locked.
update rowlock.sandbox_payments
set status = %(status)s::text, step = %(step)s::text, settles_at = %(settles_at)s::timestamptz,
    deliveries = %(deliveries)s::integer, refunds_fail = %(refunds_fail)s::boolean,
    captured_minor = %(captured_minor)s::bigint, refunded_minor = %(refunded_minor)s::bigint,
    last_error = %(last_error)s::text, events = %(events)s::integer, updated_at = clock_timestamp()
where reference = %(reference)s::text

-- name: payments_since
-- scope: catalogue
-- A page of an account's payments by age, after the last one of the page before.
select reference, account, show_id, order_id, payment_intent_id, amount_minor, currency, description, return_url, status,
    step, settles_at, deliveries, refunds_fail, captured_minor, refunded_minor, last_error, events, created_at, clock_timestamp() as now
from rowlock.sandbox_payments
where account = %(account)s::text and (created_at, reference) > (%(created_at)s::timestamptz, %(reference)s::text)
order by created_at, reference
limit %(limit)s::integer

-- name: add_refund
-- scope: catalogue
-- A new refund of a payment that is locked.
insert into rowlock.sandbox_refunds
    (reference, account, refund_key, payment_reference, amount_minor, currency, status, failure)
values (
    %(reference)s::text, %(account)s::text, %(key)s::text, %(payment_reference)s::text, %(amount_minor)s::bigint,
    %(currency)s::text, %(status)s::text, %(failure)s::text
)

-- name: refund_by_key
-- scope: catalogue
-- The refund that a key has made.
select reference, payment_reference, amount_minor, currency, status, failure
from rowlock.sandbox_refunds
where account = %(account)s::text and refund_key = %(key)s::text

-- name: refund
-- scope: catalogue
-- A refund of an account.
select reference, payment_reference, amount_minor, currency, status, failure
from rowlock.sandbox_refunds
where account = %(account)s::text and reference = %(reference)s::text

-- name: find_payment
-- scope: catalogue
-- The newest payment of an account by its reference, or by the id of our payment intent.
select reference
from rowlock.sandbox_payments
where account = %(account)s::text and (reference = %(id)s::text or payment_intent_id = %(payment_intent_id)s::uuid)
order by created_at desc
limit 1

-- name: settling
-- scope: catalogue
-- Payments whose bank has decided by now.
select account, reference
from rowlock.sandbox_payments
where status = 'processing' and settles_at <= clock_timestamp()
order by settles_at
limit %(limit)s::integer

-- name: add_event
-- scope: catalogue
-- A webhook to be delivered; one that gets lost has no deliveries left from the start.
insert into rowlock.sandbox_events (event_id, payment_reference, kind, body, deliveries_left, deliver_at)
values (
    %(event_id)s::text, %(reference)s::text, %(kind)s::text, %(body)s::text, %(deliveries)s::integer,
    case when %(deliveries)s::integer > 0 then clock_timestamp() end
)

-- name: claim_events
-- scope: catalogue
-- Webhooks that are due, for one worker: another one gets them when this one has not said what became of them.
with due as (
    select event_id
    from rowlock.sandbox_events
    where deliver_at <= clock_timestamp()
    order by deliver_at
    limit %(limit)s::integer
    for update skip locked
)
update rowlock.sandbox_events as e
set deliver_at = clock_timestamp() + %(lease_seconds)s::float8 * interval '1 second', attempts = attempts + 1
from due
where e.event_id = due.event_id
returning e.event_id, e.body, e.attempts, e.created_at

-- name: event_delivered
-- scope: catalogue
-- One delivery less is left; the next one of a repeated webhook follows at once.
update rowlock.sandbox_events
set deliveries_left = greatest(deliveries_left - 1, 0),
    delivered_at = coalesce(delivered_at, clock_timestamp()),
    attempts = 0,
    last_failure = null,
    deliver_at = case when deliveries_left > 1 then clock_timestamp() end
where event_id = %(event_id)s::text and deliveries_left > 0

-- name: event_failed
-- scope: catalogue
-- Why a delivery failed, and when to try again; never again after the given age.
update rowlock.sandbox_events
set last_failure = %(failure)s::text,
    deliver_at = case
        when created_at > clock_timestamp() - %(give_up_seconds)s::float8 * interval '1 second'
            then clock_timestamp() + %(pause_seconds)s::float8 * interval '1 second'
    end
where event_id = %(event_id)s::text and deliveries_left > 0

-- name: add_dispute
-- scope: catalogue
-- A new dispute of a payment that is locked.
insert into rowlock.sandbox_disputes
    (reference, account, payment_reference, amount_minor, fee_minor, currency, reason, respond_until)
values (
    %(reference)s::text, %(account)s::text, %(payment_reference)s::text, %(amount_minor)s::bigint,
    %(fee_minor)s::bigint, %(currency)s::text, %(reason)s::text, clock_timestamp() + interval '7 days'
)

-- name: disputes_of_payment
-- scope: catalogue
-- The disputes of a payment, the newest first.
select reference, payment_reference, amount_minor, fee_minor, currency, status, reason, respond_until
from rowlock.sandbox_disputes
where account = %(account)s::text and payment_reference = %(payment_reference)s::text
order by created_at desc, reference

-- name: disputed
-- scope: catalogue
-- What banks have taken back of a payment, and have not given to the seller again.
select coalesce(sum(amount_minor), 0)::bigint
from rowlock.sandbox_disputes
where account = %(account)s::text and payment_reference = %(payment_reference)s::text and status <> 'won'

-- name: end_dispute
-- scope: catalogue
-- What the bank has decided about an open dispute.
update rowlock.sandbox_disputes
set status = %(status)s::text
where account = %(account)s::text and reference = %(reference)s::text and status = 'opened'

-- name: dispute
-- scope: catalogue
-- A dispute of an account.
select reference, payment_reference, amount_minor, fee_minor, currency, status, reason, respond_until
from rowlock.sandbox_disputes
where account = %(account)s::text and reference = %(reference)s::text

-- name: disputes_since
-- scope: catalogue
-- The disputes of an account that were opened since an instant.
select reference, payment_reference, amount_minor, fee_minor, currency, status, reason, respond_until
from rowlock.sandbox_disputes
where account = %(account)s::text and created_at >= %(since)s::timestamptz
order by created_at, reference
