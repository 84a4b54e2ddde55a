-- The number of seats of a show, and each seat that is not available: one row without a seat where all are.
select s.seats_total, clock_timestamp(), c.seat_id, c.status
from rowlock.shows as s
left join rowlock.seat_states as c using (show_id)
where s.show_id = %s and s.status <> 'draft'
