-- Which state may follow which, for what moves money. `make schema` draws the diagrams of docs/explanation/states.md from
-- this table, record_payment_atomic looks there, and tests hold all functions to it.
--
-- The table is new, so nothing waits for a lock.

create table state_changes (
    subject    text not null,
    from_state text not null,
    to_state   text not null,
    constraint state_changes_pkey primary key (subject, from_state, to_state),
    constraint chk_state_change_differs check (from_state <> to_state)
);
comment on table state_changes is 'Which state may follow which. subject: the table whose status it is.';

insert into state_changes (subject, from_state, to_state)
values
    ('ticket_orders', 'pending', 'confirmed'),
    ('ticket_orders', 'pending', 'paid'),
    ('ticket_orders', 'pending', 'expired'),
    ('ticket_orders', 'pending', 'cancelled'),
    ('ticket_orders', 'confirmed', 'paid'),
    ('ticket_orders', 'confirmed', 'voided'),
    ('ticket_orders', 'paid', 'partially_refunded'),
    ('ticket_orders', 'paid', 'refunded'),
    ('ticket_orders', 'partially_refunded', 'refunded'),
    ('payment_intents', 'requires_payment', 'sent'),
    ('payment_intents', 'requires_payment', 'in_doubt'),
    ('payment_intents', 'requires_payment', 'authorized'),
    ('payment_intents', 'requires_payment', 'captured'),
    ('payment_intents', 'requires_payment', 'cancelled'),
    ('payment_intents', 'requires_payment', 'failed'),
    ('payment_intents', 'sent', 'in_doubt'),
    ('payment_intents', 'sent', 'authorized'),
    ('payment_intents', 'sent', 'captured'),
    ('payment_intents', 'sent', 'cancelled'),
    ('payment_intents', 'sent', 'failed'),
    ('payment_intents', 'in_doubt', 'sent'),
    ('payment_intents', 'in_doubt', 'authorized'),
    ('payment_intents', 'in_doubt', 'captured'),
    ('payment_intents', 'in_doubt', 'cancelled'),
    ('payment_intents', 'in_doubt', 'failed'),
    ('payment_intents', 'authorized', 'in_doubt'),
    ('payment_intents', 'authorized', 'captured'),
    ('payment_intents', 'authorized', 'cancelled'),
    ('payment_intents', 'authorized', 'failed'),
    -- A provider may take money that we have given up, and its word is the truth.
    ('payment_intents', 'cancelled', 'captured'),
    ('payment_intents', 'failed', 'captured'),
    ('refunds', 'pending', 'in_doubt'),
    ('refunds', 'pending', 'succeeded'),
    ('refunds', 'pending', 'failed'),
    ('refunds', 'in_doubt', 'pending'),
    ('refunds', 'in_doubt', 'succeeded'),
    ('refunds', 'in_doubt', 'failed'),
    ('refunds', 'failed', 'pending'),
    ('tickets', 'valid', 'used'),
    ('tickets', 'valid', 'void'),
    ('tickets', 'used', 'void');
