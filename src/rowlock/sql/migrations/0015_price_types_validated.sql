-- Validates what 0014 added for prices that were there already: only a scan, while buyers go on.

alter table show_prices validate constraint chk_price_fee_within_amount;
alter table show_prices validate constraint chk_price_tax_rate;
