-- What the doctor looks at in Rowlock's own tables.
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
    l.reservations as lapsed,
    l.oldest_expired_at as oldest_lapsed_at,
    clock_timestamp() as server_time
from rowlock.lapsed_reservations as l
