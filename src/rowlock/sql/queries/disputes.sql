-- Chargebacks, as they are recorded.

-- name: record
-- scope: show
-- Writes down what the provider says of a dispute.
select outcome, dispute_id, status
from rowlock.record_dispute_atomic(
    %(show_id)s::uuid, %(payment_intent_id)s::uuid, %(dispute_id)s::uuid, %(reference)s::text, %(status)s::text,
    %(provider_status)s::text, %(amount_minor)s::bigint, %(withdrawn_minor)s::bigint, %(fee_minor)s::bigint,
    %(currency)s::text, %(reason)s::text, %(respond_until)s::timestamptz
)

-- name: open_or_all
-- scope: cell
-- The disputes of all shows, those first that have to be answered first.
select
    d.dispute_id, d.show_id, i.order_id, o.order_code, d.payment_intent_id, d.provider,
    d.provider_reference as reference, d.status, d.provider_status, d.amount_minor, d.withdrawn_minor,
    d.return_movement_id is not null as is_returned, d.fee_minor, d.currency, d.reason, d.respond_until, d.created_at,
    d.ended_at
from rowlock.disputes as d
join rowlock.payment_intents as i using (show_id, payment_intent_id)
cross join lateral (
    select k.order_code from rowlock.order_details as k where k.show_id = i.show_id and k.order_id = i.order_id limit 1
) as o
where %(all)s::boolean or d.status = 'opened'
order by d.ended_at nulls first, d.respond_until, d.created_at
limit %(limit)s::integer

-- name: of_order
-- scope: show
-- The disputes of an order, the first one first; also of the payment that an exchange took its money from.
select
    d.dispute_id, d.show_id, i.order_id, o.order_code, d.payment_intent_id, d.provider,
    d.provider_reference as reference, d.status, d.provider_status, d.amount_minor, d.withdrawn_minor,
    d.return_movement_id is not null as is_returned, d.fee_minor, d.currency, d.reason, d.respond_until, d.created_at,
    d.ended_at
from (
    select distinct p.dispute_show_id, p.dispute_id
    from rowlock.disputed_payments as p
    where p.show_id = %(show_id)s::uuid and p.order_id = %(order_id)s::uuid
) as p
join rowlock.disputes as d on d.show_id = p.dispute_show_id and d.dispute_id = p.dispute_id
join rowlock.payment_intents as i using (show_id, payment_intent_id)
cross join lateral (
    select k.order_code from rowlock.order_details as k where k.show_id = i.show_id and k.order_id = i.order_id limit 1
) as o
order by d.created_at, d.dispute_id
