copy rowlock.seats
    (plan_id, seat_id, row_no, run_no, position, number, label, x, y, category, kind, source_id)
from stdin (format binary)
