select venue_id, organization_id, name, time_zone
from rowlock.venues
where organization_id = %(organization_id)s and name = %(name)s
