-- Validates what 0020 added for organizations that were there already: only a scan, while buyers go on.

alter table organizations validate constraint chk_organization_seller;
