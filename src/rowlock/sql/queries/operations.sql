-- Facts about a server and Rowlock's tables and functions on it, for the doctor and the readiness check.

-- name: server_facts
-- scope: cell
-- The settings and the state of a server, for the doctor. It works before the first migration.
select
    current_setting('server_version_num')::integer as server_version,
    current_user::text as user_name,
    pg_is_in_recovery() as in_recovery,
    current_setting('fsync') as fsync,
    current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('autovacuum') as autovacuum,
    current_setting('server_encoding') as server_encoding,
    current_setting('lock_timeout') as lock_timeout,
    current_setting('statement_timeout') as statement_timeout,
    current_setting('max_connections')::integer as max_connections,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as connections_free,
    exists (select from pg_timezone_names where name = 'Europe/Berlin') as knows_time_zones

-- name: schema_facts
-- scope: cell
-- The state of Rowlock's own tables, for the doctor. Missing partitions are months as YYYY_MM.
select
    array(
        select to_char(m, 'YYYY_MM')
        from generate_series(
            date_trunc('month', clock_timestamp() at time zone 'UTC'),
            date_trunc('month', clock_timestamp() at time zone 'UTC') + interval '1 month',
            interval '1 month'
        ) as m
        where to_regclass('rowlock.seat_reservation_audit_log_' || to_char(m, 'YYYY_MM')) is null
        order by m
    ) as missing_partitions,
    exists (select from rowlock.seat_reservation_audit_log_default) as rows_in_default,
    (select max(finished_at) from rowlock.reservation_cleanup_runs where status = 'succeeded') as last_cleanup_at,
    (select error from rowlock.reservation_cleanup_runs order by run_id desc limit 1) as last_cleanup_error,
    (select changed_at from rowlock.runtime_settings where name = 'cleanup_paused') as cleanup_paused_since,
    l.reservations as lapsed,
    l.oldest_expired_at as oldest_lapsed_at,
    coalesce(b.sessions, 0)::integer as sessions,
    b.address as busiest_address,
    coalesce(b.of_address, 0)::integer as busiest_sessions,
    (select count(*)::integer from rowlock.disputes where status = 'opened') as open_disputes,
    (select min(respond_until) from rowlock.disputes where status = 'opened') as respond_until,
    (
        select count(*)::integer from rowlock.refunds
        where status = 'failed' and updated_at > clock_timestamp() - interval '30 days'
    ) as failed_refunds,
    (
        select count(*)::integer from rowlock.refunds
        where status in ('pending', 'in_doubt') and created_at < clock_timestamp() - interval '3 days'
    ) as late_refunds,
    clock_timestamp() as server_time
from rowlock.lapsed_reservations as l
left join (
    select host(a.ip_address) as address, count(distinct a.session_id) as of_address,
        sum(count(distinct a.session_id)) over () as sessions
    from rowlock.seat_reservation_audit_log as a
    where a.event = 'created' and a.at > clock_timestamp() - interval '1 hour' and a.ip_address is not null
    group by a.ip_address
    order by of_address desc
    limit 1
) as b on true

-- name: readiness
-- scope: cell
-- For the readiness check: whether the stored functions are installed, without which version 2 cannot be served;
-- whether this session cannot write; and whether that is because the server is a standby.
select
    (
        select count(*) > 0
        from pg_proc
        where pronamespace = 'rowlock'::regnamespace and proname = 'reserve_seats_batch'
    ) as has_functions,
    current_setting('transaction_read_only') = 'on' as is_read_only,
    pg_is_in_recovery() as is_standby
