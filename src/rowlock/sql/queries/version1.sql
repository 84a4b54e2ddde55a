-- Version 1: reserving and releasing in plain SQL inside one application transaction, without any stored function. It
-- must keep the locks, their order and the audit rows of the functions.

-- name: rollout_override
-- scope: catalogue
-- The operator's percentage of version 1 sessions to be served by version 2, or no row when the setting of the
-- process applies.
select value::integer from rowlock.runtime_settings where name = 'v2_rollout_percent'

-- name: lock_plan
-- scope: show
-- The plan of a show, shared with all but move_show_atomic: seat ids are those of the plan that is read next.
select pg_advisory_xact_lock_shared(hashtextextended(%(show_id)s::uuid::text, 0))

-- name: lock_client
-- scope: show
-- The limits of a client in a show, until this transaction ends: processes cannot exceed them together.
select pg_advisory_xact_lock(
    hashtextextended(%(client)s::inet::text, hashtextextended(%(show_id)s::uuid::text, 0))
)

-- name: show_rules
-- scope: show
-- What a reservation needs of its show: whether it is on sale, its limits, how long a hold lasts in seconds, and
-- whether this reservation id exists already. No row for a draft.
select
    status = 'on_sale'
        and coalesce(sales_start_at <= clock_timestamp(), true)
        and sales_close_at > clock_timestamp() as on_sale,
    seats_total, max_seats_per_reservation, hold_seconds, max_extensions,
    exists (
        select from rowlock.seat_reservations as r
        where r.show_id = shows.show_id and r.reservation_id = %(reservation_id)s
    ) as known
from rowlock.shows
where show_id = %(show_id)s and status <> 'draft'

-- name: find_reservation
-- scope: show
-- A recorded reservation, for a repeated request: its status now, and whether it is the holder's own, with the same
-- secret and the same wish.
select
    seat_ids, expires_at, extension_count,
    case when status = 'active' and expires_at <= clock_timestamp() then 'expired' else status end as status,
    reserved_by = %(reserved_by)s and token_hash is not distinct from sha256(%(secret)s::bytea) as is_own,
    wish_hash is null
        or wish_hash = coalesce(%(wish_hash)s::bytea, sha256(%(seat_ids)s::integer[]::text::bytea)) as is_same_wish
from rowlock.seat_reservations
where show_id = %(show_id)s and reservation_id = %(reservation_id)s

-- name: lock_active_hold
-- scope: show
-- The holder's active reservation, locked. Whether it has lapsed is decided by the clock after the lock.
select reservation_id, seat_ids
from rowlock.seat_reservations
where show_id = %s and reserved_by = %s and status = 'active'
for update

-- name: has_lapsed
-- scope: show
-- Whether a reservation that is locked has run out. It is a statement of its own because the clock must be read after
-- the lock.
select expires_at <= clock_timestamp() from rowlock.seat_reservations where show_id = %s and reservation_id = %s

-- name: unavailable_seats
-- scope: show
-- Those of the requested seats that are not available. A claim past its deadline does not count.
select seat_id
from rowlock.show_seats
where show_id = %s and seat_id = any(%s) and (status <> 'reserved' or reserved_until > clock_timestamp())
order by seat_id

-- name: accessible_seats
-- scope: show
-- Those of the requested seats that are wheelchair or companion places.
select a.seat_id
from rowlock.shows as s
join rowlock.seats as a on a.plan_id = s.plan_id and a.seat_id = any(%s) and a.kind <> 'standard'
where s.show_id = %s
order by a.seat_id

-- name: weigh_hold
-- scope: show
-- What the function limit_holds decides for one request: its weight, and whether it is beyond the limits.
with held as (
    select
        a.reserved_by, a.seat_ids, a.weight,
        a.status = 'completed' as is_bought,
        a.status = 'active' and a.expires_at > t.now as is_live,
        a.created_at > t.now - interval '1 minute' as is_new,
        a.status <> 'completed'
            and coalesce(a.ended_at, a.expires_at) between t.now - interval '1 minute' and t.now as is_let_go
    from (select clock_timestamp() as now) as t
    join rowlock.shows as s on s.show_id = %(show_id)s
    join rowlock.seat_reservations as a
        on a.show_id = s.show_id and a.client = %(client)s::inet
        and a.created_at > t.now - make_interval(secs => s.max_hold_seconds + 360)
),
weighed as (
    select
        case
            when exists (select from held as h where h.is_let_go and h.seat_ids && %(seat_ids)s::integer[]) then 10
            when exists (select from held as h where h.reserved_by = %(reserved_by)s and h.is_bought) then 1
            else 2
        end as weight
),
summed as (
    select
        coalesce(sum(cardinality(h.seat_ids)) filter (where h.is_live), 0) as seats,
        count(*) filter (where h.is_live) as holds,
        coalesce(sum(h.weight) filter (where h.is_new and not h.is_bought), 0) as recent,
        coalesce(
            sum(h.weight) filter (where h.is_new and not h.is_bought and h.reserved_by = %(reserved_by)s), 0
        ) as session
    from held as h
),
free as (
    select (s.seats_total - count(c.seat_id)) * %(share_percent)s / 100 as share
    from rowlock.shows as s
    left join rowlock.show_seats as c
        on c.show_id = s.show_id and (c.status <> 'reserved' or c.reserved_until > clock_timestamp())
    where s.show_id = %(show_id)s
    group by s.seats_total
)
select
    w.weight,
    u.seats + cardinality(%(seat_ids)s::integer[]) > greatest(%(seats)s, f.share)
        or u.holds + 1 > greatest(%(holds)s, f.share / 2)
        or u.recent + w.weight > greatest(%(new_weight)s, f.share)
        or u.session + w.weight > %(session_weight)s as is_beyond
from weighed as w, summed as u, free as f

-- name: expire_reservation
-- scope: show
-- Retires the holder's lapsed reservation. Returns its session and how long it was held, in seconds, for the audit
-- log.
update rowlock.seat_reservations
set status = 'expired', ended_at = clock_timestamp()
where show_id = %s and reservation_id = %s
returning session_id, extract(epoch from expires_at - created_at)::float8

-- name: claims_of_hold
-- scope: show
-- Those seats of a retired hold that are still claimed for it.
select seat_id
from rowlock.show_seats
where show_id = %s and reservation_id = %s and seat_id = any(%s) and status = 'reserved'

-- name: insert_reservation
-- scope: show
-- A new active reservation, or no row when the holder or the id has one already. Returns its deadline and the time.
insert into rowlock.seat_reservations
    (show_id, reservation_id, token_hash, wish_hash, reserved_by, session_id, seat_ids, created_at, expires_at,
     price_version, client, weight)
select
    %(show_id)s, %(reservation_id)s, sha256(%(secret)s::bytea),
    coalesce(%(wish_hash)s::bytea, sha256(%(seat_ids)s::integer[]::text::bytea)),
    %(reserved_by)s, %(session_id)s, %(seat_ids)s, t.now,
    t.now + make_interval(secs => %(hold_seconds)s),
    (select s.price_version from rowlock.shows as s where s.show_id = %(show_id)s),
    %(client)s::inet, %(weight)s::smallint
from (select clock_timestamp() as now) as t
on conflict do nothing
returning expires_at, clock_timestamp()

-- name: lock_seats
-- scope: show
-- Locks the requested seats that are available, and the claims of the retired hold, in one ordered pass. An expired
-- claim is locked and stays unchanged until it is known whether all seats could be locked.
insert into rowlock.show_seats as c (show_id, seat_id, status, reservation_id, reserved_by, reserved_until)
select %(show_id)s, s.seat_id, 'reserved', %(reservation_id)s, %(reserved_by)s, %(reserved_until)s
from unnest(%(seat_ids)s::integer[]) as s (seat_id)
order by s.seat_id
on conflict (show_id, seat_id) do update
set reserved_until = c.reserved_until
where c.status = 'reserved' and c.reserved_until <= clock_timestamp()
returning c.seat_id

-- name: take_over
-- scope: show
-- Gives the locked claims of other, lapsed reservations to the new one.
update rowlock.show_seats
set reservation_id = %(reservation_id)s, reserved_by = %(reserved_by)s, reserved_until = %(reserved_until)s
where show_id = %(show_id)s and seat_id = any(%(seat_ids)s) and reservation_id <> %(reservation_id)s

-- name: drop_claims
-- scope: show
-- Frees seats that are reserved by a reservation, and returns those that were.
delete from rowlock.show_seats
where show_id = %s and reservation_id = %s and seat_id = any(%s) and status = 'reserved'
returning seat_id

-- name: delete_reservation
-- scope: show
-- Undoes insert_reservation when not all of the requested seats could be locked.
delete from rowlock.seat_reservations where show_id = %s and reservation_id = %s

-- name: lock_reservation
-- scope: show
-- A reservation to be released, locked, if the secret of the token or the holder matches.
select status, seat_ids, session_id, created_at
from rowlock.seat_reservations
where show_id = %(show_id)s and reservation_id = %(reservation_id)s
    and (token_hash = sha256(%(secret)s::bytea) or reserved_by = %(reserved_by)s::text)
for update

-- name: lock_pending_order
-- scope: show
-- The pending order of a reservation, locked, and whether it is with a payment provider. No row without one.
select o.order_id, exists (
    select from rowlock.payment_intents as i
    where i.show_id = o.show_id and i.order_id = o.order_id
        and i.status in ('sent', 'in_doubt', 'authorized', 'captured')
)
from rowlock.ticket_orders as o
where o.show_id = %s and o.reservation_id = %s and o.status = 'pending'
for update of o

-- name: cancel_order
-- scope: show
-- Cancels a pending order whose seats were released, with its payment that was never sent, and logs it.
with cancelled as (
    update rowlock.ticket_orders as o
    set status = 'cancelled'
    where o.show_id = %(show_id)s and o.order_id = %(order_id)s
    returning o.show_id, o.reservation_id, o.order_id
),
payments as (
    update rowlock.payment_intents as i
    set status = 'cancelled', updated_at = clock_timestamp()
    where i.show_id = %(show_id)s and i.order_id = %(order_id)s and i.status = 'requires_payment'
)
insert into rowlock.seat_reservation_audit_log (show_id, reservation_id, order_id, event)
select c.show_id, c.reservation_id, c.order_id, 'cancelled' from cancelled as c

-- name: lock_claims
-- scope: show
-- The seats that are reserved by a reservation, locked in the order that every writer keeps.
select seat_id
from rowlock.show_seats
where show_id = %s and reservation_id = %s and seat_id = any(%s) and status = 'reserved'
order by seat_id
for update

-- name: end_released
-- scope: show
-- Ends a reservation that its holder released. Returns how long it was held, in seconds.
update rowlock.seat_reservations
set status = 'released', ended_at = clock_timestamp()
where show_id = %s and reservation_id = %s
returning extract(epoch from ended_at - created_at)::float8

-- name: count_refusal
-- scope: show
-- Counts a refusal that needs the catalogue alone, as log_refusals does.
insert into rowlock.reservation_refusal_counts as c (show_id, hour_at, code, slot, refusals)
values (%(show_id)s, date_trunc('hour', clock_timestamp(), 'UTC'), %(code)s, mod(pg_backend_pid(), 16), 1)
on conflict (show_id, hour_at, code, slot) do update
set refusals = c.refusals + 1

-- name: write_audit_row
-- scope: show
-- One row of the audit log. Version 1 writes it in the transaction of the change, as the functions do.
insert into rowlock.seat_reservation_audit_log
    (show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent, error_code, metadata)
values (
    %(show_id)s, %(reservation_id)s, %(event)s, %(seat_ids)s, %(session_id)s, %(ip_address)s, %(user_agent)s,
    %(error_code)s, %(metadata)s
)
