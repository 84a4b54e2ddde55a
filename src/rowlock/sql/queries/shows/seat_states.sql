select s.seats_total, c.seat_id, c.status
from rowlock.shows as s
left join rowlock.seat_states as c using (show_id)
where s.show_id = %s and s.status <> 'draft'
