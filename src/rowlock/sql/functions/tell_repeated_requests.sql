-- tell_repeated_requests: the answers to a batch of reserve_seats_batch in which requests are repeated ones (REPLAY).
--
-- A repeated request is told the present state of its hold. A known id with another holder or secret gets INVALID_INPUT,
-- which reveals nothing about that hold. A part of reserve_seats_batch.
--
-- Locks     none.
-- Outcomes  those given, and in place of REPLAY, in precedence: INVALID_INPUT, IDEMPOTENCY_KEY_REUSED,
--           RESERVATION_EXPIRED, RESERVATION_NOT_ACTIVE, OK.
-- Writes    nothing.
create or replace function rowlock.tell_repeated_requests(
    p_show_id uuid,
    p_outcomes text[],           -- by request, as the arrays below; null is OK
    p_reservation_ids uuid[],
    p_secrets bytea[],
    p_wish_hashes bytea[],
    p_reserved_by text[],
    p_seat_lists text[],         -- array literals
    p_unavailable text[],        -- array literals
    p_max_extensions integer
)
returns table (
    request integer,
    outcome text,
    reservation_id uuid,
    status text,
    seat_ids integer[],
    unavailable_seat_ids integer[],
    expires_at timestamptz,
    extension_count integer,
    extensions_remaining integer,
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
begin
    return query
    select
        u.request::integer,
        case
            when u.outcome <> 'REPLAY' then u.outcome
            when k.reservation_id is null then 'INVALID_INPUT'
            when k.wish_hash <> u.wish_hash then 'IDEMPOTENCY_KEY_REUSED'
            when k.status = 'expired' then 'RESERVATION_EXPIRED'
            when k.status <> 'active' then 'RESERVATION_NOT_ACTIVE'
            else 'OK'
        end,
        u.reservation_id,
        k.status,
        coalesce(k.seat_ids, u.seat_list::integer[]),
        case when u.outcome in ('SEATS_UNAVAILABLE', 'ACCESSIBLE_SEATS') then u.unavailable::integer[] end,
        k.expires_at,
        k.extension_count,
        case when k.extension_count is not null then greatest(0, p_max_extensions - k.extension_count) end,
        v_now
    from (
        select
            i.request, coalesce(i.outcome, 'OK'), i.reservation_id, i.secret,
            coalesce(i.wish_hash, sha256(i.seat_list::bytea)), i.reserved_by, i.seat_list, i.unavailable
        from unnest(
                p_outcomes, p_reservation_ids, p_secrets, p_wish_hashes, p_reserved_by, p_seat_lists, p_unavailable
            ) with ordinality
            as i (outcome, reservation_id, secret, wish_hash, reserved_by, seat_list, unavailable, request)
    ) as u (request, outcome, reservation_id, secret, wish_hash, reserved_by, seat_list, unavailable)
    left join lateral (
        select
            a.reservation_id, a.wish_hash, a.seat_ids, a.expires_at, a.extension_count,
            case when a.status = 'active' and a.expires_at <= v_now then 'expired' else a.status end as status
        from seat_reservations as a
        where u.outcome in ('OK', 'REPLAY')
            and a.show_id = p_show_id
            and a.reservation_id = u.reservation_id
            and a.reserved_by = u.reserved_by
            and a.token_hash is not distinct from sha256(u.secret)
    ) as k on true
    order by u.request;
end
$$;
comment on function rowlock.tell_repeated_requests is
    'The answers to a batch with repeated requests; a part of reserve_seats_batch.';
revoke all on function rowlock.tell_repeated_requests from public;
