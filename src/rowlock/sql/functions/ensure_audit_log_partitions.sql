-- ensure_audit_log_partitions: make the audit log's partitions for this month and the next ones.
--
-- A month has two partitions: …_failed for refused requests, which may be dropped long before the rest, and …_kept for
-- everything that happened to a seat or an order.
-- The default partition takes events of a month without a partition, so no event is refused. A month with events in
-- the default partition gets no partition of its own: rows of the log never move.
--
-- Locks     when a partition is missing: an advisory lock against other calls of this function, then, briefly, the
--           audit log.
-- Outcomes  the names of the partitions made, none when all were there.
-- Writes    new partitions, without the right to change or delete their rows.
create or replace function rowlock.ensure_audit_log_partitions(p_months_ahead integer default 2)
returns setof text
language plpgsql
security definer
set search_path = rowlock, pg_temp
as $$
declare
    v_month timestamptz;
    v_next  timestamptz;
    v_name  text;
begin
    for v_month in
        select m at time zone 'UTC'
        from generate_series(
            date_trunc('month', clock_timestamp() at time zone 'UTC'),
            date_trunc('month', clock_timestamp() at time zone 'UTC') + make_interval(months => p_months_ahead),
            interval '1 month'
        ) as m
    loop
        v_name := 'seat_reservation_audit_log_' || to_char(v_month at time zone 'UTC', 'YYYY_MM');
        continue when to_regclass('rowlock.' || v_name) is not null;
        v_next := ((v_month at time zone 'UTC') + interval '1 month') at time zone 'UTC';
        perform pg_advisory_xact_lock('rowlock.seat_reservation_audit_log'::regclass::bigint);
        continue when to_regclass('rowlock.' || v_name) is not null
            or exists (select from seat_reservation_audit_log_default as d where d.at >= v_month and d.at < v_next);
        execute format(
            'create table rowlock.%I partition of rowlock.seat_reservation_audit_log for values from (%L) to (%L) '
            'partition by list (event)',
            v_name, v_month, v_next
        );
        execute format(
            'create table rowlock.%I partition of rowlock.%I for values in (''failed'')', v_name || '_failed', v_name
        );
        execute format('create table rowlock.%I partition of rowlock.%I default', v_name || '_kept', v_name);
        execute format(
            'revoke update, delete, truncate on rowlock.%1$I, rowlock.%2$I, rowlock.%3$I from current_user',
            v_name, v_name || '_failed', v_name || '_kept'
        );
        return next v_name;
    end loop;
end
$$;
comment on function rowlock.ensure_audit_log_partitions is
    'Make the audit log partitions of this month and the next ones; returns the names of those made.';
revoke all on function rowlock.ensure_audit_log_partitions from public;
