select c.show_id, c.seat_id, c.reservation_id, c.order_id,
    'sold with ' || t.tickets || ' live tickets of its order' as what
from rowlock.show_seats as c
cross join lateral (
    select count(*) as tickets
    from rowlock.tickets as k
    where k.show_id = c.show_id and k.seat_id = c.seat_id and k.order_id = c.order_id and k.status <> 'void'
) as t
where c.status = 'sold' and t.tickets <> 1
