select outcome, reservation_id, released_seat_ids
from rowlock.release_seats_batch(
    %s::uuid, %s::uuid[], %s::bytea[], %s::text[], %s::text[], %s::inet[], %s::text[]
)
order by request
