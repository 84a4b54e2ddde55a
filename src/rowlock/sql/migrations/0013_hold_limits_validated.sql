-- Validates what 0011 added for holds that were there already: only a scan, while buyers go on.

alter table seat_reservations validate constraint chk_hold_weight;
