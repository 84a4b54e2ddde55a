-- Also for claims past their deadline: a lapsed claim is taken over or removed together with what it belongs to.
select c.show_id, c.seat_id, c.reservation_id, c.order_id,
    case
        when r.reservation_id is null then 'reserved for a reservation that does not exist'
        when r.status <> 'active' then 'reserved for a reservation that is ' || r.status
        when c.seat_id <> all(r.seat_ids) then 'reserved for a reservation that does not list the seat'
        when c.reserved_by is distinct from r.reserved_by then 'reserved by somebody else than the reservation'
        else 'reserved until ' || c.reserved_until || ', the reservation until ' || r.expires_at
    end as what
from rowlock.show_seats as c
left join rowlock.seat_reservations as r using (show_id, reservation_id)
where c.status = 'reserved'
    and (
        r.reservation_id is null
        or r.status <> 'active'
        or c.seat_id <> all(r.seat_ids)
        or c.reserved_by is distinct from r.reserved_by
        or c.reserved_until is distinct from r.expires_at
    )
