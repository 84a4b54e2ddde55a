select t.show_id, t.seat_id, null::uuid as reservation_id, t.order_id,
    'the ticket ' || t.ticket_id || ' is ' || t.status || ', but the seat is not sold to its order' as what
from rowlock.tickets as t
where t.status <> 'void'
    and not exists (
        select
        from rowlock.show_seats as c
        where c.show_id = t.show_id and c.seat_id = t.seat_id and c.status = 'sold' and c.order_id = t.order_id
    )
