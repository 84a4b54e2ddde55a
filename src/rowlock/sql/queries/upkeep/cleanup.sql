select total_reservations_expired, total_seats_released, reservation_ids
from rowlock.cleanup_expired_seat_reservations(p_limit => %(limit)s, p_run_by => %(run_by)s)
