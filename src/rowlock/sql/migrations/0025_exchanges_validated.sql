-- Validates what 0024 added for orders, payments and refunds that were there already: only a scan, while buyers go on.

alter table ticket_orders validate constraint chk_order_credit_within_total;
alter table ticket_orders validate constraint chk_order_exchange;
alter table payment_intents validate constraint chk_payment_source;
alter table refunds validate constraint chk_refund_credit;
alter table ledger_entries validate constraint chk_ledger_account;
