-- take_outbox_messages: messages that are due, for a worker that has them for itself for a while.
--
-- A message is due again when that time is over, so the work of a worker that died is done by another. A message may
-- therefore be worked on twice, and what is done with it has to bear that.
--
-- Locks     messages that no other transaction has locked; it does not wait for others.
-- Outcomes  a row for each message, oldest first.
-- Writes    outbox_messages.
create or replace function rowlock.take_outbox_messages(p_limit integer, p_seconds integer)
returns table (
    message_id bigint,
    show_id uuid,
    order_id uuid,
    kind text,
    payload jsonb,
    attempts integer,
    created_at timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    with due as (
        select m.message_id
        from outbox_messages as m
        where m.done_at is null and m.next_attempt_at <= clock_timestamp()
        order by m.message_id
        limit p_limit
        for update skip locked
    ),
    taken as (
        update outbox_messages as m
        set attempts = m.attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => p_seconds)
        from due as d
        where m.message_id = d.message_id
        returning m.message_id, m.show_id, m.order_id, m.kind, m.payload, m.attempts, m.created_at
    )
    select * from taken as t order by t.message_id;
    -- step: written
end
$$;
comment on function rowlock.take_outbox_messages is 'Messages that are due, for one worker for a while.';
revoke all on function rowlock.take_outbox_messages from public;
