-- Exchanges of tickets: what is asked of the show of the old tickets, and of that of the new ones.

-- name: begin_exchange
-- scope: show
-- Writes down, in the show of the old tickets, that they are to be exchanged.
select outcome, to_order_id, to_reservation_id, status, worth_minor
from rowlock.begin_exchange_atomic(
    %(show_id)s::uuid, %(order_id)s::uuid, %(idempotency_key)s::text, %(wish_hash)s::bytea, %(seat_ids)s::integer[],
    %(to_show_id)s::uuid, %(to_order_id)s::uuid, %(to_reservation_id)s::uuid, %(reason)s::text, %(ip_address)s::inet,
    %(actor)s::text
)

-- name: make_exchange_order
-- scope: show
-- Orders held seats in exchange for tickets, whose worth is credited.
select outcome, refused_seat_ids
from rowlock.make_exchange_order_atomic(
    %(show_id)s::uuid, %(reservation_id)s::uuid, %(secret)s::bytea, %(order_id)s::uuid, %(order_code)s::text,
    %(order_secret)s::bytea, %(customer_name)s::text, %(customer_email)s::text, %(seat_ids)s::integer[],
    %(price_types)s::text[], %(wish_hash)s::bytea, %(session_id)s::text, %(ip_address)s::inet, %(of_show_id)s::uuid,
    %(of_order_id)s::uuid, %(worth_minor)s::bigint
)

-- name: give_up_tickets
-- scope: show
-- Decides an exchange in the show of the old tickets.
select outcome, credit_ids, amounts_minor, source_providers, source_references, source_accounts
from rowlock.give_up_tickets_atomic(%s::uuid, %s::uuid, %s::bigint, %s::boolean)

-- name: finish_exchange
-- scope: show
-- Makes the new order paid with the money of the tickets that were given up.
select outcome, status
from rowlock.finish_exchange_atomic(%s::uuid, %s::uuid, %s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[])

-- name: difference_captured
-- scope: show
-- Money that was captured for an order, credits not counted.
select coalesce(sum(amount_minor), 0)::bigint
from rowlock.payment_intents
where show_id = %s and order_id = %s and status = 'captured' and provider <> 'credit'

-- name: exchange
-- scope: show
-- What was decided of an exchange, in the show of the old tickets: the seats, the state, and the money.
select order_id, seat_ids, status, refusal, credit_minor, surplus_minor
from rowlock.ticket_exchanges
where show_id = %s and to_order_id = %s

-- name: credits
-- scope: show
-- The refunds of old tickets whose money went to an order.
select refund_id from rowlock.refunds where show_id = %s and credited_order_id = %s and amount_minor > 0 order by refund_id

-- name: credited_order
-- scope: show
-- The order that the money of a refund went to in an exchange; no row when it went back.
select credited_show_id, credited_order_id
from rowlock.refunds
where show_id = %s and refund_id = %s and credited_order_id is not null

-- name: exchanges_of
-- scope: show
-- What the tickets of an order were exchanged for, the first one first.
select to_show_id, to_order_id, seat_ids, status, refusal, credit_minor, surplus_minor
from rowlock.ticket_exchanges
where show_id = %s and order_id = %s
order by created_at, to_order_id

-- name: show_terms
-- scope: show
-- Who sells a show, and in which currency; no row when there is no such show.
select coalesce(s.organization_id, v.organization_id), s.currency
from rowlock.shows as s
join rowlock.seating_plans as p on p.plan_id = s.plan_id
join rowlock.venues as v on v.venue_id = p.venue_id
where s.show_id = %s
