-- show_listing: every show with its venue, lowest price, fee per order and number of seats still available.
create or replace view rowlock.show_listing as
select
    s.show_id,
    s.slug,
    s.title,
    s.plan_id,
    v.name as venue,
    v.time_zone,
    o.name as organization,
    s.starts_at,
    s.sales_start_at,
    s.sales_end_at,
    case
        when s.status in ('draft', 'cancelled', 'closed') then s.status
        when s.sales_close_at <= clock_timestamp() then 'closed'
        when s.status = 'paused' then 'paused'
        when s.sales_start_at > clock_timestamp() then 'announced'
        else 'on_sale'
    end as status,
    s.currency,
    (
        select min(p.amount_minor) from rowlock.show_prices as p
        where p.show_id = s.show_id and p.price_version = s.price_version
    ) as price_from_minor,
    s.seats_total,
    s.seats_total - (select count(*) from rowlock.seat_states as c where c.show_id = s.show_id)::integer
        as seats_available,
    s.max_seats_per_reservation,
    s.hold_seconds,
    s.extension_seconds,
    s.max_extensions,
    s.created_at,
    s.sales_close_at,
    s.doors_at,
    s.ends_at,
    s.description,
    s.image_url,
    v.address as venue_address,
    v.access_notes as venue_access_notes,
    v.step_free_sections,
    coalesce(
        (
            select l.fee_per_order_minor from rowlock.show_price_lists as l
            where l.show_id = s.show_id and l.price_version = s.price_version
        ),
        0
    ) as fee_per_order_minor
from rowlock.shows as s
join rowlock.seating_plans as pl using (plan_id)
join rowlock.venues as v using (venue_id)
join rowlock.organizations as o on o.organization_id = coalesce(s.organization_id, v.organization_id);
comment on view rowlock.show_listing is
    'What a buyer may know about a show. status: announced (sales open later), on_sale, paused, closed (also a show that has begun), cancelled, draft.';
