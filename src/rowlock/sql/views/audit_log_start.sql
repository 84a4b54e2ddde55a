-- audit_log_start: since when the audit log has every event, because the partitions before may be archived; one row.
--
-- The first bound of its monthly partitions, and -infinity when there is only the default one.
create or replace view rowlock.audit_log_start as
select
    coalesce(
        min((regexp_match(pg_get_expr(p.relpartbound, p.oid), 'FROM \(''([^'']+)''\)'))[1]::timestamptz),
        '-infinity'
    ) as begins_at
from pg_inherits as i
join pg_class as p on p.oid = i.inhrelid
where i.inhparent = 'rowlock.seat_reservation_audit_log'::regclass;
comment on view rowlock.audit_log_start is 'Since when the audit log has every event: the start of its oldest partition that is not archived.';
