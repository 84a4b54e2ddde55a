-- What the reconciler needs of refunds: which a provider has still to be asked about, and which one of them is meant.
-- squawk-ignore-file require-concurrent-index-creation, adding-field-with-default

alter table refunds add column reopened integer not null default 0;
comment on column refunds.reopened is
    'How often it was opened again after it had failed. For the provider each time is another refund, with a key of its own.';

create index idx_refunds_open on refunds (updated_at) where status in ('pending', 'in_doubt');
create index idx_refunds_failed on refunds (updated_at) where status = 'failed';
