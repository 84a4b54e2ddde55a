-- Each reservation was created once, and ended once if it has ended; events in archived partitions cannot be asked.
with history as (
    select coalesce(
        min((regexp_match(pg_get_expr(p.relpartbound, p.oid), 'FROM \(''([^'']+)''\)'))[1]::timestamptz),
        '-infinity'
    ) as begins_at
    from pg_inherits as i
    join pg_class as p on p.oid = i.inhrelid
    where i.inhparent = 'rowlock.seat_reservation_audit_log'::regclass
),
events as (
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
        r.created_at >= h.begins_at as creation_is_told,
        r.ended_at >= h.begins_at as end_is_told,
        coalesce(e.created, 0) as created,
        coalesce(case r.status when 'completed' then e.completed when 'released' then e.released else e.expired end, 0)
            as ended,
        coalesce(e.completed + e.released + e.expired, 0) as endings
    from rowlock.seat_reservations as r
    cross join history as h
    left join events as e using (show_id, reservation_id)
)
select j.show_id, null::integer as seat_id, j.reservation_id, null::uuid as order_id,
    case
        when j.creation_is_told and j.created <> 1 then 'the audit log has ' || j.created || ' created events'
        when j.status = 'active' then 'active, but the audit log says that it has ended'
        else 'the audit log has ' || j.ended || ' ' || j.status || ' events'
    end as what
from judged as j
where (j.creation_is_told and j.created <> 1)
    or (j.status = 'active' and j.endings > 0)
    or (j.end_is_told and j.ended <> 1)
