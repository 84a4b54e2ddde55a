-- The checksum of a plan version whose seats have just been stored.
update rowlock.seating_plans as p
set checksum = c.checksum
from rowlock.seating_plan_checksums as c
where p.plan_id = %(plan_id)s and c.plan_id = %(plan_id)s
returning p.checksum
