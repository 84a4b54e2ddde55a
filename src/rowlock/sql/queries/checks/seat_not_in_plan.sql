select c.show_id, c.seat_id, c.reservation_id, c.order_id,
    case
        when s.show_id is null then c.status || ' in a show that does not exist'
        else c.status || ', but the plan of the show has no such seat'
    end as what
from rowlock.show_seats as c
left join rowlock.shows as s using (show_id)
left join rowlock.seats as p on p.plan_id = s.plan_id and p.seat_id = c.seat_id
where p.seat_id is null
