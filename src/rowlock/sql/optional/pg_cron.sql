-- Optional: let pg_cron retire expired holds every 5 minutes, next to or instead of `rowlock worker`.
--
-- Expired seats can be sold at once without it. Run this as a user who may use pg_cron, in the database that
-- cron.database_name names. Run again, it replaces the job.
--   psql "$(rowlock db url)" -f pg_cron.sql
select cron.schedule(
    'rowlock-cleanup-expired-seat-reservations',
    '*/5 * * * *',
    $$select * from rowlock.cleanup_expired_seat_reservations(p_limit => 10000, p_run_by => 'pg_cron')$$
);
