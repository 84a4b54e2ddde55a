delete from rowlock.show_seats
where show_id = %s and reservation_id = %s and seat_id = any(%s) and status = 'reserved'
returning seat_id
