-- What the ledger has of payments, to be compared with what their providers have.

-- name: positions
-- scope: cell
-- Payments by the provider's references or by our own ids, with what came in and went out by the ledger, and the refunds that are on their
-- way.
select
    i.show_id, i.order_id, i.payment_intent_id, i.provider, i.provider_reference as reference, i.account, i.status,
    i.amount_minor, i.currency, o.order_code, o.status as order_status,
    coalesce(s.organization_id, v.organization_id) as organization_id,
    coalesce(
        (
            select sum(e.amount_minor)
            from rowlock.ledger_entries as e
            where e.show_id = i.show_id and e.movement_id = i.payment_intent_id and e.account = 'provider'
        ), 0
    )::bigint as captured_minor,
    coalesce(
        (
            select -sum(e.amount_minor)
            from rowlock.refunds as r
            join rowlock.ledger_entries as e
                on e.show_id = r.show_id and e.movement_id = r.refund_id and e.account = 'provider'
            where r.show_id = i.show_id and r.payment_intent_id = i.payment_intent_id
        ), 0
    )::bigint as refunded_minor,
    array(
        select r.refund_id
        from rowlock.refunds as r
        where r.show_id = i.show_id and r.payment_intent_id = i.payment_intent_id and r.status in ('pending', 'in_doubt')
        order by r.created_at, r.refund_id
    ) as open_refunds
from rowlock.payment_intents as i
join rowlock.shows as s on s.show_id = i.show_id
join rowlock.seating_plans as p on p.plan_id = s.plan_id
join rowlock.venues as v on v.venue_id = p.venue_id
cross join lateral (
    select d.order_code, d.status
    from rowlock.order_details as d
    where d.show_id = i.show_id and d.order_id = i.order_id
    limit 1
) as o
where i.provider = %(provider)s::text
    and (i.provider_reference = any(%(references)s::text[]) or i.payment_intent_id = any(%(ids)s::uuid[]))

-- name: refunds_of_credits
-- scope: cell
-- What went back, and what is on its way, of money that exchanges have moved to other orders: the provider has it as
-- refunds of the first payment.
select
    i.source_reference as reference, r.show_id, r.refund_id, r.status in ('pending', 'in_doubt') as is_open,
    coalesce(
        (
            select -e.amount_minor
            from rowlock.ledger_entries as e
            where e.show_id = r.show_id and e.movement_id = r.refund_id and e.account = 'provider'
        ), 0
    )::bigint as refunded_minor
from rowlock.payment_intents as i
join rowlock.refunds as r on r.show_id = i.show_id and r.payment_intent_id = i.payment_intent_id
where i.provider = 'credit' and i.source_provider = %(provider)s::text
    and i.source_reference = any(%(references)s::text[]) and r.credited_order_id is null and r.status <> 'failed'
order by r.created_at, r.refund_id

-- name: references_since
-- scope: cell
-- A page of the payments at a provider that were made since an instant, by age.
select i.created_at, i.payment_intent_id, i.provider_reference
from rowlock.payment_intents as i
where i.provider = %(provider)s::text and i.provider_reference is not null
    and (i.created_at, i.payment_intent_id) > (%(after)s::timestamptz, %(after_id)s::uuid)
order by i.created_at, i.payment_intent_id
limit %(limit)s::integer

-- name: accounts_since
-- scope: cell
-- Where payments were made since an instant, and how many. Those of the demonstration were made nowhere, and credits of
-- exchanges elsewhere.
select i.provider, i.account, count(*)::integer as payments
from rowlock.payment_intents as i
where i.created_at >= %(since)s::timestamptz and i.provider not in ('demonstration', 'credit')
group by i.provider, i.account
order by i.provider, i.account

-- name: record_refund
-- scope: show
-- Writes down a refund that was made at the provider by hand.
select outcome, amount_minor
from rowlock.record_refund_atomic(
    %(show_id)s::uuid, %(payment_intent_id)s::uuid, %(refund_id)s::uuid, %(refunded_minor)s::bigint, %(reason)s::text,
    %(actor)s::text
)
