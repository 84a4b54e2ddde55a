-- find_integrator_key: what a key that was not revoked may do, and for whom, by its SHA-256.
--
-- The hash alone opens nothing: servers are sent the key, and hash it. So buyers' role may ask, and cannot list.
--
-- Locks     nothing.
-- Outcomes  one row; none when there is no such key, or it was revoked: the same answer for both.
-- Writes    nothing.
create or replace function rowlock.find_integrator_key(p_key_hash bytea)
returns table (
    key_id uuid,
    organization_id uuid,
    name text,
    scopes text[]
)
language plpgsql
stable
security definer
set search_path = rowlock, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select k.key_id, k.organization_id, k.name, k.scopes
    from integrator_keys as k
    where k.key_hash = p_key_hash and k.revoked_at is null;
end
$$;
comment on function rowlock.find_integrator_key is 'What an integrator''s key may do, and for whom, by its SHA-256.';
revoke all on function rowlock.find_integrator_key from public;
