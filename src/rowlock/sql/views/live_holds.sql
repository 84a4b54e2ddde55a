-- live_holds: the holds that keep seats from others now, for staff. It has no secret and no holder.
create or replace view rowlock.live_holds as
select r.show_id, r.reservation_id, r.client, r.seat_ids, r.created_at, r.expires_at, r.extension_count
from rowlock.seat_reservations as r
where r.status = 'active' and r.expires_at > clock_timestamp();
comment on view rowlock.live_holds is
    'Holds whose deadline has not passed, with the network address that they count for in the limits.';
