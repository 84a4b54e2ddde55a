-- The fee per ticket and the tax within each price, and the fee per order of a price list.
--
-- The added columns have constant defaults, so show_prices is not written anew.

alter table show_prices
    add column fee_minor bigint not null default 0,
    add column tax_basis_points integer not null default 0;
alter table show_prices
    add constraint chk_price_fee_within_amount check (fee_minor between 0 and amount_minor) not valid,
    add constraint chk_price_tax_rate check (tax_basis_points between 0 and 10000) not valid;
comment on column show_prices.amount_minor is 'What the buyer pays for the seat: the fee per ticket and the tax are within it.';
comment on column show_prices.fee_minor is 'The part of the amount that is the fee per ticket. A free ticket has none.';
comment on column show_prices.tax_basis_points is
    'The rate of the tax that the amount contains, in hundredths of a percent: 700 is 7 %.';

create table show_price_lists (
    show_id             uuid not null,
    price_version       integer not null,
    fee_per_order_minor bigint not null default 0,
    created_at          timestamptz not null default clock_timestamp(),
    constraint show_price_lists_pkey primary key (show_id, price_version),
    constraint show_price_lists_show_id_fkey foreign key (show_id) references shows,
    constraint chk_fee_per_order_not_negative check (fee_per_order_minor >= 0)
);
comment on table show_price_lists is
    'A version of the prices of a show: what is not of one category. A version without a row has no fee per order.';
