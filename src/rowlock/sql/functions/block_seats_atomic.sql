-- block_seats_atomic: keep seats from being sold, for the box office: house seats, a broken chair, a camera.
--
-- All or nothing. A seat that is blocked already gets the new reason; a live hold or a sale is never replaced.
--
-- Locks     the plan of the show, shared with all but move_show_atomic; the seats, by seat id, in one statement.
-- Outcomes  in precedence: INVALID_INPUT, SHOW_NOT_FOUND, SEATS_NOT_FOUND, SEATS_UNAVAILABLE, OK.
-- Writes    show_seats, one audit row (blocked), or what log_refusals writes.
create or replace function rowlock.block_seats_atomic(
    p_show_id uuid,
    p_seat_ids integer[],
    p_reason text,
    p_session_id text default null,
    p_ip_address inet default null,
    p_user_agent text default null,
    p_actor text default null
)
returns table (
    outcome text,
    seat_ids integer[],
    unavailable_seat_ids integer[],
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
    v_seats   integer[] := array(select distinct s from unnest(p_seat_ids) as s order by s);
    v_call    uuid := gen_random_uuid();
    v_locked  integer[];
    v_missing integer[];
    v_outcome text;
begin
    -- move_show_atomic waits until this call has ended, because seat ids are those of the plan that is read now.
    perform pg_advisory_xact_lock_shared(hashtextextended(p_show_id::text, 0));
    select * into v_show from shows where show_id = p_show_id;
    v_outcome := case
        when
            cardinality(v_seats) = 0 or array_position(v_seats, null) is not null or 1 > any(v_seats)
            or coalesce(p_reason, '') = ''
            then 'INVALID_INPUT'
        when v_show.show_id is null then 'SHOW_NOT_FOUND'
        when v_show.seats_total < any(v_seats) then 'SEATS_NOT_FOUND'
    end;

    if v_outcome is null then
        -- A new claim carries the id of this call until it is known that all seats are available.
        with locked as (
            insert into show_seats as c (show_id, seat_id, status, reservation_id, block_reason)
            select p_show_id, s.seat_id, 'blocked', v_call, p_reason
            from unnest(v_seats) as s (seat_id)
            order by s.seat_id
            on conflict (show_id, seat_id) do update
            set reservation_id = c.reservation_id
            where c.status = 'blocked' or c.reserved_until <= clock_timestamp()
            returning c.seat_id
        )
        select coalesce(array_agg(l.seat_id), '{}') into v_locked from locked as l;
        -- step: seats_locked

        v_missing := array(select s from unnest(v_seats) as s where s <> all(v_locked));
        if cardinality(v_missing) > 0 then
            v_outcome := 'SEATS_UNAVAILABLE';
            delete from show_seats as c
            where c.show_id = p_show_id and c.seat_id = any(v_locked) and c.reservation_id = v_call;
        else
            v_outcome := 'OK';
            update show_seats as c
            set status = 'blocked', block_reason = p_reason, reservation_id = null, reserved_by = null,
                reserved_until = null
            where c.show_id = p_show_id and c.seat_id = any(v_seats);
        end if;

    end if;
    if v_outcome = 'OK' then
        insert into seat_reservation_audit_log
            (show_id, event, seat_ids, session_id, ip_address, user_agent, metadata, actor)
        values (
            p_show_id, 'blocked', v_seats, p_session_id, p_ip_address, p_user_agent,
            jsonb_build_object('operation', 'block', 'reason', p_reason), p_actor
        );
    else
        perform log_refusals(
            p_show_id, array[v_outcome], null, array[v_seats::text], array[p_session_id], array[p_ip_address],
            array[p_user_agent], jsonb_build_object('operation', 'block', 'reason', p_reason), p_actor => p_actor
        );
    end if;
    -- step: written

    return query select v_outcome, v_seats,
        case when v_outcome = 'SEATS_UNAVAILABLE' then v_missing end, clock_timestamp();
end
$$;
comment on function rowlock.block_seats_atomic is
    'Keep seats from being sold, all or nothing, with a reason. Never replaces a live hold or a sale.';
revoke all on function rowlock.block_seats_atomic from public;
