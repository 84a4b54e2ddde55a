-- change_seats_within_limits: add and drop seats of a live hold in one step, without releasing the others.
--
-- The result is (held + p_add) - p_remove. Adding a held seat or removing one that is not held changes nothing, so
-- that a call whose answer was lost can be repeated. The deadline does not move. The caller owns the hold if it
-- gives the secret of its token (p_secret) or the holder (p_reserved_by). p_accessible says whether wheelchair and
-- companion places may be added; p_limits are those of limit_holds, of which held seats count here; null for none.
--
-- Locks     the plan of the show, shared with all but move_show_atomic; the client of the hold, when seats are added; the
--           reservation row and its pending order, then held and added seats together, in seat order, in one statement.
--           The clock is read after all of them: a hold that ran out during the wait is refused.
-- Outcomes  in precedence: INVALID_INPUT, RESERVATION_NOT_FOUND, RESERVATION_NOT_ACTIVE, RESERVATION_EXPIRED,
--           ORDER_BEING_PAID (unless the change is in effect already), then when seats are added TOO_MANY_SEATS,
--           SEATS_NOT_FOUND, ACCESSIBLE_SEATS, SHOW_NOT_ON_SALE, TOO_MANY_HOLDS and SEATS_UNAVAILABLE, and OK.
-- Writes    seat_reservations, show_seats, one audit row (changed; none when nothing had to change) or what
--           log_refusals writes. A pending order of the hold is cancelled, because an order contains exactly the seats
--           of its hold.
create or replace function rowlock.change_seats_within_limits(
    p_show_id uuid,
    p_reservation_id uuid,
    p_add integer[],
    p_remove integer[],
    p_accessible boolean,
    p_limits integer[],
    p_secret bytea,
    p_reserved_by text,
    p_session_id text,
    p_ip_address inet,
    p_user_agent text
)
returns table (
    outcome text,
    reservation_id uuid,
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
    v_show    shows%rowtype;
    v_hold    seat_reservations%rowtype;
    v_add     integer[];
    v_remove  integer[];
    v_after   integer[];
    v_locked  integer[];
    v_kept    bigint;
    v_fresh   integer[];       -- claims that this call made, held seats included
    v_paying  boolean;
    v_missing integer[];
    v_client  inet;
    v_many    constant integer := 1000000000;
    v_now     timestamptz;
    v_outcome text;
begin
    -- move_show_atomic waits until this call has ended, because seat ids are those of the plan that is read now.
    perform pg_advisory_xact_lock_shared(hashtextextended(p_show_id::text, 0));
    select * into v_show from shows where show_id = p_show_id;
    if p_limits is not null and cardinality(p_add) > 0 then
        -- The limits are looked at below, but in the order of locks clients precede reservations.
        select client into v_client from seat_reservations
        where show_id = p_show_id and reservation_id = p_reservation_id;
        perform pg_advisory_xact_lock(hashtextextended(v_client::text, hashtextextended(p_show_id::text, 0)));
    end if;
    select * into v_hold
    from seat_reservations
    where show_id = p_show_id and reservation_id = p_reservation_id
        and (token_hash = sha256(p_secret) or reserved_by = p_reserved_by)
    for update;
    v_paying := lock_pending_order(p_show_id, v_hold.reservation_id);
    -- step: reservation_locked

    -- Only changes that are not in effect yet, because the call may be a repetition.
    v_add := array(
        select distinct a from unnest(p_add) as a where a <> all(coalesce(v_hold.seat_ids, '{}')) order by a
    );
    v_remove := array(select distinct h from unnest(v_hold.seat_ids) as h where h = any(p_remove) order by h);
    v_after := array(
        select s from unnest(v_hold.seat_ids || v_add) as s where s <> all(coalesce(p_remove, '{}')) order by s
    );
    v_now := clock_timestamp();
    v_outcome := case
        when
            coalesce(cardinality(p_add), 0) + coalesce(cardinality(p_remove), 0) = 0
            or p_add && p_remove
            or array_position(p_add, null) is not null or array_position(p_remove, null) is not null
            or 1 > any(p_add) or 1 > any(p_remove)
            or (v_hold.reservation_id is not null and cardinality(v_after) = 0)
            then 'INVALID_INPUT'
        when v_hold.reservation_id is null then 'RESERVATION_NOT_FOUND'
        when v_hold.status = 'expired' then 'RESERVATION_EXPIRED'
        when v_hold.status <> 'active' then 'RESERVATION_NOT_ACTIVE'
        when v_hold.expires_at <= v_now then 'RESERVATION_EXPIRED'
        when cardinality(v_add) + cardinality(v_remove) > 0 and v_paying then 'ORDER_BEING_PAID'
        -- A limit that was lowered since does not keep a holder from giving seats back.
        when cardinality(v_add) > 0 and cardinality(v_after) > v_show.max_seats_per_reservation then 'TOO_MANY_SEATS'
        when v_show.seats_total < any(v_add) then 'SEATS_NOT_FOUND'
        when
            p_accessible is not true and exists (
                select from seats as a
                where a.plan_id = v_show.plan_id and a.seat_id = any(v_add) and a.kind <> 'standard'
            )
            then 'ACCESSIBLE_SEATS'
        when
            cardinality(v_add) > 0 and (
                v_show.status <> 'on_sale' or v_show.sales_start_at > v_now or v_show.sales_close_at <= v_now
            )
            then 'SHOW_NOT_ON_SALE'
        when cardinality(v_add) + cardinality(v_remove) = 0 then 'OK'
    end;
    if v_outcome is null and cardinality(v_add) > cardinality(v_remove) and v_client is not null then
        -- A change is no new hold.
        select l.r_outcomes[1]
        into v_outcome
        from limit_holds(
            p_show_id, array[p_limits[1], v_many, v_many, v_many, p_limits[5]], v_show.seats_total,
            v_show.max_hold_seconds, array[null::text], array[v_client], array[v_hold.reserved_by],
            array[v_add[1 : cardinality(v_add) - cardinality(v_remove)]::text]
        ) as l;
    end if;

    if v_outcome is null then
        with locked as (
            insert into show_seats as c (show_id, seat_id, status, reservation_id, reserved_by, reserved_until)
            select p_show_id, s.seat_id, 'reserved', p_reservation_id, v_hold.reserved_by, v_hold.expires_at
            from unnest(v_hold.seat_ids || v_add) as s (seat_id)
            order by s.seat_id
            on conflict (show_id, seat_id) do update
            set reserved_until = c.reserved_until
            where c.status = 'reserved'
                and (c.reservation_id = p_reservation_id or c.reserved_until <= clock_timestamp())
            -- An inserted row has no xmax; of an updated one it is this transaction.
            returning c.seat_id, c.reservation_id, c.xmax = 0 as fresh
        )
        select
            coalesce(array_agg(l.seat_id), '{}'),
            count(*) filter (where l.reservation_id = p_reservation_id and l.seat_id <> all(v_add) and not l.fresh),
            array_agg(l.seat_id) filter (where l.fresh)
        into v_locked, v_kept, v_fresh
        from locked as l;
        -- step: seats_locked

        v_now := clock_timestamp();
        v_missing := array(select a from unnest(v_add) as a where a <> all(v_locked));
        v_outcome := case
            -- A claim that no longer belongs to this hold was taken over after the deadline.
            when v_hold.expires_at <= v_now or v_kept < cardinality(v_hold.seat_ids) then 'RESERVATION_EXPIRED'
            when cardinality(v_missing) > 0 then 'SEATS_UNAVAILABLE'
            else 'OK'
        end;

        if v_outcome = 'OK' then
            update show_seats as c
            set reservation_id = p_reservation_id,
                reserved_by = v_hold.reserved_by,
                reserved_until = v_hold.expires_at
            where c.show_id = p_show_id and c.seat_id = any(v_add) and c.reservation_id <> p_reservation_id;
            delete from show_seats as c
            where c.show_id = p_show_id and c.seat_id = any(v_remove) and c.reservation_id = p_reservation_id;
            update seat_reservations as a
            set seat_ids = v_after
            where a.show_id = p_show_id and a.reservation_id = p_reservation_id;
            v_hold.seat_ids := v_after;
            perform cancel_pending_order(p_show_id, p_reservation_id);
        else
            -- Remove the claims that this call made.
            delete from show_seats as c
            where c.show_id = p_show_id and c.seat_id = any(v_fresh) and c.reservation_id = p_reservation_id;
        end if;
    end if;

    if v_outcome <> 'OK' then
        perform log_refusals(
            p_show_id, array[v_outcome], array[p_reservation_id], array[(v_add || v_remove)::text],
            array[coalesce(p_session_id, v_hold.session_id)], array[p_ip_address], array[p_user_agent],
            jsonb_build_object('operation', 'change')
        );
    elsif cardinality(v_add) + cardinality(v_remove) > 0 then
        insert into seat_reservation_audit_log
            (show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent, metadata)
        values (
            p_show_id, p_reservation_id, 'changed', v_hold.seat_ids, coalesce(p_session_id, v_hold.session_id),
            p_ip_address, p_user_agent,
            jsonb_build_object('operation', 'change', 'added', to_jsonb(v_add), 'removed', to_jsonb(v_remove))
        );
    end if;
    -- step: written

    return query select v_outcome, p_reservation_id, v_hold.seat_ids,
        case
            when v_outcome = 'SEATS_UNAVAILABLE' then v_missing
            when v_outcome = 'ACCESSIBLE_SEATS' then array(
                select a.seat_id from seats as a
                where a.plan_id = v_show.plan_id and a.seat_id = any(v_add) and a.kind <> 'standard'
                order by a.seat_id
            )
        end,
        v_hold.expires_at, v_hold.extension_count,
        greatest(0, v_show.max_extensions - v_hold.extension_count), v_now;
end
$$;
comment on function rowlock.change_seats_within_limits is
    'Add and drop seats of a live hold in one step, all or nothing, for its owner. Repeatable.';
revoke all on function rowlock.change_seats_within_limits from public;
