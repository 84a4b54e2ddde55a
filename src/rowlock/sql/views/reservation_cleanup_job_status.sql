-- reservation_cleanup_job_status: the last 10 cleanup runs of any caller (worker, pg_cron, HTTP, command line).
create or replace view rowlock.reservation_cleanup_job_status as
select
    run_id,
    run_by,
    started_at,
    finished_at,
    finished_at - started_at as duration,
    status,
    error,
    reservations_expired,
    seats_released
from rowlock.reservation_cleanup_runs
order by run_id desc
limit 10;
comment on view rowlock.reservation_cleanup_job_status is 'The last 10 cleanup runs, newest first.';
