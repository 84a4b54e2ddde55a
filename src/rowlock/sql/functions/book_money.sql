-- book_money: write one movement of money into the ledger: what comes to the provider, or leaves it, and whose it is.
--
-- A part of the functions that move money, in their transaction. The two entries sum to zero. A movement is written once.
--
-- Locks     nothing; the caller has locked the order.
-- Outcomes  none.
-- Writes    ledger_entries; nothing for an amount of 0, or when the movement is there.
create or replace function rowlock.book_money(
    p_show_id uuid,
    p_movement_id uuid,
    p_order_id uuid,
    p_account text,               -- whose the money is: sales, owed or disputed
    p_amount_minor bigint,        -- what comes to the provider; negative for what leaves it
    p_fee_minor bigint,           -- what the provider keeps of it for itself
    p_currency text,
    p_at text default 'provider'  -- where the money is: provider, or credit for what moves from one order to another
)
returns void
language plpgsql
security definer
set search_path = rowlock, pg_temp
as $$
#variable_conflict use_column
begin
    insert into ledger_entries (show_id, movement_id, account, order_id, amount_minor, currency)
    select p_show_id, p_movement_id, e.account, p_order_id, e.amount_minor, p_currency
    from (
        values (p_at, p_amount_minor - p_fee_minor), (p_account, -p_amount_minor), ('fees', p_fee_minor)
    ) as e (account, amount_minor)
    where e.amount_minor <> 0
        and not exists (
            select from ledger_entries as k where k.show_id = p_show_id and k.movement_id = p_movement_id
        );
end
$$;
comment on function rowlock.book_money is
    'Write a movement of money into the ledger; a part of the functions that move money.';
revoke all on function rowlock.book_money from public;
