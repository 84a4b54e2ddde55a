-- Validates what 0022 added for rows that were there already: only a scan, while buyers go on.

alter table ledger_entries validate constraint chk_ledger_account;
