select status, seat_ids, session_id, created_at
from rowlock.seat_reservations
where show_id = %(show_id)s and reservation_id = %(reservation_id)s
    and (token_hash = %(token_hash)s::bytea or reserved_by = %(reserved_by)s::text)
for update
