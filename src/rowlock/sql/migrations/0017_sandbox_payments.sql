-- What the two providers that keep their state with us keep: the sandbox, and the manual one (pay at the desk, invoice).
--
-- These tables stand for systems outside. No foreign key leads to orders, and nothing of an order depends on them.
-- `account` is whose account it is: an organization's, or the installation's.

create table sandbox_payments (
    reference         text not null,
    account           text not null,
    create_key        text not null,
    show_id           uuid not null,
    order_id          uuid not null,
    payment_intent_id uuid not null,
    amount_minor      bigint not null,
    currency          text not null,
    description       text not null,
    return_url        text,
    status            text not null default 'open',
    step              text,
    settles_at        timestamptz,
    deliveries        integer not null default 1,
    refunds_fail      boolean not null default false,
    captured_minor    bigint not null default 0,
    refunded_minor    bigint not null default 0,
    last_error        text,
    events            integer not null default 0,
    created_at        timestamptz not null default clock_timestamp(),
    updated_at        timestamptz not null default clock_timestamp(),
    constraint sandbox_payments_pkey primary key (reference),
    constraint sandbox_payments_key_unique unique (account, create_key),
    constraint chk_sandbox_payment_status
        check (status in ('open', 'processing', 'authorized', 'captured', 'cancelled')),
    constraint chk_sandbox_payment_step check (step = 'three_d_secure'),
    constraint chk_sandbox_payment_settles check ((status = 'processing') = (settles_at is not null)),
    constraint chk_sandbox_payment_amounts
        check (amount_minor > 0 and refunded_minor between 0 and captured_minor and captured_minor <= amount_minor),
    constraint chk_sandbox_payment_captured check ((status = 'captured') = (captured_minor > 0))
);
comment on table sandbox_payments is 'Payments of the sandbox: play money. Its behaviour follows the test card that was chosen.';
comment on column sandbox_payments.create_key is 'The idempotency key that it was made with.';
comment on column sandbox_payments.step is 'What the buyer has to do next: three_d_secure.';
comment on column sandbox_payments.settles_at is 'When a payment that is being processed becomes authorized. A fact: nothing has to run then.';
comment on column sandbox_payments.deliveries is 'How often each of its webhooks is delivered: 0 when they get lost.';
comment on column sandbox_payments.events is 'How many events it has had.';
create index sandbox_payments_intent on sandbox_payments (payment_intent_id);
create index sandbox_payments_created on sandbox_payments (account, created_at, reference);
create index sandbox_payments_settling on sandbox_payments (settles_at) where status = 'processing';

create table sandbox_refunds (
    reference         text not null,
    account           text not null,
    refund_key        text not null,
    payment_reference text not null references sandbox_payments,
    amount_minor      bigint not null,
    currency          text not null,
    status            text not null,
    failure           text,
    created_at        timestamptz not null default clock_timestamp(),
    constraint sandbox_refunds_pkey primary key (reference),
    constraint sandbox_refunds_key_unique unique (account, refund_key),
    constraint chk_sandbox_refund_status check (status in ('succeeded', 'failed')),
    constraint chk_sandbox_refund_amount check (amount_minor > 0)
);
comment on table sandbox_refunds is 'Refunds of the sandbox. A key makes one refund.';
create index sandbox_refunds_payment on sandbox_refunds (payment_reference);

create table sandbox_events (
    event_id          text not null,
    payment_reference text not null references sandbox_payments,
    kind              text not null,
    body              text not null,
    created_at        timestamptz not null default clock_timestamp(),
    deliveries_left   integer not null,
    deliver_at        timestamptz,
    attempts          integer not null default 0,
    delivered_at      timestamptz,
    last_failure      text,
    constraint sandbox_events_pkey primary key (event_id),
    constraint chk_sandbox_event_deliveries check (deliveries_left >= 0),
    constraint chk_sandbox_event_due check (deliver_at is null or deliveries_left > 0)
);
comment on table sandbox_events is 'Webhooks of the sandbox, written with the change that they tell of, and delivered afterwards.';
comment on column sandbox_events.body is 'What is sent, to the byte: it is what gets signed.';
comment on column sandbox_events.deliveries_left is 'How often it is still to be delivered. More than once where webhooks are repeated.';
comment on column sandbox_events.deliver_at is 'When to try next; null when there is nothing more to do.';
create index sandbox_events_due on sandbox_events (deliver_at) where deliver_at is not null;
create index sandbox_events_payment on sandbox_events (payment_reference);

create table manual_payments (
    reference         text not null,
    account           text not null,
    create_key        text not null,
    show_id           uuid not null,
    order_id          uuid not null,
    payment_intent_id uuid not null,
    amount_minor      bigint not null,
    currency          text not null,
    description       text not null,
    status            text not null default 'open',
    received_by       text,
    captured_minor    bigint not null default 0,
    refunded_minor    bigint not null default 0,
    created_at        timestamptz not null default clock_timestamp(),
    updated_at        timestamptz not null default clock_timestamp(),
    constraint manual_payments_pkey primary key (reference),
    constraint manual_payments_key_unique unique (account, create_key),
    constraint chk_manual_payment_status check (status in ('open', 'captured', 'cancelled')),
    constraint chk_manual_payment_received check ((status = 'captured') = (received_by is not null)),
    constraint chk_manual_payment_amounts
        check (amount_minor > 0 and refunded_minor between 0 and captured_minor and captured_minor <= amount_minor),
    constraint chk_manual_payment_captured check ((status = 'captured') = (captured_minor > 0))
);
comment on table manual_payments is 'Payments at the desk or by invoice: staff say that the money is there, and that it was given back.';
comment on column manual_payments.received_by is 'Who said that it is paid.';
create index manual_payments_created on manual_payments (account, created_at, reference);

create table manual_refunds (
    reference         text not null,
    account           text not null,
    refund_key        text not null,
    payment_reference text not null references manual_payments,
    amount_minor      bigint not null,
    currency          text not null,
    status            text not null,
    failure           text,
    created_at        timestamptz not null default clock_timestamp(),
    constraint manual_refunds_pkey primary key (reference),
    constraint manual_refunds_key_unique unique (account, refund_key),
    constraint chk_manual_refund_status check (status = 'succeeded'),
    constraint chk_manual_refund_amount check (amount_minor > 0)
);
comment on table manual_refunds is 'Money that staff give back for a manual payment. A key makes one refund.';
create index manual_refunds_payment on manual_refunds (payment_reference);
