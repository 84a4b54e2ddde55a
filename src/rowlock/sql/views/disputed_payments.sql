-- disputed_payments: the payments that a chargeback is about: the one that it names, and those that exchanges have moved
-- its money to, in any show of this database.
create or replace view rowlock.disputed_payments as
select i.show_id, i.order_id, i.payment_intent_id, d.show_id as dispute_show_id, d.dispute_id, d.status
from rowlock.payment_intents as i
join rowlock.disputes as d on d.show_id = i.show_id and d.payment_intent_id = i.payment_intent_id
union all
select i.show_id, i.order_id, i.payment_intent_id, d.show_id, d.dispute_id, d.status
from rowlock.payment_intents as i
join rowlock.payment_intents as m on m.provider = i.source_provider and m.provider_reference = i.source_reference
join rowlock.disputes as d on d.show_id = m.show_id and d.payment_intent_id = m.payment_intent_id
where i.provider = 'credit';
comment on view rowlock.disputed_payments is
    'Payments that a chargeback is about, also those that exchanges have moved its money to.';
