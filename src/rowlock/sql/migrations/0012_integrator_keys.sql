-- The keys of integrators: programs that sell for an organization, or do the work of its staff.

create table integrator_keys (
    key_id          uuid not null,
    organization_id uuid not null references organizations,
    name            text not null,
    scopes          text[] not null,
    key_hash        bytea not null,
    created_at      timestamptz not null default clock_timestamp(),
    revoked_at      timestamptz,
    constraint integrator_keys_pkey primary key (key_id),
    constraint integrator_keys_hash_unique unique (key_hash),
    constraint chk_key_name check (name <> '' and length(name) <= 100),
    constraint chk_key_scopes check (cardinality(scopes) >= 1 and scopes <@ array['sell', 'staff']),
    constraint chk_key_hash check (octet_length(key_hash) = 32)
);
comment on table integrator_keys is
    'Keys of programs that sell for an organization or work for its staff. The key itself is shown once, and not stored.';
comment on column integrator_keys.scopes is
    'What it may do for the shows of its organization: sell (holds of end users), staff (what /api/admin does for a show).';
comment on column integrator_keys.key_hash is 'SHA-256 of the key. No role but the owner reads it.';
comment on column integrator_keys.revoked_at is 'From when on it is good for nothing. Rows stay: they say whose a key was.';
create index idx_integrator_keys_organization on integrator_keys (organization_id);
