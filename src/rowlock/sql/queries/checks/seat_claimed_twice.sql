select c.show_id, c.seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'claimed ' || count(*) || ' times: ' || string_agg(c.status, ', ' order by c.status) as what
from rowlock.show_seats as c
group by c.show_id, c.seat_id
having count(*) > 1
