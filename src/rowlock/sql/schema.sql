-- The schema that all migrations, functions, views and grants make together. Written by `make schema`: do not edit.

create table disputes (
    show_id uuid not null,
    dispute_id uuid not null,
    payment_intent_id uuid not null,
    provider text not null,
    provider_reference text not null,
    provider_status text not null,
    amount_minor bigint not null,
    currency text not null,
    reason text not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    updated_at timestamp with time zone not null default clock_timestamp(),
    status text not null default 'opened'::text,
    respond_until timestamp with time zone,
    withdrawn_minor bigint not null default 0,
    fee_minor bigint not null default 0,
    return_movement_id uuid,
    ended_at timestamp with time zone,
    constraint disputes_pkey PRIMARY KEY (show_id, dispute_id),
    constraint disputes_reference_unique UNIQUE (provider, provider_reference),
    constraint disputes_payment_intent FOREIGN KEY (show_id, payment_intent_id) REFERENCES payment_intents(show_id, payment_intent_id),
    constraint chk_dispute_amount_positive CHECK ((amount_minor > 0)),
    constraint chk_dispute_ended_at CHECK (((status = 'opened'::text) = (ended_at IS NULL))),
    constraint chk_dispute_status CHECK ((status = ANY (ARRAY['opened'::text, 'won'::text, 'lost'::text]))),
    constraint chk_dispute_withdrawn CHECK (((withdrawn_minor >= 0) AND (withdrawn_minor <= amount_minor)))
);
CREATE INDEX idx_disputes_of_payment ON rowlock.disputes USING btree (show_id, payment_intent_id);
CREATE INDEX idx_disputes_open ON rowlock.disputes USING btree (respond_until) WHERE (status = 'opened'::text);
comment on table disputes is 'Chargebacks: a buyer''s bank takes the money back. The tickets stay as they are until staff decide.';
comment on column disputes.respond_until is 'Until when the seller may answer the bank.';
comment on column disputes.withdrawn_minor is 'What the provider took off the account for it, at first; returned or not.';
comment on column disputes.fee_minor is 'What the provider asks for the dispute itself, in minor units of the currency.';
comment on column disputes.return_movement_id is 'The movement of the ledger with which the money came back.';
grant select on disputes to rowlock_office;
grant select on disputes to rowlock_worker;

create table integrator_keys (
    key_id uuid not null,
    organization_id uuid not null,
    name text not null,
    scopes text[] not null,
    key_hash bytea not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    revoked_at timestamp with time zone,
    constraint integrator_keys_pkey PRIMARY KEY (key_id),
    constraint integrator_keys_hash_unique UNIQUE (key_hash),
    constraint integrator_keys_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(organization_id),
    constraint chk_key_hash CHECK ((octet_length(key_hash) = 32)),
    constraint chk_key_name CHECK (((name <> ''::text) AND (length(name) <= 100))),
    constraint chk_key_scopes CHECK (((cardinality(scopes) >= 1) AND (scopes <@ ARRAY['sell'::text, 'staff'::text])))
);
CREATE INDEX idx_integrator_keys_organization ON rowlock.integrator_keys USING btree (organization_id);
comment on table integrator_keys is 'Keys of programs that sell for an organization or work for its staff. The key itself is shown once, and not stored.';
comment on column integrator_keys.scopes is 'What it may do for the shows of its organization: sell (holds of end users), staff (what /api/admin does for a show).';
comment on column integrator_keys.key_hash is 'SHA-256 of the key. No role but the owner reads it.';
comment on column integrator_keys.revoked_at is 'From when on it is good for nothing. Rows stay: they say whose a key was.';

create table ledger_entries (
    show_id uuid not null,
    movement_id uuid not null,
    account text not null,
    order_id uuid not null,
    amount_minor bigint not null,
    currency text not null,
    at timestamp with time zone not null default clock_timestamp(),
    constraint ledger_entries_pkey PRIMARY KEY (show_id, movement_id, account),
    constraint ledger_entries_order FOREIGN KEY (show_id, order_id) REFERENCES ticket_orders(show_id, order_id),
    constraint chk_ledger_account CHECK ((account = ANY (ARRAY['provider'::text, 'sales'::text, 'owed'::text, 'disputed'::text, 'fees'::text, 'credit'::text]))),
    constraint chk_ledger_amount_not_zero CHECK ((amount_minor <> 0))
);
CREATE INDEX idx_ledger_entries_of_order ON rowlock.ledger_entries USING btree (show_id, order_id);
comment on table ledger_entries is 'Every movement of money, with a sum of zero: what is with the provider, and whose it is. movement_id is the payment intent, the refund, or the dispute. sales: for tickets. owed: to be given back, because the order had ended. disputed: withdrawn by a bank. fees: what the provider asked for a dispute. credit: what moves from one order to another, so it is zero over all shows.';
grant select on ledger_entries to rowlock_office;
grant select on ledger_entries to rowlock_worker;

create table mailbox_messages (
    mailbox_id bigint not null generated always as identity,
    message_id text not null,
    recipient text not null,
    subject text not null,
    content bytea not null,
    at timestamp with time zone not null default clock_timestamp(),
    constraint mailbox_messages_pkey PRIMARY KEY (mailbox_id),
    constraint mailbox_messages_message_id_unique UNIQUE (message_id)
);
comment on table mailbox_messages is 'The local mailbox: where mails land without a mail server, the newest 500. content is the mail as it would be sent.';
grant delete, insert, select, update on mailbox_messages to rowlock_worker;

create table mails (
    message_id text not null,
    kind text not null,
    show_id uuid,
    order_id uuid,
    recipient text not null,
    subject text not null,
    status text not null,
    error text,
    at timestamp with time zone not null default clock_timestamp(),
    constraint mails_pkey PRIMARY KEY (message_id),
    constraint chk_mail_error CHECK (((status = 'sent'::text) = (error IS NULL))),
    constraint chk_mail_kind CHECK ((kind ~ '^[a-z]+(_[a-z]+)*$'::text)),
    constraint chk_mail_message_id CHECK (((message_id ~ '^<[^<>[:space:]]+>$'::text) AND (length(message_id) <= 250))),
    constraint chk_mail_order_has_show CHECK (((order_id IS NULL) OR (show_id IS NOT NULL))),
    constraint chk_mail_status CHECK ((status = ANY (ARRAY['sent'::text, 'refused'::text, 'bounced'::text])))
);
CREATE INDEX idx_mails_at ON rowlock.mails USING btree (at);
CREATE INDEX idx_mails_failed ON rowlock.mails USING btree (at) WHERE (status <> 'sent'::text);
CREATE INDEX idx_mails_order ON rowlock.mails USING btree (show_id, order_id);
comment on table mails is 'Each mail, once it was sent or refused for good. One event is one message_id, however often it is sent.';
comment on column mails.status is 'sent: the mail server took it. refused: it never will be, see error. bounced: it came back after it was sent.';
grant select on mails to rowlock_office;
grant insert, select, update on mails to rowlock_worker;

create table manual_payments (
    reference text not null,
    account text not null,
    create_key text not null,
    show_id uuid not null,
    order_id uuid not null,
    payment_intent_id uuid not null,
    amount_minor bigint not null,
    currency text not null,
    description text not null,
    status text not null default 'open'::text,
    received_by text,
    captured_minor bigint not null default 0,
    refunded_minor bigint not null default 0,
    created_at timestamp with time zone not null default clock_timestamp(),
    updated_at timestamp with time zone not null default clock_timestamp(),
    constraint manual_payments_pkey PRIMARY KEY (reference),
    constraint manual_payments_key_unique UNIQUE (account, create_key),
    constraint chk_manual_payment_amounts CHECK (((amount_minor > 0) AND ((refunded_minor >= 0) AND (refunded_minor <= captured_minor)) AND (captured_minor <= amount_minor))),
    constraint chk_manual_payment_captured CHECK (((status = 'captured'::text) = (captured_minor > 0))),
    constraint chk_manual_payment_received CHECK (((status = 'captured'::text) = (received_by IS NOT NULL))),
    constraint chk_manual_payment_status CHECK ((status = ANY (ARRAY['open'::text, 'captured'::text, 'cancelled'::text])))
);
CREATE INDEX manual_payments_created ON rowlock.manual_payments USING btree (account, created_at, reference);
comment on table manual_payments is 'Payments at the desk or by invoice: staff say that the money is there, and that it was given back.';
comment on column manual_payments.received_by is 'Who said that it is paid.';
grant insert, select, update on manual_payments to rowlock_worker;

create table manual_refunds (
    reference text not null,
    account text not null,
    refund_key text not null,
    payment_reference text not null,
    amount_minor bigint not null,
    currency text not null,
    status text not null,
    failure text,
    created_at timestamp with time zone not null default clock_timestamp(),
    constraint manual_refunds_pkey PRIMARY KEY (reference),
    constraint manual_refunds_key_unique UNIQUE (account, refund_key),
    constraint manual_refunds_payment_reference_fkey FOREIGN KEY (payment_reference) REFERENCES manual_payments(reference),
    constraint chk_manual_refund_amount CHECK ((amount_minor > 0)),
    constraint chk_manual_refund_status CHECK ((status = 'succeeded'::text))
);
CREATE INDEX manual_refunds_payment ON rowlock.manual_refunds USING btree (payment_reference);
comment on table manual_refunds is 'Money that staff give back for a manual payment. A key makes one refund.';
grant insert, select on manual_refunds to rowlock_worker;

create table order_idempotency_keys (
    show_id uuid not null,
    idempotency_key text not null,
    order_id uuid not null,
    wish_hash bytea not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    constraint order_idempotency_keys_pkey PRIMARY KEY (show_id, idempotency_key),
    constraint order_idempotency_keys_order FOREIGN KEY (show_id, order_id) REFERENCES ticket_orders(show_id, order_id)
);
comment on table order_idempotency_keys is 'Every key that an order was asked for with; the first one stands in the order, too. wish_hash: SHA-256 of what was asked for, so that a key used for another wish is refused.';

create table organizations (
    organization_id uuid not null default gen_random_uuid(),
    name text not null,
    slug text not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    legal_name text,
    address text,
    tax_id text,
    constraint organizations_pkey PRIMARY KEY (organization_id),
    constraint organizations_slug_unique UNIQUE (slug),
    constraint chk_organization_name CHECK (((name <> ''::text) AND (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text))),
    constraint chk_organization_seller CHECK ((((length(legal_name) >= 1) AND (length(legal_name) <= 120)) AND ((length(address) >= 1) AND (length(address) <= 725)) AND ((length(tax_id) >= 1) AND (length(tax_id) <= 60))))
);
comment on table organizations is 'Who sells: a dance studio, a school, a theatre.';
comment on column organizations.legal_name is 'Its name on receipts; null when it is the other one.';
comment on column organizations.address is 'For receipts, in at most six lines.';
comment on column organizations.tax_id is 'Its VAT number or the like, as its country writes it, for receipts.';
grant select on organizations to rowlock_app;
grant insert, select, update on organizations to rowlock_office;
grant select on organizations to rowlock_worker;

create table outbox_messages (
    message_id bigint not null generated always as identity,
    show_id uuid not null,
    order_id uuid,
    kind text not null,
    payload jsonb not null default '{}'::jsonb,
    created_at timestamp with time zone not null default clock_timestamp(),
    xid xid8 not null default pg_current_xact_id(),
    done_at timestamp with time zone,
    attempts integer not null default 0,
    next_attempt_at timestamp with time zone not null default '2000-01-01 00:00:00+00'::timestamp with time zone,
    last_error text,
    constraint outbox_messages_pkey PRIMARY KEY (message_id)
);
CREATE INDEX idx_outbox_messages_to_do ON rowlock.outbox_messages USING btree (next_attempt_at, message_id) WHERE (done_at IS NULL);
comment on table outbox_messages is 'Work to do after a commit, such as mailing tickets; written in the same transaction.';
comment on column outbox_messages.next_attempt_at is 'Not before then it is tried again. A worker that takes a message moves this to the end of its time for it.';

create table payment_idempotency_keys (
    show_id uuid not null,
    idempotency_key text not null,
    order_id uuid not null,
    request_hash bytea not null,
    answer text,
    locked_until timestamp with time zone not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    constraint payment_idempotency_keys_pkey PRIMARY KEY (show_id, idempotency_key),
    constraint payment_idempotency_keys_order FOREIGN KEY (show_id, order_id) REFERENCES ticket_orders(show_id, order_id),
    constraint chk_payment_key_length CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255)))
);
CREATE INDEX idx_payment_idempotency_keys_age ON rowlock.payment_idempotency_keys USING btree (created_at);
comment on table payment_idempotency_keys is 'The answers to requests for a payment, by the key that the client sent; kept for 30 days. Without an answer the request is being worked on until locked_until, or failed for a while and may be sent again.';
grant delete, insert, select, update on payment_idempotency_keys to rowlock_worker;

create table payment_intents (
    show_id uuid not null,
    payment_intent_id uuid not null,
    order_id uuid not null,
    provider text not null,
    provider_reference text,
    amount_minor bigint not null,
    currency text not null,
    status text not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    updated_at timestamp with time zone not null default clock_timestamp(),
    client_secret text,
    failure text,
    account text,
    source_provider text,
    source_reference text,
    constraint payment_intents_pkey PRIMARY KEY (show_id, payment_intent_id),
    constraint payment_intents_order FOREIGN KEY (show_id, order_id) REFERENCES ticket_orders(show_id, order_id),
    constraint chk_payment_amount_not_negative CHECK ((amount_minor >= 0)),
    constraint chk_payment_currency CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    constraint chk_payment_intent_status CHECK ((status = ANY (ARRAY['requires_payment'::text, 'sent'::text, 'in_doubt'::text, 'authorized'::text, 'captured'::text, 'cancelled'::text, 'failed'::text]))),
    constraint chk_payment_source CHECK ((((provider = 'credit'::text) = (source_provider IS NOT NULL)) AND ((source_provider IS NOT NULL) OR (source_reference IS NULL))))
);
CREATE UNIQUE INDEX idx_one_live_payment_intent_per_order ON rowlock.payment_intents USING btree (show_id, order_id) WHERE (status = ANY (ARRAY['requires_payment'::text, 'sent'::text, 'in_doubt'::text, 'authorized'::text]));
CREATE INDEX idx_payment_intents_credits ON rowlock.payment_intents USING btree (source_provider, source_reference) WHERE (provider = 'credit'::text);
CREATE UNIQUE INDEX idx_payment_intents_provider_reference ON rowlock.payment_intents USING btree (provider, provider_reference) WHERE (provider_reference IS NOT NULL);
CREATE INDEX payment_intents_order ON rowlock.payment_intents USING btree (show_id, order_id);
comment on table payment_intents is 'Attempts to pay an order. Seats are sold between authorized and captured, so nobody pays for a seat that is gone.';
comment on column payment_intents.client_secret is 'With which the buyer''s page acts on the payment at the provider. Only the worker reads it.';
comment on column payment_intents.failure is 'Why the last attempt to pay failed, as the provider says it.';
comment on column payment_intents.account is 'Whose account at the provider it was made at: installation, or the id of an organization. Null for payments of earlier releases: those are looked for at the account that the organization has now.';
comment on column payment_intents.source_reference is 'Of a credit: the payment at source_provider that has the money, of which refunds are asked.';
grant select on payment_intents to rowlock_worker;

create table receipt_counters (
    organization_id uuid not null,
    year integer not null,
    last_number integer not null default 0,
    constraint receipt_counters_pkey PRIMARY KEY (organization_id, year),
    constraint receipt_counters_organization FOREIGN KEY (organization_id) REFERENCES organizations(organization_id),
    constraint chk_receipt_counter_not_negative CHECK ((last_number >= 0))
);
comment on table receipt_counters is 'The last number that an organization gave to a receipt or credit note in a year. Who takes the next one has this row locked until the commit, so that no number is lost and none is given twice.';

create table receipts (
    organization_id uuid not null,
    year integer not null,
    number integer not null,
    show_id uuid not null,
    order_id uuid not null,
    refund_id uuid,
    amount_minor bigint not null,
    currency text not null,
    issued_at timestamp with time zone not null,
    seller_name text,
    seller_address text,
    seller_tax_id text,
    constraint receipts_pkey PRIMARY KEY (organization_id, year, number),
    constraint receipts_counter FOREIGN KEY (organization_id, year) REFERENCES receipt_counters(organization_id, year),
    constraint receipts_order FOREIGN KEY (show_id, order_id) REFERENCES ticket_orders(show_id, order_id),
    constraint receipts_refund FOREIGN KEY (show_id, refund_id) REFERENCES refunds(show_id, refund_id),
    constraint chk_receipt_amount_positive CHECK ((amount_minor > 0)),
    constraint chk_receipt_number_positive CHECK ((number >= 1))
);
CREATE UNIQUE INDEX idx_one_credit_note_per_refund ON rowlock.receipts USING btree (show_id, refund_id) WHERE (refund_id IS NOT NULL);
CREATE UNIQUE INDEX idx_one_receipt_per_order ON rowlock.receipts USING btree (show_id, order_id) WHERE (refund_id IS NULL);
CREATE INDEX idx_receipts_of_order ON rowlock.receipts USING btree (show_id, order_id);
comment on table receipts is 'Receipts of paid orders and credit notes of refunds (those with a refund_id), numbered without a gap by organization and year. Rows are never changed.';
comment on column receipts.year is 'The year in which it was issued, in the time zone of the venue.';
comment on column receipts.seller_name is 'Who sold, as of the day it was issued, with seller_address and seller_tax_id; null for receipts from before there was any.';
grant select on receipts to rowlock_office;
grant select on receipts to rowlock_worker;

create table refund_items (
    show_id uuid not null,
    refund_id uuid not null,
    order_id uuid not null,
    seat_id integer not null,
    amount_minor bigint not null,
    constraint refund_items_pkey PRIMARY KEY (show_id, refund_id, seat_id),
    constraint refund_items_seat_once UNIQUE (show_id, order_id, seat_id),
    constraint refund_items_item FOREIGN KEY (show_id, order_id, seat_id) REFERENCES ticket_order_items(show_id, order_id, seat_id),
    constraint refund_items_refund FOREIGN KEY (show_id, refund_id) REFERENCES refunds(show_id, refund_id),
    constraint chk_refund_item_not_negative CHECK ((amount_minor >= 0))
);
comment on table refund_items is 'A seat that a refund gives back, and its part of the money. A seat of an order is given back once.';
grant select on refund_items to rowlock_office;
grant select on refund_items to rowlock_worker;

create table refunds (
    show_id uuid not null,
    refund_id uuid not null,
    payment_intent_id uuid,
    idempotency_key text not null,
    provider_reference text,
    amount_minor bigint not null,
    reason text not null,
    status text not null default 'pending'::text,
    created_at timestamp with time zone not null default clock_timestamp(),
    order_id uuid,
    give_back text not null default 'nothing'::text,
    wish_hash bytea,
    updated_at timestamp with time zone not null default clock_timestamp(),
    failure text,
    part_of uuid,
    credited_show_id uuid,
    credited_order_id uuid,
    credited_payment_intent_id uuid,
    reopened integer not null default 0,
    constraint refunds_pkey PRIMARY KEY (show_id, refund_id),
    constraint refunds_idempotency_key_unique UNIQUE (show_id, idempotency_key),
    constraint refunds_order FOREIGN KEY (show_id, order_id) REFERENCES ticket_orders(show_id, order_id),
    constraint refunds_payment_intent FOREIGN KEY (show_id, payment_intent_id) REFERENCES payment_intents(show_id, payment_intent_id),
    constraint chk_refund_amount CHECK (((amount_minor >= 0) AND ((amount_minor > 0) = (payment_intent_id IS NOT NULL)))),
    constraint chk_refund_credit CHECK ((((credited_show_id IS NULL) = (credited_order_id IS NULL)) AND ((credited_order_id IS NOT NULL) OR (credited_payment_intent_id IS NULL)) AND ((credited_order_id IS NULL) OR (status = 'succeeded'::text)))),
    constraint chk_refund_give_back CHECK ((give_back = ANY (ARRAY['nothing'::text, 'on_sale'::text, 'house'::text]))),
    constraint chk_refund_has_order CHECK ((order_id IS NOT NULL)),
    constraint chk_refund_status CHECK ((status = ANY (ARRAY['pending'::text, 'in_doubt'::text, 'succeeded'::text, 'failed'::text])))
);
CREATE INDEX idx_refunds_failed ON rowlock.refunds USING btree (updated_at) WHERE (status = 'failed'::text);
CREATE INDEX idx_refunds_open ON rowlock.refunds USING btree (updated_at) WHERE (status = ANY (ARRAY['pending'::text, 'in_doubt'::text]));
CREATE INDEX idx_refunds_part_of ON rowlock.refunds USING btree (show_id, part_of) WHERE (part_of IS NOT NULL);
CREATE INDEX refunds_order ON rowlock.refunds USING btree (show_id, order_id);
CREATE INDEX refunds_payment_intent ON rowlock.refunds USING btree (show_id, payment_intent_id);
comment on table refunds is 'Money given back, in minor units of the payment''s currency. Each has its own idempotency key.';
comment on column refunds.give_back is 'What became of the seats: on_sale (free again), house (blocked), nothing (a refund of money alone).';
comment on column refunds.failure is 'Why the provider did not give the money back.';
comment on column refunds.part_of is 'The refund that this is a further part of: what one payment does not have is taken from another.';
comment on column refunds.credited_order_id is 'The order, in credited_show_id, that has the money now. The provider is not asked for such a refund.';
comment on column refunds.credited_payment_intent_id is 'What this money is as a payment of that order.';
comment on column refunds.reopened is 'How often it was opened again after it had failed. For the provider each time is another refund, with a key of its own.';
grant select on refunds to rowlock_office;
grant select on refunds to rowlock_worker;

create table reservation_cleanup_runs (
    run_id bigint not null generated always as identity,
    run_by text not null,
    started_at timestamp with time zone not null,
    finished_at timestamp with time zone not null,
    status text not null,
    reservations_expired integer not null default 0,
    seats_released integer not null default 0,
    error text,
    constraint reservation_cleanup_runs_pkey PRIMARY KEY (run_id),
    constraint chk_cleanup_run_error CHECK (((status = 'failed'::text) = (error IS NOT NULL))),
    constraint chk_cleanup_run_status CHECK ((status = ANY (ARRAY['succeeded'::text, 'failed'::text])))
);
comment on table reservation_cleanup_runs is 'The last 10,000 cleanup runs, whoever ran them.';
grant select on reservation_cleanup_runs to rowlock_office;

create table reservation_refusal_counts (
    show_id uuid not null,
    hour_at timestamp with time zone not null,
    code text not null,
    slot smallint not null,
    refusals bigint not null,
    constraint reservation_refusal_counts_pkey PRIMARY KEY (show_id, hour_at, code, slot),
    constraint chk_refusal_counted CHECK ((refusals >= 1))
) with (fillfactor=50);
comment on table reservation_refusal_counts is 'Refusals that need the catalogue alone (TOO_MANY_SEATS, SHOW_NOT_ON_SALE, SEATS_NOT_FOUND), counted by show, hour and code: a crowd that asks for a show too early writes no row per request. The view reservation_refusals adds the refusals of the audit log.';
comment on column reservation_refusal_counts.slot is 'One of 16 rows of an hour, by the connection, so that transactions at the same time rarely wait for one row.';
grant select on reservation_refusal_counts to rowlock_office;
grant insert, select, update on reservation_refusal_counts to rowlock_v1;

create table runtime_settings (
    name text not null,
    value text not null,
    changed_at timestamp with time zone not null default clock_timestamp(),
    constraint runtime_settings_pkey PRIMARY KEY (name),
    constraint chk_cleanup_paused_is_true CHECK (((name <> 'cleanup_paused'::text) OR (value = 'true'::text))),
    constraint chk_runtime_setting_name CHECK ((name = ANY (ARRAY['v2_rollout_percent'::text, 'cleanup_paused'::text])))
);
comment on table runtime_settings is 'v2_rollout_percent: share of the sessions calling version 1 that version 2 serves; overrides the environment. cleanup_paused: no cleanup retires holds while this row is there.';
grant select on runtime_settings to rowlock_app;
grant select on runtime_settings to rowlock_office;
grant select on runtime_settings to rowlock_worker;

create table sandbox_disputes (
    reference text not null,
    account text not null,
    payment_reference text not null,
    amount_minor bigint not null,
    fee_minor bigint not null,
    currency text not null,
    status text not null default 'opened'::text,
    reason text not null,
    respond_until timestamp with time zone not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    constraint sandbox_disputes_pkey PRIMARY KEY (reference),
    constraint chk_sandbox_dispute_amounts CHECK (((amount_minor > 0) AND (fee_minor >= 0))),
    constraint chk_sandbox_dispute_status CHECK ((status = ANY (ARRAY['opened'::text, 'won'::text, 'lost'::text])))
);
CREATE INDEX sandbox_disputes_created ON rowlock.sandbox_disputes USING btree (account, created_at);
CREATE INDEX sandbox_disputes_payment ON rowlock.sandbox_disputes USING btree (payment_reference);
comment on table sandbox_disputes is 'Chargebacks of the sandbox. While one is opened or lost, its money is off the account.';
grant insert, select, update on sandbox_disputes to rowlock_worker;

create table sandbox_events (
    event_id text not null,
    payment_reference text not null,
    kind text not null,
    body text not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    deliveries_left integer not null,
    deliver_at timestamp with time zone,
    attempts integer not null default 0,
    delivered_at timestamp with time zone,
    last_failure text,
    constraint sandbox_events_pkey PRIMARY KEY (event_id),
    constraint sandbox_events_payment_reference_fkey FOREIGN KEY (payment_reference) REFERENCES sandbox_payments(reference),
    constraint chk_sandbox_event_deliveries CHECK ((deliveries_left >= 0)),
    constraint chk_sandbox_event_due CHECK (((deliver_at IS NULL) OR (deliveries_left > 0)))
);
CREATE INDEX sandbox_events_due ON rowlock.sandbox_events USING btree (deliver_at) WHERE (deliver_at IS NOT NULL);
CREATE INDEX sandbox_events_payment ON rowlock.sandbox_events USING btree (payment_reference);
comment on table sandbox_events is 'Webhooks of the sandbox, written with the change that they tell of, and delivered afterwards.';
comment on column sandbox_events.body is 'What is sent, to the byte: it is what gets signed.';
comment on column sandbox_events.deliveries_left is 'How often it is still to be delivered. More than once where webhooks are repeated.';
comment on column sandbox_events.deliver_at is 'When to try next; null when there is nothing more to do.';
grant insert, select, update on sandbox_events to rowlock_worker;

create table sandbox_payments (
    reference text not null,
    account text not null,
    create_key text not null,
    show_id uuid not null,
    order_id uuid not null,
    payment_intent_id uuid not null,
    amount_minor bigint not null,
    currency text not null,
    description text not null,
    return_url text,
    status text not null default 'open'::text,
    step text,
    settles_at timestamp with time zone,
    deliveries integer not null default 1,
    refunds_fail boolean not null default false,
    captured_minor bigint not null default 0,
    refunded_minor bigint not null default 0,
    last_error text,
    events integer not null default 0,
    created_at timestamp with time zone not null default clock_timestamp(),
    updated_at timestamp with time zone not null default clock_timestamp(),
    constraint sandbox_payments_pkey PRIMARY KEY (reference),
    constraint sandbox_payments_key_unique UNIQUE (account, create_key),
    constraint chk_sandbox_payment_amounts CHECK (((amount_minor > 0) AND ((refunded_minor >= 0) AND (refunded_minor <= captured_minor)) AND (captured_minor <= amount_minor))),
    constraint chk_sandbox_payment_captured CHECK (((status = 'captured'::text) = (captured_minor > 0))),
    constraint chk_sandbox_payment_settles CHECK (((status = 'processing'::text) = (settles_at IS NOT NULL))),
    constraint chk_sandbox_payment_status CHECK ((status = ANY (ARRAY['open'::text, 'processing'::text, 'authorized'::text, 'captured'::text, 'cancelled'::text]))),
    constraint chk_sandbox_payment_step CHECK ((step = 'three_d_secure'::text))
);
CREATE INDEX sandbox_payments_created ON rowlock.sandbox_payments USING btree (account, created_at, reference);
CREATE INDEX sandbox_payments_intent ON rowlock.sandbox_payments USING btree (payment_intent_id);
CREATE INDEX sandbox_payments_settling ON rowlock.sandbox_payments USING btree (settles_at) WHERE (status = 'processing'::text);
comment on table sandbox_payments is 'Payments of the sandbox: play money. Its behaviour follows the test card that was chosen.';
comment on column sandbox_payments.create_key is 'The idempotency key that it was made with.';
comment on column sandbox_payments.step is 'What the buyer has to do next: three_d_secure.';
comment on column sandbox_payments.settles_at is 'When a payment that is being processed becomes authorized. A fact: nothing has to run then.';
comment on column sandbox_payments.deliveries is 'How often each of its webhooks is delivered: 0 when they get lost.';
comment on column sandbox_payments.events is 'How many events it has had.';
grant insert, select, update on sandbox_payments to rowlock_worker;

create table sandbox_refunds (
    reference text not null,
    account text not null,
    refund_key text not null,
    payment_reference text not null,
    amount_minor bigint not null,
    currency text not null,
    status text not null,
    failure text,
    created_at timestamp with time zone not null default clock_timestamp(),
    constraint sandbox_refunds_pkey PRIMARY KEY (reference),
    constraint sandbox_refunds_key_unique UNIQUE (account, refund_key),
    constraint sandbox_refunds_payment_reference_fkey FOREIGN KEY (payment_reference) REFERENCES sandbox_payments(reference),
    constraint chk_sandbox_refund_amount CHECK ((amount_minor > 0)),
    constraint chk_sandbox_refund_status CHECK ((status = ANY (ARRAY['succeeded'::text, 'failed'::text])))
);
CREATE INDEX sandbox_refunds_payment ON rowlock.sandbox_refunds USING btree (payment_reference);
comment on table sandbox_refunds is 'Refunds of the sandbox. A key makes one refund.';
grant insert, select on sandbox_refunds to rowlock_worker;

create table schema_migrations (
    version integer not null,
    name text not null,
    checksum text not null,
    applied_at timestamp with time zone not null default clock_timestamp(),
    constraint schema_migrations_pkey PRIMARY KEY (version)
);
comment on table schema_migrations is 'Migrations that were applied, each once. checksum: SHA-256 of the file, in hexadecimal.';
grant select on schema_migrations to rowlock_app;
grant select on schema_migrations to rowlock_worker;

create table schema_objects (
    path text not null,
    checksum text not null,
    applied_at timestamp with time zone not null default clock_timestamp(),
    constraint schema_objects_pkey PRIMARY KEY (path)
);
comment on table schema_objects is 'Functions, views and grants as they were last applied. A file with another checksum is applied again.';
grant select on schema_objects to rowlock_app;
grant select on schema_objects to rowlock_worker;

create table schema_old_functions (
    signature text not null,
    replaced_at timestamp with time zone not null default clock_timestamp(),
    constraint schema_old_functions_pkey PRIMARY KEY (signature)
);
comment on table schema_old_functions is 'Functions of earlier releases that are kept while a process of another version runs, which may call them.';
grant select on schema_old_functions to rowlock_app;
grant select on schema_old_functions to rowlock_worker;

create table seat_reservation_audit_log (
    id bigint not null generated always as identity,
    at timestamp with time zone not null default clock_timestamp(),
    xid xid8 not null default pg_current_xact_id(),
    show_id uuid not null,
    reservation_id uuid,
    order_id uuid,
    event text not null,
    seat_ids integer[] not null default '{}'::integer[],
    session_id text,
    ip_address inet,
    user_agent text,
    error_code text,
    metadata jsonb not null default '{}'::jsonb,
    actor text,
    constraint seat_reservation_audit_log_pkey PRIMARY KEY (id, at, event)
) partition by RANGE (at);
CREATE INDEX idx_audit_log_at ON ONLY rowlock.seat_reservation_audit_log USING brin (at);
comment on table seat_reservation_audit_log is 'What happened to every seat, insert-only, one row per event. Written after the claims it speaks of are locked, so for one seat the order of id is the order of events. seat_ids: the seats the event is about; for expired and released the seats it set free; for changed the seats now held, with metadata {"added":[…],"removed":[…]}.';
comment on column seat_reservation_audit_log.xid is 'The writing transaction: readers of the change feed stop below pg_snapshot_xmin, so that no late commit is missed.';
comment on column seat_reservation_audit_log.actor is 'Who did it: a member of staff, the box office, the worker, …; null for the holder, whose session_id is there.';
grant insert on seat_reservation_audit_log to rowlock_v1;
revoke delete, truncate, update on seat_reservation_audit_log from owner;

create table seat_reservation_audit_log_default partition of seat_reservation_audit_log DEFAULT;
comment on table seat_reservation_audit_log_default is 'Events of months for which ensure_audit_log_partitions was not called in time.';
revoke delete, truncate, update on seat_reservation_audit_log_default from owner;

create table seat_reservations (
    show_id uuid not null,
    reservation_id uuid not null,
    token_hash bytea,
    reserved_by text not null,
    session_id text,
    seat_ids integer[] not null,
    status text not null default 'active'::text,
    created_at timestamp with time zone not null default clock_timestamp(),
    expires_at timestamp with time zone not null,
    extension_count integer not null default 0,
    ended_at timestamp with time zone,
    price_version integer not null default 1,
    wish_hash bytea,
    client inet,
    weight smallint,
    has_grace boolean not null default false,
    constraint seat_reservations_pkey PRIMARY KEY (show_id, reservation_id),
    constraint chk_extension_count_not_negative CHECK ((extension_count >= 0)),
    constraint chk_hold_weight CHECK ((((client IS NULL) = (weight IS NULL)) AND (weight >= 1))),
    constraint chk_reservation_ended CHECK (((status = 'active'::text) = (ended_at IS NULL))),
    constraint chk_reservation_has_seats CHECK ((cardinality(seat_ids) >= 1)),
    constraint chk_reservation_status CHECK ((status = ANY (ARRAY['active'::text, 'completed'::text, 'released'::text, 'expired'::text])))
) with (fillfactor=80);
CREATE INDEX idx_active_reservations_by_expiry ON rowlock.seat_reservations USING btree (expires_at) WHERE (ended_at IS NULL);
CREATE UNIQUE INDEX idx_one_active_reservation_per_holder ON rowlock.seat_reservations USING btree (show_id, reserved_by) WHERE (status = 'active'::text);
CREATE INDEX idx_reservations_by_client ON rowlock.seat_reservations USING btree (show_id, client, created_at) WHERE (client IS NOT NULL);
comment on table seat_reservations is 'Holds. At most one active reservation per show and holder. token_hash is the SHA-256 of the secret part of the token.';
comment on column seat_reservations.price_version is 'The prices that the holder was shown, and pays.';
comment on column seat_reservations.wish_hash is 'SHA-256 of what was asked for: of the seats, or of quantity, category and accessible. A repeated request with another wish is refused.';
comment on column seat_reservations.client is 'The network address that the hold counts for: of IPv6 the first 64 bits. Null for a client that has no limits.';
comment on column seat_reservations.weight is 'What the hold counts in the limit of new holds a minute: 2, of seats just let go 10, after a purchase 1.';
comment on column seat_reservations.has_grace is 'Whether the deadline was moved for a payment that began shortly before it: once, by at most five minutes.';
grant delete, insert, select, update on seat_reservations to rowlock_v1;

create table seating_plans (
    plan_id uuid not null default gen_random_uuid(),
    venue_id uuid not null,
    name text not null,
    version integer not null,
    source_format text not null,
    seats_total integer not null,
    layout jsonb not null,
    checksum bytea not null,
    published_at timestamp with time zone not null default clock_timestamp(),
    constraint seating_plans_pkey PRIMARY KEY (plan_id),
    constraint seating_plans_version_unique UNIQUE (venue_id, name, version),
    constraint seating_plans_venue_id_fkey FOREIGN KEY (venue_id) REFERENCES venues(venue_id),
    constraint chk_plan_seats_total CHECK (((seats_total >= 1) AND (seats_total <= 200000))),
    constraint chk_plan_version CHECK ((version >= 1))
);
comment on table seating_plans is 'Published plan versions. A row never changes; a changed hall is a new version. layout: {"width","height","focal_point":[x,y],"categories":[{"name","color","for_sale"}],"sections":[{"name"}],"rows":[{"section","label"}],"shapes":[{"kind","points","text","color"}]}.';
comment on column seating_plans.checksum is 'SHA-256 over layout and seats, so that a changed plan is found.';
grant select on seating_plans to rowlock_app;
grant insert, select on seating_plans to rowlock_office;
grant select on seating_plans to rowlock_worker;

create table seats (
    plan_id uuid not null,
    seat_id integer not null,
    row_no integer not null,
    run_no integer not null,
    "position" integer not null,
    number text not null,
    label text not null,
    x double precision not null,
    y double precision not null,
    category integer not null,
    kind text not null default 'standard'::text,
    source_id text not null,
    constraint seats_pkey PRIMARY KEY (plan_id, seat_id),
    constraint seats_label_unique UNIQUE (plan_id, label),
    constraint seats_source_id_unique UNIQUE (plan_id, source_id),
    constraint seats_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES seating_plans(plan_id),
    constraint chk_seat_id_positive CHECK ((seat_id >= 1)),
    constraint chk_seat_kind CHECK ((kind = ANY (ARRAY['standard'::text, 'wheelchair'::text, 'companion'::text])))
);
CREATE INDEX idx_accessible_seats ON rowlock.seats USING btree (plan_id, seat_id) WHERE (kind <> 'standard'::text);
comment on table seats is 'Seats of a plan version. seat_id is dense from 1. row_no and category index the arrays in seating_plans.layout; seats with one run_no sit shoulder to shoulder, in order of position.';
grant select on seats to rowlock_app;
grant insert, select on seats to rowlock_office;
grant select on seats to rowlock_v1;
grant select on seats to rowlock_worker;

create table show_price_lists (
    show_id uuid not null,
    price_version integer not null,
    fee_per_order_minor bigint not null default 0,
    created_at timestamp with time zone not null default clock_timestamp(),
    constraint show_price_lists_pkey PRIMARY KEY (show_id, price_version),
    constraint show_price_lists_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(show_id),
    constraint chk_fee_per_order_not_negative CHECK ((fee_per_order_minor >= 0))
);
comment on table show_price_lists is 'A version of the prices of a show: what is not of one category. A version without a row has no fee per order.';
grant select on show_price_lists to rowlock_app;
grant insert, select on show_price_lists to rowlock_office;
grant select on show_price_lists to rowlock_worker;

create table show_prices (
    show_id uuid not null,
    category integer not null,
    price_type text not null default 'adult'::text,
    amount_minor bigint not null,
    price_version integer not null default 1,
    fee_minor bigint not null default 0,
    tax_basis_points integer not null default 0,
    constraint show_prices_pkey PRIMARY KEY (show_id, price_version, category, price_type),
    constraint show_prices_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(show_id),
    constraint chk_price_fee_within_amount CHECK (((fee_minor >= 0) AND (fee_minor <= amount_minor))),
    constraint chk_price_not_negative CHECK ((amount_minor >= 0)),
    constraint chk_price_tax_rate CHECK (((tax_basis_points >= 0) AND (tax_basis_points <= 10000)))
);
comment on table show_prices is 'What a seat of a category costs for a price type, in minor units of the show''s currency.';
comment on column show_prices.amount_minor is 'What the buyer pays for the seat: the fee per ticket and the tax are within it.';
comment on column show_prices.fee_minor is 'The part of the amount that is the fee per ticket. A free ticket has none.';
comment on column show_prices.tax_basis_points is 'The rate of the tax that the amount contains, in hundredths of a percent: 700 is 7 %.';
grant select on show_prices to rowlock_app;
grant insert, select on show_prices to rowlock_office;
grant select on show_prices to rowlock_v1;
grant select on show_prices to rowlock_worker;

create table show_seats (
    show_id uuid not null,
    seat_id integer not null,
    status text not null,
    reservation_id uuid,
    reserved_by text,
    reserved_until timestamp with time zone,
    order_id uuid,
    block_reason text,
    constraint idx_show_seats_no_double_booking PRIMARY KEY (show_id, seat_id),
    constraint chk_blocked_has_reason CHECK (((status = 'blocked'::text) = (block_reason IS NOT NULL))),
    constraint chk_claimed_seat_id_positive CHECK ((seat_id >= 1)),
    constraint chk_reserved_by_required CHECK ((((status = 'reserved'::text) = (reserved_by IS NOT NULL)) AND ((status = 'reserved'::text) = (reserved_until IS NOT NULL)) AND ((status = 'sold'::text) = (order_id IS NOT NULL)))),
    constraint chk_show_seat_status CHECK ((status = ANY (ARRAY['reserved'::text, 'sold'::text, 'blocked'::text])))
) with (fillfactor=80);
comment on table show_seats is 'Claims. A row exists only while a seat of a show is reserved, sold or blocked; a free seat has no row. A reserved claim counts only until reserved_until: after that the seat is free, whether or not the row is still here.';
grant delete, insert, select, update on show_seats to rowlock_v1;

create table shows (
    show_id uuid not null default gen_random_uuid(),
    show_key integer not null generated always as (((('x'::text || "right"((show_id)::text, 8)))::bit(32))::integer) stored,
    plan_id uuid not null,
    slug text not null,
    title text not null,
    starts_at timestamp with time zone not null,
    sales_start_at timestamp with time zone,
    sales_end_at timestamp with time zone,
    status text not null default 'on_sale'::text,
    currency text not null default 'USD'::text,
    seats_total integer not null,
    max_seats_per_reservation integer not null default 10,
    hold_seconds integer not null default 600,
    extension_seconds integer not null default 300,
    max_extensions integer not null default 3,
    max_hold_seconds integer not null default 1500,
    created_at timestamp with time zone not null default clock_timestamp(),
    organization_id uuid,
    price_version integer not null default 1,
    description text,
    image_url text,
    doors_at timestamp with time zone,
    ends_at timestamp with time zone,
    sales_close_at timestamp with time zone generated always as (LEAST(COALESCE(sales_end_at, starts_at), COALESCE(ends_at, starts_at))) stored,
    constraint shows_pkey PRIMARY KEY (show_id),
    constraint shows_slug_unique UNIQUE (slug),
    constraint shows_organization FOREIGN KEY (organization_id) REFERENCES organizations(organization_id),
    constraint shows_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES seating_plans(plan_id),
    constraint chk_show_currency CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    constraint chk_show_image_url CHECK ((image_url ~ '^https?://[^[:space:]]+$'::text)),
    constraint chk_show_instants CHECK (((starts_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (starts_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (sales_start_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (sales_start_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (sales_end_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (sales_end_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (doors_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (doors_at <= starts_at) AND (ends_at > starts_at) AND (ends_at < '2200-01-01 00:00:00+00'::timestamp with time zone))),
    constraint chk_show_limits CHECK (((seats_total >= 1) AND ((max_seats_per_reservation >= 1) AND (max_seats_per_reservation <= 1000)) AND ((hold_seconds >= 1) AND (hold_seconds <= 86400)) AND ((extension_seconds >= 0) AND (extension_seconds <= 86400)) AND ((max_extensions >= 0) AND (max_extensions <= 100)) AND ((max_hold_seconds >= hold_seconds) AND (max_hold_seconds <= 172800)))),
    constraint chk_show_sales_window CHECK ((sales_end_at > sales_start_at)),
    constraint chk_show_status CHECK ((status = ANY (ARRAY['draft'::text, 'on_sale'::text, 'paused'::text, 'closed'::text, 'cancelled'::text]))),
    constraint chk_show_title CHECK ((title <> ''::text))
);
CREATE INDEX shows_show_key ON rowlock.shows USING btree (show_key);
CREATE INDEX shows_starts_at ON rowlock.shows USING btree (starts_at);
comment on table shows is 'One performance in one plan version. move_show_atomic takes it to another version of the plan.';
comment on column shows.show_key is 'The last 32 bits of show_id. Reservation ids made by Rowlock carry it, so that an id alone leads to its show.';
comment on column shows.seats_total is 'Copied from the plan: seat ids 1 to seats_total exist.';
comment on column shows.max_hold_seconds is 'A hold never lives longer than this, extensions included.';
comment on column shows.organization_id is 'Who sells: the organization of the venue when the show was made.';
comment on column shows.price_version is 'The version of show_prices that new holds are made under.';
comment on column shows.description is 'What is shown, for the page of the show: plain text, with empty lines between paragraphs.';
comment on column shows.image_url is 'Where a picture for the page of the show is.';
comment on column shows.doors_at is 'When the doors open.';
comment on column shows.ends_at is 'When it is over. Without it a show counts as over when it starts.';
comment on column shows.sales_close_at is 'When sales end: at sales_end_at, else when the show starts; never later than its end.';
grant select on shows to rowlock_app;
grant insert, select on shows to rowlock_office;
grant select on shows to rowlock_v1;
grant select on shows to rowlock_worker;

create table state_changes (
    subject text not null,
    from_state text not null,
    to_state text not null,
    constraint state_changes_pkey PRIMARY KEY (subject, from_state, to_state),
    constraint chk_state_change_differs CHECK ((from_state <> to_state))
);
comment on table state_changes is 'Which state may follow which. subject: the table whose status it is.';

create table ticket_exchanges (
    show_id uuid not null,
    to_order_id uuid not null,
    to_show_id uuid not null,
    to_reservation_id uuid not null,
    order_id uuid not null,
    seat_ids integer[] not null,
    idempotency_key text not null,
    wish_hash bytea not null,
    reason text not null,
    actor text,
    ip_address inet,
    status text not null default 'begun'::text,
    refusal text,
    credit_minor bigint not null default 0,
    surplus_minor bigint not null default 0,
    created_at timestamp with time zone not null default clock_timestamp(),
    decided_at timestamp with time zone,
    constraint ticket_exchanges_pkey PRIMARY KEY (show_id, to_order_id),
    constraint ticket_exchanges_idempotency_key_unique UNIQUE (show_id, idempotency_key),
    constraint ticket_exchanges_order FOREIGN KEY (show_id, order_id) REFERENCES ticket_orders(show_id, order_id),
    constraint chk_exchange_amounts CHECK (((credit_minor >= 0) AND (surplus_minor >= 0))),
    constraint chk_exchange_decided CHECK (((status = 'begun'::text) = (decided_at IS NULL))),
    constraint chk_exchange_refusal CHECK (((status = 'refused'::text) = (refusal IS NOT NULL))),
    constraint chk_exchange_status CHECK ((status = ANY (ARRAY['begun'::text, 'given_up'::text, 'refused'::text])))
);
CREATE INDEX idx_ticket_exchanges_of_order ON rowlock.ticket_exchanges USING btree (show_id, order_id);
comment on table ticket_exchanges is 'Each exchange, in the show of the old tickets, where it is decided once and for all whether they are given up. to_order_id is the new order, in to_show_id.';
grant select on ticket_exchanges to rowlock_office;
grant select on ticket_exchanges to rowlock_worker;

create table ticket_order_items (
    show_id uuid not null,
    order_id uuid not null,
    seat_id integer not null,
    price_type text not null,
    amount_minor bigint not null,
    category integer,
    fee_minor bigint not null default 0,
    tax_basis_points integer not null default 0,
    constraint ticket_order_items_pkey PRIMARY KEY (show_id, order_id, seat_id),
    constraint ticket_order_items_order FOREIGN KEY (show_id, order_id) REFERENCES ticket_orders(show_id, order_id),
    constraint chk_item_amount_not_negative CHECK ((amount_minor >= 0)),
    constraint chk_item_fee_within_amount CHECK (((fee_minor >= 0) AND (fee_minor <= amount_minor))),
    constraint chk_item_tax_rate CHECK (((tax_basis_points >= 0) AND (tax_basis_points <= 10000)))
);
comment on table ticket_order_items is 'One seat of an order at its price, in minor units of the order''s currency.';
comment on column ticket_order_items.category is 'The price category that the seat was sold in.';
comment on column ticket_order_items.fee_minor is 'The part of the amount that is the fee per ticket.';
comment on column ticket_order_items.tax_basis_points is 'The rate of the tax that the amount contains, in hundredths of a percent.';
grant select on ticket_order_items to rowlock_office;

create table ticket_orders (
    show_id uuid not null,
    order_id uuid not null,
    order_code text not null,
    idempotency_key text not null,
    reservation_id uuid not null,
    customer_name text not null,
    customer_email text not null,
    status text not null default 'pending'::text,
    total_minor bigint not null,
    currency text not null,
    created_at timestamp with time zone not null default clock_timestamp(),
    paid_at timestamp with time zone,
    fee_minor bigint not null default 0,
    expires_at timestamp with time zone,
    confirmed_at timestamp with time zone,
    token_hash bytea,
    exchange_of_show_id uuid,
    exchange_of_order_id uuid,
    credit_minor bigint not null default 0,
    given_up_at timestamp with time zone,
    constraint ticket_orders_pkey PRIMARY KEY (show_id, order_id),
    constraint ticket_orders_code_unique UNIQUE (show_id, order_code),
    constraint ticket_orders_idempotency_key_unique UNIQUE (show_id, idempotency_key),
    constraint chk_order_confirmed_at CHECK (((status = ANY (ARRAY['confirmed'::text, 'paid'::text, 'partially_refunded'::text, 'refunded'::text, 'voided'::text])) = (confirmed_at IS NOT NULL))),
    constraint chk_order_credit_within_total CHECK (((credit_minor >= 0) AND (credit_minor <= total_minor))),
    constraint chk_order_currency CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    constraint chk_order_exchange CHECK ((((exchange_of_show_id IS NULL) = (exchange_of_order_id IS NULL)) AND ((exchange_of_order_id IS NOT NULL) OR ((credit_minor = 0) AND (given_up_at IS NULL))))),
    constraint chk_order_fee_within_total CHECK (((fee_minor >= 0) AND (fee_minor <= total_minor))),
    constraint chk_order_paid_at CHECK (((status = ANY (ARRAY['paid'::text, 'partially_refunded'::text, 'refunded'::text])) = (paid_at IS NOT NULL))),
    constraint chk_order_status CHECK ((status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'paid'::text, 'partially_refunded'::text, 'refunded'::text, 'voided'::text, 'expired'::text, 'cancelled'::text]))),
    constraint chk_order_token_hash CHECK ((octet_length(token_hash) = 32)),
    constraint chk_order_total_not_negative CHECK ((total_minor >= 0))
);
CREATE UNIQUE INDEX idx_one_live_order_per_reservation ON rowlock.ticket_orders USING btree (show_id, reservation_id) WHERE (status <> ALL (ARRAY['voided'::text, 'expired'::text, 'cancelled'::text]));
comment on table ticket_orders is 'What somebody buys for one reservation. total_minor is in minor units of currency; prices are fixed when it is made.';
comment on column ticket_orders.fee_minor is 'The fee per order. total_minor is the sum of the items and this fee.';
comment on column ticket_orders.expires_at is 'Until when a pending order may be paid.';
comment on column ticket_orders.confirmed_at is 'When its seats became sold and its tickets were issued.';
comment on column ticket_orders.token_hash is 'SHA-256 of the secret that the order is read and paid with. It is told once, and not stored.';
comment on column ticket_orders.exchange_of_order_id is 'The order whose tickets are given up for this one, in the show exchange_of_show_id; null for any other order.';
comment on column ticket_orders.credit_minor is 'The part of the total that is paid with the money of the tickets given up. The buyer pays the rest.';
comment on column ticket_orders.given_up_at is 'When an exchange was finished: the old tickets are void, and the credit is here. Until then it is not paid.';

create table tickets (
    show_id uuid not null,
    ticket_id uuid not null,
    order_id uuid not null,
    seat_id integer not null,
    status text not null default 'valid'::text,
    issued_at timestamp with time zone not null default clock_timestamp(),
    used_at timestamp with time zone,
    revision integer not null default 1,
    constraint tickets_pkey PRIMARY KEY (show_id, ticket_id),
    constraint tickets_item FOREIGN KEY (show_id, order_id, seat_id) REFERENCES ticket_order_items(show_id, order_id, seat_id),
    constraint chk_ticket_revision CHECK (((revision >= 1) AND (revision <= 255))),
    constraint chk_ticket_status CHECK ((status = ANY (ARRAY['valid'::text, 'used'::text, 'void'::text]))),
    constraint chk_ticket_used_at CHECK (((status = 'used'::text) <= (used_at IS NOT NULL)))
);
CREATE UNIQUE INDEX idx_one_live_ticket_per_seat ON rowlock.tickets USING btree (show_id, seat_id) WHERE (status <> 'void'::text);
CREATE INDEX tickets_order ON rowlock.tickets USING btree (show_id, order_id);
comment on table tickets is 'Admission for one sold seat. A void ticket stays here; its seat may have another one.';
comment on column tickets.revision is 'Counts from 1. A ticket that is issued again has the next one, and codes of earlier ones are void.';
grant select on tickets to rowlock_office;

create table venues (
    venue_id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    name text not null,
    time_zone text not null default 'UTC'::text,
    created_at timestamp with time zone not null default clock_timestamp(),
    address text,
    access_notes text,
    step_free_sections text[] not null default '{}'::text[],
    constraint venues_pkey PRIMARY KEY (venue_id),
    constraint venues_name_unique UNIQUE (organization_id, name),
    constraint venues_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(organization_id),
    constraint chk_venue_name CHECK ((name <> ''::text))
);
comment on table venues is 'A building with a hall. time_zone is an IANA name; instants stay timestamptz.';
comment on column venues.address is 'Where it is, in lines as on an envelope.';
comment on column venues.access_notes is 'How to get in and to a seat without steps, and what helps whoever hears or sees little.';
comment on column venues.step_free_sections is 'The names of the sections of its plans that are reached without steps.';
grant select on venues to rowlock_app;
grant insert, select, update on venues to rowlock_office;
grant select on venues to rowlock_worker;

create table webhook_events (
    provider text not null,
    event_id text not null,
    received_at timestamp with time zone not null default clock_timestamp(),
    processed_at timestamp with time zone,
    payload jsonb not null,
    error text,
    show_id uuid,
    attempts integer not null default 0,
    next_attempt_at timestamp with time zone not null default '2000-01-01 00:00:00+00'::timestamp with time zone,
    constraint webhook_events_pkey PRIMARY KEY (provider, event_id)
);
CREATE INDEX idx_webhook_events_to_do ON rowlock.webhook_events USING btree (next_attempt_at) WHERE (processed_at IS NULL);
comment on table webhook_events is 'The inbox: a provider is answered 2xx only after its event is committed here.';
comment on column webhook_events.show_id is 'The show that the event is about, once that is known.';
grant insert, select, update on webhook_events to rowlock_worker;

-- view audit_log_start:
--     begins_at timestamp with time zone
comment on view audit_log_start is 'Since when the audit log has every event: the start of its oldest partition that is not archived.';

-- view disputed_payments:
--     show_id uuid
--     order_id uuid
--     payment_intent_id uuid
--     dispute_show_id uuid
--     dispute_id uuid
--     status text
comment on view disputed_payments is 'Payments that a chargeback is about, also those that exchanges have moved its money to.';
grant select on disputed_payments to rowlock_office;
grant select on disputed_payments to rowlock_worker;

-- view lapsed_reservations:
--     reservations integer
--     oldest_expired_at timestamp with time zone
comment on view lapsed_reservations is 'Holds that have run out and wait for cleanup (at most 10,000 are counted), and since when.';
grant select on lapsed_reservations to rowlock_office;
grant select on lapsed_reservations to rowlock_worker;

-- view live_holds:
--     show_id uuid
--     reservation_id uuid
--     client inet
--     seat_ids integer[]
--     created_at timestamp with time zone
--     expires_at timestamp with time zone
--     extension_count integer
comment on view live_holds is 'Holds whose deadline has not passed, with the network address that they count for in the limits.';
grant select on live_holds to rowlock_office;

-- view order_details:
--     show_id uuid
--     order_id uuid
--     order_code text
--     reservation_id uuid
--     status text
--     customer_name text
--     customer_email text
--     total_minor bigint
--     fee_minor bigint
--     currency text
--     created_at timestamp with time zone
--     expires_at timestamp with time zone
--     seat_id integer
--     label text
--     category text
--     price_type text
--     amount_minor bigint
--     item_fee_minor bigint
--     tax_basis_points integer
--     ticket_id uuid
--     ticket_status text
--     ticket_revision integer
--     credit_minor bigint
--     exchange_of_show_id uuid
--     exchange_of_order_id uuid
comment on view order_details is 'Orders with their lines and tickets, for staff, mail and reports.';
grant select on order_details to rowlock_office;
grant select on order_details to rowlock_worker;

-- view reservation_cleanup_job_status:
--     run_id bigint
--     run_by text
--     started_at timestamp with time zone
--     finished_at timestamp with time zone
--     duration interval
--     status text
--     error text
--     reservations_expired integer
--     seats_released integer
comment on view reservation_cleanup_job_status is 'The last 10 cleanup runs, newest first.';
grant select on reservation_cleanup_job_status to rowlock_office;
grant select on reservation_cleanup_job_status to rowlock_worker;

-- view reservation_details:
--     show_id uuid
--     reservation_id uuid
--     seat_ids integer[]
--     status text
--     created_at timestamp with time zone
--     expires_at timestamp with time zone
--     extension_count integer
--     extensions_remaining integer
--     plan_id uuid
--     currency text
--     price_version integer
--     server_time timestamp with time zone
comment on view reservation_details is 'Holds with their deadlines; status is expired from the deadline on.';
grant select on reservation_details to rowlock_office;

-- view reservation_refusals:
--     show_id uuid
--     hour_at timestamp with time zone
--     code text
--     refusals bigint
comment on view reservation_refusals is 'How often requests were refused, by show, hour (UTC) and code.';
grant select on reservation_refusals to rowlock_office;

-- view seat_change_feed:
--     id bigint
--     xid xid8
--     at timestamp with time zone
--     show_id uuid
--     reservation_id uuid
--     order_id uuid
--     event text
--     seat_ids integer[]
--     metadata jsonb
comment on view seat_change_feed is 'Committed seat events in an order without gaps, for consumers that follow the seats of a show.';
grant select on seat_change_feed to rowlock_office;
grant select on seat_change_feed to rowlock_worker;

-- view seat_states:
--     show_id uuid
--     seat_id integer
--     status text
comment on view seat_states is 'Seats that cannot be taken now: reserved, sold or blocked.';
grant select on seat_states to rowlock_app;
grant select on seat_states to rowlock_office;

-- view seating_plan_checksums:
--     plan_id uuid
--     checksum bytea
comment on view seating_plan_checksums is 'SHA-256 of each plan version as it is stored now; seating_plans keeps the one it was published with.';
grant select on seating_plan_checksums to rowlock_office;

-- view show_listing:
--     show_id uuid
--     slug text
--     title text
--     plan_id uuid
--     venue text
--     time_zone text
--     organization text
--     starts_at timestamp with time zone
--     sales_start_at timestamp with time zone
--     sales_end_at timestamp with time zone
--     status text
--     currency text
--     price_from_minor bigint
--     seats_total integer
--     seats_available integer
--     max_seats_per_reservation integer
--     hold_seconds integer
--     extension_seconds integer
--     max_extensions integer
--     created_at timestamp with time zone
--     sales_close_at timestamp with time zone
--     doors_at timestamp with time zone
--     ends_at timestamp with time zone
--     description text
--     image_url text
--     venue_address text
--     venue_access_notes text
--     step_free_sections text[]
--     fee_per_order_minor bigint
comment on view show_listing is 'What a buyer may know about a show. status: announced (sales open later), on_sale, paused, closed (also a show that has begun), cancelled, draft.';
grant select on show_listing to rowlock_app;
grant select on show_listing to rowlock_office;

create function announce_show_moved(p_show_id uuid, p_starts_at timestamp with time zone, p_doors_at timestamp with time zone)
    returns boolean
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/announce_show_moved.sql';
comment on function announce_show_moved is 'Have every buyer with tickets told that a show begins at another time; the worker mails them.';
grant execute on function announce_show_moved to rowlock_office;

create function begin_exchange_atomic(p_show_id uuid, p_order_id uuid, p_idempotency_key text, p_wish_hash bytea, p_seat_ids integer[], p_to_show_id uuid, p_to_order_id uuid, p_to_reservation_id uuid, p_reason text, p_ip_address inet, p_actor text)
    returns TABLE(outcome text, to_order_id uuid, to_reservation_id uuid, status text, worth_minor bigint, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/begin_exchange_atomic.sql';
comment on function begin_exchange_atomic is 'Write down that tickets are to be exchanged, in the show that they are for. Repeatable by its key.';
grant execute on function begin_exchange_atomic to rowlock_worker;

create function begin_payment_atomic(p_show_id uuid, p_order_id uuid, p_payment_intent_id uuid, p_provider text, p_account text)
    returns TABLE(outcome text, order_id uuid, payment_intent_id uuid, status text, amount_minor bigint, currency text, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/begin_payment_atomic.sql';
comment on function begin_payment_atomic is 'Record that an order is about to be paid, before the provider is asked. Repeatable.';
grant execute on function begin_payment_atomic to rowlock_worker;

create function block_seats_atomic(p_show_id uuid, p_seat_ids integer[], p_reason text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text, p_actor text DEFAULT NULL::text)
    returns TABLE(outcome text, seat_ids integer[], unavailable_seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/block_seats_atomic.sql';
comment on function block_seats_atomic is 'Keep seats from being sold, all or nothing, with a reason. Never replaces a live hold or a sale.';
grant execute on function block_seats_atomic to rowlock_office;

create function book_money(p_show_id uuid, p_movement_id uuid, p_order_id uuid, p_account text, p_amount_minor bigint, p_fee_minor bigint, p_currency text, p_at text DEFAULT 'provider'::text)
    returns void
    language plpgsql security definer
    set search_path=rowlock, pg_temp
    as 'see functions/book_money.sql';
comment on function book_money is 'Write a movement of money into the ledger; a part of the functions that move money.';

create function cancel_pending_order(p_show_id uuid, p_reservation_id uuid)
    returns void
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/cancel_pending_order.sql';
comment on function cancel_pending_order is 'Cancel the pending order of a hold that changed; a part of the functions that change holds.';

create function cancel_show_atomic(p_show_id uuid, p_reason text, p_limit integer DEFAULT 500, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_actor text DEFAULT NULL::text)
    returns TABLE(outcome text, holds_released integer, orders_ended integer, holds_left integer, orders_left integer, server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/cancel_show_atomic.sql';
comment on function cancel_show_atomic is 'Cancel a show, end its holds and orders, and open a refund for each paid order. Repeat until none is left.';
grant execute on function cancel_show_atomic to rowlock_worker;

create function change_seats_atomic(p_show_id uuid, p_reservation_id uuid, p_add integer[], p_remove integer[], p_secret bytea DEFAULT NULL::bytea, p_reserved_by text DEFAULT NULL::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text)
    returns TABLE(outcome text, reservation_id uuid, seat_ids integer[], unavailable_seat_ids integer[], expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
    language plpgsql security definer
    set search_path=rowlock, pg_temp
    as 'see functions/change_seats_atomic.sql';
comment on function change_seats_atomic is 'Add and drop seats of a live hold in one step, all or nothing, for its owner. Repeatable.';
grant execute on function change_seats_atomic to rowlock_app;

create function change_seats_within_limits(p_show_id uuid, p_reservation_id uuid, p_add integer[], p_remove integer[], p_accessible boolean, p_limits integer[], p_secret bytea, p_reserved_by text, p_session_id text, p_ip_address inet, p_user_agent text)
    returns TABLE(outcome text, reservation_id uuid, seat_ids integer[], unavailable_seat_ids integer[], expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/change_seats_within_limits.sql';
comment on function change_seats_within_limits is 'Add and drop seats of a live hold in one step, all or nothing, for its owner. Repeatable.';
grant execute on function change_seats_within_limits to rowlock_app;

create function cleanup_expired_seat_reservations(p_limit integer DEFAULT 1000, p_run_by text DEFAULT 'sql'::text)
    returns TABLE(total_reservations_expired integer, total_seats_released integer, reservation_ids uuid[])
    language plpgsql security definer
    set enable_bitmapscan=off
    set enable_hashjoin=off
    set enable_mergejoin=off
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/cleanup_expired_seat_reservations.sql';
comment on function cleanup_expired_seat_reservations is 'Retire holds that have run out and record the run. Safe from many callers at once; optional for correctness.';
grant execute on function cleanup_expired_seat_reservations to rowlock_worker;

create function complete_order_atomic(p_show_id uuid, p_order_id uuid, p_payment_intent_id uuid DEFAULT NULL::uuid, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text)
    returns TABLE(outcome text, order_id uuid, status text, seat_ids integer[], unavailable_seat_ids integer[], ticket_ids uuid[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/complete_order_atomic.sql';
comment on function complete_order_atomic is 'Turn the seats of an order with an authorized payment into sold seats with tickets, all or nothing. Repeatable.';
grant execute on function complete_order_atomic to rowlock_worker;

create function create_order_atomic(p_show_id uuid, p_reservation_id uuid, p_secret bytea, p_order_id uuid, p_order_code text, p_order_secret bytea, p_customer_name text, p_customer_email text, p_seat_ids integer[], p_price_types text[], p_idempotency_key text, p_wish_hash bytea, p_session_id text, p_ip_address inet, p_user_agent text)
    returns TABLE(outcome text, order_id uuid, is_new boolean, status text, refused_seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/create_order_atomic.sql';
comment on function create_order_atomic is 'Order the seats of a hold at the prices that its holder was shown. Repeatable.';
grant execute on function create_order_atomic to rowlock_app;

create function end_order_atomic(p_show_id uuid, p_order_id uuid, p_reason text)
    returns TABLE(outcome text, order_id uuid, status text, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/end_order_atomic.sql';
comment on function end_order_atomic is 'End a pending order whose seats are gone, so that its money goes back. Repeatable.';
grant execute on function end_order_atomic to rowlock_worker;

create function end_order_of_cancelled_show(p_show_id uuid, p_order_id uuid, p_reason text, p_session_id text, p_ip_address inet, p_actor text)
    returns text
    language plpgsql security definer
    set search_path=rowlock, pg_temp
    as 'see functions/end_order_of_cancelled_show.sql';
comment on function end_order_of_cancelled_show is 'Refund, void or cancel one order of a cancelled show; a part of cancel_show_atomic.';

create function ensure_audit_log_partitions(p_months_ahead integer DEFAULT 2)
    returns SETOF text
    language plpgsql security definer
    set search_path=rowlock, pg_temp
    as 'see functions/ensure_audit_log_partitions.sql';
comment on function ensure_audit_log_partitions is 'Make the audit log partitions of this month and the next ones; returns the names of those made.';
grant execute on function ensure_audit_log_partitions to rowlock_worker;

create function expire_orders_atomic(p_limit integer DEFAULT 100)
    returns integer
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/expire_orders_atomic.sql';
comment on function expire_orders_atomic is 'End pending orders that cannot be paid any more.';
grant execute on function expire_orders_atomic to rowlock_worker;

create function extend_reservation_atomic(p_show_id uuid, p_reservation_id uuid, p_secret bytea DEFAULT NULL::bytea, p_reserved_by text DEFAULT NULL::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text, p_seen_extension_count integer DEFAULT NULL::integer)
    returns TABLE(outcome text, reservation_id uuid, expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/extend_reservation_atomic.sql';
comment on function extend_reservation_atomic is 'Extend a live hold and its claims, for its owner, at most max_extensions times and never once it has expired.';
grant execute on function extend_reservation_atomic to rowlock_app;

create function find_integrator_key(p_key_hash bytea)
    returns TABLE(key_id uuid, organization_id uuid, name text, scopes text[])
    language plpgsql stable security definer
    set search_path=rowlock, pg_temp
    as 'see functions/find_integrator_key.sql';
comment on function find_integrator_key is 'What an integrator''s key may do, and for whom, by its SHA-256.';
grant execute on function find_integrator_key to rowlock_app;

create function find_order(p_show_id uuid, p_order_id uuid, p_secret bytea)
    returns TABLE(show_id uuid, order_id uuid, order_code text, reservation_id uuid, status text, customer_name text, customer_email text, total_minor bigint, fee_minor bigint, currency text, created_at timestamp with time zone, expires_at timestamp with time zone, seat_id integer, label text, category text, price_type text, amount_minor bigint, item_fee_minor bigint, tax_basis_points integer, ticket_id uuid, ticket_status text, ticket_revision integer, credit_minor bigint, exchange_of_show_id uuid, exchange_of_order_id uuid, server_time timestamp with time zone)
    language plpgsql stable security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/find_order.sql';
comment on function find_order is 'An order with its lines and tickets, for the owner of its secret.';
grant execute on function find_order to rowlock_app;

create function find_reservation(p_show_id uuid, p_reservation_id uuid DEFAULT NULL::uuid, p_secret bytea DEFAULT NULL::bytea, p_reserved_by text DEFAULT NULL::text)
    returns TABLE(show_id uuid, reservation_id uuid, status text, seat_ids integer[], wish_hash bytea, created_at timestamp with time zone, expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, plan_id uuid, currency text, price_version integer, server_time timestamp with time zone)
    language plpgsql stable security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/find_reservation.sql';
comment on function find_reservation is 'One hold, for the owner of its token or its holder.';
grant execute on function find_reservation to rowlock_app;

create function finish_exchange_atomic(p_show_id uuid, p_order_id uuid, p_credit_ids uuid[], p_amounts_minor bigint[], p_source_providers text[], p_source_references text[], p_source_accounts text[])
    returns TABLE(outcome text, order_id uuid, status text, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/finish_exchange_atomic.sql';
comment on function finish_exchange_atomic is 'Make the order of an exchange paid, with the money of the tickets that were given up. Repeatable.';
grant execute on function finish_exchange_atomic to rowlock_worker;

create function finish_outbox_message(p_message_id bigint, p_error text, p_retry_seconds integer)
    returns void
    language plpgsql security definer
    set search_path=rowlock, pg_temp
    as 'see functions/finish_outbox_message.sql';
comment on function finish_outbox_message is 'A message of the outbox is done, or is to be tried again.';
grant execute on function finish_outbox_message to rowlock_worker;

create function free_seats_of_orders(p_show_id uuid, p_order_ids uuid[], p_seat_ids integer[], p_house_reason text)
    returns integer[]
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/free_seats_of_orders.sql';
comment on function free_seats_of_orders is 'Void the tickets of sold seats and free or block the seats; a part of the functions that end orders.';

create function get_reservation_statistics(p_show_id uuid DEFAULT NULL::uuid, p_hours integer DEFAULT 24)
    returns TABLE(total_created bigint, total_completed bigint, total_expired bigint, total_released bigint, total_failed bigint, avg_hold_time_seconds numeric, expiration_rate numeric)
    language plpgsql stable security definer
    set search_path=rowlock, pg_temp
    as 'see functions/get_reservation_statistics.sql';
comment on function get_reservation_statistics is 'Counts of reservations created, completed, expired, released and refused, mean hold time and share expired.';
grant execute on function get_reservation_statistics to rowlock_office;
grant execute on function get_reservation_statistics to rowlock_worker;

create function give_up_tickets_atomic(p_show_id uuid, p_to_order_id uuid, p_credit_minor bigint, p_is_confirmed boolean)
    returns TABLE(outcome text, credit_ids uuid[], amounts_minor bigint[], source_providers text[], source_references text[], source_accounts text[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/give_up_tickets_atomic.sql';
comment on function give_up_tickets_atomic is 'Decide an exchange: the old tickets are void and their money goes to the new order, or they stay. Repeatable.';
grant execute on function give_up_tickets_atomic to rowlock_worker;

create function issue_receipt_atomic(p_show_id uuid, p_order_id uuid, p_refund_id uuid)
    returns TABLE(outcome text, organization_id uuid, year integer, number integer, issued_at timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/issue_receipt_atomic.sql';
comment on function issue_receipt_atomic is 'Give a paid order its receipt, or a refund its credit note, with the next number of the organization. Repeatable.';
grant execute on function issue_receipt_atomic to rowlock_worker;

create function judge_exchange(p_show_id uuid, p_order_id uuid, p_seat_ids integer[])
    returns TABLE(outcome text, worth_minor bigint)
    language plpgsql stable security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/judge_exchange.sql';
comment on function judge_exchange is 'Whether tickets of an order can be exchanged, and what they are worth; a part of the functions of exchanges.';

create function keep_prices_of_holds(p_show_id uuid, p_old_version integer, p_new_version integer, p_old_categories jsonb, p_new_categories jsonb)
    returns void
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/keep_prices_of_holds.sql';
comment on function keep_prices_of_holds is 'Give the live holds of a show that moves their prices under the new plan; a part of move_show_atomic.';

create function limit_holds(p_show_id uuid, p_limits integer[], p_seats_total integer, p_max_hold_seconds integer, p_outcomes text[], p_clients inet[], p_reserved_by text[], p_seat_lists text[], OUT r_outcomes text[], OUT r_weights integer[])
    returns record
    language plpgsql security definer
    set enable_nestloop=off
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/limit_holds.sql';
comment on function limit_holds is 'Refuse requests of clients beyond the limits of holds, and weigh the others; a part of the functions that hold seats.';

create function lock_payments(p_show_id uuid, p_order_ids uuid[])
    returns void
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/lock_payments.sql';
comment on function lock_payments is 'Lock the payments that orders are refunded of; a part of the functions that give money back.';

create function lock_pending_order(p_show_id uuid, p_reservation_id uuid)
    returns boolean
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/lock_pending_order.sql';
comment on function lock_pending_order is 'Lock the pending order of a hold and tell whether it is being paid; a part of the functions that change holds.';

create function log_refusals(p_show_id uuid, p_outcomes text[], p_reservation_ids uuid[], p_seat_lists text[], p_session_ids text[], p_ip_addresses inet[], p_user_agents text[], p_metadata jsonb DEFAULT '{}'::jsonb, p_order_id uuid DEFAULT NULL::uuid, p_actor text DEFAULT NULL::text)
    returns void
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/log_refusals.sql';
comment on function log_refusals is 'Record refused requests, as counts or as rows of the audit log; a part of the functions that refuse.';

create function make_exchange_order_atomic(p_show_id uuid, p_reservation_id uuid, p_secret bytea, p_order_id uuid, p_order_code text, p_order_secret bytea, p_customer_name text, p_customer_email text, p_seat_ids integer[], p_price_types text[], p_wish_hash bytea, p_session_id text, p_ip_address inet, p_of_show_id uuid, p_of_order_id uuid, p_worth_minor bigint)
    returns TABLE(outcome text, refused_seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/make_exchange_order_atomic.sql';
comment on function make_exchange_order_atomic is 'Order held seats in exchange for tickets, whose worth is credited. Repeatable.';
grant execute on function make_exchange_order_atomic to rowlock_worker;

create function mint_id(p_show_id uuid)
    returns uuid
    language plpgsql security definer
    set search_path=rowlock, pg_temp
    as 'see functions/mint_id.sql';
comment on function mint_id is 'A new id of something in a show, which carries the show''s key.';

create function move_show_atomic(p_show_id uuid, p_plan_id uuid, p_categories text[] DEFAULT '{}'::text[], p_amounts_minor bigint[] DEFAULT '{}'::bigint[], p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_actor text DEFAULT NULL::text)
    returns TABLE(outcome text, plan_id uuid, seats_total integer, seat_ids integer[], categories text[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/move_show_atomic.sql';
comment on function move_show_atomic is 'Take a show to another plan of its venue that keeps every claimed seat, or say which seats are in the way. Repeatable.';
grant execute on function move_show_atomic to rowlock_office;

create function pay_order_atomic(p_show_id uuid, p_order_id uuid, p_payment_intent_id uuid)
    returns TABLE(outcome text, order_id uuid, status text, refund_id uuid, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/pay_order_atomic.sql';
comment on function pay_order_atomic is 'Record that the money of an order is captured: it is paid, or a refund is opened when it has ended. Repeatable.';
grant execute on function pay_order_atomic to rowlock_worker;

create function payments_left(p_show_id uuid, p_order_id uuid, p_with_late boolean DEFAULT false)
    returns TABLE(payment_intent_id uuid, left_minor bigint, free_minor bigint)
    language plpgsql stable security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/payments_left.sql';
comment on function payments_left is 'What can still be given back of each payment of an order; a part of the functions that open refunds.';

create function record_dispute_atomic(p_show_id uuid, p_payment_intent_id uuid, p_dispute_id uuid, p_reference text, p_status text, p_provider_status text, p_amount_minor bigint, p_withdrawn_minor bigint, p_fee_minor bigint, p_currency text, p_reason text, p_respond_until timestamp with time zone)
    returns TABLE(outcome text, dispute_id uuid, order_id uuid, status text, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/record_dispute_atomic.sql';
comment on function record_dispute_atomic is 'Write down what the provider says of a chargeback. Repeatable.';
grant execute on function record_dispute_atomic to rowlock_worker;

create function record_payment_atomic(p_show_id uuid, p_payment_intent_id uuid, p_status text, p_reference text, p_client_secret text, p_failure text)
    returns TABLE(outcome text, order_id uuid, status text, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/record_payment_atomic.sql';
comment on function record_payment_atomic is 'Write down what the provider says of a payment that is not captured yet. Repeatable.';
grant execute on function record_payment_atomic to rowlock_worker;

create function record_refund_atomic(p_show_id uuid, p_payment_intent_id uuid, p_refund_id uuid, p_refunded_minor bigint, p_reason text, p_actor text)
    returns TABLE(outcome text, order_id uuid, amount_minor bigint, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/record_refund_atomic.sql';
comment on function record_refund_atomic is 'Write down a refund that was made at the provider by hand. Repeatable.';
grant execute on function record_refund_atomic to rowlock_worker;

create function refund_order_atomic(p_show_id uuid, p_order_id uuid, p_refund_id uuid, p_idempotency_key text, p_seat_ids integer[] DEFAULT NULL::integer[], p_amount_minor bigint DEFAULT NULL::bigint, p_give_back text DEFAULT 'on_sale'::text, p_keep_fees boolean DEFAULT false, p_reason text DEFAULT ''::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_actor text DEFAULT NULL::text)
    returns TABLE(outcome text, order_id uuid, status text, refund_id uuid, amount_minor bigint, seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/refund_order_atomic.sql';
comment on function refund_order_atomic is 'Open a refund of a paid order, of seats or of an amount, and give the seats back. Repeatable by its key.';
grant execute on function refund_order_atomic to rowlock_worker;

create function reissue_ticket_atomic(p_show_id uuid, p_order_id uuid, p_ticket_id uuid, p_revision integer DEFAULT NULL::integer, p_reason text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_actor text DEFAULT NULL::text)
    returns TABLE(outcome text, ticket_id uuid, seat_id integer, revision integer, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/reissue_ticket_atomic.sql';
comment on function reissue_ticket_atomic is 'Give a ticket its next revision, so that codes of it that are about no longer count. Repeatable with p_revision.';
grant execute on function reissue_ticket_atomic to rowlock_worker;

create function release_holds_atomic(p_show_id uuid, p_reservation_ids uuid[], p_actor text)
    returns TABLE(outcome text, reservation_id uuid, released_seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/release_holds_atomic.sql';
comment on function release_holds_atomic is 'Give back every seat of the holds that staff name. Repeatable. One row per hold.';
grant execute on function release_holds_atomic to rowlock_office;

create function release_seats_atomic(p_show_id uuid, p_reservation_id uuid, p_secret bytea DEFAULT NULL::bytea, p_reserved_by text DEFAULT NULL::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text)
    returns TABLE(outcome text, reservation_id uuid, released_seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set search_path=rowlock, pg_temp
    as 'see functions/release_seats_atomic.sql';
comment on function release_seats_atomic is 'Give back every seat of a hold, for its owner. Repeatable.';
grant execute on function release_seats_atomic to rowlock_app;

create function release_seats_batch(p_show_id uuid, p_reservation_ids uuid[], p_secrets bytea[], p_reserved_by text[], p_session_ids text[], p_ip_addresses inet[], p_user_agents text[], p_actor text)
    returns TABLE(request integer, outcome text, reservation_id uuid, released_seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/release_seats_batch.sql';
comment on function release_seats_batch is 'Give back every seat of many holds of one show, each for its owner. Repeatable. One row per request.';
grant execute on function release_seats_batch to rowlock_app;

create function reserve_seats_atomic(p_show_id uuid, p_seat_ids integer[], p_reserved_by text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text, p_reservation_id uuid DEFAULT NULL::uuid, p_secret bytea DEFAULT NULL::bytea, p_wish_hash bytea DEFAULT NULL::bytea)
    returns TABLE(outcome text, reservation_id uuid, status text, seat_ids integer[], unavailable_seat_ids integer[], expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
    language plpgsql security definer
    set search_path=rowlock, pg_temp
    as 'see functions/reserve_seats_atomic.sql';
comment on function reserve_seats_atomic is 'Reserve seats of a show for one holder, all or nothing. Outcomes are returned as data.';
grant execute on function reserve_seats_atomic to rowlock_app;

create function reserve_seats_batch(p_show_id uuid, p_reservation_ids uuid[], p_secrets bytea[], p_wish_hashes bytea[], p_seat_ids integer[], p_seat_requests integer[], p_reserved_by text[], p_session_ids text[], p_ip_addresses inet[], p_user_agents text[], p_accessible boolean[], p_clients inet[], p_limits integer[])
    returns TABLE(request integer, outcome text, reservation_id uuid, status text, seat_ids integer[], unavailable_seat_ids integer[], expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/reserve_seats_batch.sql';
comment on function reserve_seats_batch is 'Reserve seats of one show for many requests, each all or nothing, in order of arrival. One row per request.';
grant execute on function reserve_seats_batch to rowlock_app;

create function retry_refunds_atomic(p_show_id uuid, p_order_id uuid, p_actor text, p_ip_address inet DEFAULT NULL::inet)
    returns TABLE(outcome text, refund_ids uuid[], amount_minor bigint, server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/retry_refunds_atomic.sql';
comment on function retry_refunds_atomic is 'Open every refund of an order again that has failed at its provider. Repeatable.';
grant execute on function retry_refunds_atomic to rowlock_worker;

create function seat_changes_since(p_show_id uuid, p_after_id bigint DEFAULT NULL::bigint)
    returns TABLE(seats_total integer, last_id bigint, horizon xid8, next_xid xid8, server_time timestamp with time zone, seat_id integer, status text, reserved_until timestamp with time zone)
    language plpgsql stable security definer
    set enable_seqscan=off
    set jit=off
    set search_path=rowlock, pg_temp
    as 'see functions/seat_changes_since.sql';
comment on function seat_changes_since is 'The state of the seats of a show that changed after a position in the audit log; of all claims without one.';
grant execute on function seat_changes_since to rowlock_app;

create function settle_refund_atomic(p_show_id uuid, p_refund_id uuid, p_status text, p_reference text, p_failure text)
    returns TABLE(outcome text, order_id uuid, status text, server_time timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/settle_refund_atomic.sql';
comment on function settle_refund_atomic is 'Write down what the provider says of a refund. Repeatable.';
grant execute on function settle_refund_atomic to rowlock_worker;

create function split_refund(p_show_id uuid, p_order_id uuid, p_amount_minor bigint)
    returns TABLE(payment_intent_id uuid, amount_minor bigint)
    language plpgsql stable security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/split_refund.sql';
comment on function split_refund is 'Of which payments of an order an amount is given back; a part of the functions that open refunds.';

create function take_outbox_messages(p_limit integer, p_seconds integer)
    returns TABLE(message_id bigint, show_id uuid, order_id uuid, kind text, payload jsonb, attempts integer, created_at timestamp with time zone)
    language plpgsql security definer
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/take_outbox_messages.sql';
comment on function take_outbox_messages is 'Messages that are due, for one worker for a while.';
grant execute on function take_outbox_messages to rowlock_worker;

create function tell_buyers_of_move(p_show_id uuid, p_message_id bigint, p_limit integer)
    returns integer
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/tell_buyers_of_move.sql';
comment on function tell_buyers_of_move is 'Make a message for each of the next orders whose buyers have to know that a show was moved. Repeatable.';
grant execute on function tell_buyers_of_move to rowlock_worker;

create function tell_repeated_requests(p_show_id uuid, p_outcomes text[], p_reservation_ids uuid[], p_secrets bytea[], p_wish_hashes bytea[], p_reserved_by text[], p_seat_lists text[], p_unavailable text[], p_max_extensions integer)
    returns TABLE(request integer, outcome text, reservation_id uuid, status text, seat_ids integer[], unavailable_seat_ids integer[], expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/tell_repeated_requests.sql';
comment on function tell_repeated_requests is 'The answers to a batch with repeated requests; a part of reserve_seats_batch.';

create function unblock_seats_atomic(p_show_id uuid, p_seat_ids integer[], p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text, p_actor text DEFAULT NULL::text)
    returns TABLE(outcome text, seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set jit=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/unblock_seats_atomic.sql';
comment on function unblock_seats_atomic is 'Put blocked seats back on sale. Repeatable.';
grant execute on function unblock_seats_atomic to rowlock_office;

create function void_order_atomic(p_show_id uuid, p_order_id uuid, p_reason text DEFAULT NULL::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_actor text DEFAULT NULL::text)
    returns TABLE(outcome text, order_id uuid, status text, released_seat_ids integer[], server_time timestamp with time zone)
    language plpgsql security definer
    set enable_seqscan=off
    set plan_cache_mode=force_generic_plan
    set search_path=rowlock, pg_temp
    as 'see functions/void_order_atomic.sql';
comment on function void_order_atomic is 'Take back a confirmed order whose money could not be captured; its seats are free again. Repeatable.';
grant execute on function void_order_atomic to rowlock_worker;
