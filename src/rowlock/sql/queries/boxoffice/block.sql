select outcome, seat_ids, unavailable_seat_ids
from rowlock.block_seats_atomic(%s::uuid, %s::integer[], %s::text, %s::text, %s::inet, %s::text)
