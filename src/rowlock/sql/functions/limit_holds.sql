-- limit_holds: refuse requests of clients that hold seats, or take and let them go, beyond the limits. A part of the
-- functions that hold seats.
--
-- p_limits has, for one client in one show: held seats; live holds; the weight of new holds within a minute; that weight
-- for one holder; and a percentage of the free seats. So many seats may be held if that is more, and half as many holds
-- may live or be new.
--
-- A new hold weighs 2: 10 if the client has let go one of its seats within a minute, else 1 if its holder has bought seats
-- lately. Holds that were bought no longer weigh. Each request counts as if those before it get their seats.
--
-- Locks     the clients, by key, before anything but the plan. So processes cannot exceed a limit together.
-- Outcomes  TOO_MANY_HOLDS in place of null.
-- Writes    nothing.
create or replace function rowlock.limit_holds(
    p_show_id uuid,
    p_limits integer[],
    p_seats_total integer,
    p_max_hold_seconds integer,
    p_outcomes text[],           -- by request, as the arrays below; null while undecided
    p_clients inet[],            -- null for a client without limits
    p_reserved_by text[],
    p_seat_lists text[],         -- array literals
    out r_outcomes text[],
    out r_weights integer[]
)
returns record
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set enable_nestloop = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_now      timestamptz;
    v_requests integer[];  -- the requests that are limited; the arrays below are parallel to it
    v_weights  integer[];
    v_seats    bigint[];   -- what client or holder would have with this request
    v_holds    bigint[];
    v_recent   bigint[];
    v_session  bigint[];
    v_share    bigint := 0::bigint;
    v_clients  bigint;     -- of the requests that are limited
    v_counts   boolean;    -- something has to be counted
begin
    perform pg_advisory_xact_lock(k.key)
    from (
        select distinct hashtextextended(r.client::text, hashtextextended(p_show_id::text, 0)) as key
        from unnest(p_outcomes, p_clients) as r (outcome, client)
        where r.outcome is null and r.client is not null
        order by 1
    ) as k;
    -- step: clients_locked
    v_now := clock_timestamp();
    r_outcomes := p_outcomes;
    r_weights := array_fill(null::integer, array[cardinality(p_outcomes)]);

    -- Most clients have no holds, and ask once for what one request may have. Then there is nothing to add up, and the
    -- large statement below, whose start alone takes most of its time, is left out.
    select
        array_agg(r.request::integer),
        count(distinct r.client),
        bool_or(
            cardinality(r.seat_list::integer[]) > p_limits[1]
            or exists (
                select from seat_reservations as b
                where b.show_id = p_show_id and b.client = r.client
                    and b.created_at > v_now - make_interval(secs => p_max_hold_seconds + 360)
            )
        )
    into v_requests, v_clients, v_counts
    from unnest(p_outcomes, p_clients, p_seat_lists) with ordinality as r (outcome, client, seat_list, request)
    where r.outcome is null and r.client is not null;
    if v_requests is null then
        return;
    end if;
    if
        not v_counts and v_clients = cardinality(v_requests)
        and p_limits[2] >= 1 and least(p_limits[3], p_limits[4]) >= 2
    then
        for v_place in 1 .. cardinality(v_requests) loop
            r_weights[v_requests[v_place]] := 2;
        end loop;
        return;
    end if;

    with asked as materialized (
        select r.request, r.client, r.reserved_by, r.seat_list::integer[] as seat_ids
        from unnest(p_outcomes, p_clients, p_reserved_by, p_seat_lists) with ordinality
            as r (outcome, client, reserved_by, seat_list, request)
        where r.outcome is null and r.client is not null
    ),
    -- No hold that lives, or was let go within a minute, is older, not even with the grace of a payment.
    held as materialized (
        select
            a.client, a.reserved_by, a.seat_ids, a.weight,
            a.status = 'completed' as is_bought,
            a.status = 'active' and a.expires_at > v_now as is_live,
            a.created_at > v_now - interval '1 minute' as is_new,
            a.status <> 'completed'
                and coalesce(a.ended_at, a.expires_at) between v_now - interval '1 minute' and v_now as is_let_go
        from (select distinct q.client from asked as q) as c
        cross join lateral (
            select b.*
            from seat_reservations as b
            where b.show_id = p_show_id and b.client = c.client
                and b.created_at > v_now - make_interval(secs => p_max_hold_seconds + 360)
            -- Kept apart, so that each client is searched by the index, and the rows of others are not read.
            offset 0
        ) as a
    ),
    let_go as materialized (
        select h.client, h.seat_ids from held as h where h.is_let_go
    ),
    bought as materialized (
        select distinct h.client, h.reserved_by from held as h where h.is_bought
    ),
    weighed as materialized (
        select
            q.*,
            case
                when exists (select from let_go as l where l.client = q.client and l.seat_ids && q.seat_ids) then 10
                when exists (select from bought as b where b.client = q.client and b.reserved_by = q.reserved_by) then 1
                else 2
            end as weight
        from asked as q
    ),
    of_client as (
        select
            h.client,
            sum(cardinality(h.seat_ids)) filter (where h.is_live) as seats,
            count(*) filter (where h.is_live) as holds,
            sum(h.weight) filter (where h.is_new and not h.is_bought) as recent
        from held as h
        group by h.client
    ),
    of_holder as (
        select h.client, h.reserved_by, sum(h.weight) filter (where h.is_new and not h.is_bought) as recent
        from held as h
        group by h.client, h.reserved_by
    )
    select
        array_agg(s.request::integer order by s.request), array_agg(s.weight order by s.request),
        array_agg(s.seats order by s.request), array_agg(s.holds order by s.request),
        array_agg(s.recent order by s.request), array_agg(s.session order by s.request)
    into v_requests, v_weights, v_seats, v_holds, v_recent, v_session
    from (
        select
            w.request, w.weight,
            coalesce(c.seats, 0) + sum(cardinality(w.seat_ids)) over by_client as seats,
            coalesce(c.holds, 0) + count(*) over by_client as holds,
            coalesce(c.recent, 0) + sum(w.weight) over by_client as recent,
            coalesce(h.recent, 0) + sum(w.weight) over by_holder as session
        from weighed as w
        left join of_client as c on c.client = w.client
        left join of_holder as h on h.client = w.client and h.reserved_by = w.reserved_by
        window
            by_client as (partition by w.client order by w.request),
            by_holder as (partition by w.client, w.reserved_by order by w.request)
    ) as s;

    -- The free seats are counted only when it matters.
    if p_limits[1] < any(v_seats) or p_limits[2] < any(v_holds) or p_limits[3] < any(v_recent) then
        select (p_seats_total - count(*)) * p_limits[5] / 100
        into v_share
        from show_seats as c
        where c.show_id = p_show_id and (c.status <> 'reserved' or c.reserved_until > v_now);
    end if;
    for v_place in 1 .. cardinality(v_requests) loop
        r_weights[v_requests[v_place]] := v_weights[v_place];
        if
            v_seats[v_place] > greatest(p_limits[1], v_share)
            or v_holds[v_place] > greatest(p_limits[2], v_share / 2)
            or v_recent[v_place] > greatest(p_limits[3], v_share)
            or v_session[v_place] > p_limits[4]
        then
            r_outcomes[v_requests[v_place]] := 'TOO_MANY_HOLDS';
        end if;
    end loop;
end
$$;
comment on function rowlock.limit_holds is
    'Refuse requests of clients beyond the limits of holds, and weigh the others; a part of the functions that hold seats.';
revoke all on function rowlock.limit_holds from public;
