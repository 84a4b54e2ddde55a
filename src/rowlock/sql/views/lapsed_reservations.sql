-- lapsed_reservations: how many holds have run out and wait for cleanup, and since when; one row, also for none.
--
-- The worker reads it each second: an index scan over holds past their deadline, which stops at 10,000. No decision
-- depends on it, so it compares with statement_timestamp(), which is stable and can be an index condition.
create or replace view rowlock.lapsed_reservations as
select
    count(*)::integer as reservations,
    min(l.expires_at) as oldest_expired_at
from (
    select r.expires_at
    from rowlock.seat_reservations as r
    where r.ended_at is null and r.expires_at <= statement_timestamp()
    order by r.expires_at
    limit 10000
) as l;
comment on view rowlock.lapsed_reservations is 'Holds that have run out and wait for cleanup (at most 10,000 are counted), and since when.';
