-- finish_outbox_message: a message is done, or is to be tried again later.
--
-- Locks     the message.
-- Outcomes  none.
-- Writes    outbox_messages.
create or replace function rowlock.finish_outbox_message(
    p_message_id bigint,
    p_error text,                 -- null when it is done
    p_retry_seconds integer       -- null: not again; it stays listed with its error
)
returns void
language plpgsql
security definer
set search_path = rowlock, pg_temp
as $$
begin
    update outbox_messages as m
    set done_at = case when p_error is null then clock_timestamp() end,
        last_error = left(p_error, 1000),
        next_attempt_at = case
            when p_error is null then m.next_attempt_at
            when p_retry_seconds is null then '9999-12-31 00:00:00+00'
            else clock_timestamp() + make_interval(secs => p_retry_seconds)
        end
    where m.message_id = p_message_id and m.done_at is null;
end
$$;
comment on function rowlock.finish_outbox_message is 'A message of the outbox is done, or is to be tried again.';
revoke all on function rowlock.finish_outbox_message from public;
