-- find_reservation: one hold, for its owner, with its deadline and status.
--
-- The caller owns a hold if it gives the secret of its token (p_secret) or its holder (p_reserved_by). Without a
-- reservation id it is the live hold of that holder. status is expired from the deadline on.
--
-- Locks     nothing.
-- Outcomes  one row; none when there is no such hold, or it is another's: the same answer for both.
-- Writes    nothing.
create or replace function rowlock.find_reservation(
    p_show_id uuid,
    p_reservation_id uuid default null,
    p_secret bytea default null,
    p_reserved_by text default null
)
returns table (
    show_id uuid,
    reservation_id uuid,
    status text,
    seat_ids integer[],
    wish_hash bytea,
    created_at timestamptz,
    expires_at timestamptz,
    extension_count integer,
    extensions_remaining integer,
    plan_id uuid,
    currency text,
    price_version integer,
    server_time timestamptz
)
language plpgsql
stable
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
    v_id  uuid := p_reservation_id;
begin
    if v_id is null then
        select a.reservation_id
        into v_id
        from seat_reservations as a
        where a.show_id = p_show_id and a.reserved_by = p_reserved_by and a.status = 'active' and a.expires_at > v_now;
    end if;
    return query
    select
        a.show_id, a.reservation_id,
        case when a.status = 'active' and a.expires_at <= v_now then 'expired' else a.status end,
        a.seat_ids, a.wish_hash, a.created_at, a.expires_at, a.extension_count,
        greatest(0, s.max_extensions - a.extension_count), s.plan_id, s.currency, a.price_version, v_now
    from seat_reservations as a
    join shows as s on s.show_id = a.show_id
    where a.show_id = p_show_id and a.reservation_id = v_id
        and (a.token_hash = sha256(p_secret) or a.reserved_by = p_reserved_by);
end
$$;
comment on function rowlock.find_reservation is 'One hold, for the owner of its token or its holder.';
revoke all on function rowlock.find_reservation from public;
