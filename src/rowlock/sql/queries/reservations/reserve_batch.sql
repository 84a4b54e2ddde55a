select
    request, outcome, reservation_id, seat_ids, unavailable_seat_ids, expires_at, extension_count,
    extensions_remaining, server_time
from rowlock.reserve_seats_batch(
    %s::uuid, %s::uuid[], %s::bytea[], %s::integer[], %s::integer[], %s::text[], %s::text[], %s::inet[], %s::text[]
)
order by request
