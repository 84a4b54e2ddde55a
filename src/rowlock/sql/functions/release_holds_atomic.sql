-- release_holds_atomic: give back every seat of holds that staff name, for their holders.
--
-- Locks     as release_seats_batch.
-- Outcomes  as release_seats_batch, in the same precedence, by hold.
-- Writes    as release_seats_batch; the audit rows have p_actor.
create or replace function rowlock.release_holds_atomic(
    p_show_id uuid,
    p_reservation_ids uuid[],
    p_actor text
)
returns table (
    outcome text,
    reservation_id uuid,
    released_seat_ids integer[],
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_holders text[];
begin
    -- The holder of a hold never changes.
    select array_agg(a.reserved_by order by r.place)
    into v_holders
    from unnest(p_reservation_ids) with ordinality as r (reservation_id, place)
    left join seat_reservations as a on a.show_id = p_show_id and a.reservation_id = r.reservation_id;
    return query
    select b.outcome, b.reservation_id, b.released_seat_ids, b.server_time
    from release_seats_batch(
        p_show_id, p_reservation_ids, null, v_holders, null, null, null, p_actor
    ) as b
    order by b.request;
end
$$;
comment on function rowlock.release_holds_atomic is
    'Give back every seat of the holds that staff name. Repeatable. One row per hold.';
revoke all on function rowlock.release_holds_atomic from public;
