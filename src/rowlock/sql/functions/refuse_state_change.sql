-- refuse_state_change: the trigger that keeps an order, a payment, a refund or a ticket from a state that may not follow.
--
-- Locks     nothing; creating the triggers waits for writers of the four tables.
-- Outcomes  an error of the class check_violation, with the constraint `state_changes`: only a bug can cause it.
-- Writes    nothing.
create or replace function rowlock.refuse_state_change()
returns trigger
language plpgsql
security definer
set search_path = rowlock, pg_temp
as $$
begin
    if not exists (
        select from state_changes as c
        where c.subject = tg_table_name and c.from_state = old.status and c.to_state = new.status
    ) then
        raise exception 'a row of % that is % cannot become %', tg_table_name, old.status, new.status
            using errcode = 'check_violation', schema = 'rowlock', table = tg_table_name, constraint = 'state_changes';
    end if;
    return new;
end
$$;
comment on function rowlock.refuse_state_change is
    'Trigger: refuse a change of status that is not in state_changes, on orders, payments, refunds and tickets.';
revoke all on function rowlock.refuse_state_change from public;

create or replace trigger state_change before update of status on rowlock.ticket_orders
for each row when (old.status is distinct from new.status) execute function rowlock.refuse_state_change();
create or replace trigger state_change before update of status on rowlock.payment_intents
for each row when (old.status is distinct from new.status) execute function rowlock.refuse_state_change();
create or replace trigger state_change before update of status on rowlock.refunds
for each row when (old.status is distinct from new.status) execute function rowlock.refuse_state_change();
create or replace trigger state_change before update of status on rowlock.tickets
for each row when (old.status is distinct from new.status) execute function rowlock.refuse_state_change();
