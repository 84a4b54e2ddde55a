select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'the plan ' || p.name || ', version ' || p.version || ' (' || p.plan_id || '), was changed after it was published'
        as what
from rowlock.seating_plans as p
join rowlock.seating_plan_checksums as c using (plan_id)
where p.checksum is distinct from c.checksum
