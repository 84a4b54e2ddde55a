-- Organizations by name, or all of them.
select organization_id, name, slug
from rowlock.organizations
where %(name)s::text is null or name = %(name)s
order by created_at, name
