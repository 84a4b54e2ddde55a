"""A trigger of the tests: whatever changes a state in a way that `state_changes` does not list fails.

The product has no triggers. With this one, a test of many functions is also a test of the table and its diagrams.
"""

from typing import LiteralString

import psycopg

_FUNCTION: LiteralString = """
    create or replace function rowlock_state_guard() returns trigger language plpgsql security definer as $$
    begin
        if not exists (
            select from rowlock.state_changes as c
            where c.subject = tg_table_name and c.from_state = old.status and c.to_state = new.status
        ) then
            raise exception 'a row of % that is % cannot become %', tg_table_name, old.status, new.status;
        end if;
        return new;
    end
    $$
"""
_TRIGGER: LiteralString = """
    create or replace trigger state_guard before update of status on rowlock.{table}
    for each row when (old.status is distinct from new.status) execute function public.rowlock_state_guard()
"""
GUARDED = ("ticket_orders", "payment_intents", "refunds", "tickets", "disputes", "ticket_exchanges")


async def guard_states(owner: psycopg.AsyncConnection) -> None:
    """Let every other change fail from now on in this database."""
    await owner.execute("set search_path = public, rowlock")
    await owner.execute(_FUNCTION)
    await owner.execute("reset search_path")
    for table in GUARDED:
        await owner.execute(_TRIGGER.format(table=table).encode())
