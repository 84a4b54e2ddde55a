select r.show_id, null::integer as seat_id, (array_agg(r.reservation_id order by r.created_at desc))[1] as reservation_id,
    null::uuid as order_id, 'its holder has ' || count(*) || ' active reservations in this show' as what
from rowlock.seat_reservations as r
where r.status = 'active'
group by r.show_id, r.reserved_by
having count(*) > 1
