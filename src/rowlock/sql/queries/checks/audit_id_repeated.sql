-- One sequence numbers all partitions, but uniqueness can only be promised within each.
select (array_agg(a.show_id order by a.at))[1] as show_id, null::integer as seat_id, null::uuid as reservation_id,
    null::uuid as order_id, 'the audit log has the id ' || a.id || ' ' || count(*) || ' times' as what
from rowlock.seat_reservation_audit_log as a
group by a.id
having count(*) > 1
