-- reserve_seats_atomic: reserve seats of a show for one holder, all or nothing. A batch of one.
--
-- The caller makes p_reservation_id and p_secret, the secret part of the token, so that a call whose answer was lost can
-- be repeated: the same id with the same wish returns the same hold and reserves nothing twice. Only the SHA-256 of the
-- secret is stored. A caller of this function means the seats that it names: wheelchair places need no word of their own,
-- and the limits of clients do not apply.
--
-- Locks     as reserve_seats_batch.
-- Outcomes  as reserve_seats_batch, in the same precedence.
-- Writes    as reserve_seats_batch.
create or replace function rowlock.reserve_seats_atomic(
    p_show_id uuid,
    p_seat_ids integer[],
    p_reserved_by text,
    p_session_id text default null,
    p_ip_address inet default null,
    p_user_agent text default null,
    p_reservation_id uuid default null,
    p_secret bytea default null,
    p_wish_hash bytea default null
)
returns table (
    outcome text,
    reservation_id uuid,
    status text,
    seat_ids integer[],
    unavailable_seat_ids integer[],
    expires_at timestamptz,
    extension_count integer,
    extensions_remaining integer,
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
as $$
begin
    return query
    select
        b.outcome, b.reservation_id, b.status, b.seat_ids, b.unavailable_seat_ids, b.expires_at,
        b.extension_count, b.extensions_remaining, b.server_time
    from reserve_seats_batch(
        p_show_id,
        array[coalesce(p_reservation_id, gen_random_uuid())],
        array[p_secret],
        array[p_wish_hash],
        p_seat_ids,
        array_fill(1, array[coalesce(cardinality(p_seat_ids), 0)]),
        array[p_reserved_by],
        array[p_session_id],
        array[p_ip_address],
        array[p_user_agent],
        array[true],
        null,
        null
    ) as b;
end
$$;
comment on function rowlock.reserve_seats_atomic is
    'Reserve seats of a show for one holder, all or nothing. Outcomes are returned as data.';
revoke all on function rowlock.reserve_seats_atomic from public;
