select outcome, seat_ids from rowlock.unblock_seats_atomic(%s::uuid, %s::integer[], %s::text, %s::inet, %s::text)
