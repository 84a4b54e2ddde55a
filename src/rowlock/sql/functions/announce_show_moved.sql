-- announce_show_moved: have every buyer with tickets told that a show begins at another time.
--
-- Called in the transaction that moves the show, so that there is no move without its mails. The worker tells the buyers,
-- in batches (tell_buyers_of_move). A draft has no buyers, a cancelled show other mails, and one that is over no readers.
--
-- Locks     nothing.
-- Outcomes  whether there is something to tell.
-- Writes    one outbox message (show_moved).
create or replace function rowlock.announce_show_moved(
    p_show_id uuid,
    p_starts_at timestamptz,      -- what it was
    p_doors_at timestamptz
)
returns boolean
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    insert into outbox_messages (kind, show_id, payload)
    select
        'show_moved', s.show_id,
        jsonb_build_object('move_id', gen_random_uuid(), 'starts_at', p_starts_at, 'doors_at', p_doors_at)
    from shows as s
    where s.show_id = p_show_id and s.status not in ('draft', 'cancelled')
        and (s.starts_at, s.doors_at) is distinct from (p_starts_at, p_doors_at)
        and greatest(s.starts_at, p_starts_at) > clock_timestamp();
    return found;
end
$$;
comment on function rowlock.announce_show_moved is
    'Have every buyer with tickets told that a show begins at another time; the worker mails them.';
revoke all on function rowlock.announce_show_moved from public;
