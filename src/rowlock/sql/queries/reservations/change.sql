select
    outcome, reservation_id, server_time, seat_ids, unavailable_seat_ids, expires_at, extension_count,
    extensions_remaining
from rowlock.change_seats_atomic(
    %s::uuid, %s::uuid, %s::integer[], %s::integer[], %s::bytea, null, %s::text, %s::inet, %s::text
)
