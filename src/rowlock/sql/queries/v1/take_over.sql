update rowlock.show_seats
set reservation_id = %(reservation_id)s, reserved_by = %(reserved_by)s, reserved_until = %(reserved_until)s
where show_id = %(show_id)s and seat_id = any(%(seat_ids)s) and reservation_id <> %(reservation_id)s
