-- release_seats_batch: give back every seat of many holds of one show.
--
-- Request number r (from 1) is element r of the arrays. A request owns a hold if it gives the secret of its
-- token (p_secrets) or its holder (p_reserved_by); for any other the hold is not found. Releasing a released hold
-- again is OK and changes nothing, so that a call whose answer was lost can be repeated. p_actor is who does it for the
-- holders, null when they do.
--
-- Locks     the reservation rows that the requests own, by id; their pending orders; then the claims of the active ones,
--           in seat order.
-- Outcomes  in precedence: RESERVATION_NOT_FOUND, RESERVATION_NOT_ACTIVE (paid), RESERVATION_EXPIRED (retired by a
--           cleanup), ORDER_BEING_PAID, OK.
-- Writes    seat_reservations, show_seats, one audit row per request (released or failed; none for a repeated one); a
--           pending order of a released hold is cancelled.
create or replace function rowlock.release_seats_batch(
    p_show_id uuid,
    p_reservation_ids uuid[],
    p_secrets bytea[],
    p_reserved_by text[],
    p_session_ids text[],
    p_ip_addresses inet[],
    p_user_agents text[],
    p_actor text
)
returns table (
    request integer,
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
    v_given      bytea[] := array(   -- by request; the hash of its secret
        select sha256(s.secret) from unnest(p_secrets) with ordinality as s (secret, request) order by s.request
    );
    v_ids        uuid[];         -- the locked holds, by id; the five arrays below are parallel to it
    v_hashes     bytea[];
    v_holders    text[];
    v_statuses   text[];
    v_seat_lists text[];
    v_sessions   text[];
    v_outcomes   text[];         -- by request; REPEATED is OK with nothing left to do
    v_releasing  uuid[];
    v_paying     uuid[];         -- holds whose order is with a payment provider
    v_seats      integer[];      -- the claims that are locked, with the hold of each
    v_seat_holds uuid[];
    v_now        timestamptz;
begin
    select
        array_agg(l.reservation_id), array_agg(l.token_hash), array_agg(l.reserved_by), array_agg(l.status),
        array_agg(l.seat_ids::text), array_agg(l.session_id)
    into v_ids, v_hashes, v_holders, v_statuses, v_seat_lists, v_sessions
    from (
        select a.*
        from seat_reservations as a
        where a.show_id = p_show_id and a.reservation_id = any(p_reservation_ids)
            and exists (
                select
                from unnest(p_reservation_ids, v_given, p_reserved_by) as r (id, token_hash, reserved_by)
                where r.id = a.reservation_id
                    and (r.token_hash = a.token_hash or r.reserved_by = a.reserved_by)
            )
        order by a.reservation_id
        for update
    ) as l;
    if v_ids is not null then
        v_paying := array(select h from unnest(v_ids) as h where lock_pending_order(p_show_id, h));
    end if;
    -- step: reservations_locked

    select
        array_agg(j.outcome order by j.request),
        array_agg(j.reservation_id) filter (where j.outcome = 'OK')
    into v_outcomes, v_releasing
    from (
        select
            r.request,
            r.reservation_id,
            case
                when h.id is null then 'RESERVATION_NOT_FOUND'
                when h.status = 'released' then 'REPEATED'
                when h.status = 'expired' then 'RESERVATION_EXPIRED'
                when h.status <> 'active' then 'RESERVATION_NOT_ACTIVE'
                when h.id = any(v_paying) then 'ORDER_BEING_PAID'
                when row_number() over (partition by h.id order by r.request) > 1 then 'REPEATED'
                else 'OK'
            end as outcome
        from unnest(p_reservation_ids, v_given, p_reserved_by) with ordinality
            as r (reservation_id, token_hash, reserved_by, request)
        left join unnest(v_ids, v_hashes, v_holders, v_statuses) as h (id, token_hash, reserved_by, status)
            on h.id = r.reservation_id
            and (h.token_hash = r.token_hash or h.reserved_by = r.reserved_by)
    ) as j;

    if v_releasing is not null then
        -- Only claims of these holds: seats of a lapsed hold may have been claimed by others since.
        select array_agg(l.seat_id), array_agg(l.reservation_id)
        into v_seats, v_seat_holds
        from (
            select c.seat_id, c.reservation_id
            from show_seats as c
            where c.show_id = p_show_id and c.reservation_id = any(v_releasing) and c.status = 'reserved'
                and c.seat_id = any(array(
                    select s
                    from unnest(v_ids, v_seat_lists) as h (id, seat_list), unnest(h.seat_list::integer[]) as s
                    where h.id = any(v_releasing)
                ))
            order by c.seat_id
            for update
        ) as l;
        -- step: seats_locked

        v_now := clock_timestamp();
        delete from show_seats as c where c.show_id = p_show_id and c.seat_id = any(v_seats);
        update seat_reservations as a
        set status = 'released', ended_at = v_now
        where a.show_id = p_show_id and a.reservation_id = any(v_releasing);
        perform cancel_pending_order(p_show_id, h) from unnest(v_releasing) as h;
    end if;

    insert into seat_reservation_audit_log
        (show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent, metadata, actor)
    select
        p_show_id, r.reservation_id, 'released',
        array(
            select s.seat_id
            from unnest(v_seats, v_seat_holds) as s (seat_id, reservation_id)
            where s.reservation_id = r.reservation_id
        ),
        coalesce(r.session_id, a.session_id), r.ip_address, r.user_agent,
        jsonb_build_object('held_seconds', extract(epoch from v_now - a.created_at)), p_actor
    from unnest(p_reservation_ids, v_outcomes, p_session_ids, p_ip_addresses, p_user_agents) with ordinality
        as r (reservation_id, outcome, session_id, ip_address, user_agent, request)
    join seat_reservations as a on a.show_id = p_show_id and a.reservation_id = r.reservation_id
    where r.outcome = 'OK'
    order by r.request;
    if array_remove(array_remove(v_outcomes, 'OK'), 'REPEATED') <> '{}' then
        perform log_refusals(
            p_show_id, array_agg(r.outcome order by r.request), array_agg(r.reservation_id order by r.request),
            array_agg(h.seat_list order by r.request),
            array_agg(coalesce(r.session_id, h.session_id) order by r.request),
            array_agg(r.ip_address order by r.request), array_agg(r.user_agent order by r.request),
            jsonb_build_object('operation', 'release'), p_actor => p_actor
        )
        from unnest(p_reservation_ids, v_outcomes, p_session_ids, p_ip_addresses, p_user_agents) with ordinality
            as r (reservation_id, outcome, session_id, ip_address, user_agent, request)
        left join unnest(v_ids, v_seat_lists, v_sessions) as h (id, seat_list, session_id) on h.id = r.reservation_id;
    end if;
    -- step: written

    return query
    select
        r.request::integer,
        case r.outcome when 'REPEATED' then 'OK' else r.outcome end,
        r.reservation_id,
        case
            when r.outcome = 'OK' or (r.outcome = 'REPEATED' and r.reservation_id = any(v_releasing)) then array(
                select s.seat_id
                from unnest(v_seats, v_seat_holds) as s (seat_id, reservation_id)
                where s.reservation_id = r.reservation_id
            )
            when r.outcome = 'REPEATED' then (
                select h.seat_list::integer[] from unnest(v_ids, v_seat_lists) as h (id, seat_list)
                where h.id = r.reservation_id
            )
            else '{}'
        end,
        clock_timestamp()
    from unnest(p_reservation_ids, v_outcomes) with ordinality as r (reservation_id, outcome, request);
end
$$;
comment on function rowlock.release_seats_batch is
    'Give back every seat of many holds of one show, each for its owner. Repeatable. One row per request.';
revoke all on function rowlock.release_seats_batch from public;
