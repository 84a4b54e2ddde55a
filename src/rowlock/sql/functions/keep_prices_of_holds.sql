-- keep_prices_of_holds: give the live holds of a show that moves their prices under the categories of the new plan.
--
-- A price names its category by its number in the plan, and the numbers change with the plan. A hold of the version that
-- the show had goes on with the version that it has now. A hold of an earlier one gets a version of its own: the prices
-- that its holder was shown, by the names of the categories, and for a category without one those of now. A part of
-- move_show_atomic, which has locked the holds.
--
-- Locks     nothing more.
-- Outcomes  none.
-- Writes    show_prices, show_price_lists, seat_reservations.
create or replace function rowlock.keep_prices_of_holds(
    p_show_id uuid,
    p_old_version integer,       -- of the show until now
    p_new_version integer,       -- of the show from now on; no version is newer
    p_old_categories jsonb,      -- of the plan that the show had
    p_new_categories jsonb
)
returns void
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_hold record;
begin
    for v_hold in
        select h.price_version, p_new_version + (row_number() over (order by h.price_version))::integer as new_version
        from (
            select distinct a.price_version
            from seat_reservations as a
            where a.show_id = p_show_id and a.status = 'active' and a.price_version <> p_old_version
        ) as h
        order by h.price_version
    loop
        insert into show_price_lists (show_id, price_version, fee_per_order_minor)
        select p_show_id, v_hold.new_version, coalesce(max(l.fee_per_order_minor), 0)
        from show_price_lists as l
        where l.show_id = p_show_id and l.price_version = v_hold.price_version;
        insert into show_prices (show_id, price_version, category, price_type, amount_minor, fee_minor, tax_basis_points)
        select
            p_show_id, v_hold.new_version, n.position - 1, p.price_type, p.amount_minor, p.fee_minor, p.tax_basis_points
        from jsonb_array_elements(p_new_categories) with ordinality as n (category, position)
        cross join lateral (
            select max(k.category) as number
            from show_prices as k
            where k.show_id = p_show_id and k.price_version = v_hold.price_version
                and p_old_categories -> k.category ->> 'name' = n.category ->> 'name'
        ) as was
        join show_prices as p
            on p.show_id = p_show_id
            and (p.price_version, p.category) in (
                (case when was.number is null then p_new_version else v_hold.price_version end,
                 coalesce(was.number, n.position - 1))
            );
        update seat_reservations as a
        set price_version = v_hold.new_version
        where a.show_id = p_show_id and a.status = 'active' and a.price_version = v_hold.price_version;
    end loop;
    update seat_reservations as a
    set price_version = p_new_version
    where a.show_id = p_show_id and a.status = 'active' and a.price_version = p_old_version;
end
$$;
comment on function rowlock.keep_prices_of_holds is
    'Give the live holds of a show that moves their prices under the new plan; a part of move_show_atomic.';
revoke all on function rowlock.keep_prices_of_holds from public;
