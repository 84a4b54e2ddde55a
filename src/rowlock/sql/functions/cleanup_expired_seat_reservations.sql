-- cleanup_expired_seat_reservations: retire holds that have run out, oldest first. Bookkeeping only: their seats are
-- available from the deadline on.
--
-- Any number of callers (worker, pg_cron, HTTP, command line) may run it at once: each takes holds that no other has
-- locked, so no hold is counted twice. Every call is recorded in reservation_cleanup_runs, also one that fails.
--
-- An operator may pause it (`rowlock cleanup --pause`, the row cleanup_paused of runtime_settings). Then a call retires
-- nothing and records no run, so that the last run is still the last time that holds were looked for. A call that began
-- before the pause ends its work.
--
-- Locks     lapsed reservations, skipping those that another transaction has locked; then their claims, in order of
--           show and seat. While paused, none.
-- Outcomes  one row with the totals of this call. A failure is recorded as a failed run, raised as a warning, and
--           returned as zeros, because an error would roll its own record back. While paused, zeros and a notice.
-- Writes    seat_reservations, show_seats, one audit row (expired) a reservation, one run. While paused, nothing.
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
set enable_bitmapscan = off
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
    if exists (select from runtime_settings as s where s.name = 'cleanup_paused') then
        raise notice 'the cleanup is paused; `rowlock cleanup --resume` ends the pause';
        return query select 0, 0, '{}'::uuid[];
        return;
    end if;

    begin
        -- Locked rows are skipped, so there is no wait after which the clock would have to be read again.
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
                -- Claims are locked in seat order, as everywhere: show by show, each along its index. The settings of
                -- this function leave the planner only a nested loop with index scans, and the only index of claims is
                -- in that order. To lock them in a sorted select and delete by ctid would miss a claim that another
                -- transaction rewrote meanwhile, as a refused block does. `is true` makes the list of ids a hash table;
                -- `in` alone would become a join.
                delete from show_seats as c
                using (
                    select d.show_id, array_agg(s.seat_id order by s.seat_id) as seat_ids
                    from retired as d, lateral unnest(d.seat_ids) as s (seat_id)
                    group by d.show_id
                    order by d.show_id
                ) as w
                where c.show_id = w.show_id and c.seat_id = any(w.seat_ids) and c.status = 'reserved'
                    and (c.reservation_id in (select unnest(v_ids))) is true
                returning c.reservation_id, c.seat_id
            ),
            logged as (
                insert into seat_reservation_audit_log
                    (show_id, reservation_id, event, seat_ids, session_id, metadata, actor)
                select
                    d.show_id, d.reservation_id, 'expired',
                    -- Without seats that another hold has claimed since the deadline.
                    array(
                        select s.seat_id
                        from unnest(d.seat_ids) as s (seat_id)
                        where ((d.reservation_id, s.seat_id) in (select f.reservation_id, f.seat_id from freed as f))
                            is true
                    ),
                    d.session_id,
                    jsonb_build_object(
                        'held_seconds', extract(epoch from d.expires_at - d.created_at), 'run_by', p_run_by
                    ),
                    p_run_by
                from retired as d
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
