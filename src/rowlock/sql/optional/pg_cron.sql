-- Optional: let pg_cron retire expired holds every 5 minutes, next to or instead of `rowlock worker`.
--
-- Expired seats can be sold at once without it. Run this as a user who may use pg_cron, in the database where
-- cron.database_name points; it replaces the job when it is run again.
--   psql "$(rowlock db url)" -f pg_cron.sql
select cron.schedule(
    'rowlock-cleanup-expired-seat-reservations',
    '*/5 * * * *',
    $$select * from rowlock.cleanup_expired_seat_reservations(p_limit => 10000, p_run_by => 'pg_cron')$$
);
