-- reservation_details: every hold, for staff and reports. It has no secret, no hash of one, and no holder.
create or replace view rowlock.reservation_details as
select
    r.show_id,
    r.reservation_id,
    r.seat_ids,
    case when r.status = 'active' and r.expires_at <= clock_timestamp() then 'expired' else r.status end as status,
    r.created_at,
    r.expires_at,
    r.extension_count,
    greatest(0, s.max_extensions - r.extension_count) as extensions_remaining,
    s.plan_id,
    s.currency,
    r.price_version,
    clock_timestamp() as server_time
from rowlock.seat_reservations as r
join rowlock.shows as s using (show_id);
comment on view rowlock.reservation_details is 'Holds with their deadlines; status is expired from the deadline on.';
