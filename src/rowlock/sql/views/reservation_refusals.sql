-- reservation_refusals: how often requests were refused, by show, hour and code, counted and logged ones together.
--
-- It reads the refused requests of the audit log: give it a range of hours.
create or replace view rowlock.reservation_refusals as
select f.show_id, f.hour_at, f.code, sum(f.refusals)::bigint as refusals
from (
    select c.show_id, c.hour_at, c.code, c.refusals
    from rowlock.reservation_refusal_counts as c
    union all
    select a.show_id, date_trunc('hour', a.at, 'UTC'), a.error_code, 1
    from rowlock.seat_reservation_audit_log as a
    where a.event = 'failed'
) as f
group by f.show_id, f.hour_at, f.code;
comment on view rowlock.reservation_refusals is 'How often requests were refused, by show, hour (UTC) and code.';
