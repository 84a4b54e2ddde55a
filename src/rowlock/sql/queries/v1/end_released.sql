update rowlock.seat_reservations
set status = 'released', ended_at = clock_timestamp()
where show_id = %s and reservation_id = %s
returning extract(epoch from ended_at - created_at)::float8
