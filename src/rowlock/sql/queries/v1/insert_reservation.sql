insert into rowlock.seat_reservations
    (show_id, reservation_id, token_hash, reserved_by, session_id, seat_ids, created_at, expires_at)
select
    %(show_id)s, %(reservation_id)s, %(token_hash)s, %(reserved_by)s, %(session_id)s, %(seat_ids)s, t.now,
    t.now + make_interval(secs => %(hold_seconds)s)
from (select clock_timestamp() as now) as t
on conflict do nothing
returning expires_at, clock_timestamp()
