-- The holder's active reservation, locked. Whether it has lapsed is decided by the clock after the lock.
select reservation_id, seat_ids
from rowlock.seat_reservations
where show_id = %s and reserved_by = %s and status = 'active'
for update
