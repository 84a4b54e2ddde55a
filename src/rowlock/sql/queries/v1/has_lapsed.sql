select expires_at <= clock_timestamp() from rowlock.seat_reservations where show_id = %s and reservation_id = %s
