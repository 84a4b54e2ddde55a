select seat_ids, reserved_by, token_hash, expires_at, extension_count
from rowlock.seat_reservations
where show_id = %s and reservation_id = %s
