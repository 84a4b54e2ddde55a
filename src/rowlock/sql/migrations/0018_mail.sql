-- Mail: a record of each mail, the local mailbox of installations without a mail server, and the numbers of receipts.
--
-- Every table is new, so nothing waits for a lock.

create table mails (
    message_id text not null,
    kind       text not null,
    show_id    uuid,
    order_id   uuid,
    recipient  text not null,
    subject    text not null,
    status     text not null,
    error      text,
    at         timestamptz not null default clock_timestamp(),
    constraint mails_pkey primary key (message_id),
    constraint chk_mail_message_id check (message_id ~ '^<[^<>[:space:]]+>$' and length(message_id) <= 250),
    constraint chk_mail_kind check (kind ~ '^[a-z]+(_[a-z]+)*$'),
    constraint chk_mail_order_has_show check (order_id is null or show_id is not null),
    -- sent -> bounced; refused -> sent, when it is sent again.
    constraint chk_mail_status check (status in ('sent', 'refused', 'bounced')),
    constraint chk_mail_error check ((status = 'sent') = (error is null))
);
create index idx_mails_at on mails (at);
create index idx_mails_failed on mails (at) where status <> 'sent';
create index idx_mails_order on mails (show_id, order_id);
comment on table mails is
    'Each mail, once it was sent or refused for good. One event is one message_id, however often it is sent.';
comment on column mails.status is
    'sent: the mail server took it. refused: it never will be, see error. bounced: it came back after it was sent.';

create table mailbox_messages (
    mailbox_id bigint generated always as identity,
    message_id text not null,
    recipient  text not null,
    subject    text not null,
    content    bytea not null,
    at         timestamptz not null default clock_timestamp(),
    constraint mailbox_messages_pkey primary key (mailbox_id),
    constraint mailbox_messages_message_id_unique unique (message_id)
);
comment on table mailbox_messages is
    'The local mailbox: where mails land without a mail server, the newest 500. content is the mail as it would be sent.';

create table receipt_counters (
    organization_id uuid not null,
    year            integer not null,
    last_number     integer not null default 0,
    constraint receipt_counters_pkey primary key (organization_id, year),
    constraint receipt_counters_organization foreign key (organization_id) references organizations,
    constraint chk_receipt_counter_not_negative check (last_number >= 0)
);
comment on table receipt_counters is
    'The last number that an organization gave to a receipt or credit note in a year. Who takes the next one has this row '
    'locked until the commit, so that no number is lost and none is given twice.';

create table receipts (
    organization_id uuid not null,
    year            integer not null,
    number          integer not null,
    show_id         uuid not null,
    order_id        uuid not null,
    refund_id       uuid,
    amount_minor    bigint not null,
    currency        text not null,
    issued_at       timestamptz not null,
    constraint receipts_pkey primary key (organization_id, year, number),
    constraint receipts_counter foreign key (organization_id, year) references receipt_counters,
    constraint receipts_order foreign key (show_id, order_id) references ticket_orders,
    constraint receipts_refund foreign key (show_id, refund_id) references refunds,
    constraint chk_receipt_number_positive check (number >= 1),
    constraint chk_receipt_amount_positive check (amount_minor > 0)
);
create unique index idx_one_receipt_per_order on receipts (show_id, order_id) where refund_id is null;
create unique index idx_one_credit_note_per_refund on receipts (show_id, refund_id) where refund_id is not null;
create index idx_receipts_of_order on receipts (show_id, order_id);
comment on table receipts is
    'Receipts of paid orders and credit notes of refunds (those with a refund_id), numbered without a gap by organization '
    'and year. Rows are never changed.';
comment on column receipts.year is 'The year in which it was issued, in the time zone of the venue.';
