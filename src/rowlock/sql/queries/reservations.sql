-- Reserving, extending, changing and releasing seats, blocking them for the box office, the current seats of a show,
-- and cleanup. The rules are in the functions that are called here.

-- name: reserve_batch
-- scope: show
-- Reserves seats for many requests for one show, one row per request in their order. This is the most frequent
-- statement: the coalescer of reservations sends every batch with it.
select
    request, outcome, reservation_id, status, seat_ids, unavailable_seat_ids, expires_at, extension_count,
    extensions_remaining, server_time
from rowlock.reserve_seats_batch(
    %s::uuid, %s::uuid[], %s::bytea[], %s::bytea[], %s::integer[], %s::integer[], %s::text[], %s::text[], %s::inet[],
    %s::text[], %s::boolean[], %s::inet[], %s::integer[]
)
order by request

-- name: hardly_wait_for_locks
-- scope: cell
-- For the rest of a transaction: gives up a lock that another transaction has. For single requests of a batch that has
-- waited for that lock already.
select set_config('lock_timeout', '25ms', true)

-- name: release_batch
-- scope: show
-- Releases many holds of one show, one row per request in their order.
select outcome, reservation_id, released_seat_ids
from rowlock.release_seats_batch(
    %s::uuid, %s::uuid[], %s::bytea[], %s::text[], %s::text[], %s::inet[], %s::text[], null::text
)
order by request

-- name: extend
-- scope: show
-- Extends one hold. The last parameter is the extension count that the caller has seen, or null. With it a request
-- that is sent twice extends once.
select outcome, reservation_id, expires_at, extension_count, extensions_remaining, server_time
from rowlock.extend_reservation_atomic(
    %s::uuid, %s::uuid, %s::bytea, null::text, %s::text, %s::inet, %s::text, %s::integer
)

-- name: change_seats
-- scope: show
-- Adds seats to one hold and drops others. The arrays of seat ids are what to add and what to remove, in this order; then
-- whether accessible places may be added, and the limits.
select
    outcome, reservation_id, server_time, seat_ids, unavailable_seat_ids, expires_at, extension_count,
    extensions_remaining
from rowlock.change_seats_within_limits(
    %s::uuid, %s::uuid, %s::integer[], %s::integer[], %s::boolean, %s::integer[], %s::bytea, null::text, %s::text,
    %s::inet, %s::text
)

-- name: hold_details
-- scope: show
-- One hold, and one row for each of its seats with its adult price in minor units. Given are the show, and either a
-- reservation and the secret of its token, or a holder, for that holder's live hold. No row when there is no such hold.
select
    r.show_id, r.reservation_id, r.wish_hash, r.status, r.created_at, r.expires_at, r.extension_count, r.extensions_remaining, r.server_time, r.currency,
    s.seat_id, s.label, coalesce(pl.layout -> 'categories' -> s.category ->> 'name', '') as category,
    p.amount_minor as price_minor
from rowlock.find_reservation(%s::uuid, %s::uuid, %s::bytea, %s::text) as r
join rowlock.seating_plans as pl on pl.plan_id = r.plan_id
join rowlock.seats as s on s.plan_id = r.plan_id and s.seat_id = any(r.seat_ids)
left join rowlock.show_prices as p
    on p.show_id = r.show_id and p.price_version = r.price_version and p.category = s.category
    and p.price_type = 'adult'
order by s.seat_id

-- name: holds_by_client
-- scope: cell
-- The live holds of each client address in each show, or in one, those with most seats first.
select
    abbrev(h.client) as client, h.show_id, s.title, v.time_zone, count(*)::integer as holds,
    sum(cardinality(h.seat_ids))::integer as seats, min(h.created_at) as since, max(h.expires_at) as until
from rowlock.live_holds as h
join rowlock.shows as s using (show_id)
join rowlock.seating_plans as p on p.plan_id = s.plan_id
join rowlock.venues as v on v.venue_id = p.venue_id
where h.show_id = coalesce(%(show_id)s::uuid, h.show_id)
group by h.client, h.show_id, s.title, v.time_zone
order by seats desc, h.client nulls last, s.title
limit 1000

-- name: holds_to_release
-- scope: cell
-- Live holds of a client address, or those with given ids, by show.
select h.show_id, array_agg(h.reservation_id)
from rowlock.live_holds as h
where h.show_id = coalesce(%(show_id)s::uuid, h.show_id)
    and (h.client = %(client)s::inet or h.reservation_id = any(%(reservation_ids)s::uuid[]))
group by h.show_id
order by h.show_id

-- name: release_holds
-- scope: show
-- Gives back the seats of holds for their holders, one row for each hold.
select outcome, released_seat_ids from rowlock.release_holds_atomic(%s::uuid, %s::uuid[], %s::text)

-- name: shows_of_key
-- scope: catalogue
-- The shows whose reservation ids carry this key: one, unless two shows share the 32 bits. It finds the show of a
-- request that names only a reservation.
select show_id from rowlock.shows where show_key = %s

-- name: block_seats
-- scope: show
-- Takes seats off sale for the box office, with a reason. When some of them are not available no seat is blocked.
select outcome, seat_ids, unavailable_seat_ids
from rowlock.block_seats_atomic(
    %s::uuid, %s::integer[], %s::text, p_ip_address => %s::inet, p_actor => %s::text
)

-- name: unblock_seats
-- scope: show
-- Puts blocked seats on sale again, for the box office.
select outcome, seat_ids
from rowlock.unblock_seats_atomic(%s::uuid, %s::integer[], p_ip_address => %s::inet, p_actor => %s::text)

-- name: seat_changes
-- scope: show
-- The state of each seat that changed after an audit id, or every claim when the id is null. Seat availability is kept
-- current with it. The plan says what the seat ids mean. The first seven columns are the same in each row, and the seat
-- is null when none changed.
select
    s.plan_id, c.seats_total, s.max_seats_per_reservation, c.last_id, c.horizon::text::bigint, c.next_xid::text::bigint,
    c.server_time, c.seat_id, c.status, c.reserved_until
from rowlock.seat_changes_since(%(show_id)s::uuid, %(after_id)s::bigint) as c
join rowlock.shows as s on s.show_id = %(show_id)s::uuid

-- name: seat_states
-- scope: show
-- The number of seats of a show, how many a hold may have, and each seat that is not available: one row without a seat
-- where all are. Unlike seat_changes it needs no function, so it works where the functions are missing.
select s.plan_id, s.seats_total, s.max_seats_per_reservation, clock_timestamp(), c.seat_id, c.status
from rowlock.shows as s
left join rowlock.seat_states as c using (show_id)
where s.show_id = %s and s.status <> 'draft'

-- name: clean_up
-- scope: cell
-- Retires up to `limit` holds that have run out, of all shows, oldest first. It is one transaction and returns what
-- it retired, and whether it retired nothing because the cleanup is paused. The function and this statement look at
-- the pause one after the other; a call that retired something is never told as paused.
select
    total_reservations_expired, total_seats_released, reservation_ids,
    total_reservations_expired = 0
        and exists (select from rowlock.runtime_settings where name = 'cleanup_paused') as paused
from rowlock.cleanup_expired_seat_reservations(p_limit => %(limit)s, p_run_by => %(run_by)s)

-- name: pause_cleanup
-- scope: cell
-- Stops the cleanup, whoever calls it, and returns since when it is paused: a pause that is there already stays.
insert into rowlock.runtime_settings (name, value) values ('cleanup_paused', 'true')
on conflict (name) do update set value = excluded.value
returning changed_at

-- name: resume_cleanup
-- scope: cell
-- Ends a pause of the cleanup, if there is one.
delete from rowlock.runtime_settings where name = 'cleanup_paused'

-- name: cleanup_paused_since
-- scope: cell
-- Since when the cleanup is paused; no row when it is not.
select changed_at from rowlock.runtime_settings where name = 'cleanup_paused'

-- name: count_lapsed
-- scope: cell
-- How many holds have run out and wait for cleanup. The view counts up to 10,000.
select reservations from rowlock.lapsed_reservations

-- name: ensure_partitions
-- scope: cell
-- Makes the partitions of the audit log for this month and the next two, and returns the names of those it made.
select * from rowlock.ensure_audit_log_partitions()
