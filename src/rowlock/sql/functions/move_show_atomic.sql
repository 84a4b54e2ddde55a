-- move_show_atomic: take a show to another version of its seating plan, or to another plan of its venue.
--
-- A seat keeps its number for as long as it is claimed: claims, orders, tickets and the audit log name it by that number.
-- So the move is refused, and says for which seats, unless every seat that is sold, held, blocked or part of a pending order
-- is the same seat in the new plan: the same number with the same label and kind; and, where its price is still to be
-- paid, in the category of the same name and position. Seats that are blocked because the plan does not sell their
-- category are blocked anew as the new plan says.
--
-- The prices of a category go with its name, as a new version with the same fee per order. Holds keep theirs, by name
-- too: those of a version that the show had before get a version of their own, so that a seat that is added to them has
-- the price that its category had then, or, if the category is new, the one that it has now. A category
-- that had no price needs one in p_categories and p_amounts_minor (adult, minor units). The show's fee per ticket is added
-- to it, unless it is free, and it gets the tax rate of its adult prices.
--
-- Locks     the plan of the show, alone (an advisory lock; whoever claims free seats by number has it shared); the show;
--           then its active holds, by id; then its claims, by seat id. The clock is read after all of them.
-- Outcomes  in precedence: SHOW_NOT_FOUND, PLAN_NOT_FOUND (there is none, or it is of another venue), OK (the show is in
--           that plan already), PRICES_MISSING (see categories), SEATS_IN_THE_WAY (see seat_ids), OK.
-- Writes    shows, show_prices, show_price_lists, show_seats, seat_reservations (lapsed holds are retired, the version
--           of the others' prices changes), one audit row
--           for each lapsed hold (expired), at most one for the seats that were blocked by the old plan (unblocked), one for each category that
--           the new plan does not sell (blocked), and one for the move (moved). Nothing when it is refused.
create or replace function rowlock.move_show_atomic(
    p_show_id uuid,
    p_plan_id uuid,
    p_categories text[] default '{}',
    p_amounts_minor bigint[] default '{}',
    p_session_id text default null,
    p_ip_address inet default null,
    p_actor text default null
)
returns table (
    outcome text,
    plan_id uuid,
    seats_total integer,
    seat_ids integer[],
    categories text[],
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
    v_show     shows%rowtype;
    v_total    integer;
    v_prices   integer;        -- the version of the prices from now on
    v_fee      bigint;         -- the fee per ticket, and
    v_tax      integer;        -- the tax rate of adults, for a category that had no price
    v_old      jsonb;          -- the categories of the plan that the show has
    v_new      jsonb;          -- those of the plan that it shall have
    v_unpriced text[];
    v_holds    uuid[];
    v_lapsed   uuid[];
    v_in_way   integer[];
    v_by_plan  integer[];      -- seats that are blocked because the old plan does not sell them
    v_now      timestamptz;
    v_outcome  text;
begin
    -- Whoever has read the old plan and is about to claim a seat by its number ends first; whoever comes reads the new one.
    perform pg_advisory_xact_lock(hashtextextended(p_show_id::text, 0));
    -- step: plan_locked
    select * into v_show from shows as s where s.show_id = p_show_id for update;
    -- step: show_locked
    select n.seats_total, n.layout -> 'categories', o.layout -> 'categories'
    into v_total, v_new, v_old
    from seating_plans as o
    join seating_plans as n on n.venue_id = o.venue_id
    where o.plan_id = v_show.plan_id and n.plan_id = p_plan_id;
    v_outcome := case
        when v_show.show_id is null then 'SHOW_NOT_FOUND'
        when v_total is null then 'PLAN_NOT_FOUND'
        when v_show.plan_id = p_plan_id then 'OK'
    end;
    if v_outcome is not null then
        return query select v_outcome, v_show.plan_id, v_show.seats_total, '{}'::integer[], '{}'::text[], clock_timestamp();
        return;
    end if;

    select coalesce(array_agg(l.reservation_id), '{}')
    into v_holds
    from (
        select a.reservation_id
        from seat_reservations as a
        where a.show_id = p_show_id and a.status = 'active'
        order by a.reservation_id
        for update
    ) as l;
    -- step: reservations_locked
    perform from (
        select c.seat_id from show_seats as c where c.show_id = p_show_id order by c.seat_id for update
    ) as l;
    -- step: seats_locked
    v_now := clock_timestamp();

    select coalesce(array_agg(n.category ->> 'name' order by n.position), '{}')
    into v_unpriced
    from jsonb_array_elements(v_new) with ordinality as n (category, position)
    where coalesce((n.category ->> 'for_sale')::boolean, true)
        and n.category ->> 'name' <> all(p_categories)
        and not exists (
            select from show_prices as p
            where p.show_id = p_show_id and p.price_version = v_show.price_version
                and v_old -> p.category ->> 'name' = n.category ->> 'name'
        );

    select coalesce(array_agg(c.seat_id), '{}')
    into v_by_plan
    from show_seats as c
    join seats as o on o.plan_id = v_show.plan_id and o.seat_id = c.seat_id
    where c.show_id = p_show_id and c.status = 'blocked'
        and v_old -> o.category ->> 'for_sale' = 'false'
        and c.block_reason = 'not for sale: ' || (v_old -> o.category ->> 'name');

    select coalesce(array_agg(distinct t.seat_id order by t.seat_id), '{}')
    into v_in_way
    from (
        select c.seat_id, c.status = 'reserved' as is_to_be_paid
        from show_seats as c
        where c.show_id = p_show_id and c.seat_id <> all(v_by_plan)
            and (c.status <> 'reserved' or c.reserved_until > v_now)
        union all
        -- A late payer's seats are claimed again when the order is completed.
        select i.seat_id, true
        from ticket_orders as r
        join ticket_order_items as i using (show_id, order_id)
        where r.show_id = p_show_id and r.status = 'pending'
    ) as t
    join seats as o on o.plan_id = v_show.plan_id and o.seat_id = t.seat_id
    left join seats as n on n.plan_id = p_plan_id and n.seat_id = t.seat_id
    where (n.label, n.kind) is distinct from (o.label, o.kind)
        or (
            t.is_to_be_paid
            and (n.category, v_new -> n.category ->> 'name')
                is distinct from (o.category, v_old -> o.category ->> 'name')
        );

    v_outcome := case
        when cardinality(v_unpriced) > 0 then 'PRICES_MISSING'
        when cardinality(v_in_way) > 0 then 'SEATS_IN_THE_WAY'
        else 'OK'
    end;
    if v_outcome = 'OK' then
        v_lapsed := array(
            select a.reservation_id from seat_reservations as a
            where a.show_id = p_show_id and a.reservation_id = any(v_holds) and a.expires_at <= v_now
        );
        with retired as (
            update seat_reservations as a
            set status = 'expired', ended_at = v_now
            where a.show_id = p_show_id and a.reservation_id = any(v_lapsed)
            returning a.reservation_id, a.session_id, a.expires_at, a.created_at
        ),
        freed as (
            delete from show_seats as c
            where c.show_id = p_show_id and c.status = 'reserved' and c.reservation_id = any(v_lapsed)
            returning c.seat_id, c.reservation_id
        )
        insert into seat_reservation_audit_log (show_id, reservation_id, event, seat_ids, session_id, metadata, actor)
        select
            p_show_id, d.reservation_id, 'expired',
            array(select f.seat_id from freed as f where f.reservation_id = d.reservation_id order by 1),
            d.session_id, jsonb_build_object('held_seconds', extract(epoch from d.expires_at - d.created_at)), p_actor
        from retired as d;

        if cardinality(v_by_plan) > 0 then
            delete from show_seats as c where c.show_id = p_show_id and c.seat_id = any(v_by_plan);
            insert into seat_reservation_audit_log (show_id, event, seat_ids, session_id, ip_address, metadata, actor)
            values (
                p_show_id, 'unblocked', v_by_plan, p_session_id, p_ip_address, '{"operation": "move"}', p_actor
            );
        end if;
        with blocked as (
            insert into show_seats as c (show_id, seat_id, status, block_reason)
            select p_show_id, n.seat_id, 'blocked', 'not for sale: ' || (v_new -> n.category ->> 'name')
            from seats as n
            where n.plan_id = p_plan_id and v_new -> n.category ->> 'for_sale' = 'false'
            order by n.seat_id
            on conflict (show_id, seat_id) do nothing
            returning c.seat_id, c.block_reason
        )
        insert into seat_reservation_audit_log (show_id, event, seat_ids, session_id, ip_address, metadata, actor)
        select
            p_show_id, 'blocked', array_agg(b.seat_id order by b.seat_id), p_session_id, p_ip_address,
            jsonb_build_object('operation', 'move', 'reason', b.block_reason), p_actor
        from blocked as b
        group by b.block_reason;

        v_prices := 1 + greatest(
            v_show.price_version,
            (select max(p.price_version) from show_prices as p where p.show_id = p_show_id),
            (select max(l.price_version) from show_price_lists as l where l.show_id = p_show_id)
        );
        select coalesce(max(p.fee_minor), 0), coalesce(max(p.tax_basis_points) filter (where p.price_type = 'adult'), 0)
        into v_fee, v_tax
        from show_prices as p
        where p.show_id = p_show_id and p.price_version = v_show.price_version;
        insert into show_price_lists (show_id, price_version, fee_per_order_minor)
        select p_show_id, v_prices, coalesce(max(l.fee_per_order_minor), 0)
        from show_price_lists as l
        where l.show_id = p_show_id and l.price_version = v_show.price_version;
        insert into show_prices
            (show_id, price_version, category, price_type, amount_minor, fee_minor, tax_basis_points)
        select
            p_show_id, v_prices, n.position - 1, p.price_type, p.amount_minor, p.fee_minor, p.tax_basis_points
        from jsonb_array_elements(v_new) with ordinality as n (category, position)
        join show_prices as p
            on p.show_id = p_show_id and p.price_version = v_show.price_version
            and v_old -> p.category ->> 'name' = n.category ->> 'name'
        union all
        select
            p_show_id, v_prices, n.position - 1, 'adult', g.amount_minor + f.fee_minor, f.fee_minor, v_tax
        from jsonb_array_elements(v_new) with ordinality as n (category, position)
        join unnest(p_categories, p_amounts_minor) as g (name, amount_minor) on g.name = n.category ->> 'name'
        cross join lateral (select case when g.amount_minor > 0 then v_fee else 0 end as fee_minor) as f
        where not exists (
            select from show_prices as p
            where p.show_id = p_show_id and p.price_version = v_show.price_version
                and v_old -> p.category ->> 'name' = n.category ->> 'name'
        );
        perform keep_prices_of_holds(p_show_id, v_show.price_version, v_prices, v_old, v_new);
        update shows as s
        set plan_id = p_plan_id, seats_total = v_total, price_version = v_prices
        where s.show_id = p_show_id;
        insert into seat_reservation_audit_log (show_id, event, session_id, ip_address, metadata, actor)
        values (
            p_show_id, 'moved', p_session_id, p_ip_address,
            jsonb_build_object('operation', 'move', 'from_plan_id', v_show.plan_id, 'to_plan_id', p_plan_id), p_actor
        );
    end if;
    -- step: written

    return query select
        v_outcome, case when v_outcome = 'OK' then p_plan_id else v_show.plan_id end,
        case when v_outcome = 'OK' then v_total else v_show.seats_total end,
        case when v_outcome = 'SEATS_IN_THE_WAY' then v_in_way else '{}' end, v_unpriced, clock_timestamp();
end
$$;
comment on function rowlock.move_show_atomic is
    'Take a show to another plan of its venue that keeps every claimed seat, or say which seats are in the way. Repeatable.';
revoke all on function rowlock.move_show_atomic from public;
