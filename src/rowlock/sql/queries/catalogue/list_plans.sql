select
    p.plan_id, p.name, p.version, v.name as venue, v.time_zone, o.name as organization, p.source_format,
    p.seats_total, p.published_at
from rowlock.seating_plans as p
join rowlock.venues as v using (venue_id)
join rowlock.organizations as o using (organization_id)
order by o.name, v.name, p.name, p.version
