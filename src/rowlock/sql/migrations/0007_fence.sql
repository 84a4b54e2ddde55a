-- What a repeated request is told, who did what, and a log that refused requests cannot fill.

alter table seat_reservations add column wish_hash bytea;
comment on column seat_reservations.wish_hash is
    'SHA-256 of what was asked for: of the seats, or of quantity, category and accessible. A repeated request with '
    'another wish is refused.';

alter table seat_reservation_audit_log add column actor text;
comment on column seat_reservation_audit_log.actor is
    'Who did it: a member of staff, the box office, the worker, …; null for the holder, whose session_id is there.';

-- Months made from now on have two partitions, one of them for refused requests, which can be dropped sooner. The key
-- of a partitioned table contains what it is partitioned by. Release 0.1 was never deployed, so the log is short, and
-- its new index is made at once.
-- squawk-ignore ban-drop-constraint
alter table seat_reservation_audit_log drop constraint seat_reservation_audit_log_pkey;
alter table seat_reservation_audit_log
    -- squawk-ignore constraint-missing-not-valid, adding-serial-primary-key-field
    add constraint seat_reservation_audit_log_pkey primary key (id, at, event);

create table reservation_refusal_counts (
    show_id  uuid not null,
    hour_at  timestamptz not null,
    code     text not null,
    slot     smallint not null,
    refusals bigint not null,
    constraint reservation_refusal_counts_pkey primary key (show_id, hour_at, code, slot),
    constraint chk_refusal_counted check (refusals >= 1)
) with (fillfactor = 50);
comment on table reservation_refusal_counts is
    'Refusals that need the catalogue alone (TOO_MANY_SEATS, SHOW_NOT_ON_SALE, SEATS_NOT_FOUND), counted by show, hour '
    'and code: a crowd that asks for a show too early writes no row per request. The view reservation_refusals adds '
    'the refusals of the audit log.';
comment on column reservation_refusal_counts.slot is
    'One of 16 rows of an hour, by the connection, so that transactions at the same time rarely wait for one row.';
