-- Who sells, as receipts have to say it: the legal name, the address and the tax id of an organization. A receipt keeps
-- what they were when it was issued, so that printing it again makes the same document.
--
-- Columns without a default and checks that are validated later: no row is read or rewritten. Older receipts have no
-- seller of their own, and are printed with the organization's.

alter table organizations
    add column legal_name text,
    add column address text,
    add column tax_id text,
    add constraint chk_organization_seller check (
        length(legal_name) between 1 and 120 and length(address) between 1 and 725 and length(tax_id) between 1 and 60
    ) not valid;
comment on column organizations.legal_name is 'Its name on receipts; null when it is the other one.';
comment on column organizations.address is 'For receipts, in at most six lines.';
comment on column organizations.tax_id is 'Its VAT number or the like, as its country writes it, for receipts.';

alter table receipts
    add column seller_name text,
    add column seller_address text,
    add column seller_tax_id text;
comment on column receipts.seller_name is
    'Who sold, as of the day it was issued, with seller_address and seller_tax_id; null for receipts from before there was any.';
