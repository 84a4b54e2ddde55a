-- Validates what 0005 added for rows that were there already: only a scan each, while buyers go on.

alter table shows validate constraint shows_organization;
alter table ticket_orders validate constraint chk_order_status;
alter table ticket_orders validate constraint chk_order_confirmed_at;
alter table ticket_orders validate constraint chk_order_paid_at;
alter table ticket_orders validate constraint chk_order_fee_within_total;
alter table payment_intents validate constraint chk_payment_intent_status;
alter table refunds validate constraint refunds_order;
alter table refunds validate constraint chk_refund_has_order;
alter table refunds validate constraint chk_refund_status;
alter table refunds validate constraint chk_refund_give_back;
alter table refunds validate constraint chk_refund_amount;
