-- Lock the wanted seats that are free, and the claims of the retired hold, in one ordered pass. An expired claim is
-- locked and left as it is until we know who gets the seat.
insert into rowlock.show_seats as c (show_id, seat_id, status, reservation_id, reserved_by, reserved_until)
select %(show_id)s, s.seat_id, 'reserved', %(reservation_id)s, %(reserved_by)s, %(reserved_until)s
from unnest(%(seat_ids)s::integer[]) as s (seat_id)
order by s.seat_id
on conflict (show_id, seat_id) do update
set reserved_until = c.reserved_until
where c.status = 'reserved' and c.reserved_until <= clock_timestamp()
returning c.seat_id
