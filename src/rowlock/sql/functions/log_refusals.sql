-- log_refusals: record refused requests, so that no number of them fills the log.
--
-- Without an order, TOO_MANY_SEATS, SHOW_NOT_ON_SALE, SEATS_NOT_FOUND and ACCESSIBLE_SEATS need the catalogue alone, and
-- TOO_MANY_HOLDS may be any number. They are counted, by show, hour and code. Any other refusal is a row of the audit log (failed), with its first ten seats and, as `seats` in
-- the metadata, their number; these rows are in partitions of their own, which can be dropped sooner. Passed over are
-- outcomes that are no refusals, and without an order those that concern no known hold and no known show
-- (INVALID_INPUT, SHOW_NOT_FOUND, RESERVATION_NOT_FOUND). A part of the functions that refuse.
--
-- Locks     the rows of the counters, by code, after everything else. Each connection has one of 16 rows an hour.
-- Outcomes  none.
-- Writes    seat_reservation_audit_log, reservation_refusal_counts.
create or replace function rowlock.log_refusals(
    p_show_id uuid,
    p_outcomes text[],           -- by request; the arrays below are parallel to it, or null
    p_reservation_ids uuid[],
    p_seat_lists text[],         -- array literals
    p_session_ids text[],
    p_ip_addresses inet[],
    p_user_agents text[],
    p_metadata jsonb default '{}',
    p_order_id uuid default null,
    p_actor text default null
)
returns void
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_counted constant text[] := array[
        'TOO_MANY_SEATS', 'SHOW_NOT_ON_SALE', 'SEATS_NOT_FOUND', 'ACCESSIBLE_SEATS', 'TOO_MANY_HOLDS'
    ];
begin
    insert into seat_reservation_audit_log
        (show_id, reservation_id, order_id, event, seat_ids, session_id, ip_address, user_agent, error_code, metadata, actor)
    select
        p_show_id, r.reservation_id, p_order_id, 'failed', coalesce((r.seat_list::integer[])[1:10], '{}'), r.session_id,
        r.ip_address, r.user_agent, r.outcome,
        p_metadata || jsonb_build_object('seats', coalesce(cardinality(r.seat_list::integer[]), 0)), p_actor
    from unnest(p_outcomes, p_reservation_ids, p_seat_lists, p_session_ids, p_ip_addresses, p_user_agents) with ordinality
        as r (outcome, reservation_id, seat_list, session_id, ip_address, user_agent, request)
    where r.outcome not in ('OK', 'REPLAY', 'REPEATED')
        and (
            p_order_id is not null or (
                r.outcome not in ('INVALID_INPUT', 'SHOW_NOT_FOUND', 'RESERVATION_NOT_FOUND')
                and r.outcome <> all(v_counted)
            )
        )
    order by r.request;

    if p_order_id is null and p_outcomes && v_counted then
        insert into reservation_refusal_counts as c (show_id, hour_at, code, slot, refusals)
        select p_show_id, date_trunc('hour', clock_timestamp(), 'UTC'), r.outcome, mod(pg_backend_pid(), 16), count(*)
        from unnest(p_outcomes) as r (outcome)
        where r.outcome = any(v_counted)
        group by r.outcome
        order by r.outcome
        on conflict (show_id, hour_at, code, slot) do update
        set refusals = c.refusals + excluded.refusals;
    end if;
end
$$;
comment on function rowlock.log_refusals is
    'Record refused requests, as counts or as rows of the audit log; a part of the functions that refuse.';
revoke all on function rowlock.log_refusals from public;
