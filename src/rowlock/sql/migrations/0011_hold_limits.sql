-- Where a hold comes from, so that one client cannot hold a hall; and which places of a plan are accessible.
--
-- Both indexes are made while buyers wait. On a large database make them `concurrently` by hand first, under these names.
-- squawk-ignore-file require-concurrent-index-creation

alter table seat_reservations
    add column client inet,
    add column weight smallint;
comment on column seat_reservations.client is
    'The network address that the hold counts for: of IPv6 the first 64 bits. Null for a client that has no limits.';
comment on column seat_reservations.weight is
    'What the hold counts in the limit of new holds a minute: 2, of seats just let go 10, after a purchase 1.';
alter table seat_reservations
    add constraint chk_hold_weight check ((client is null) = (weight is null) and weight >= 1) not valid;
create index if not exists idx_reservations_by_client
    on seat_reservations (show_id, client, created_at) where client is not null;

create index if not exists idx_accessible_seats on seats (plan_id, seat_id) where kind <> 'standard';
