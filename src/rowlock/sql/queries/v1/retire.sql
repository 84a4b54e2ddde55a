update rowlock.seat_reservations
set status = 'expired', ended_at = clock_timestamp()
where show_id = %s and reservation_id = %s
returning session_id, extract(epoch from expires_at - created_at)::float8
