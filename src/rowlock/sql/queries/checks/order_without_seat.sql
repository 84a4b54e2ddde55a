-- A partially refunded order has given back seats, and their tickets are void: there the tickets say what is left.
select i.show_id, i.seat_id, o.reservation_id, i.order_id, 'paid for, but not sold to the order' as what
from rowlock.ticket_orders as o
join rowlock.ticket_order_items as i using (show_id, order_id)
where o.status = 'paid'
    and not exists (
        select
        from rowlock.show_seats as c
        where c.show_id = i.show_id and c.seat_id = i.seat_id and c.status = 'sold' and c.order_id = i.order_id
    )
