select
    total_created, total_completed, total_expired, total_released, total_failed, avg_hold_time_seconds,
    expiration_rate
from rowlock.get_reservation_statistics(%(show_id)s::uuid, %(hours)s::integer)
