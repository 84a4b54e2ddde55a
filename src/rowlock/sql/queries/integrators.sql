-- The keys of integrators: made, listed and revoked by the owner, and looked up for requests by the application.

-- name: find_key
-- scope: catalogue
-- What a key that was not revoked may do, and for whom, by its SHA-256; no row for any other.
select key_id, organization_id, name, scopes
from rowlock.find_integrator_key(%s::bytea)

-- name: owner_of_show
-- scope: show
-- The organization of a show, and whether the show is hidden from buyers.
select organization_id, status = 'draft' as is_draft
from rowlock.shows
where show_id = %s

-- name: find_organization
-- scope: catalogue
-- The organization of that name or slug. Slugs are unique, names need not be.
select organization_id, name
from rowlock.organizations
where name = %(organization)s::text or slug = %(organization)s::text
order by slug

-- name: add_key
-- scope: catalogue
-- A new key.
insert into rowlock.integrator_keys (key_id, organization_id, name, scopes, key_hash)
values (%(key_id)s::uuid, %(organization_id)s::uuid, %(name)s::text, %(scopes)s::text[], %(key_hash)s::bytea)
returning created_at

-- name: list_keys
-- scope: catalogue
-- Every key, or those of an organization, by organization and age. Revoked ones are there, too.
select k.key_id, o.name as organization, k.name, k.scopes, k.created_at, k.revoked_at
from rowlock.integrator_keys as k
join rowlock.organizations as o using (organization_id)
where %(organization_id)s::uuid is null or k.organization_id = %(organization_id)s::uuid
order by o.name, o.slug, k.created_at, k.key_id

-- name: revoke_key
-- scope: catalogue
-- Revokes a key. One that is revoked keeps the instant. No row when there is no such key.
with revoked as (
    update rowlock.integrator_keys as k
    set revoked_at = coalesce(k.revoked_at, clock_timestamp())
    where k.key_id = %s::uuid
    returning k.*
)
select r.key_id, o.name as organization, r.name, r.scopes, r.created_at, r.revoked_at
from revoked as r
join rowlock.organizations as o using (organization_id)
