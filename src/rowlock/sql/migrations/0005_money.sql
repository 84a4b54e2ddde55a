-- Orders, payments and refunds as money needs them: states that follow the money, versions of prices, and keys for
-- every repeated request. Constraints that are new for existing rows are validated in 0006.
--
-- These tables were never written by a released version, except by its demonstration, so locking and rewriting them
-- keeps no buyer waiting; show_prices has tens of rows a show, and none is written during a sale.
-- squawk-ignore-file ban-drop-constraint, adding-serial-primary-key-field, require-concurrent-index-deletion, ban-drop-not-null, adding-field-with-default, require-concurrent-index-creation

alter table shows add column organization_id uuid;
update shows as s
set organization_id = v.organization_id
from seating_plans as p
join venues as v using (venue_id)
where p.plan_id = s.plan_id;
alter table shows
    add constraint shows_organization foreign key (organization_id) references organizations not valid;
alter table shows add column price_version integer not null default 1;
comment on column shows.organization_id is 'Who sells: the organization of the venue when the show was made.';
comment on column shows.price_version is 'The version of show_prices that new holds are made under.';

-- A price list is a version. A changed price is a new version, so the prices of a hold or order never change.
alter table show_prices add column price_version integer not null default 1;
alter table show_prices drop constraint show_prices_pkey;
-- squawk-ignore constraint-missing-not-valid
alter table show_prices add constraint show_prices_pkey primary key (show_id, price_version, category, price_type);
alter table seat_reservations add column price_version integer not null default 1;
comment on column seat_reservations.price_version is 'The prices that the holder was shown, and pays.';

alter table ticket_orders drop constraint ticket_orders_reservation_unique;
alter table ticket_orders drop constraint chk_order_status;
alter table ticket_orders drop constraint chk_order_paid_at;
alter table ticket_orders
    add column fee_minor bigint not null default 0,
    add column expires_at timestamptz,
    add column confirmed_at timestamptz;
update ticket_orders set confirmed_at = paid_at where paid_at is not null;
alter table ticket_orders
    -- pending -> confirmed -> paid -> refunded / partially_refunded; confirmed -> voided (the money could not be had);
    -- pending -> expired / cancelled.
    add constraint chk_order_status check (
        status in (
            'pending', 'confirmed', 'paid', 'partially_refunded', 'refunded', 'voided', 'expired', 'cancelled'
        )
    ) not valid,
    add constraint chk_order_confirmed_at check (
        (status in ('confirmed', 'paid', 'partially_refunded', 'refunded', 'voided')) = (confirmed_at is not null)
    ) not valid,
    add constraint chk_order_paid_at check (
        (status in ('paid', 'partially_refunded', 'refunded')) = (paid_at is not null)
    ) not valid,
    add constraint chk_order_fee_within_total check (fee_minor between 0 and total_minor) not valid;
create unique index idx_one_live_order_per_reservation
    on ticket_orders (show_id, reservation_id) where status not in ('voided', 'expired', 'cancelled');
comment on column ticket_orders.fee_minor is 'The fee per order. total_minor is the sum of the items and this fee.';
comment on column ticket_orders.expires_at is 'Until when a pending order may be paid.';
comment on column ticket_orders.confirmed_at is 'When its seats became sold and its tickets were issued.';

create table order_idempotency_keys (
    show_id         uuid not null,
    idempotency_key text not null,
    order_id        uuid not null,
    wish_hash       bytea not null,
    created_at      timestamptz not null default clock_timestamp(),
    constraint order_idempotency_keys_pkey primary key (show_id, idempotency_key),
    constraint order_idempotency_keys_order foreign key (show_id, order_id) references ticket_orders
);
comment on table order_idempotency_keys is
    'Every key that an order was asked for with; the first one stands in the order, too. wish_hash: SHA-256 of what was '
    'asked for, so that a key used for another wish is refused.';

alter table payment_intents drop constraint chk_payment_intent_status;
alter table payment_intents
    -- requires_payment -> sent -> authorized -> captured; any of these -> in_doubt (the provider did not answer) and
    -- back; authorized -> cancelled (too late: the buyer is not charged); any -> failed.
    add constraint chk_payment_intent_status check (
        status in ('requires_payment', 'sent', 'in_doubt', 'authorized', 'captured', 'cancelled', 'failed')
    ) not valid;
drop index idx_one_live_payment_intent_per_order;
create unique index idx_one_live_payment_intent_per_order
    on payment_intents (show_id, order_id)
    where status in ('requires_payment', 'sent', 'in_doubt', 'authorized');
create unique index idx_payment_intents_provider_reference
    on payment_intents (provider, provider_reference) where provider_reference is not null;

alter table refunds alter column payment_intent_id drop not null;
alter table refunds drop constraint chk_refund_status;
alter table refunds drop constraint chk_refund_amount_positive;
alter table refunds
    add column order_id uuid,
    add column give_back text not null default 'nothing',
    add column wish_hash bytea,
    add column updated_at timestamptz not null default clock_timestamp();
update refunds as r
set order_id = i.order_id
from payment_intents as i
where i.show_id = r.show_id and i.payment_intent_id = r.payment_intent_id;
alter table refunds
    add constraint refunds_order foreign key (show_id, order_id) references ticket_orders not valid,
    add constraint chk_refund_has_order check (order_id is not null) not valid,
    add constraint chk_refund_status check (status in ('pending', 'in_doubt', 'succeeded', 'failed')) not valid,
    add constraint chk_refund_give_back check (give_back in ('nothing', 'on_sale', 'house')) not valid,
    -- A free order gives back no money, and needs no payment for it.
    add constraint chk_refund_amount check (
        amount_minor >= 0 and (amount_minor > 0) = (payment_intent_id is not null)
    ) not valid;
create index refunds_order on refunds (show_id, order_id);
comment on column refunds.give_back is
    'What became of the seats: on_sale (free again), house (blocked), nothing (a refund of money alone).';

create table refund_items (
    show_id      uuid not null,
    refund_id    uuid not null,
    order_id     uuid not null,
    seat_id      integer not null,
    amount_minor bigint not null,
    constraint refund_items_pkey primary key (show_id, refund_id, seat_id),
    constraint refund_items_seat_once unique (show_id, order_id, seat_id),
    constraint refund_items_refund foreign key (show_id, refund_id) references refunds,
    constraint refund_items_item foreign key (show_id, order_id, seat_id) references ticket_order_items,
    constraint chk_refund_item_not_negative check (amount_minor >= 0)
);
comment on table refund_items is
    'A seat that a refund gives back, and its part of the money. A seat of an order is given back once.';

alter table webhook_events add column show_id uuid;
comment on column webhook_events.show_id is 'The show that the event is about, once that is known.';
