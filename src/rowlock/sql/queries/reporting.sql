-- Figures about reservations for reports.

-- name: reservation_statistics
-- scope: cell
-- Counts of reservation events of the last `hours`, of one show, or of all on this server when show_id is null. Hold
-- times are in seconds, the rate is 0 to 1. Both are null when no hold ended.
select
    total_created, total_completed, total_expired, total_released, total_failed, avg_hold_time_seconds,
    expiration_rate
from rowlock.get_reservation_statistics(%(show_id)s::uuid, %(hours)s::integer)
