-- reserve_seats_batch: many requests for seats of one show, each all or nothing, in order of arrival.
--
-- Request number r (from 1) is element r of the arrays; it asks for every seat p_seat_ids[k] with
-- p_seat_requests[k] = r. The outcomes are those of some serial order of all transactions, in which the requests
-- of this batch keep their order of arrival.
--
-- p_secrets are the secret parts of the tokens; only their SHA-256 is stored. p_wish_hashes are hashes of what the
-- clients asked for; null means that they asked for exactly these seats. p_accessible says whether a request may have
-- wheelchair and companion places. p_clients are the network addresses that holds count for in the limits, null for a
-- client without limits; p_limits are those of limit_holds, null for none.
--
-- A request whose reservation id is recorded for the same holder and secret is a repeated one. It is told the present
-- state of that hold: OK (with status) while it is live, RESERVATION_EXPIRED or RESERVATION_NOT_ACTIVE after it ended,
-- and IDEMPOTENCY_KEY_REUSED when it wishes for something else.
--
-- Locks     the plan of the show, shared with all but move_show_atomic; the clients that have limits, by key; lapsed
--           reservations of the holders, by id; then each holder's entry in idx_one_active_reservation_per_holder, by
--           holder; then all requested seats, by seat id, in one statement.
-- Outcomes  in precedence: INVALID_INPUT, SHOW_NOT_FOUND (also a draft), for a repeated request
--           IDEMPOTENCY_KEY_REUSED, RESERVATION_EXPIRED, RESERVATION_NOT_ACTIVE or OK; then TOO_MANY_SEATS,
--           SHOW_NOT_ON_SALE, DUPLICATE_RESERVATION, SEATS_NOT_FOUND, ACCESSIBLE_SEATS, SEATS_UNAVAILABLE, OK. Where the
--           committed state refuses a request for none of these, TOO_MANY_HOLDS precedes what the locks show.
-- Writes    seat_reservations, show_seats, one audit row per request (created, or failed for DUPLICATE_RESERVATION and
--           SEATS_UNAVAILABLE; none for repeated ones), one expired row for each lapsed hold that it retires, and
--           reservation_refusal_counts for what log_refusals counts.
create or replace function rowlock.reserve_seats_batch(
    p_show_id uuid,
    p_reservation_ids uuid[],
    p_secrets bytea[],
    p_wish_hashes bytea[],
    p_seat_ids integer[],
    p_seat_requests integer[],
    p_reserved_by text[],
    p_session_ids text[],
    p_ip_addresses inet[],
    p_user_agents text[],
    p_accessible boolean[],
    p_clients inet[],
    p_limits integer[]
)
returns table (
    request integer,
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
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_show        shows%rowtype;
    v_started     timestamptz := clock_timestamp();
    v_now         timestamptz;
    v_until       timestamptz;
    v_outcomes    text[];               -- by request; null while undecided
    v_seat_lists  text[];               -- by request; its seats in order, as an array literal
    v_unavailable text[];               -- by request; the seats it was refused for, as an array literal
    v_ids         bigint;               -- number of different reservation ids
    v_candidates  bigint;               -- number of requests that the committed state does not refuse
    v_wanted      bigint;               -- number of seats they ask for; a seat counts once per request
    v_accessible  integer[];            -- the wheelchair and companion places among the requested seats
    v_weights     integer[];            -- by request; null for a client without limits
    v_stale       uuid[];               -- lapsed holds of the same holders, to be retired
    v_stale_seats integer[] := '{}'::integer[];
    v_inserted    uuid[];               -- reservations written by this call
    v_locked      integer[];            -- seats that are free and locked by this transaction
    v_all_fresh   boolean;              -- all of them are new rows, none an expired claim
    v_contested   boolean;              -- the requests have to be decided one by one
    v_late        boolean;              -- waiting for locks took more than a second of the hold
    v_winners     text[] := '{}'::text[];
    v_winner_ids  uuid[] := '{}'::uuid[];
    v_seats       integer[];
begin
    -- move_show_atomic waits until this call has ended, because seat ids are those of the plan that is read now.
    perform pg_advisory_xact_lock_shared(hashtextextended(p_show_id::text, 0));
    select * into v_show from shows where show_id = p_show_id;
    v_until := v_started + make_interval(secs => v_show.hold_seconds);
    v_accessible := array(
        select a.seat_id
        from unnest(p_seat_ids) as s (seat_id)
        join seats as a on a.plan_id = v_show.plan_id and a.seat_id = s.seat_id and a.kind <> 'standard'
    );

    -- Decide by the committed state what can be refused now. A refusal needs no lock: it was right at this moment.
    select
        array_agg(j.outcome order by j.request),
        array_agg(j.seat_list order by j.request),
        array_agg(coalesce(j.accessible, j.unavailable) order by j.request),
        count(distinct j.reservation_id),
        count(*) filter (where j.outcome is null),
        sum(j.seats) filter (where j.outcome is null),
        array_agg(j.lapsed_id) filter (where j.outcome is null and j.lapsed_id is not null)
    into v_outcomes, v_seat_lists, v_unavailable, v_ids, v_candidates, v_wanted, v_stale
    from (
        select
            r.request,
            r.reservation_id,
            w.seats,
            w.seat_list,
            w.unavailable,
            case when not coalesce(r.accessible, false) then w.accessible end as accessible,
            case when h.expires_at <= v_started then h.reservation_id end as lapsed_id,
            case
                when
                    r.reservation_id is null or coalesce(r.reserved_by, '') = '' or w.malformed is not false
                    then 'INVALID_INPUT'
                when coalesce(v_show.status, 'draft') = 'draft' then 'SHOW_NOT_FOUND'
                when k.known then 'REPLAY'
                when w.seats > v_show.max_seats_per_reservation then 'TOO_MANY_SEATS'
                when
                    v_show.status <> 'on_sale' or v_show.sales_start_at > v_started
                    or v_show.sales_close_at <= v_started
                    then 'SHOW_NOT_ON_SALE'
                when h.expires_at > v_started then 'DUPLICATE_RESERVATION'
                when w.last_seat_id > v_show.seats_total then 'SEATS_NOT_FOUND'
                when w.accessible is not null and r.accessible is not true then 'ACCESSIBLE_SEATS'
                when w.unavailable is not null then 'SEATS_UNAVAILABLE'
            end as outcome
        from unnest(p_reservation_ids, p_reserved_by, p_accessible) with ordinality
            as r (reservation_id, reserved_by, accessible, request)
        left join (
            select
                s.request,
                count(*)::integer as seats,
                array_agg(s.seat_id order by s.seat_id)::text as seat_list,
                max(s.seat_id) as last_seat_id,
                count(distinct s.seat_id) < count(*) or min(s.seat_id) < 1 as malformed,
                (array_agg(s.seat_id order by s.seat_id) filter (where c.taken))::text as unavailable,
                (array_agg(s.seat_id order by s.seat_id) filter (where s.seat_id = any(v_accessible)))::text as accessible
            from unnest(p_seat_ids, p_seat_requests) as s (seat_id, request)
            left join lateral (
                select true as taken
                from show_seats as t
                where t.show_id = p_show_id and t.seat_id = s.seat_id
                    and (t.status <> 'reserved' or t.reserved_until > v_started)
                limit 1
            ) as c on true
            group by s.request
        ) as w on w.request = r.request
        left join lateral (
            select a.reservation_id, a.expires_at
            from seat_reservations as a
            where a.show_id = p_show_id and a.reserved_by = r.reserved_by and a.status = 'active'
            limit 1
        ) as h on true
        left join lateral (
            select true as known
            from seat_reservations as a
            where a.show_id = p_show_id and a.reservation_id = r.reservation_id
            limit 1
        ) as k on true
    ) as j;
    -- step: judged

    if v_ids < cardinality(v_outcomes) then
        -- A reservation id belongs to the holder who uses it first. Another wish of the same holder is decided in turn.
        select
            array_agg(d.outcome order by d.request),
            count(*) filter (where d.outcome is null),
            sum(cardinality(d.seat_list::integer[])) filter (where d.outcome is null)
        into v_outcomes, v_candidates, v_wanted
        from (
            select
                u.request,
                u.seat_list,
                case
                    when
                        u.outcome is null
                        and (u.secret, u.reserved_by) is distinct from (
                            first_value(u.secret) over same_id,
                            first_value(u.reserved_by) over same_id
                        )
                        then 'INVALID_INPUT'
                    else u.outcome
                end as outcome
            from unnest(v_outcomes, p_reservation_ids, p_secrets, p_reserved_by, v_seat_lists) with ordinality
                as u (outcome, reservation_id, secret, reserved_by, seat_list, request)
            window same_id as (partition by u.reservation_id order by u.request)
        ) as d;
    end if;

    if v_candidates > 0 and p_limits is not null and array_remove(p_clients, null) <> '{}' then
        select l.r_outcomes, l.r_weights
        into v_outcomes, v_weights
        from limit_holds(
            p_show_id, p_limits, v_show.seats_total, v_show.max_hold_seconds, v_outcomes, p_clients, p_reserved_by,
            v_seat_lists
        ) as l;
        if 'TOO_MANY_HOLDS' = any(v_outcomes) then
            select count(*), sum(cardinality(u.seat_list::integer[]))
            into v_candidates, v_wanted
            from unnest(v_outcomes, v_seat_lists) as u (outcome, seat_list)
            where u.outcome is null;
        end if;
    end if;

    if v_candidates > 0 then
        -- Retire the holders' lapsed holds. One that was extended meanwhile stays, and the new request is refused.
        if v_stale is not null then
            select array_agg(l.reservation_id)
            into v_stale
            from (
                select a.reservation_id
                from seat_reservations as a
                where a.show_id = p_show_id and a.reservation_id = any(v_stale)
                    and a.status = 'active' and a.expires_at <= v_started
                order by a.reservation_id
                for update
            ) as l;
            with retired as (
                update seat_reservations as a
                set status = 'expired', ended_at = clock_timestamp()
                where a.show_id = p_show_id and a.reservation_id = any(v_stale)
                returning a.reservation_id, a.seat_ids
            )
            select coalesce(array_agg(t.seat_id), '{}')
            into v_stale_seats
            from retired as d, show_seats as t
            where t.show_id = p_show_id and t.seat_id = any(d.seat_ids) and t.reservation_id = d.reservation_id;
        end if;

        -- Insert each holder's reservation first, so that every other reason for a refusal is known before seats are
        -- assigned. Of several requests of one holder the first is inserted.
        with inserted as (
            insert into seat_reservations as a
                (show_id, reservation_id, token_hash, wish_hash, reserved_by, session_id, seat_ids, created_at,
                 expires_at, price_version, client, weight)
            select
                p_show_id, f.reservation_id, sha256(f.secret), coalesce(f.wish_hash, sha256(f.seat_list::bytea)),
                f.reserved_by, f.session_id, f.seat_list::integer[], v_started, v_until, v_show.price_version,
                case when f.weight is not null then f.client end, f.weight
            from (
                select distinct on (u.reserved_by) u.*
                from unnest(
                        v_outcomes, p_reservation_ids, p_secrets, p_wish_hashes, p_reserved_by, p_session_ids,
                        v_seat_lists, p_clients, v_weights
                    ) with ordinality
                    as u (
                        outcome, reservation_id, secret, wish_hash, reserved_by, session_id, seat_list, client, weight,
                        request
                    )
                where u.outcome is null
                order by u.reserved_by, u.request
            ) as f
            order by f.reserved_by
            on conflict do nothing
            returning a.reservation_id
        )
        select array_agg(i.reservation_id) into v_inserted from inserted as i;
        -- step: holders_locked

        v_contested := coalesce(cardinality(v_inserted), 0) < v_candidates;
        if v_contested then
            -- Another transaction has committed a hold of this holder, or this same request, during the wait.
            select array_agg(
                case
                    when u.outcome is not null or u.reserved_by = any(o.holders) then u.outcome
                    when exists (
                        select from seat_reservations as a
                        where a.show_id = p_show_id and a.reservation_id = u.reservation_id
                    ) then 'REPLAY'
                    else 'DUPLICATE_RESERVATION'
                end
                order by u.request
            )
            into v_outcomes
            from unnest(v_outcomes, p_reservation_ids, p_reserved_by) with ordinality
                as u (outcome, reservation_id, reserved_by, request),
                (
                    select coalesce(array_agg(i.reserved_by), '{}') as holders
                    from unnest(p_reservation_ids, p_reserved_by) as i (reservation_id, reserved_by)
                    where i.reservation_id = any(v_inserted)
                ) as o;
        end if;

        -- Lock every requested seat that is available, in one ordered pass. The claim of an expired hold is locked and
        -- stays unchanged until it is known which request gets the seat; a live claim is skipped.
        with locked as (
            insert into show_seats as c (show_id, seat_id, status, reservation_id, reserved_by, reserved_until)
            select p_show_id, w.seat_id, 'reserved', w.reservation_id, w.reserved_by, v_until
            from (
                select distinct on (x.seat_id) x.*
                from (
                    select s.seat_id, s.request, p_reservation_ids[s.request], p_reserved_by[s.request]
                    from unnest(p_seat_ids, p_seat_requests) as s (seat_id, request)
                    where v_outcomes[s.request] is null
                    union all
                    select t.seat_id, null, v_stale[1], ''
                    from unnest(v_stale_seats) as t (seat_id)
                ) as x (seat_id, request, reservation_id, reserved_by)
                order by x.seat_id, x.request
            ) as w
            order by w.seat_id
            on conflict (show_id, seat_id) do update
            set reserved_until = c.reserved_until
            where c.status = 'reserved' and c.reserved_until <= clock_timestamp()
            returning c.seat_id, c.reserved_until = v_until as fresh
        )
        select coalesce(array_agg(l.seat_id), '{}'), bool_and(l.fresh)
        into v_locked, v_all_fresh
        from locked as l;
        -- step: seats_locked

        v_now := clock_timestamp();
        v_late := v_now > v_started + interval '1 second';
        v_contested := v_contested or cardinality(v_locked) <> v_wanted or v_stale is not null;

        if v_contested then
            -- Assign the seats in order of arrival.
            for v_request in 1 .. cardinality(v_outcomes) loop
                continue when v_outcomes[v_request] is not null;
                v_seats := v_seat_lists[v_request]::integer[];
                if p_reserved_by[v_request] = any(v_winners) then
                    v_outcomes[v_request] := case
                        when p_reservation_ids[v_request] = any(v_winner_ids) then 'REPLAY'
                        else 'DUPLICATE_RESERVATION'
                    end;
                elsif v_seats <@ v_locked then
                    v_outcomes[v_request] := 'OK';
                    v_winners := v_winners || p_reserved_by[v_request];
                    v_winner_ids := v_winner_ids || p_reservation_ids[v_request];
                    v_locked := array(select l from unnest(v_locked) as l where l <> all(v_seats));
                else
                    v_outcomes[v_request] := 'SEATS_UNAVAILABLE';
                    v_unavailable[v_request] := array(select l from unnest(v_seats) as l where l <> all(v_locked))::text;
                end if;
            end loop;

            -- Remove claims that no request got, and reservations of requests that got no seats: also of one whose id
            -- another wish of the same holder has got seats with.
            delete from show_seats as c
            where c.show_id = p_show_id and c.seat_id = any(v_locked) and c.reserved_until = v_until;
            delete from seat_reservations as a
            where a.show_id = p_show_id and a.reservation_id = any(v_inserted) and not exists (
                select from unnest(v_outcomes, p_reservation_ids, v_seat_lists) as u (outcome, reservation_id, seat_list)
                where u.outcome = 'OK' and u.reservation_id = a.reservation_id and u.seat_list::integer[] = a.seat_ids
            );
            insert into seat_reservations as a
                (show_id, reservation_id, token_hash, wish_hash, reserved_by, session_id, seat_ids, created_at,
                 expires_at, price_version, client, weight)
            select
                p_show_id, u.reservation_id, sha256(u.secret), coalesce(u.wish_hash, sha256(u.seat_list::bytea)),
                u.reserved_by, u.session_id, u.seat_list::integer[], v_started, v_until, v_show.price_version,
                case when u.weight is not null then u.client end, u.weight
            from unnest(
                    v_outcomes, p_reservation_ids, p_secrets, p_wish_hashes, p_reserved_by, p_session_ids, v_seat_lists,
                    p_clients, v_weights
                ) as u (outcome, reservation_id, secret, wish_hash, reserved_by, session_id, seat_list, client, weight)
            where u.outcome = 'OK' and not exists (
                select from seat_reservations as a where a.show_id = p_show_id and a.reservation_id = u.reservation_id
            );
        end if;

        if v_late then
            v_until := v_now + make_interval(secs => v_show.hold_seconds);
            update seat_reservations as a
            set created_at = v_now, expires_at = v_until
            from unnest(v_outcomes, p_reservation_ids) as u (outcome, reservation_id)
            where coalesce(u.outcome, 'OK') = 'OK' and a.show_id = p_show_id and a.reservation_id = u.reservation_id;
        end if;

        if v_contested or v_late or not v_all_fresh then
            update show_seats as c
            set reservation_id = p_reservation_ids[s.request],
                reserved_by = p_reserved_by[s.request],
                reserved_until = v_until
            from unnest(p_seat_ids, p_seat_requests) as s (seat_id, request)
            where coalesce(v_outcomes[s.request], 'OK') = 'OK'
                and c.show_id = p_show_id and c.seat_id = s.seat_id
                and (c.reservation_id, c.reserved_until) is distinct from (p_reservation_ids[s.request], v_until);
        end if;

        if v_stale is not null then
            with freed as (
                delete from show_seats as c
                where c.show_id = p_show_id and c.seat_id = any(v_stale_seats) and c.reservation_id = any(v_stale)
                returning c.seat_id, c.reservation_id
            )
            insert into seat_reservation_audit_log (show_id, reservation_id, event, seat_ids, session_id, metadata)
            select
                p_show_id, a.reservation_id, 'expired',
                array(select f.seat_id from freed as f where f.reservation_id = a.reservation_id order by 1),
                a.session_id,
                jsonb_build_object('held_seconds', extract(epoch from a.expires_at - a.created_at))
            from seat_reservations as a
            where a.show_id = p_show_id and a.reservation_id = any(v_stale);
        end if;
    end if;

    insert into seat_reservation_audit_log
        (show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent)
    select
        p_show_id, u.reservation_id, 'created', u.seat_list::integer[], u.session_id, u.ip_address, u.user_agent
    from unnest(v_outcomes, p_reservation_ids, v_seat_lists, p_session_ids, p_ip_addresses, p_user_agents)
        as u (outcome, reservation_id, seat_list, session_id, ip_address, user_agent)
    where u.outcome is null or u.outcome = 'OK';
    if array_remove(array_remove(v_outcomes, null), 'OK') <> '{}' then
        perform log_refusals(
            p_show_id, v_outcomes, p_reservation_ids, v_seat_lists, p_session_ids, p_ip_addresses, p_user_agents
        );
    end if;
    -- step: written

    v_now := clock_timestamp();
    if 'REPLAY' = any(v_outcomes) then
        return query select t.* from tell_repeated_requests(
            p_show_id, v_outcomes, p_reservation_ids, p_secrets, p_wish_hashes, p_reserved_by, v_seat_lists,
            v_unavailable, v_show.max_extensions
        ) as t;
    else
        return query
        select
            u.request::integer,
            coalesce(u.outcome, 'OK'),
            u.reservation_id,
            case when u.outcome is null or u.outcome = 'OK' then 'active' end,
            u.seat_list::integer[],
            case when u.outcome in ('SEATS_UNAVAILABLE', 'ACCESSIBLE_SEATS') then u.unavailable::integer[] end,
            case when u.outcome is null or u.outcome = 'OK' then v_until end,
            case when u.outcome is null or u.outcome = 'OK' then 0 end,
            case when u.outcome is null or u.outcome = 'OK' then v_show.max_extensions end,
            v_now
        from unnest(v_outcomes, p_reservation_ids, v_seat_lists, v_unavailable) with ordinality
            as u (outcome, reservation_id, seat_list, unavailable, request);
    end if;
end
$$;
comment on function rowlock.reserve_seats_batch is
    'Reserve seats of one show for many requests, each all or nothing, in order of arrival. One row per request.';
revoke all on function rowlock.reserve_seats_batch from public;
