-- release_seats_atomic: give back every seat of a hold.
--
-- The owner is whoever knows the token (p_token_hash) or is the holder (p_reserved_by). To anybody else the
-- reservation does not exist. Releasing a released hold again is OK and changes nothing, so that a call whose answer
-- was lost can be repeated.
--
-- Locks     the reservation row, then its claims in seat order.
-- Outcomes  in precedence: RESERVATION_NOT_FOUND, RESERVATION_NOT_ACTIVE (paid), RESERVATION_EXPIRED (retired by a
--           cleanup), OK.
-- Writes    seat_reservations, show_seats, one audit row (released or failed).
create or replace function rowlock.release_seats_atomic(
    p_show_id uuid,
    p_reservation_id uuid,
    p_token_hash bytea default null,
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
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_hold    seat_reservations%rowtype;
    v_seats   integer[];
    v_now     timestamptz;
    v_outcome text;
begin
    select * into v_hold
    from seat_reservations
    where show_id = p_show_id and reservation_id = p_reservation_id
        and (token_hash = p_token_hash or reserved_by = p_reserved_by)
    for update;
    -- step: reservation_locked

    if not found then
        return query select 'RESERVATION_NOT_FOUND', p_reservation_id, '{}'::integer[], clock_timestamp();
        return;
    end if;
    if v_hold.status = 'released' then
        return query select 'OK', p_reservation_id, v_hold.seat_ids, clock_timestamp();
        return;
    end if;

    v_outcome := case v_hold.status
        when 'active' then 'OK' when 'expired' then 'RESERVATION_EXPIRED' else 'RESERVATION_NOT_ACTIVE'
    end;
    if v_outcome = 'OK' then
        -- Seats of a lapsed hold that others have taken since are theirs and stay so.
        select coalesce(array_agg(locked.seat_id), '{}')
        into v_seats
        from (
            select c.seat_id
            from show_seats as c
            where c.show_id = p_show_id and c.seat_id = any(v_hold.seat_ids)
                and c.reservation_id = p_reservation_id and c.status = 'reserved'
            order by c.seat_id
            for update
        ) as locked;
        -- step: seats_locked
        v_now := clock_timestamp();
        delete from show_seats as c where c.show_id = p_show_id and c.seat_id = any(v_seats);
        update seat_reservations as a
        set status = 'released', ended_at = v_now
        where a.show_id = p_show_id and a.reservation_id = p_reservation_id;
    end if;

    insert into seat_reservation_audit_log
        (show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent, error_code, metadata)
    values (
        p_show_id, p_reservation_id, case v_outcome when 'OK' then 'released' else 'failed' end,
        coalesce(v_seats, v_hold.seat_ids), coalesce(p_session_id, v_hold.session_id), p_ip_address, p_user_agent,
        nullif(v_outcome, 'OK'),
        case v_outcome
            when 'OK' then jsonb_build_object('held_seconds', extract(epoch from v_now - v_hold.created_at))
            else jsonb_build_object('operation', 'release')
        end
    );
    -- step: written

    return query select v_outcome, p_reservation_id, coalesce(v_seats, '{}'), clock_timestamp();
end
$$;
comment on function rowlock.release_seats_atomic is 'Give back every seat of a hold, for its owner. Repeatable.';
revoke all on function rowlock.release_seats_atomic from public;
