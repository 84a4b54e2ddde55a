-- change_seats_atomic: add and drop seats of a live hold in one step, without releasing the others. A caller of this
-- function means the seats that it names: wheelchair places need no word of their own, and the limits of clients do not
-- apply.
--
-- Locks     as change_seats_within_limits, without the client.
-- Outcomes  as change_seats_within_limits, in the same precedence, without ACCESSIBLE_SEATS and TOO_MANY_HOLDS.
-- Writes    as change_seats_within_limits.
create or replace function rowlock.change_seats_atomic(
    p_show_id uuid,
    p_reservation_id uuid,
    p_add integer[],
    p_remove integer[],
    p_secret bytea default null,
    p_reserved_by text default null,
    p_session_id text default null,
    p_ip_address inet default null,
    p_user_agent text default null
)
returns table (
    outcome text,
    reservation_id uuid,
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
        c.outcome, c.reservation_id, c.seat_ids, c.unavailable_seat_ids, c.expires_at, c.extension_count,
        c.extensions_remaining, c.server_time
    from change_seats_within_limits(
        p_show_id, p_reservation_id, p_add, p_remove, true, null, p_secret, p_reserved_by, p_session_id, p_ip_address,
        p_user_agent
    ) as c;
end
$$;
comment on function rowlock.change_seats_atomic is
    'Add and drop seats of a live hold in one step, all or nothing, for its owner. Repeatable.';
revoke all on function rowlock.change_seats_atomic from public;
