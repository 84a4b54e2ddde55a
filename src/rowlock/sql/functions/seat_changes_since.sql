-- seat_changes_since: the current state of those seats of a show that changed after a position in the audit log.
--
-- The audit log tells which seats have changed, the claims tell their state. A reader that applies the rows of a newer
-- call over those of an older one has the state as of the newer call, in whatever order events were committed. Without
-- a position all claims are returned. There is always at least one row, with seat_id null when no seat has changed.
--
-- Position  last_id is the highest audit id seen. A transaction with a lower id may still be running, so it is safe to
--           continue from last_id only once a later call returns horizon >= this call's next_xid.
--
-- Locks     nothing.
-- Outcomes  rows (status available, reserved, sold or blocked); none when there is no such show, or a draft.
-- Writes    nothing.
create or replace function rowlock.seat_changes_since(p_show_id uuid, p_after_id bigint default null)
returns table (
    seats_total integer,
    last_id bigint,
    horizon xid8,
    next_xid xid8,
    server_time timestamptz,
    seat_id integer,
    status text,
    reserved_until timestamptz
)
language plpgsql
stable
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    v_total   integer;
    v_last    bigint;
    v_changed integer[];
    v_now     timestamptz := clock_timestamp();
begin
    select s.seats_total into v_total from shows as s where s.show_id = p_show_id and s.status <> 'draft';
    if not found then
        return;
    end if;
    select coalesce(max(a.id), p_after_id, 0)
    into v_last
    from seat_reservation_audit_log as a
    where a.id > coalesce(p_after_id, -1) and a.event <> 'failed';

    if p_after_id is null then
        return query
        select v_total, v_last, pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmax(pg_current_snapshot()), v_now,
            c.seat_id, c.status, c.reserved_until
        from (select 1) as one
        left join show_seats as c
            on c.show_id = p_show_id and (c.status <> 'reserved' or c.reserved_until > v_now);
    else
        select array_agg(distinct e.seat_id)
        into v_changed
        from seat_reservation_audit_log as a,
            lateral (
                select unnest(a.seat_ids)
                union
                select m.value::integer from jsonb_array_elements_text(a.metadata -> 'added') as m (value)
                union
                select m.value::integer from jsonb_array_elements_text(a.metadata -> 'removed') as m (value)
            ) as e (seat_id)
        where a.id > p_after_id and a.show_id = p_show_id and a.event <> 'failed';
        return query
        select v_total, v_last, pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmax(pg_current_snapshot()), v_now,
            e.seat_id, coalesce(c.status, 'available'), c.reserved_until
        from (select 1) as one
        left join unnest(v_changed) as e (seat_id) on true
        left join show_seats as c
            on c.show_id = p_show_id and c.seat_id = e.seat_id
            and (c.status <> 'reserved' or c.reserved_until > v_now);
    end if;
end
$$;
comment on function rowlock.seat_changes_since is
    'The state of the seats of a show that changed after a position in the audit log; of all claims without one.';
revoke all on function rowlock.seat_changes_since from public;
