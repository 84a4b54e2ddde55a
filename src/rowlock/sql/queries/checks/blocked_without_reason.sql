select c.show_id, c.seat_id, c.reservation_id, c.order_id, 'blocked without a reason' as what
from rowlock.show_seats as c
where c.status = 'blocked' and coalesce(c.block_reason, '') = ''
