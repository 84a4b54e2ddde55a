-- Orders with a secret of their own, payments that tell what became of them, a ledger, and an outbox that is worked off.
--
-- Columns have constant defaults, so no table is written anew. The tables of checkout are empty or small: no release has
-- sold through them.
-- squawk-ignore-file require-concurrent-index-creation, constraint-missing-not-valid, adding-field-with-default

alter table ticket_orders
    add column token_hash bytea,
    add constraint chk_order_token_hash check (octet_length(token_hash) = 32);
comment on column ticket_orders.token_hash is
    'SHA-256 of the secret that the order is read and paid with. It is told once, and not stored.';

alter table ticket_order_items
    add column category integer,
    add column fee_minor bigint not null default 0,
    add column tax_basis_points integer not null default 0,
    add constraint chk_item_fee_within_amount check (fee_minor between 0 and amount_minor),
    add constraint chk_item_tax_rate check (tax_basis_points between 0 and 10000);
comment on column ticket_order_items.category is 'The price category that the seat was sold in.';
comment on column ticket_order_items.fee_minor is 'The part of the amount that is the fee per ticket.';
comment on column ticket_order_items.tax_basis_points is
    'The rate of the tax that the amount contains, in hundredths of a percent.';

alter table seat_reservations add column has_grace boolean not null default false;
comment on column seat_reservations.has_grace is
    'Whether the deadline was moved for a payment that began shortly before it: once, by at most five minutes.';

alter table payment_intents
    add column client_secret text,
    add column failure text;
comment on column payment_intents.client_secret is
    'With which the buyer''s page acts on the payment at the provider. Only the worker reads it.';
comment on column payment_intents.failure is 'Why the last attempt to pay failed, as the provider says it.';
alter table refunds add column failure text;
comment on column refunds.failure is 'Why the provider did not give the money back.';

alter table tickets
    add column revision integer not null default 1,
    add constraint chk_ticket_revision check (revision between 1 and 255);
comment on column tickets.revision is 'Counts from 1. A ticket that is issued again has the next one, and codes of earlier ones are void.';

create table ledger_entries (
    show_id      uuid not null,
    movement_id  uuid not null,
    account      text not null,
    order_id     uuid not null,
    amount_minor bigint not null,
    currency     text not null,
    at           timestamptz not null default clock_timestamp(),
    constraint ledger_entries_pkey primary key (show_id, movement_id, account),
    constraint ledger_entries_order foreign key (show_id, order_id) references ticket_orders,
    constraint chk_ledger_account check (account in ('provider', 'sales', 'owed')),
    constraint chk_ledger_amount_not_zero check (amount_minor <> 0)
);
create index idx_ledger_entries_of_order on ledger_entries (show_id, order_id);
comment on table ledger_entries is
    'Every movement of money, twice, with a sum of zero: what is with the provider, and whose it is. movement_id is the '
    'payment intent or the refund. sales: for tickets. owed: to be given back, because the order had ended.';

alter table outbox_messages
    add column done_at timestamptz,
    add column attempts integer not null default 0,
    add column next_attempt_at timestamptz not null default '2000-01-01 00:00:00+00',
    add column last_error text;
create index idx_outbox_messages_to_do on outbox_messages (next_attempt_at, message_id) where done_at is null;
comment on column outbox_messages.next_attempt_at is
    'Not before then it is tried again. A worker that takes a message moves this to the end of its time for it.';

alter table webhook_events
    add column attempts integer not null default 0,
    add column next_attempt_at timestamptz not null default '2000-01-01 00:00:00+00';
create index idx_webhook_events_to_do on webhook_events (next_attempt_at) where processed_at is null;

create table disputes (
    show_id           uuid not null,
    dispute_id        uuid not null,
    payment_intent_id uuid not null,
    provider          text not null,
    provider_reference text not null,
    provider_status   text not null,
    amount_minor      bigint not null,
    currency          text not null,
    reason            text not null,
    created_at        timestamptz not null default clock_timestamp(),
    updated_at        timestamptz not null default clock_timestamp(),
    constraint disputes_pkey primary key (show_id, dispute_id),
    constraint disputes_reference_unique unique (provider, provider_reference),
    constraint disputes_payment_intent foreign key (show_id, payment_intent_id) references payment_intents,
    constraint chk_dispute_amount_positive check (amount_minor > 0)
);
create index idx_disputes_of_payment on disputes (show_id, payment_intent_id);
comment on table disputes is
    'Chargebacks: a buyer''s bank takes the money back. The tickets stay as they are until staff decide.';

create table payment_idempotency_keys (
    show_id         uuid not null,
    idempotency_key text not null,
    order_id        uuid not null,
    request_hash    bytea not null,
    answer          text,
    locked_until    timestamptz not null,
    created_at      timestamptz not null default clock_timestamp(),
    constraint payment_idempotency_keys_pkey primary key (show_id, idempotency_key),
    constraint payment_idempotency_keys_order foreign key (show_id, order_id) references ticket_orders,
    constraint chk_payment_key_length check (length(idempotency_key) between 1 and 255)
);
create index idx_payment_idempotency_keys_age on payment_idempotency_keys (created_at);
comment on table payment_idempotency_keys is
    'The answers to requests for a payment, by the key that the client sent; kept for 30 days. Without an answer the '
    'request is being worked on until locked_until, or failed for a while and may be sent again.';
