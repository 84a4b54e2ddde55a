select
    request, outcome, reservation_id, seat_ids, unavailable_seat_ids, expires_at, extension_count,
    extensions_remaining, server_time
from rowlock.reserve_seats_batch(
    %b::uuid, %b::uuid[], %b::bytea[], %b::integer[], %b::integer[], %b::text[], %b::text[], %b::inet[], %b::text[]
)
order by request
