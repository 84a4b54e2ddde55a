select pl.plan_id, pl.version, encode(pl.checksum, 'hex') as checksum
from rowlock.shows as s
join rowlock.seating_plans as pl using (plan_id)
where s.show_id = %s and s.status <> 'draft'
