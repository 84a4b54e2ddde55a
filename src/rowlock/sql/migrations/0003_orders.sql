-- Orders, money and tickets. Rows are never deleted; amounts are integer minor units with their currency.

create table ticket_orders (
    show_id         uuid not null,
    order_id        uuid not null,
    order_code      text not null,
    idempotency_key text not null,
    reservation_id  uuid not null,
    customer_name   text not null,
    customer_email  text not null,
    -- pending -> paid -> refunded / partially_refunded; pending -> expired / cancelled.
    status          text not null default 'pending',
    total_minor     bigint not null,
    currency        text not null,
    created_at      timestamptz not null default clock_timestamp(),
    paid_at         timestamptz,
    constraint ticket_orders_pkey primary key (show_id, order_id),
    constraint ticket_orders_code_unique unique (show_id, order_code),
    constraint ticket_orders_idempotency_key_unique unique (show_id, idempotency_key),
    constraint ticket_orders_reservation_unique unique (show_id, reservation_id),
    constraint chk_order_status
        check (status in ('pending', 'paid', 'partially_refunded', 'refunded', 'expired', 'cancelled')),
    constraint chk_order_paid_at check ((status in ('paid', 'partially_refunded', 'refunded')) = (paid_at is not null)),
    constraint chk_order_total_not_negative check (total_minor >= 0),
    constraint chk_order_currency check (currency ~ '^[A-Z]{3}$')
);
comment on table ticket_orders is
    'What somebody buys for one reservation. total_minor is in minor units of currency; prices are fixed when it is made.';

create table ticket_order_items (
    show_id      uuid not null,
    order_id     uuid not null,
    seat_id      integer not null,
    price_type   text not null,
    amount_minor bigint not null,
    constraint ticket_order_items_pkey primary key (show_id, order_id, seat_id),
    constraint ticket_order_items_order foreign key (show_id, order_id) references ticket_orders,
    constraint chk_item_amount_not_negative check (amount_minor >= 0)
);
comment on table ticket_order_items is 'One seat of an order at its price, in minor units of the order''s currency.';

create table payment_intents (
    show_id             uuid not null,
    payment_intent_id   uuid not null,
    order_id            uuid not null,
    provider            text not null,
    provider_reference  text,
    amount_minor        bigint not null,
    currency            text not null,
    status              text not null,
    created_at          timestamptz not null default clock_timestamp(),
    updated_at          timestamptz not null default clock_timestamp(),
    constraint payment_intents_pkey primary key (show_id, payment_intent_id),
    constraint payment_intents_order foreign key (show_id, order_id) references ticket_orders,
    -- requires_payment -> authorized -> captured; authorized -> cancelled (too late: nobody is charged); any -> failed.
    constraint chk_payment_intent_status
        check (status in ('requires_payment', 'authorized', 'captured', 'cancelled', 'failed')),
    constraint chk_payment_amount_not_negative check (amount_minor >= 0),
    constraint chk_payment_currency check (currency ~ '^[A-Z]{3}$')
);
create index payment_intents_order on payment_intents (show_id, order_id);
create unique index idx_one_live_payment_intent_per_order
    on payment_intents (show_id, order_id) where status in ('requires_payment', 'authorized', 'captured');
comment on table payment_intents is
    'Attempts to pay an order. Seats are sold between authorized and captured, so nobody pays for a seat that is gone.';

create table refunds (
    show_id            uuid not null,
    refund_id          uuid not null,
    payment_intent_id  uuid not null,
    idempotency_key    text not null,
    provider_reference text,
    amount_minor       bigint not null,
    reason             text not null,
    status             text not null default 'pending',
    created_at         timestamptz not null default clock_timestamp(),
    constraint refunds_pkey primary key (show_id, refund_id),
    constraint refunds_idempotency_key_unique unique (show_id, idempotency_key),
    constraint refunds_payment_intent foreign key (show_id, payment_intent_id) references payment_intents,
    constraint chk_refund_status check (status in ('pending', 'succeeded', 'failed')),
    constraint chk_refund_amount_positive check (amount_minor > 0)
);
comment on table refunds is 'Money given back, in minor units of the payment''s currency. Each has its own idempotency key.';
create index refunds_payment_intent on refunds (show_id, payment_intent_id);

create table tickets (
    show_id   uuid not null,
    ticket_id uuid not null,
    order_id  uuid not null,
    seat_id   integer not null,
    status    text not null default 'valid',
    issued_at timestamptz not null default clock_timestamp(),
    used_at   timestamptz,
    constraint tickets_pkey primary key (show_id, ticket_id),
    constraint tickets_item foreign key (show_id, order_id, seat_id) references ticket_order_items,
    constraint chk_ticket_status check (status in ('valid', 'used', 'void')),
    constraint chk_ticket_used_at check ((status = 'used') <= (used_at is not null))
);
create index tickets_order on tickets (show_id, order_id);
create unique index idx_one_live_ticket_per_seat on tickets (show_id, seat_id) where status <> 'void';
comment on table tickets is 'Admission for one sold seat. A void ticket stays here; its seat may have another one.';

create table webhook_events (
    provider     text not null,
    event_id     text not null,
    received_at  timestamptz not null default clock_timestamp(),
    processed_at timestamptz,
    payload      jsonb not null,
    error        text,
    constraint webhook_events_pkey primary key (provider, event_id)
);
comment on table webhook_events is 'The inbox: a provider is answered 2xx only after its event is committed here.';

create table outbox_messages (
    message_id bigint generated always as identity primary key,
    show_id    uuid not null,
    order_id   uuid,
    kind       text not null,
    payload    jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    xid        xid8 not null default pg_current_xact_id()
);
comment on table outbox_messages is 'Work to do after a commit, such as mailing tickets; written in the same transaction.';
