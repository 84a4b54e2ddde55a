-- The payments of the manual provider: at the desk, or by invoice. The same statements as of the sandbox.

-- name: add_payment
-- scope: catalogue
-- A new payment; none when its key has made one before.
insert into rowlock.manual_payments
    (reference, account, create_key, show_id, order_id, payment_intent_id, amount_minor, currency, description)
values (
    %(reference)s::text, %(account)s::text, %(key)s::text, %(show_id)s::uuid, %(order_id)s::uuid,
    %(payment_intent_id)s::uuid, %(amount_minor)s::bigint, %(currency)s::text, %(description)s::text
)
on conflict (account, create_key) do nothing

-- name: payment_by_key
-- scope: catalogue
-- The payment that a key has made.
select reference, account, show_id, order_id, payment_intent_id, amount_minor, currency, description, status, received_by,
    captured_minor, refunded_minor, created_at, clock_timestamp() as now
from rowlock.manual_payments
where account = %(account)s::text and create_key = %(key)s::text

-- name: payment
-- scope: catalogue
-- A payment of an account.
select reference, account, show_id, order_id, payment_intent_id, amount_minor, currency, description, status, received_by,
    captured_minor, refunded_minor, created_at, clock_timestamp() as now
from rowlock.manual_payments
where account = %(account)s::text and reference = %(reference)s::text

-- name: lock_payment
-- scope: catalogue
-- A payment of an account, for a change. The clock is read in a statement of its own, after the lock.
select reference
from rowlock.manual_payments
where account = %(account)s::text and reference = %(reference)s::text
for update

-- name: write_payment
-- scope: catalogue
-- What has become of a payment that is locked.
update rowlock.manual_payments
set status = %(status)s::text, received_by = %(received_by)s::text, captured_minor = %(captured_minor)s::bigint,
    refunded_minor = %(refunded_minor)s::bigint, updated_at = clock_timestamp()
where reference = %(reference)s::text

-- name: payments_since
-- scope: catalogue
-- A page of an account's payments by age, after the last one of the page before.
select reference, account, show_id, order_id, payment_intent_id, amount_minor, currency, description, status, received_by,
    captured_minor, refunded_minor, created_at, clock_timestamp() as now
from rowlock.manual_payments
where account = %(account)s::text and (created_at, reference) > (%(created_at)s::timestamptz, %(reference)s::text)
order by created_at, reference
limit %(limit)s::integer

-- name: add_refund
-- scope: catalogue
-- A new refund of a payment that is locked.
insert into rowlock.manual_refunds
    (reference, account, refund_key, payment_reference, amount_minor, currency, status, failure)
values (
    %(reference)s::text, %(account)s::text, %(key)s::text, %(payment_reference)s::text, %(amount_minor)s::bigint,
    %(currency)s::text, %(status)s::text, %(failure)s::text
)

-- name: refund_by_key
-- scope: catalogue
-- The refund that a key has made.
select reference, payment_reference, amount_minor, currency, status, failure
from rowlock.manual_refunds
where account = %(account)s::text and refund_key = %(key)s::text

-- name: refund
-- scope: catalogue
-- A refund of an account.
select reference, payment_reference, amount_minor, currency, status, failure
from rowlock.manual_refunds
where account = %(account)s::text and reference = %(reference)s::text
