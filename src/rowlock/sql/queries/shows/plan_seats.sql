select seat_id, row_no, run_no, position, number, label, x, y, category, kind, source_id
from rowlock.seats
where plan_id = %s
order by seat_id
