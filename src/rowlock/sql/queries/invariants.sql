-- The invariants, each as a query for its violations, named by its code in lower case (`operations.model` lists them).
-- A row is one violation: show_id, seat_id, reservation_id, order_id, each null where it does not apply, and what is
-- wrong.

-- name: guard_missing
-- scope: cell
-- Indexes and constraints that are missing, or that PostgreSQL does not enforce for all rows.
select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'the unique index ' || g.name || ' of ' || g.table_name || ' is missing or not valid' as what
from (
    values
        ('idx_show_seats_no_double_booking', 'show_seats'),
        ('idx_one_active_reservation_per_holder', 'seat_reservations'),
        ('seat_reservations_pkey', 'seat_reservations'),
        ('idx_one_live_order_per_reservation', 'ticket_orders'),
        ('ticket_order_items_pkey', 'ticket_order_items'),
        ('idx_one_live_ticket_per_seat', 'tickets')
) as g (name, table_name)
where not exists (
    select
    from pg_index as i
    where i.indexrelid = to_regclass('rowlock.' || g.name)
        and i.indrelid = to_regclass('rowlock.' || g.table_name)
        and i.indisunique and i.indisvalid and i.indisready and i.indislive
)
union all
select null, null, null, null, 'the constraint ' || g.name || ' of show_seats is missing or not validated'
from (
    values ('chk_show_seat_status'), ('chk_reserved_by_required'), ('chk_blocked_has_reason')
) as g (name)
where not exists (
    select
    from pg_constraint as k
    where k.conrelid = to_regclass('rowlock.show_seats') and k.conname = g.name and k.convalidated
)

-- name: seat_claimed_twice
-- scope: cell
-- The unique index forbids this. The query counts rows, in case the index is missing or damaged.
select c.show_id, c.seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'claimed ' || count(*) || ' times: ' || string_agg(c.status, ', ' order by c.status) as what
from rowlock.show_seats as c
group by c.show_id, c.seat_id
having count(*) > 1

-- name: seat_not_in_plan
-- scope: cell
-- Claims for seats that the plan of the show does not have, or for a show that does not exist.
select c.show_id, c.seat_id, c.reservation_id, c.order_id,
    case
        when s.show_id is null then c.status || ' in a show that does not exist'
        else c.status || ', but the plan of the show has no such seat'
    end as what
from rowlock.show_seats as c
left join rowlock.shows as s using (show_id)
left join rowlock.seats as p on p.plan_id = s.plan_id and p.seat_id = c.seat_id
where p.seat_id is null

-- name: claim_without_reservation
-- scope: cell
-- Includes claims past their deadline: a lapsed claim is taken over or removed together with its reservation.
select c.show_id, c.seat_id, c.reservation_id, c.order_id,
    case
        when r.reservation_id is null then 'reserved for a reservation that does not exist'
        when r.status <> 'active' then 'reserved for a reservation that is ' || r.status
        when c.seat_id <> all(r.seat_ids) then 'reserved for a reservation that does not list the seat'
        when c.reserved_by is distinct from r.reserved_by then 'reserved by another holder than its reservation'
        else 'reserved until ' || c.reserved_until || ', the reservation until ' || r.expires_at
    end as what
from rowlock.show_seats as c
left join rowlock.seat_reservations as r using (show_id, reservation_id)
where c.status = 'reserved'
    and (
        r.reservation_id is null
        or r.status <> 'active'
        or c.seat_id <> all(r.seat_ids)
        or c.reserved_by is distinct from r.reserved_by
        or c.reserved_until is distinct from r.expires_at
    )

-- name: reservation_without_claim
-- scope: cell
-- The clock is read after the snapshot was taken: a hold that is still live now has all its claims in the snapshot.
select r.show_id, s.seat_id, r.reservation_id, null::uuid as order_id,
    'held by a live reservation, but not claimed for it' as what
from rowlock.seat_reservations as r
cross join lateral unnest(r.seat_ids) as s (seat_id)
where r.status = 'active' and r.expires_at > clock_timestamp()
    and not exists (
        select
        from rowlock.show_seats as c
        where c.show_id = r.show_id and c.seat_id = s.seat_id
            and c.status = 'reserved' and c.reservation_id = r.reservation_id
    )

-- name: holder_holds_twice
-- scope: cell
-- One row per holder and show. It names the newest of the holder's active reservations.
select r.show_id, null::integer as seat_id, (array_agg(r.reservation_id order by r.created_at desc))[1] as reservation_id,
    null::uuid as order_id, 'its holder has ' || count(*) || ' active reservations in this show' as what
from rowlock.seat_reservations as r
where r.status = 'active'
group by r.show_id, r.reserved_by
having count(*) > 1

-- name: limit_exceeded
-- scope: cell
-- The limits of a show may be lowered while holds are live, and what they were is not recorded. So holds are compared
-- with the bounds that chk_show_limits has for every show, and their extensions with the audit log. Holds that are
-- older than its oldest partition may have been extended in an archived one, which is not counted. The grace of a payment
-- moves the deadline, and is no extension.
with extensions as (
    select
        a.show_id, a.reservation_id, count(*) filter (where a.metadata ->> 'operation' is distinct from 'pay') as logged,
        max((a.metadata ->> 'expires_at')::timestamptz) as until
    from rowlock.seat_reservation_audit_log as a
    where a.event = 'extended'
    group by a.show_id, a.reservation_id
),
holds as (
    select
        r.*,
        extract(epoch from r.expires_at - r.created_at) as held_seconds,
        coalesce(e.logged, 0) as logged,
        e.until,
        r.created_at >= h.begins_at as is_logged
    from rowlock.seat_reservations as r
    cross join rowlock.audit_log_start as h
    left join extensions as e using (show_id, reservation_id)
    where r.status = 'active'
)
select a.show_id, null::integer as seat_id, a.reservation_id, null::uuid as order_id,
    concat_ws(
        '; ',
        case when cardinality(a.seat_ids) > 1000 then cardinality(a.seat_ids) || ' seats, no show allows above 1000' end,
        case when a.held_seconds > 172800 then 'held for ' || round(a.held_seconds) || ' seconds, above 172800' end,
        case
            when a.is_logged and a.extension_count <> a.logged
                then 'extended ' || a.extension_count || ' times, the audit log says ' || a.logged
        end,
        case when a.expires_at > a.until then 'held until ' || a.expires_at || ', the audit log says ' || a.until end
    ) as what
from holds as a
where cardinality(a.seat_ids) > 1000
    or a.held_seconds > 172800
    or (a.is_logged and a.extension_count <> a.logged)
    or a.expires_at > a.until

-- name: blocked_without_reason
-- scope: cell
-- An empty reason counts as none.
select c.show_id, c.seat_id, c.reservation_id, c.order_id, 'blocked without a reason' as what
from rowlock.show_seats as c
where c.status = 'blocked' and coalesce(c.block_reason, '') = ''

-- name: sold_without_order
-- scope: cell
-- Sold seats whose order does not exist, is not paid, or does not contain the seat.
select c.show_id, c.seat_id, c.reservation_id, c.order_id,
    case
        when o.order_id is null then 'sold to an order that does not exist'
        when o.status not in ('confirmed', 'paid', 'partially_refunded') then 'sold to an order that is ' || o.status
        else 'sold to an order that does not contain the seat'
    end as what
from rowlock.show_seats as c
left join rowlock.ticket_orders as o using (show_id, order_id)
left join rowlock.ticket_order_items as i
    on i.show_id = c.show_id and i.order_id = c.order_id and i.seat_id = c.seat_id
where c.status = 'sold'
    and (o.order_id is null or o.status not in ('confirmed', 'paid', 'partially_refunded') or i.seat_id is null)

-- name: sold_without_ticket
-- scope: cell
-- A sold seat has exactly one ticket that is not void.
select c.show_id, c.seat_id, c.reservation_id, c.order_id,
    'sold with ' || t.tickets || ' live tickets of its order' as what
from rowlock.show_seats as c
cross join lateral (
    select count(*) as tickets
    from rowlock.tickets as k
    where k.show_id = c.show_id and k.seat_id = c.seat_id and k.order_id = c.order_id and k.status <> 'void'
) as t
where c.status = 'sold' and t.tickets <> 1

-- name: order_without_seat
-- scope: cell
-- Confirmed and paid orders; of a partially refunded one the seats that no refund gave back.
select i.show_id, i.seat_id, o.reservation_id, i.order_id, 'ordered, but not sold to the order' as what
from rowlock.ticket_orders as o
join rowlock.ticket_order_items as i using (show_id, order_id)
where o.status in ('confirmed', 'paid', 'partially_refunded')
    and not exists (
        select
        from rowlock.refund_items as r
        where r.show_id = i.show_id and r.order_id = i.order_id and r.seat_id = i.seat_id
    )
    and not exists (
        select
        from rowlock.show_seats as c
        where c.show_id = i.show_id and c.seat_id = i.seat_id and c.status = 'sold' and c.order_id = i.order_id
    )

-- name: ticket_without_seat
-- scope: cell
-- Void tickets are left out; a used ticket counts as live.
select t.show_id, t.seat_id, null::uuid as reservation_id, t.order_id,
    'the ticket ' || t.ticket_id || ' is ' || t.status || ', but the seat is not sold to its order' as what
from rowlock.tickets as t
where t.status <> 'void'
    and not exists (
        select
        from rowlock.show_seats as c
        where c.show_id = t.show_id and c.seat_id = t.seat_id and c.status = 'sold' and c.order_id = t.order_id
    )

-- name: audit_log_disagrees
-- scope: cell
-- Compares the last event of each seat in the log with its claim. Archived partitions held the first events of older
-- shows, so only shows made since the start of the oldest partition are compared.
with complete_shows as (
    select s.show_id
    from rowlock.shows as s, rowlock.audit_log_start as h
    where s.created_at >= h.begins_at
),
seat_events as (
    select a.show_id, e.seat_id, a.id, e.status, a.reservation_id, a.order_id
    from rowlock.seat_reservation_audit_log as a
    cross join lateral (
        select s.seat_id, 'reserved' as status
        from unnest(a.seat_ids) as s (seat_id)
        where a.event = 'created'
        union all
        select s.seat_id::integer, 'reserved'
        from jsonb_array_elements_text(
            case when a.event = 'changed' then coalesce(a.metadata -> 'added', '[]') else '[]' end
        ) as s (seat_id)
        union all
        select s.seat_id::integer, 'free'
        from jsonb_array_elements_text(
            case when a.event = 'changed' then coalesce(a.metadata -> 'removed', '[]') else '[]' end
        ) as s (seat_id)
        union all
        select s.seat_id,
            case
                when a.event = 'completed' then 'sold'
                when a.event = 'blocked' or a.metadata ->> 'give_back' = 'house' then 'blocked'
                else 'free'
            end
        from unnest(a.seat_ids) as s (seat_id)
        where a.event in ('completed', 'blocked', 'released', 'expired', 'unblocked', 'voided', 'refunded', 'exchanged')
    ) as e
    where a.event not in ('failed', 'extended')
),
last_events as (
    select distinct on (w.show_id, w.seat_id) w.*
    from seat_events as w
    order by w.show_id, w.seat_id, w.id desc
)
select show_id, seat_id, coalesce(c.reservation_id, w.reservation_id) as reservation_id,
    coalesce(c.order_id, w.order_id) as order_id,
    'the claim is '
        || case when c.status is null then 'free' else concat_ws(' by ', c.status, coalesce(c.order_id, c.reservation_id)) end
        || ', the audit log says '
        || case
            when coalesce(w.status, 'free') = 'free' then 'free'
            else concat_ws(' by ', w.status, coalesce(w.order_id, w.reservation_id))
        end as what
from rowlock.show_seats as c
full join last_events as w using (show_id, seat_id)
where show_id in (select t.show_id from complete_shows as t)
    and (
        coalesce(c.status, 'free') <> coalesce(w.status, 'free')
        or (c.status = 'reserved' and c.reservation_id is distinct from w.reservation_id)
        or (c.status = 'sold' and c.order_id is distinct from w.order_id)
    )

-- name: reservation_event_missing
-- scope: cell
-- Each reservation was created once, and ended once if it has ended. Events in archived partitions are not counted.
with events as (
    select
        a.show_id,
        a.reservation_id,
        count(*) filter (where a.event = 'created') as created,
        count(*) filter (where a.event = 'completed') as completed,
        count(*) filter (where a.event = 'released') as released,
        count(*) filter (where a.event = 'expired') as expired
    from rowlock.seat_reservation_audit_log as a
    where a.event in ('created', 'completed', 'released', 'expired')
    group by a.show_id, a.reservation_id
),
judged as (
    select
        r.show_id,
        r.reservation_id,
        r.status,
        r.created_at >= h.begins_at as creation_is_logged,
        r.ended_at >= h.begins_at as end_is_logged,
        coalesce(e.created, 0) as created,
        coalesce(case r.status when 'completed' then e.completed when 'released' then e.released else e.expired end, 0)
            as ended,
        coalesce(e.completed + e.released + e.expired, 0) as endings
    from rowlock.seat_reservations as r
    cross join rowlock.audit_log_start as h
    left join events as e using (show_id, reservation_id)
)
select j.show_id, null::integer as seat_id, j.reservation_id, null::uuid as order_id,
    case
        when j.creation_is_logged and j.created <> 1 then 'the audit log has ' || j.created || ' created events'
        when j.status = 'active' then 'active, but the audit log says that it has ended'
        else 'the audit log has ' || j.ended || ' ' || j.status || ' events'
    end as what
from judged as j
where (j.creation_is_logged and j.created <> 1)
    or (j.status = 'active' and j.endings > 0)
    or (j.end_is_logged and j.ended <> 1)

-- name: audit_id_repeated
-- scope: cell
-- One sequence numbers all partitions, but a unique index covers each partition only.
select (array_agg(a.show_id order by a.at))[1] as show_id, null::integer as seat_id, null::uuid as reservation_id,
    null::uuid as order_id, 'the audit log has the id ' || a.id || ' ' || count(*) || ' times' as what
from rowlock.seat_reservation_audit_log as a
group by a.id
having count(*) > 1

-- name: audit_log_changeable
-- scope: cell
-- Rights to change the log or a partition of it that a role has. Superusers need no rights and are not found.
select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    coalesce(pg_get_userbyid(nullif(g.grantee, 0)), 'public') || ' may '
        || lower(string_agg(g.privilege_type, ', ' order by g.privilege_type)) || ' ' || t.relid::regclass as what
from pg_partition_tree('rowlock.seat_reservation_audit_log') as t
join pg_class as c on c.oid = t.relid
cross join lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as g
where g.privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE')
group by g.grantee, t.relid

-- name: plan_changed
-- scope: cell
-- The checksum of a plan, computed from its rows, differs from the one it was published with.
select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'the plan ' || p.name || ', version ' || p.version || ' (' || p.plan_id || '), was changed after it was published'
        as what
from rowlock.seating_plans as p
join rowlock.seating_plan_checksums as c using (plan_id)
where p.checksum is distinct from c.checksum

-- name: seat_count_wrong
-- scope: cell
-- Seat ids of a plan go from 1 to the number of seats, so the last id equals that number.
with counted as (
    select p.plan_id, p.seats_total, c.seats, c.last_seat_id
    from rowlock.seating_plans as p
    cross join lateral (
        select count(*) as seats, coalesce(max(s.seat_id), 0) as last_seat_id
        from rowlock.seats as s
        where s.plan_id = p.plan_id
    ) as c
)
select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'the plan ' || c.plan_id || ' says ' || c.seats_total || ' seats, has ' || c.seats || ', and the last is number '
        || c.last_seat_id as what
from counted as c
where c.seats <> c.seats_total or c.last_seat_id <> c.seats_total
union all
select s.show_id, null, null, null,
    'the show says ' || s.seats_total || ' seats, its plan ' || c.seats_total
from rowlock.shows as s
join counted as c using (plan_id)
where s.seats_total <> c.seats_total
