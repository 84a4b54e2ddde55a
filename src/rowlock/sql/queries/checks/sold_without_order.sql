select c.show_id, c.seat_id, c.reservation_id, c.order_id,
    case
        when o.order_id is null then 'sold to an order that does not exist'
        when o.status not in ('paid', 'partially_refunded') then 'sold to an order that is ' || o.status
        else 'sold to an order that does not contain the seat'
    end as what
from rowlock.show_seats as c
left join rowlock.ticket_orders as o using (show_id, order_id)
left join rowlock.ticket_order_items as i
    on i.show_id = c.show_id and i.order_id = c.order_id and i.seat_id = c.seat_id
where c.status = 'sold'
    and (o.order_id is null or o.status not in ('paid', 'partially_refunded') or i.seat_id is null)
