-- release_seats_atomic: give back every seat of a hold, for its owner. A batch of one.
--
-- Locks     as release_seats_batch.
-- Outcomes  as release_seats_batch, in the same precedence.
-- Writes    as release_seats_batch.
create or replace function rowlock.release_seats_atomic(
    p_show_id uuid,
    p_reservation_id uuid,
    p_secret bytea default null,
    p_reserved_by text default null,
    p_session_id text default null,
    p_ip_address inet default null,
    p_user_agent text default null
)
returns table (
    outcome text,
    reservation_id uuid,
    released_seat_ids integer[],
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
as $$
begin
    return query
    select b.outcome, b.reservation_id, b.released_seat_ids, b.server_time
    from release_seats_batch(
        p_show_id, array[p_reservation_id], array[p_secret], array[p_reserved_by], array[p_session_id],
        array[p_ip_address], array[p_user_agent], null
    ) as b;
end
$$;
comment on function rowlock.release_seats_atomic is 'Give back every seat of a hold, for its owner. Repeatable.';
revoke all on function rowlock.release_seats_atomic from public;
