-- Whose payment accounts they are.

-- name: organizations_by_slug
-- scope: catalogue
-- The ids of the organizations with these slugs.
select slug, organization_id
from rowlock.organizations
where slug = any(%(slugs)s::text[])
