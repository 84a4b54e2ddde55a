-- extend_reservation_atomic: move the deadline of a live hold, and of its claims, by the show's extension_seconds.
--
-- The caller owns the hold if it gives the secret of its token (p_secret) or the holder (p_reserved_by). For any other
-- caller the reservation is not found.
--
-- A caller that passes the extension count it has seen may repeat the call: when the hold has been extended since, the
-- outcome is OK with the hold as recorded, and it is not extended again.
--
-- Locks     the reservation row, then its claims in seat order. The clock is read after both: a hold that ran out
--           during the wait is refused.
-- Outcomes  in precedence: RESERVATION_NOT_FOUND, RESERVATION_NOT_ACTIVE, RESERVATION_EXPIRED,
--           MAX_EXTENSIONS_REACHED, OK.
-- Writes    seat_reservations, show_seats, one audit row (extended or failed; none when repeated).
create or replace function rowlock.extend_reservation_atomic(
    p_show_id uuid,
    p_reservation_id uuid,
    p_secret bytea default null,
    p_reserved_by text default null,
    p_session_id text default null,
    p_ip_address inet default null,
    p_user_agent text default null,
    p_seen_extension_count integer default null
)
returns table (
    outcome text,
    reservation_id uuid,
    expires_at timestamptz,
    extension_count integer,
    extensions_remaining integer,
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
    v_show    shows%rowtype;
    v_hold    seat_reservations%rowtype;
    v_claims  bigint;
    v_now     timestamptz;
    v_until   timestamptz;
    v_outcome text;
begin
    select * into v_show from shows where show_id = p_show_id;
    select * into v_hold
    from seat_reservations
    where show_id = p_show_id and reservation_id = p_reservation_id
        and (token_hash = sha256(p_secret) or reserved_by = p_reserved_by)
    for update;
    -- step: reservation_locked

    if not found then
        return query select 'RESERVATION_NOT_FOUND', p_reservation_id, null::timestamptz, null::integer, null::integer,
            clock_timestamp();
        return;
    end if;

    select count(*)
    into v_claims
    from (
        select from show_seats as c
        where c.show_id = p_show_id and c.seat_id = any(v_hold.seat_ids)
            and c.reservation_id = p_reservation_id and c.status = 'reserved'
        order by c.seat_id
        for update
    ) as locked;
    -- step: seats_locked

    v_now := clock_timestamp();
    v_until := least(
        v_hold.expires_at + make_interval(secs => v_show.extension_seconds),
        v_hold.created_at + make_interval(secs => v_show.max_hold_seconds)
    );
    v_outcome := case
        when v_hold.status = 'expired' then 'RESERVATION_EXPIRED'
        when v_hold.status <> 'active' then 'RESERVATION_NOT_ACTIVE'
        -- A missing claim was taken over after the deadline, even if this clock reading is before it.
        when v_hold.expires_at <= v_now or v_claims < cardinality(v_hold.seat_ids) then 'RESERVATION_EXPIRED'
        when v_hold.extension_count > p_seen_extension_count then 'REPEATED'
        when v_hold.extension_count >= v_show.max_extensions or v_until <= v_hold.expires_at
            then 'MAX_EXTENSIONS_REACHED'
        else 'OK'
    end;

    if v_outcome = 'OK' then
        v_hold.expires_at := v_until;
        v_hold.extension_count := v_hold.extension_count + 1;
        update seat_reservations as a
        set expires_at = v_hold.expires_at, extension_count = v_hold.extension_count
        where a.show_id = p_show_id and a.reservation_id = p_reservation_id;
        update show_seats as c
        set reserved_until = v_hold.expires_at
        where c.show_id = p_show_id and c.seat_id = any(v_hold.seat_ids) and c.reservation_id = p_reservation_id;
    end if;

    if v_outcome = 'OK' then
        insert into seat_reservation_audit_log
            (show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent, metadata)
        values (
            p_show_id, p_reservation_id, 'extended', v_hold.seat_ids, coalesce(p_session_id, v_hold.session_id),
            p_ip_address, p_user_agent, jsonb_build_object('operation', 'extend', 'expires_at', v_hold.expires_at)
        );
    elsif v_outcome = 'REPEATED' then
        v_outcome := 'OK';
    else
        perform log_refusals(
            p_show_id, array[v_outcome], array[p_reservation_id], array[v_hold.seat_ids::text],
            array[coalesce(p_session_id, v_hold.session_id)], array[p_ip_address], array[p_user_agent],
            jsonb_build_object('operation', 'extend', 'expires_at', v_hold.expires_at)
        );
    end if;
    -- step: written

    return query select v_outcome, p_reservation_id, v_hold.expires_at, v_hold.extension_count,
        greatest(0, v_show.max_extensions - v_hold.extension_count), v_now;
end
$$;
comment on function rowlock.extend_reservation_atomic is
    'Extend a live hold and its claims, for its owner, at most max_extensions times and never once it has expired.';
revoke all on function rowlock.extend_reservation_atomic from public;
