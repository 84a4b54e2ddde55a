-- Chargebacks with what became of them, whose account a payment was made at, and a ledger that has all of it.
--
-- Columns have constant defaults or none, so no table is written anew. No release has written a dispute.
-- squawk-ignore-file require-concurrent-index-creation, constraint-missing-not-valid, adding-field-with-default, ban-drop-constraint

alter table payment_intents add column account text;
comment on column payment_intents.account is
    'Whose account at the provider it was made at: installation, or the id of an organization. Null for payments of earlier '
    'releases: those are looked for at the account that the organization has now.';

alter table disputes
    add column status text not null default 'opened',
    add column respond_until timestamptz,
    add column withdrawn_minor bigint not null default 0,
    add column fee_minor bigint not null default 0,
    add column return_movement_id uuid,
    add column ended_at timestamptz,
    add constraint chk_dispute_status check (status in ('opened', 'won', 'lost')),
    add constraint chk_dispute_ended_at check ((status = 'opened') = (ended_at is null)),
    add constraint chk_dispute_withdrawn check (withdrawn_minor between 0 and amount_minor);
comment on column disputes.respond_until is 'Until when the seller may answer the bank.';
comment on column disputes.withdrawn_minor is 'What the provider took off the account for it, at first; returned or not.';
comment on column disputes.fee_minor is 'What the provider asks for the dispute itself, in minor units of the currency.';
comment on column disputes.return_movement_id is 'The movement of the ledger with which the money came back.';
insert into state_changes (subject, from_state, to_state)
values
    ('disputes', 'opened', 'won'),
    ('disputes', 'opened', 'lost'),
    -- A bank may take back what it has decided.
    ('disputes', 'won', 'lost'),
    ('disputes', 'lost', 'won');
create index idx_disputes_open on disputes (respond_until) where status = 'opened';

alter table ledger_entries drop constraint chk_ledger_account;
alter table ledger_entries
    add constraint chk_ledger_account check (account in ('provider', 'sales', 'owed', 'disputed', 'fees')) not valid;
comment on table ledger_entries is
    'Every movement of money, with a sum of zero: what is with the provider, and whose it is. movement_id is the payment '
    'intent, the refund, or the dispute. sales: for tickets. owed: to be given back, because the order had ended. '
    'disputed: withdrawn by a bank. fees: what the provider asked for a dispute.';

-- What was captured and given back before the ledger had every movement, such as the orders of the demonstration.
insert into ledger_entries (show_id, movement_id, account, order_id, amount_minor, currency)
select i.show_id, i.payment_intent_id, e.account, i.order_id, e.amount_minor, i.currency
from payment_intents as i
cross join lateral (values ('provider', i.amount_minor), ('sales', -i.amount_minor)) as e (account, amount_minor)
where i.status = 'captured' and i.amount_minor > 0
    and not exists (
        select from ledger_entries as k where k.show_id = i.show_id and k.movement_id = i.payment_intent_id
    );
insert into ledger_entries (show_id, movement_id, account, order_id, amount_minor, currency)
select r.show_id, r.refund_id, e.account, r.order_id, e.amount_minor, i.currency
from refunds as r
join payment_intents as i on i.show_id = r.show_id and i.payment_intent_id = r.payment_intent_id
cross join lateral (values ('provider', -r.amount_minor), ('sales', r.amount_minor)) as e (account, amount_minor)
where r.status = 'succeeded' and r.amount_minor > 0
    and not exists (select from ledger_entries as k where k.show_id = r.show_id and k.movement_id = r.refund_id);

create table sandbox_disputes (
    reference         text not null,
    account           text not null,
    payment_reference text not null,
    amount_minor      bigint not null,
    fee_minor         bigint not null,
    currency          text not null,
    status            text not null default 'opened',
    reason            text not null,
    respond_until        timestamptz not null,
    created_at        timestamptz not null default clock_timestamp(),
    constraint sandbox_disputes_pkey primary key (reference),
    constraint chk_sandbox_dispute_status check (status in ('opened', 'won', 'lost')),
    constraint chk_sandbox_dispute_amounts check (amount_minor > 0 and fee_minor >= 0)
);
comment on table sandbox_disputes is 'Chargebacks of the sandbox. While one is opened or lost, its money is off the account.';
create index sandbox_disputes_payment on sandbox_disputes (payment_reference);
create index sandbox_disputes_created on sandbox_disputes (account, created_at);
