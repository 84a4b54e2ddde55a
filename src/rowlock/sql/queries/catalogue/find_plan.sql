-- What a new show needs to know of its plan.
select p.plan_id, p.name, p.version, v.name as venue, v.time_zone, p.seats_total, p.layout -> 'categories' as categories
from rowlock.seating_plans as p
join rowlock.venues as v using (venue_id)
where p.plan_id = %s
