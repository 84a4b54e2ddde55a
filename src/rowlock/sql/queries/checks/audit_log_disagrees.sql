-- Fold the log to the last word about each seat, and compare it with the claims. Partitions that were archived took
-- the beginning of older shows with them, so only shows made since the oldest partition can be told.
with history as (
    select coalesce(
        min((regexp_match(pg_get_expr(p.relpartbound, p.oid), 'FROM \(''([^'']+)''\)'))[1]::timestamptz),
        '-infinity'
    ) as begins_at
    from pg_inherits as i
    join pg_class as p on p.oid = i.inhrelid
    where i.inhparent = 'rowlock.seat_reservation_audit_log'::regclass
),
told_shows as (
    select s.show_id
    from rowlock.shows as s, history as h
    where s.created_at >= h.begins_at
),
words as (
    -- The log of a completion names the seats sold; the seats that the order left out are in its metadata.
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
            case when a.event in ('changed', 'completed') then coalesce(a.metadata -> 'removed', '[]') else '[]' end
        ) as s (seat_id)
        union all
        select s.seat_id, case a.event when 'completed' then 'sold' when 'blocked' then 'blocked' else 'free' end
        from unnest(a.seat_ids) as s (seat_id)
        where a.event in ('completed', 'blocked', 'released', 'expired', 'unblocked', 'refunded')
    ) as e
    where a.event not in ('failed', 'extended')
),
last_words as (
    select distinct on (w.show_id, w.seat_id) w.*
    from words as w
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
full join last_words as w using (show_id, seat_id)
where show_id in (select t.show_id from told_shows as t)
    and (
        coalesce(c.status, 'free') <> coalesce(w.status, 'free')
        or (c.status = 'reserved' and c.reservation_id is distinct from w.reservation_id)
        or (c.status = 'sold' and c.order_id is distinct from w.order_id)
    )
