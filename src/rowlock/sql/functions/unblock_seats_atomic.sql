-- unblock_seats_atomic: put blocked seats back on sale.
--
-- Seats that are not blocked are not changed, so that a call whose answer was lost can be repeated.
--
-- Locks     the blocked seats, in seat order.
-- Outcomes  in precedence: INVALID_INPUT, SHOW_NOT_FOUND, OK. seat_ids: the seats that were unblocked.
-- Writes    show_seats, one audit row (unblocked) unless nothing was blocked.
create or replace function rowlock.unblock_seats_atomic(
    p_show_id uuid,
    p_seat_ids integer[],
    p_session_id text default null,
    p_ip_address inet default null,
    p_user_agent text default null,
    p_actor text default null
)
returns table (
    outcome text,
    seat_ids integer[],
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
    v_seats integer[];
begin
    if coalesce(cardinality(p_seat_ids), 0) = 0 or array_position(p_seat_ids, null) is not null then
        return query select 'INVALID_INPUT', '{}'::integer[], clock_timestamp();
        return;
    end if;
    if not exists (select from shows where show_id = p_show_id) then
        return query select 'SHOW_NOT_FOUND', '{}'::integer[], clock_timestamp();
        return;
    end if;

    select coalesce(array_agg(locked.seat_id), '{}')
    into v_seats
    from (
        select c.seat_id
        from show_seats as c
        where c.show_id = p_show_id and c.seat_id = any(p_seat_ids) and c.status = 'blocked'
        order by c.seat_id
        for update
    ) as locked;
    -- step: seats_locked

    if cardinality(v_seats) > 0 then
        delete from show_seats as c where c.show_id = p_show_id and c.seat_id = any(v_seats);
        insert into seat_reservation_audit_log (show_id, event, seat_ids, session_id, ip_address, user_agent, actor)
        values (p_show_id, 'unblocked', v_seats, p_session_id, p_ip_address, p_user_agent, p_actor);
    end if;
    -- step: written

    return query select 'OK', v_seats, clock_timestamp();
end
$$;
comment on function rowlock.unblock_seats_atomic is 'Put blocked seats back on sale. Repeatable.';
revoke all on function rowlock.unblock_seats_atomic from public;
