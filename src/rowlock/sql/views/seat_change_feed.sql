-- seat_change_feed: the events of the audit log whose transaction is older than every running one.
--
-- Read it in order of (xid, id) from the last position. No row with a lower xid than the horizon can still appear;
-- rows with a higher one come with a later read.
create or replace view rowlock.seat_change_feed as
select id, xid, at, show_id, reservation_id, order_id, event, seat_ids, metadata
from rowlock.seat_reservation_audit_log
where xid < pg_snapshot_xmin(pg_current_snapshot())
    and event <> 'failed';
comment on view rowlock.seat_change_feed is 'Committed seat events in an order without gaps, for consumers that follow the seats of a show.';
