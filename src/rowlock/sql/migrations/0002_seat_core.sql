-- The seat core: claims, reservations, the audit log and the record of cleanup runs.
--
-- Every key starts with show_id: a show is the unit of scale. There are no foreign keys to shows or
-- reservations here: each would lock a shared row on every claim of an on-sale. The functions keep the
-- references right and `rowlock check` proves it.

create table show_seats (
    show_id        uuid not null,
    seat_id        integer not null,
    status         text not null,
    reservation_id uuid,
    reserved_by    text,
    reserved_until timestamptz,
    order_id       uuid,
    block_reason   text,
    constraint idx_show_seats_no_double_booking primary key (show_id, seat_id),
    constraint chk_show_seat_status check (status in ('reserved', 'sold', 'blocked')),
    constraint chk_reserved_by_required check (
        (status = 'reserved') = (reserved_by is not null)
        and (status = 'reserved') = (reserved_until is not null)
        and (status = 'sold') = (order_id is not null)
    ),
    constraint chk_blocked_has_reason check ((status = 'blocked') = (block_reason is not null)),
    constraint chk_claimed_seat_id_positive check (seat_id >= 1)
) with (fillfactor = 80);
comment on table show_seats is
    'Claims. A row exists only while a seat of a show is reserved, sold or blocked; a free seat has no row. '
    'A reserved claim counts only until reserved_until: after that the seat is free, whether or not the row is still here.';

create table seat_reservations (
    show_id         uuid not null,
    reservation_id  uuid not null,
    token_hash      bytea,
    reserved_by     text not null,
    session_id      text,
    seat_ids        integer[] not null,
    status          text not null default 'active',
    created_at      timestamptz not null default clock_timestamp(),
    expires_at      timestamptz not null,
    extension_count integer not null default 0,
    ended_at        timestamptz,
    constraint seat_reservations_pkey primary key (show_id, reservation_id),
    -- active -> completed (paid), released (given back) or expired (ran out). Nothing leaves the last three.
    constraint chk_reservation_status check (status in ('active', 'completed', 'released', 'expired')),
    constraint chk_reservation_ended check ((status = 'active') = (ended_at is null)),
    constraint chk_reservation_has_seats check (cardinality(seat_ids) >= 1),
    constraint chk_extension_count_not_negative check (extension_count >= 0)
) with (fillfactor = 80);
create unique index idx_one_active_reservation_per_holder
    on seat_reservations (show_id, reserved_by) where status = 'active';
-- The predicate is not status = 'active': then the planner, before it knows the table, could take this index for the
-- search of a holder and read all of it.
create index idx_active_reservations_by_expiry
    on seat_reservations (expires_at) where ended_at is null;
comment on table seat_reservations is
    'Holds. At most one active reservation per show and holder. token_hash is the SHA-256 of the secret part of the token.';

create table seat_reservation_audit_log (
    id             bigint generated always as identity,
    at             timestamptz not null default clock_timestamp(),
    xid            xid8 not null default pg_current_xact_id(),
    show_id        uuid not null,
    reservation_id uuid,
    order_id       uuid,
    event          text not null,
    seat_ids       integer[] not null default '{}',
    session_id     text,
    ip_address     inet,
    user_agent     text,
    error_code     text,
    metadata       jsonb not null default '{}',
    constraint seat_reservation_audit_log_pkey primary key (id, at)
) partition by range (at);
create index idx_audit_log_at on seat_reservation_audit_log using brin (at);
create table seat_reservation_audit_log_default partition of seat_reservation_audit_log default;
comment on table seat_reservation_audit_log is
    'What happened to every seat, insert-only, one row per event. Written after the claims it speaks of are locked, '
    'so for one seat the order of id is the order of events. seat_ids: the seats the event is about; for expired and '
    'released the seats it set free; for changed the seats now held, with metadata {"added":[…],"removed":[…]}.';
comment on table seat_reservation_audit_log_default is
    'Events of months for which ensure_audit_log_partitions was not called in time.';
comment on column seat_reservation_audit_log.xid is
    'The writing transaction: readers of the change feed stop below pg_snapshot_xmin, so that no late commit is missed.';

create table reservation_cleanup_runs (
    run_id               bigint generated always as identity primary key,
    run_by               text not null,
    started_at           timestamptz not null,
    finished_at          timestamptz not null,
    status               text not null,
    reservations_expired integer not null default 0,
    seats_released       integer not null default 0,
    error                text,
    constraint chk_cleanup_run_status check (status in ('succeeded', 'failed')),
    constraint chk_cleanup_run_error check ((status = 'failed') = (error is not null))
);
comment on table reservation_cleanup_runs is 'The last 10,000 cleanup runs, whoever ran them.';
