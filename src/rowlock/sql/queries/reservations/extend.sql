select outcome, reservation_id, expires_at, extension_count, extensions_remaining, server_time
from rowlock.extend_reservation_atomic(
    %s::uuid, %s::uuid, %s::bytea, null, %s::text, %s::inet, %s::text, %s::integer
)
