-- seat_change_feed: the events of the audit log that no transaction still running can precede.
--
-- Read it in order of (xid, id) from the last position. A row with a lower xid than the horizon is final;
-- rows of running transactions, and of all that started after them, wait for the next read.
create or replace view rowlock.seat_change_feed as
select id, xid, at, show_id, reservation_id, order_id, event, seat_ids, metadata
from rowlock.seat_reservation_audit_log
where xid < pg_snapshot_xmin(pg_current_snapshot())
    and event <> 'failed';
comment on view rowlock.seat_change_feed is 'Committed seat events without gaps: the source of the live map.';
