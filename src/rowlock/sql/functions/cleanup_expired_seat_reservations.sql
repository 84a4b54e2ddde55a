-- cleanup_expired_seat_reservations: retire holds that have run out, oldest first. Bookkeeping only: their seats were
-- free the moment they ran out.
--
-- Any number of callers (worker, pg_cron, HTTP, command line) may run it at once: each takes holds that no other has
-- locked, so together they share the work and count nothing twice. Every call is recorded in
-- reservation_cleanup_runs, also one that fails.
--
-- Locks     lapsed reservations, skipping those that somebody else works on; then their claims, in seat order.
-- Outcomes  one row with the totals of this call. A failure inside is recorded as a failed run, warned of, and
--           comes back as zeros, for a raise would take its own record along.
-- Writes    seat_reservations, show_seats, one audit row (expired) a reservation, one run.
create or replace function rowlock.cleanup_expired_seat_reservations(
    p_limit integer default 1000,
    p_run_by text default 'sql'
)
returns table (
    total_reservations_expired integer,
    total_seats_released integer,
    reservation_ids uuid[]
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_started timestamptz := clock_timestamp();
    v_holds   integer := 0;
    v_seats   integer := 0;
    v_ids     uuid[] := '{}'::uuid[];
    v_rows    tid[];
    v_error   text;
    v_run_id  bigint;
begin
    begin
        -- Waiting is skipped, so the time read before the locks is as good as the time after.
        select coalesce(array_agg(l.reservation_id), '{}'), array_agg(l.ctid)
        into v_ids, v_rows
        from (
            select a.ctid, a.reservation_id
            from seat_reservations as a
            where a.ended_at is null and a.expires_at <= v_started
            order by a.expires_at
            limit p_limit
            for update skip locked
        ) as l;
        -- step: reservations_locked

        if cardinality(v_ids) > 0 then
            with retired as (
                update seat_reservations as a
                set status = 'expired', ended_at = v_started
                where a.ctid = any(v_rows)
                returning a.show_id, a.reservation_id, a.seat_ids, a.session_id, a.created_at, a.expires_at
            ),
            freed as (
                -- Claims are taken in seat order, as everywhere. A loop over the sorted list is the only join that the
                -- settings of this function leave to the planner, and it keeps the order of the list. So the list of a
                -- hold's seats in its audit row has that order, too, and nothing else is sorted.
                delete from show_seats as c
                using (
                    select d.show_id, s.seat_id, d.reservation_id
                    from retired as d, lateral unnest(d.seat_ids) as s (seat_id)
                    order by d.show_id, s.seat_id
                ) as w
                where c.show_id = w.show_id and c.seat_id = w.seat_id
                    and c.reservation_id = w.reservation_id and c.status = 'reserved'
                returning c.show_id, c.seat_id, c.reservation_id
            ),
            logged as (
                -- One grouping rather than a join of what was retired and what was freed: both are unknown to the
                -- planner, which would compare every row of one with every row of the other.
                insert into seat_reservation_audit_log
                    (show_id, reservation_id, event, seat_ids, session_id, metadata)
                select
                    e.show_id, e.reservation_id, 'expired',
                    coalesce(array_agg(e.seat_id) filter (where e.seat_id is not null), '{}'),
                    max(e.session_id),
                    jsonb_build_object('held_seconds', max(e.held_seconds), 'run_by', p_run_by)
                from (
                    select
                        d.show_id, d.reservation_id, null::integer as seat_id, d.session_id,
                        extract(epoch from d.expires_at - d.created_at) as held_seconds
                    from retired as d
                    union all
                    select f.show_id, f.reservation_id, f.seat_id, null, null
                    from freed as f
                ) as e
                group by e.show_id, e.reservation_id
                returning cardinality(seat_ids) as seats
            )
            select count(*)::integer, coalesce(sum(g.seats), 0)::integer into v_holds, v_seats from logged as g;
        end if;
    exception when others then
        get stacked diagnostics v_error = message_text;
        v_error := sqlstate || ': ' || v_error;
        v_holds := 0;
        v_seats := 0;
        v_ids := '{}';
        raise warning 'cleanup of expired reservations failed: %', v_error;
    end;

    insert into reservation_cleanup_runs
        (run_by, started_at, finished_at, status, reservations_expired, seats_released, error)
    values (
        p_run_by, v_started, clock_timestamp(), case when v_error is null then 'succeeded' else 'failed' end,
        v_holds, v_seats, v_error
    )
    returning run_id into v_run_id;
    delete from reservation_cleanup_runs where run_id <= v_run_id - 10000;
    -- step: written

    return query select v_holds, v_seats, v_ids;
end
$$;
comment on function rowlock.cleanup_expired_seat_reservations is
    'Retire holds that have run out and record the run. Safe from many callers at once; optional for correctness.';
revoke all on function rowlock.cleanup_expired_seat_reservations from public;
