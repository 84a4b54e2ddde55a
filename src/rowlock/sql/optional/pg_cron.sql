-- Optional: let pg_cron retire expired holds every 5 minutes, next to or instead of `rowlock worker`.
--
-- Expired seats can be sold at once without it. Run this as a user who may use pg_cron, in the database that
-- cron.database_name names. Run again, it replaces the job. `rowlock cleanup --pause` stops the job's work as well: it
-- runs on and retires nothing.
--   psql "$(rowlock db url)" -f pg_cron.sql

-- The job's name until version 0.1.0. Asked for first, because cron.unschedule raises an error for a job that is not
-- there; only one's own, because a superuser sees the jobs of all users and could not name another's.
select cron.unschedule(j.jobname)
from cron.job as j
where j.jobname = 'rowlock-cleanup-expired-seat-reservations' and j.username = current_user;

select cron.schedule(
    'cleanup-expired-reservations',
    '*/5 * * * *',
    $$select * from rowlock.cleanup_expired_seat_reservations(p_limit => 10000, p_run_by => 'pg_cron')$$
);
