-- A new venue, unless somebody has made it a moment ago.
insert into rowlock.venues (organization_id, name, time_zone)
values (%(organization_id)s, %(name)s, %(time_zone)s)
on conflict (organization_id, name) do nothing
returning venue_id, organization_id, name, time_zone
