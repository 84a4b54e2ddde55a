select seats_total, last_id, horizon::text::bigint, next_xid::text::bigint, server_time, seat_id, status, reserved_until
from rowlock.seat_changes_since(%s::uuid, %s::bigint)
